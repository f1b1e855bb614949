#!/usr/bin/env python3
"""Make an ONNX model with the layers of YOLOv8n and made-up weights.

For measuring speed: same layers, shapes, parameters and arithmetic as YOLOv8n
with 80 classes at 640 x 640, but weights that nobody trained, so it detects
nothing and its licence is ours. What costs time does not depend on what the
weights are.

* body: Conv-SiLU, C2f and SPPF blocks at depth 0.33 and width 0.25, batch
  normalisation folded into the convolutions;
* neck: top-down and bottom-up paths with concatenation;
* head: per stride 8, 16 and 32 one branch for box sides (16 bins each, as in
  Li et al., "Generalized Focal Loss", arXiv:2006.04388) and one for classes.

Input `images` (batch, 3, 640, 640), RGB / 255. Output `output0`
(batch, 84, 8400): per cell the box's centre x, centre y, width and height in the
input's pixels, then 80 class scores after the sigmoid. FP32, opset 17.

Weights are integers from -14 to 14 (bell-shaped, from a counter-based generator
with a fixed seed) times one scale per layer with 7 significant bits. So they
are exact in float16 too, their file packs well, and the same arguments give the
same bytes with any version of numpy. Scales follow He et al.,
arXiv:1502.01852, with SiLU's second moment; except in the first layer each
filter sums to zero, which keeps layers from settling on constants. The class
branch's bias leaves tens to hundreds of a photograph's 672 000 scores above 0.05.

The architecture follows its published description:
https://docs.ultralytics.com/models/yolov8/ (3.2 M parameters, 8.7 GFLOPs).
"""

from __future__ import annotations

import argparse
import hashlib
import math
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx

from onnx_writer import GraphWriter, Shape

SIZE = 640
CLASSES = 80
BINS = 16
BOX_SIDES = 4
STRIDES = (8, 16, 32)
CELLS = sum((SIZE // stride) ** 2 for stride in STRIDES)

PARAMETERS = 3_151_904
GFLOPS = (8.6, 8.8)

SEED = 0x526F6164_70726F6F
PIXEL_POWER = 0.33  # second moment of a pixel / 255, uniform noise
SILU_POWER = 0.356  # E[silu(x)^2] for x ~ N(0, 1), by numerical integration
LEVEL_POWER = 21.0  # variance of a sum of four integers, each uniform in 0..7
CLASS_GAIN = 15.0  # this and the bias: by trial on photographs
CLASS_BIAS = -7.9
BOX_SLOPE = -0.25  # bias per bin: boxes of about two to eight cells


@dataclass(frozen=True)
class Tensor:
    """A feature map (batch, channels, side, side)."""

    name: str
    channels: int
    side: int


class Numbers:
    """Integers from splitmix64 (Steele et al., 2014, doi:10.1145/2660193.2660195) in counter mode."""

    def __init__(self, seed: int) -> None:
        self.state = seed

    def words(self, count: int) -> np.ndarray:
        """`count` numbers of 64 bits."""
        golden = 0x9E3779B97F4A7C15
        with np.errstate(over="ignore"):
            z = np.uint64(self.state) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(golden)
            z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        self.state = (self.state + count * golden) % 2**64
        return z ^ (z >> np.uint64(31))

    def levels(self, rows: int, columns: int) -> np.ndarray:
        """Integers from -14 to 14, bell-shaped; each row sums to zero where `columns` is even."""
        half = (columns + 1) // 2
        bits = self.words(rows * half).reshape(rows, half)
        parts = [(bits >> np.uint64(shift)) & np.uint64(7) for shift in (0, 3, 6, 9)]
        level = sum(part.astype(np.int64) for part in parts) - 14
        level = np.concatenate([level, -level], axis=1)[:, :columns]
        order = np.argsort(self.words(rows * columns).reshape(rows, columns), axis=1, kind="stable")
        return np.take_along_axis(level, order, axis=1)


def round_scale(scale: float) -> float:
    """`scale` with 7 significant bits: times a level it is exact in float16."""
    mantissa, exponent = math.frexp(scale)
    return math.ldexp(round(mantissa * 128) / 128, exponent)


class Network:
    """Writes the layers and counts what they cost."""

    def __init__(self, batch: int | str) -> None:
        self.batch = batch
        self.writer = GraphWriter()
        self.numbers = Numbers(SEED)
        self.parameters = 0
        self.macs = 0

    def shape(self, *rest: int) -> Shape:
        return (self.batch, *rest)

    def constant(self, name: str, values: list[int] | np.ndarray) -> str:
        array = np.array(values, np.int64) if isinstance(values, list) else values
        return self.writer.weight(name, array)

    def convolve(
        self, x: Tensor, channels: int, kernel: int, stride: int, power: float, bias: np.ndarray, gain: float = 1.0
    ) -> Tensor:
        """Convolution that keeps the side (over the stride); `power` is the input's second moment."""
        number = self.writer.numbers["conv"]
        fan_in = x.channels * kernel * kernel
        scale = round_scale(gain / math.sqrt(fan_in * power * LEVEL_POWER))
        weights = self.numbers.levels(channels, fan_in) * scale
        side = x.side // stride
        self.parameters += weights.size + bias.size
        self.macs += weights.size * side * side
        inputs = [
            x.name,
            self.writer.weight(
                f"conv_{number}_weight", weights.astype(np.float32).reshape(channels, -1, kernel, kernel)
            ),
            self.writer.weight(f"conv_{number}_bias", bias.astype(np.float32)),
        ]
        name = self.writer.emit(
            "Conv",
            inputs,
            self.shape(channels, side, side),
            kernel_shape=[kernel, kernel],
            strides=[stride, stride],
            pads=[kernel // 2] * 4,
        )
        return Tensor(name, channels, side)

    def block(self, x: Tensor, channels: int, kernel: int = 3, stride: int = 1, power: float = SILU_POWER) -> Tensor:
        """Convolution, then SiLU: x times its sigmoid."""
        bias = self.numbers.levels(1, channels)[0] / 64.0
        y = self.convolve(x, channels, kernel, stride, power, bias)
        shape = self.shape(channels, y.side, y.side)
        gate = self.writer.emit("Sigmoid", [y.name], shape)
        return Tensor(self.writer.emit("Mul", [y.name, gate], shape), channels, y.side)

    def concat(self, parts: list[Tensor]) -> Tensor:
        channels, side = sum(part.channels for part in parts), parts[0].side
        name = self.writer.emit("Concat", [part.name for part in parts], self.shape(channels, side, side), axis=1)
        return Tensor(name, channels, side)

    def halves(self, x: Tensor) -> list[Tensor]:
        """The first and the second half of the channels."""
        half = x.channels // 2
        bounds = [self.constant(f"to_{end}", [end]) for end in (0, half, x.channels)]
        axis = self.constant("channel_axis", [1])
        shape = self.shape(half, x.side, x.side)
        return [
            Tensor(self.writer.emit("Slice", [x.name, start, end, axis], shape), half, x.side)
            for start, end in zip(bounds, bounds[1:], strict=False)
        ]

    def c2f(self, x: Tensor, channels: int, depth: int, shortcut: bool) -> Tensor:
        """Two halves, a chain of bottlenecks from the second, and all of them joined."""
        parts = self.halves(self.block(x, channels, kernel=1))
        for _ in range(depth):
            last = parts[-1]
            y = self.block(self.block(last, last.channels), last.channels)
            if shortcut:
                name = self.writer.emit("Add", [last.name, y.name], self.shape(y.channels, y.side, y.side))
                y = Tensor(name, y.channels, y.side)
            parts.append(y)
        return self.block(self.concat(parts), channels, kernel=1)

    def sppf(self, x: Tensor) -> Tensor:
        """Three poolings of 5 x 5 in a row, and all of them joined."""
        parts = [self.block(x, x.channels // 2, kernel=1)]
        for _ in range(3):
            last = parts[-1]
            shape = self.shape(last.channels, last.side, last.side)
            name = self.writer.emit("MaxPool", [last.name], shape, kernel_shape=[5, 5], strides=[1, 1], pads=[2] * 4)
            parts.append(Tensor(name, last.channels, last.side))
        return self.block(self.concat(parts), x.channels, kernel=1)

    def upsample(self, x: Tensor) -> Tensor:
        """Twice the side, nearest neighbour."""
        scales = self.constant("twice", np.array([1, 1, 2, 2], np.float32))
        shape = self.shape(x.channels, x.side * 2, x.side * 2)
        attributes = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
        return Tensor(self.writer.emit("Resize", [x.name, "", scales], shape, **attributes), x.channels, x.side * 2)

    def branch(self, x: Tensor, width: int, channels: int, bias: np.ndarray, gain: float) -> str:
        """One branch of the head: (batch, channels, cells of its stride)."""
        y = self.block(self.block(x, width), width)
        y = self.convolve(y, channels, 1, 1, SILU_POWER, bias, gain)
        shape = self.constant(f"flat_{channels}", [0, channels, -1])
        return self.writer.emit("Reshape", [y.name, shape], self.shape(channels, y.side * y.side))

    def head(self, features: list[Tensor]) -> str:
        """Boxes and scores of every cell: (batch, 4 + classes, cells)."""
        narrow = features[0].channels
        box_width, class_width = max(16, narrow // 4, BOX_SIDES * BINS), max(narrow, min(CLASSES, 100))
        slope = np.tile(BOX_SLOPE * np.arange(BINS), BOX_SIDES)
        sides = [self.branch(x, box_width, BOX_SIDES * BINS, slope, 1.0) for x in features]
        base = np.full(CLASSES, CLASS_BIAS)
        logits = [self.branch(x, class_width, CLASSES, base, CLASS_GAIN) for x in features]
        emit, shape = self.writer.emit, self.shape
        boxes = self.decode(emit("Concat", sides, shape(BOX_SIDES * BINS, CELLS), axis=2))
        scores = emit("Sigmoid", [emit("Concat", logits, shape(CLASSES, CELLS), axis=2)], shape(CLASSES, CELLS))
        return emit("Concat", [boxes, scores], shape(BOX_SIDES + CLASSES, CELLS), axis=1)

    def decode(self, logits: str) -> str:
        """Centre, width and height in pixels from the sides' bins: (batch, 4, cells)."""
        emit, shape = self.writer.emit, self.shape
        split = self.constant("sides_and_bins", [0, BOX_SIDES, BINS, CELLS])
        bins = emit("Reshape", [logits, split], shape(BOX_SIDES, BINS, CELLS))
        bins = emit("Transpose", [bins], shape(BINS, BOX_SIDES, CELLS), perm=[0, 2, 1, 3])
        bins = emit("Softmax", [bins], shape(BINS, BOX_SIDES, CELLS), axis=1)
        expectation = self.constant("bin_values", np.arange(BINS, dtype=np.float32).reshape(1, BINS, 1, 1))
        self.parameters += BINS
        self.macs += BINS * BOX_SIDES * CELLS
        sides = emit("Conv", [bins, expectation], shape(1, BOX_SIDES, CELLS), kernel_shape=[1, 1])
        sides = emit("Reshape", [sides, self.constant("sides", [0, BOX_SIDES, CELLS])], shape(BOX_SIDES, CELLS))
        axis = self.constant("channel_axis", [1])
        bounds = [self.constant(f"to_{end}", [end]) for end in (0, 2, 4)]
        before = emit("Slice", [sides, bounds[0], bounds[1], axis], shape(2, CELLS))
        behind = emit("Slice", [sides, bounds[1], bounds[2], axis], shape(2, CELLS))
        centres, strides = cell_centres()
        centre = self.constant("cell_centres", centres[None])
        low = emit("Sub", [centre, before], shape(2, CELLS))
        high = emit("Add", [centre, behind], shape(2, CELLS))
        half = self.constant("half", np.array(0.5, np.float32))
        middle = emit("Mul", [emit("Add", [low, high], shape(2, CELLS)), half], shape(2, CELLS))
        size = emit("Sub", [high, low], shape(2, CELLS))
        boxes = emit("Concat", [middle, size], shape(BOX_SIDES, CELLS), axis=1)
        return emit("Mul", [boxes, self.constant("cell_strides", strides[None, None])], shape(BOX_SIDES, CELLS))


def cell_centres() -> tuple[np.ndarray, np.ndarray]:
    """Per cell its centre (2, cells), in cells, and its stride (cells,), in pixels."""
    centres, strides = [], []
    for stride in STRIDES:
        side = SIZE // stride
        y, x = np.divmod(np.arange(side * side), side)
        centres.append(np.stack([x + 0.5, y + 0.5]))
        strides.append(np.full(side * side, stride))
    return np.concatenate(centres, axis=1).astype(np.float32), np.concatenate(strides).astype(np.float32)


def build(batch: int | str) -> tuple[onnx.ModelProto, int, float]:
    """The model, its number of parameters, and its GFLOPs per image (twice the multiply-accumulates)."""
    net = Network(batch)
    x = net.block(Tensor("images", 3, SIZE), 16, stride=2, power=PIXEL_POWER)
    x = net.c2f(net.block(x, 32, stride=2), 32, 1, shortcut=True)
    p3 = net.c2f(net.block(x, 64, stride=2), 64, 2, shortcut=True)
    p4 = net.c2f(net.block(p3, 128, stride=2), 128, 2, shortcut=True)
    p5 = net.sppf(net.c2f(net.block(p4, 256, stride=2), 256, 1, shortcut=True))

    down4 = net.c2f(net.concat([net.upsample(p5), p4]), 128, 1, shortcut=False)
    out3 = net.c2f(net.concat([net.upsample(down4), p3]), 64, 1, shortcut=False)
    out4 = net.c2f(net.concat([net.block(out3, 64, stride=2), down4]), 128, 1, shortcut=False)
    out5 = net.c2f(net.concat([net.block(out4, 128, stride=2), p5]), 256, 1, shortcut=False)

    result = net.head([out3, out4, out5])
    shape = net.writer.shapes.pop(result)
    net.writer.nodes[-1].output[0] = "output0"
    model = net.writer.model(
        "yolov8n-shaped",
        ("images", net.shape(3, SIZE, SIZE)),
        [("output0", shape)],
        producer="roadproof make_yolov8n_shaped",
    )
    return model, net.parameters, 2 * net.macs / 1e9


def batch_size(text: str) -> int | str:
    """`dynamic` or a number from 1."""
    if text == "dynamic":
        return "batch"
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected 'dynamic' or a number from 1, found '{text}'")
    return int(text)


def manifest(name: str, sha256: str) -> str:
    """The model's manifest; the classes' names are those of the reference model."""
    reference = Path(__file__).resolve().parents[2] / "models" / "nanodet-g.toml"
    text = reference.read_text(encoding="utf-8")
    classes = text[text.index("[classes]") :]
    return f"""\
# Layers of YOLOv8n, weights that nobody trained: for measuring speed. It detects nothing.
format = 1
name = "{name}"
file = "{name}.onnx"
sha256 = "{sha256}"
source = "scripts/models/make_yolov8n_shaped.py"
licence = "Apache-2.0"

[input]
width = {SIZE}
height = {SIZE}
layout = "nchw"
colour = "rgb"
mean = [0.0, 0.0, 0.0]
std = [255.0, 255.0, 255.0]
resize = "letterbox"
pad_value = 114
interpolation = "linear"

[decoder]
type = "yolov8"

[thresholds]
score = 0.05
nms_iou = 0.6
max_detections = 100

{classes}"""


def main() -> int:
    parser = argparse.ArgumentParser(
        description="Make a model with YOLOv8n's layers and made-up weights, and its manifest.",
        epilog="example: make_yolov8n_shaped.py --batch dynamic yolov8n-shaped.onnx",
    )
    parser.add_argument("output", type=Path, help="ONNX file; the manifest goes beside it, as .toml")
    parser.add_argument("--batch", type=batch_size, default=1, metavar="dynamic|N", help="images per run (default: 1)")
    arguments = parser.parse_args()
    output: Path = arguments.output
    if output.suffix != ".onnx":
        print(f"make_yolov8n_shaped: {output}: expected a name that ends in .onnx", file=sys.stderr)
        return 2
    model, parameters, gflops = build(arguments.batch)
    print(f"{parameters} parameters, {gflops:.2f} GFLOPs per image")
    if parameters != PARAMETERS or not GFLOPS[0] <= gflops <= GFLOPS[1]:
        print(
            f"make_yolov8n_shaped: expected {PARAMETERS} parameters and {GFLOPS[0]} to {GFLOPS[1]} GFLOPs",
            file=sys.stderr,
        )
        return 1
    data = model.SerializeToString(deterministic=True)
    sha256 = hashlib.sha256(data).hexdigest()
    try:
        for path, content in (
            (output, data),
            (output.with_suffix(".toml"), manifest(output.stem, sha256).encode()),
        ):
            partial = path.with_name(path.name + ".partial")
            partial.write_bytes(content)
            os.replace(partial, path)
    except OSError as error:
        print(f"make_yolov8n_shaped: {error}", file=sys.stderr)
        return 1
    print(f"{output}: {len(data)} bytes, sha256 {sha256}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
