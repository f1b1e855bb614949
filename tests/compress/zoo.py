"""Small detectors with random weights, in the structures that YOLOX, YOLOv8 and RT-DETR have.

Built node by node from what the papers and their figures describe, at small widths: what counts is that every kind of
block, branch and head is there, with all that compression has to find its way through.

- YOLOX: Ge et al., "YOLOX: Exceeding YOLO Series in 2021", arXiv 2107.08430.
- YOLOv8: Jocher et al., Ultralytics YOLOv8 (2023); Generalized Focal Loss's distributions, Li et al., arXiv 2006.04388.
- RT-DETR: Zhao et al., "DETRs Beat YOLOs on Real-time Object Detection", arXiv 2304.08069; deformable attention, Zhu et
  al., "Deformable DETR", arXiv 2010.04159.
"""

from __future__ import annotations

import hashlib
import math
from pathlib import Path

import numpy
import onnx
from onnx import TensorProto, helper, numpy_helper

CLASSES = ["person", "car", "bicycle"]
OPSET = 17


class Builder:
    """A graph that grows node by node; every method gives the name of what it makes."""

    def __init__(self, seed: int, side: int) -> None:
        self.random = numpy.random.default_rng(seed)
        self.side = side
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.counts: dict[str, int] = {}

    def name(self, kind: str) -> str:
        self.counts[kind] = self.counts.get(kind, 0) + 1
        return f"{kind}_{self.counts[kind]}"

    def constant(self, values: numpy.ndarray | list, kind: str = "constant") -> str:
        values = numpy.asarray(values)
        if values.dtype == numpy.float64:
            values = values.astype(numpy.float32)
        name = self.name(kind)
        self.constants.append(numpy_helper.from_array(values, name))
        return name

    def node(self, operator: str, *inputs: str, outputs: int = 1, **attributes: object) -> str | list[str]:
        name = self.name(operator.lower())
        made = [name] if outputs == 1 else [f"{name}_{number}" for number in range(outputs)]
        self.nodes.append(helper.make_node(operator, list(inputs), made, name=name, **attributes))
        return made[0] if outputs == 1 else made

    def weights(self, *shape: int) -> str:
        """Of such a size that activations neither vanish nor grow from layer to layer."""
        fan_in = math.prod(shape[1:])
        return self.constant(self.random.normal(0, math.sqrt(2 / fan_in), shape), "weight")

    def conv(
        self,
        x: str,
        inputs: int,
        outputs: int,
        kernel: int = 1,
        stride: int = 1,
        groups: int = 1,
        bias: bool | numpy.ndarray = True,
    ) -> str:
        parameters = [self.weights(outputs, inputs // groups, kernel, kernel)]
        if bias is not False:
            values = self.random.normal(0, 0.1, outputs) if bias is True else bias
            parameters.append(self.constant(values, "bias"))
        pad = kernel // 2
        return self.node(
            "Conv", x, *parameters, kernel_shape=[kernel] * 2, strides=[stride] * 2, pads=[pad] * 4, group=groups
        )

    def norm(self, x: str, channels: int) -> str:
        parameters = [
            self.constant(self.random.uniform(0.5, 1.5, channels), "scale"),
            self.constant(self.random.normal(0, 0.1, channels), "shift"),
            self.constant(self.random.normal(0, 0.1, channels), "mean"),
            self.constant(self.random.uniform(0.5, 1.5, channels), "variance"),
        ]
        return self.node("BatchNormalization", x, *parameters, epsilon=1e-3)

    def silu(self, x: str) -> str:
        return self.node("Mul", x, self.node("Sigmoid", x))

    def upsample(self, x: str) -> str:
        scales = self.constant(numpy.array([1, 1, 2, 2], numpy.float32))
        return self.node(
            "Resize", x, "", scales, mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor"
        )

    def concat(self, *parts: str, axis: int = 1) -> str:
        return self.node("Concat", *parts, axis=axis)

    def reshape(self, x: str, *shape: int) -> str:
        return self.node("Reshape", x, self.constant(numpy.array(shape, numpy.int64)))

    def transpose(self, x: str, *order: int) -> str:
        return self.node("Transpose", x, perm=list(order))

    def slice(self, x: str, starts: list[int], ends: list[int], axes: list[int], steps: list[int]) -> str:
        bounds = [self.constant(numpy.array(bound, numpy.int64)) for bound in (starts, ends, axes, steps)]
        return self.node("Slice", x, *bounds)

    def scalar(self, operator: str, x: str, value: float) -> str:
        return self.node(operator, x, self.constant(numpy.array(value, numpy.float32)))

    def model(self, outputs: dict[str, tuple[str, list[int]]]) -> onnx.ModelProto:
        """`outputs`: name in the interface -> tensor and its shape."""
        for name, (tensor, _) in outputs.items():
            self.nodes.append(helper.make_node("Identity", [tensor], [name], name=f"as_{name}"))
        graph = helper.make_graph(
            self.nodes,
            "zoo",
            [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, self.side, self.side])],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, (_, shape) in outputs.items()],
            self.constants,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
        onnx.checker.check_model(model, full_check=True)
        return model


class Yolox(Builder):
    """Focus, CSPDarknet with spatial pyramid pooling, PAFPN, decoupled heads."""

    STRIDES = (8, 16, 32)

    def block(self, x: str, inputs: int, outputs: int, kernel: int = 1, stride: int = 1) -> str:
        return self.silu(self.norm(self.conv(x, inputs, outputs, kernel, stride, bias=False), outputs))

    def focus(self, x: str, outputs: int) -> str:
        """The four pixels of every 2 x 2 side by side as channels."""
        far = 2**31 - 1
        corners = [self.slice(x, [row, column], [far, far], [2, 3], [2, 2]) for column in (0, 1) for row in (0, 1)]
        return self.block(self.concat(*corners), 12, outputs, 3)

    def csp(self, x: str, inputs: int, outputs: int, depth: int, shortcut: bool = True) -> str:
        """Cross stage partial layer: one half through bottlenecks, the other past them."""
        hidden = outputs // 2
        main, short = self.block(x, inputs, hidden), self.block(x, inputs, hidden)
        for _ in range(depth):
            inner = self.block(self.block(main, hidden, hidden), hidden, hidden, 3)
            main = self.node("Add", inner, main) if shortcut else inner
        return self.block(self.concat(main, short), hidden * 2, outputs)

    def spp(self, x: str, channels: int) -> str:
        hidden = channels // 2
        x = self.block(x, channels, hidden)
        pools = [
            self.node("MaxPool", x, kernel_shape=[size] * 2, strides=[1, 1], pads=[size // 2] * 4)
            for size in (5, 9, 13)
        ]
        return self.block(self.concat(x, *pools), hidden * 4, channels)

    def head(self, x: str, inputs: int, width: int) -> str:
        stem = self.block(x, inputs, width)
        classes = self.block(self.block(stem, width, width, 3), width, width, 3)
        boxes = self.block(self.block(stem, width, width, 3), width, width, 3)
        scores = self.node("Sigmoid", self.conv(classes, width, len(CLASSES)))
        objectness = self.node("Sigmoid", self.conv(boxes, width, 1))
        return self.concat(self.conv(boxes, width, 4), objectness, scores)

    def build(self, width: int = 8) -> onnx.ModelProto:
        x = self.focus("images", width)
        x = self.csp(self.block(x, width, width * 2, 3, 2), width * 2, width * 2, 1)
        third = self.csp(self.block(x, width * 2, width * 4, 3, 2), width * 4, width * 4, 2)
        fourth = self.csp(self.block(third, width * 4, width * 8, 3, 2), width * 8, width * 8, 2)
        fifth = self.spp(self.block(fourth, width * 8, width * 16, 3, 2), width * 16)
        fifth = self.csp(fifth, width * 16, width * 16, 1, shortcut=False)

        lateral = self.block(fifth, width * 16, width * 8)
        x = self.csp(self.concat(self.upsample(lateral), fourth), width * 16, width * 8, 1, shortcut=False)
        reduced = self.block(x, width * 8, width * 4)
        low = self.csp(self.concat(self.upsample(reduced), third), width * 8, width * 4, 1, shortcut=False)
        middle = self.concat(self.block(low, width * 4, width * 4, 3, 2), reduced)
        middle = self.csp(middle, width * 8, width * 8, 1, shortcut=False)
        high = self.concat(self.block(middle, width * 8, width * 8, 3, 2), lateral)
        high = self.csp(high, width * 16, width * 16, 1, shortcut=False)

        rows, count = [], 0
        for level, channels, stride in zip((low, middle, high), (4, 8, 16), self.STRIDES, strict=True):
            cells = (self.side // stride) ** 2
            count += cells
            rows.append(self.reshape(self.head(level, width * channels, width * 4), 1, 5 + len(CLASSES), cells))
        predictions = self.transpose(self.concat(*rows, axis=2), 0, 2, 1)
        return self.model({"predictions": (predictions, [1, count, 5 + len(CLASSES)])})


class Yolov8(Builder):
    """C2f backbone with SPPF, PAN neck, anchor-free head with distributions. Normalisations are folded, as exports have
    them."""

    BINS = 16
    STRIDES = (8, 16, 32)

    def block(self, x: str, inputs: int, outputs: int, kernel: int = 1, stride: int = 1) -> str:
        return self.silu(self.conv(x, inputs, outputs, kernel, stride))

    def c2f(self, x: str, inputs: int, outputs: int, depth: int, shortcut: bool) -> str:
        """Split in halves; every bottleneck's output is kept and all are joined."""
        hidden = outputs // 2
        halves = self.constant(numpy.array([hidden, hidden], numpy.int64))
        parts = self.node("Split", self.block(x, inputs, outputs), halves, outputs=2, axis=1)
        for _ in range(depth):
            inner = self.block(self.block(parts[-1], hidden, hidden, 3), hidden, hidden, 3)
            parts.append(self.node("Add", parts[-1], inner) if shortcut else inner)
        return self.block(self.concat(*parts), hidden * (2 + depth), outputs)

    def sppf(self, x: str, channels: int) -> str:
        hidden = channels // 2
        parts = [self.block(x, channels, hidden)]
        for _ in range(3):
            parts.append(self.node("MaxPool", parts[-1], kernel_shape=[5, 5], strides=[1, 1], pads=[2] * 4))
        return self.block(self.concat(*parts), hidden * 4, channels)

    def branch(self, x: str, inputs: int, width: int, bias: numpy.ndarray) -> str:
        x = self.block(self.block(x, inputs, width, 3), width, width, 3)
        return self.conv(x, width, len(bias), bias=bias)

    def build(self, width: int = 8) -> onnx.ModelProto:
        bins, classes = self.BINS, len(CLASSES)
        x = self.block("images", 3, width, 3, 2)
        x = self.c2f(self.block(x, width, width * 2, 3, 2), width * 2, width * 2, 1, True)
        third = self.c2f(self.block(x, width * 2, width * 4, 3, 2), width * 4, width * 4, 2, True)
        fourth = self.c2f(self.block(third, width * 4, width * 8, 3, 2), width * 8, width * 8, 2, True)
        fifth = self.c2f(self.block(fourth, width * 8, width * 16, 3, 2), width * 16, width * 16, 1, True)
        fifth = self.sppf(fifth, width * 16)

        middle = self.c2f(self.concat(self.upsample(fifth), fourth), width * 24, width * 8, 1, False)
        low = self.c2f(self.concat(self.upsample(middle), third), width * 12, width * 4, 1, False)
        middle = self.concat(self.block(low, width * 4, width * 4, 3, 2), middle)
        middle = self.c2f(middle, width * 12, width * 8, 1, False)
        high = self.concat(self.block(middle, width * 8, width * 8, 3, 2), fifth)
        high = self.c2f(high, width * 24, width * 16, 1, False)

        rows, points, strides = [], [], []
        for level, channels, stride in zip((low, middle, high), (4, 8, 16), self.STRIDES, strict=True):
            # low bins are likely, so that boxes are smaller than the image
            boxes = self.branch(level, width * channels, width * 4, numpy.tile(numpy.arange(bins) * -0.8, 4))
            scores = self.branch(level, width * channels, width * 4, numpy.full(classes, -2.0))
            cells = self.side // stride
            rows.append(self.reshape(self.concat(boxes, scores), 1, 4 * bins + classes, cells * cells))
            centres = numpy.arange(cells) + 0.5
            points.append(numpy.stack(numpy.meshgrid(centres, centres), 0).reshape(2, -1))
            strides.append(numpy.full((1, cells * cells), stride))
        points, strides = numpy.concatenate(points, 1)[None], numpy.concatenate(strides, 1)[None]
        count = points.shape[2]

        sizes = self.constant(numpy.array([4 * bins, classes], numpy.int64))
        boxes, scores = self.node("Split", self.concat(*rows, axis=2), sizes, outputs=2, axis=1)
        # the mean of each side's distribution, as a convolution with the numbers of the bins
        sides = self.transpose(self.reshape(boxes, 1, 4, bins, count), 0, 2, 1, 3)
        numbers = self.constant(numpy.arange(bins, dtype=numpy.float32).reshape(1, bins, 1, 1))
        sides = self.node("Conv", self.node("Softmax", sides, axis=1), numbers, kernel_shape=[1, 1])
        sides = self.reshape(sides, 1, 4, count)
        halves = self.constant(numpy.array([2, 2], numpy.int64))
        before, after = self.node("Split", sides, halves, outputs=2, axis=1)
        anchors = self.constant(points)
        start, end = self.node("Sub", anchors, before), self.node("Add", anchors, after)
        centre = self.scalar("Div", self.node("Add", start, end), 2.0)
        boxes = self.node("Mul", self.concat(centre, self.node("Sub", end, start)), self.constant(strides * 1.0))
        predictions = self.concat(boxes, self.node("Sigmoid", scores))
        return self.model({"predictions": (predictions, [1, 4 + classes, count])})


class Rtdetr(Builder):
    """Residual backbone, intra-scale attention and cross-scale fusion, queries chosen among the features, one decoder
    layer with self-attention and deformable attention."""

    HEADS = 4
    POINTS = 2
    QUERIES = 12

    def block(self, x: str, inputs: int, outputs: int, kernel: int = 1, stride: int = 1, act: bool = True) -> str:
        x = self.norm(self.conv(x, inputs, outputs, kernel, stride, bias=False), outputs)
        return self.node("Relu", x) if act else x

    def basic(self, x: str, inputs: int, outputs: int, stride: int) -> str:
        """Residual block; a projection where shapes differ."""
        inner = self.block(self.block(x, inputs, outputs, 3, stride), outputs, outputs, 3, act=False)
        same = stride == 1 and inputs == outputs
        return self.node(
            "Relu", self.node("Add", inner, x if same else self.block(x, inputs, outputs, 1, stride, False))
        )

    def rep(self, x: str, channels: int) -> str:
        """A 3 x 3 and a 1 x 1 convolution side by side, added."""
        three = self.block(x, channels, channels, 3, act=False)
        return self.silu(self.node("Add", three, self.block(x, channels, channels, 1, act=False)))

    def fusion(self, a: str, b: str, width: int) -> str:
        joined = self.concat(a, b)
        main, short = self.block(joined, width * 2, width), self.block(joined, width * 2, width)
        return self.node("Add", self.rep(main, width), short)

    def dense(self, x: str, inputs: int, outputs: int) -> str:
        weight = self.constant(self.random.normal(0, math.sqrt(1 / inputs), (inputs, outputs)), "weight")
        bias = self.constant(self.random.normal(0, 0.1, outputs), "bias")
        return self.node("Add", self.node("MatMul", x, weight), bias)

    def layer_norm(self, x: str, width: int) -> str:
        scale = self.constant(self.random.uniform(0.8, 1.2, width), "scale")
        return self.node("LayerNormalization", x, scale, self.constant(numpy.zeros(width), "shift"), axis=-1)

    def gelu(self, x: str) -> str:
        half = self.scalar("Mul", x, 0.5)
        erf = self.node("Erf", self.scalar("Div", x, math.sqrt(2)))
        return self.node("Mul", half, self.scalar("Add", erf, 1.0))

    def heads(self, x: str, count: int, width: int) -> str:
        """(1, N, width) -> (1, heads, N, width / heads)"""
        return self.transpose(self.reshape(x, 1, count, self.HEADS, width // self.HEADS), 0, 2, 1, 3)

    def attention(self, query: str, value: str, count: int, width: int) -> str:
        q, k, v = (self.heads(self.dense(x, width, width), count, width) for x in (query, query, value))
        scores = self.node("MatMul", q, self.transpose(k, 0, 1, 3, 2))
        scores = self.node("Softmax", self.scalar("Div", scores, math.sqrt(width // self.HEADS)), axis=-1)
        joined = self.reshape(self.transpose(self.node("MatMul", scores, v), 0, 2, 1, 3), 1, count, width)
        return self.dense(joined, width, width)

    def feed_forward(self, x: str, width: int) -> str:
        return self.dense(self.gelu(self.dense(x, width, width * 2)), width * 2, width)

    def rows(self, x: str, width: int, cells: int) -> str:
        """(1, width, h, w) -> (1, h w, width)"""
        return self.transpose(self.reshape(x, 1, width, cells), 0, 2, 1)

    def intra_scale(self, x: str, width: int, side: int) -> str:
        """One encoder layer over the cells of the coarsest level."""
        rows = self.rows(x, width, side * side)
        position = self.constant(self.random.normal(0, 0.5, (1, side * side, width)))
        attended = self.attention(self.node("Add", rows, position), rows, side * side, width)
        rows = self.layer_norm(self.node("Add", rows, attended), width)
        rows = self.layer_norm(self.node("Add", rows, self.feed_forward(rows, width)), width)
        return self.reshape(self.transpose(rows, 0, 2, 1), 1, width, side, side)

    def deformable(self, query: str, reference: str, levels: list[tuple[str, int]], width: int) -> str:
        """Every query looks at a few points around its box's centre, on each level."""
        heads, points, queries, inner = self.HEADS, self.POINTS, self.QUERIES, width // self.HEADS
        samples = len(levels) * points
        weights = self.reshape(self.dense(query, width, heads * samples), 1, queries, heads, samples)
        weights = self.transpose(self.node("Softmax", weights, axis=-1), 0, 2, 1, 3)
        weights = self.reshape(weights, heads, 1, queries, samples)
        offsets = self.reshape(self.dense(query, width, heads * samples * 2), queries, heads, samples, 2)
        box = self.reshape(reference, queries, 1, 1, 4)
        centre = self.slice(box, [0], [2], [3], [1])
        size = self.slice(box, [2], [4], [3], [1])
        scaled = self.node("Mul", self.scalar("Mul", offsets, 0.5 / points), size)
        # from [0, 1] to the grid's [-1, 1]
        grid = self.scalar("Sub", self.scalar("Mul", self.node("Add", centre, scaled), 2.0), 1.0)
        grid = self.transpose(grid, 1, 0, 2, 3)
        sampled = []
        for number, (level, side) in enumerate(levels):
            value = self.reshape(self.conv(level, width, width), heads, inner, side, side)
            part = self.slice(grid, [number * points], [(number + 1) * points], [2], [1])
            sampled.append(self.node("GridSample", value, part, mode="bilinear", padding_mode="zeros"))
        # (heads, inner, queries, samples) weighted and summed over the samples
        summed = self.node(
            "ReduceSum",
            self.node("Mul", self.concat(*sampled, axis=3), weights),
            self.constant(numpy.array([3], numpy.int64)),
            keepdims=0,
        )
        return self.dense(self.reshape(self.transpose(summed, 2, 0, 1), 1, queries, width), width, width)

    def inverse_sigmoid(self, x: str) -> str:
        low, high = (self.constant(numpy.array(value, numpy.float32)) for value in (1e-4, 1 - 1e-4))
        x = self.node("Clip", x, low, high)
        rest = self.node("Sub", self.constant(numpy.array(1.0, numpy.float32)), x)
        return self.node("Log", self.node("Div", x, rest))

    def mlp(self, x: str, width: int, outputs: int) -> str:
        return self.dense(self.node("Relu", self.dense(x, width, width)), width, outputs)

    def gathered(self, x: str, indices: str, width: int) -> str:
        """Rows of (1, N, width) by (1, Q) indices."""
        shape = self.constant(numpy.array([1, self.QUERIES, width], numpy.int64))
        wide = self.node("Expand", self.node("Unsqueeze", indices, self.constant(numpy.array([2], numpy.int64))), shape)
        return self.node("GatherElements", x, wide, axis=1)

    def build(self, width: int = 32) -> onnx.ModelProto:
        stem = self.block(self.block("images", 3, width // 2, 3, 2), width // 2, width // 2, 3)
        x = self.node("MaxPool", stem, kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
        x = self.basic(x, width // 2, width // 2, 1)
        third = self.basic(self.basic(x, width // 2, width, 2), width, width, 1)
        fourth = self.basic(self.basic(third, width, width * 2, 2), width * 2, width * 2, 1)
        fifth = self.basic(fourth, width * 2, width * 4, 2)

        sides = [self.side // stride for stride in (8, 16, 32)]
        third, fourth, fifth = (
            self.block(x, channels, width, act=False)
            for x, channels in ((third, width), (fourth, width * 2), (fifth, width * 4))
        )
        fifth = self.block(self.intra_scale(fifth, width, sides[2]), width, width)
        fourth = self.block(self.fusion(self.upsample(fifth), fourth, width), width, width)
        low = self.fusion(self.upsample(fourth), third, width)
        middle = self.fusion(self.block(low, width, width, 3, 2), fourth, width)
        high = self.fusion(self.block(middle, width, width, 3, 2), fifth, width)

        levels = list(zip((low, middle, high), sides, strict=True))
        memory = self.concat(*(self.rows(level, width, side * side) for level, side in levels), axis=1)
        memory = self.layer_norm(self.dense(memory, width, width), width)
        logits = self.dense(memory, width, len(CLASSES))
        best = self.node("ReduceMax", logits, axes=[2], keepdims=0)
        count = self.constant(numpy.array([self.QUERIES], numpy.int64))
        _, chosen = self.node("TopK", best, count, outputs=2, axis=1)
        reference = self.node("Sigmoid", self.gathered(self.mlp(memory, width, 4), chosen, 4))
        query = self.gathered(memory, chosen, width)

        position = self.mlp(self.reshape(reference, 1, self.QUERIES, 4), 4, width)
        attended = self.attention(self.node("Add", query, position), query, self.QUERIES, width)
        query = self.layer_norm(self.node("Add", query, attended), width)
        looked = self.deformable(self.node("Add", query, position), reference, levels, width)
        query = self.layer_norm(self.node("Add", query, looked), width)
        query = self.layer_norm(self.node("Add", query, self.feed_forward(query, width)), width)
        moved = self.node("Add", self.mlp(query, width, 4), self.inverse_sigmoid(reference))
        return self.model(
            {
                "logits": (self.dense(query, width, len(CLASSES)), [1, self.QUERIES, len(CLASSES)]),
                "boxes": (self.node("Sigmoid", moved), [1, self.QUERIES, 4]),
            }
        )


FAMILIES = {
    "yolox": (Yolox, "strides = [8, 16, 32]"),
    "yolov8": (Yolov8, ""),
    "rtdetr": (Rtdetr, 'activation = "sigmoid"\noutputs = { scores = ["logits"], boxes = ["boxes"] }'),
}

MANIFEST = """format = 1
name = "{name}"
file = "{name}.onnx"
sha256 = "{sha256}"
source = "random weights"
licence = "Apache-2.0"

[input]
width = {side}
height = {side}
colour = "rgb"
mean = [114.0, 114.0, 114.0]
std = [58.0, 58.0, 58.0]
resize = "letterbox"
pad_value = 114

[decoder]
type = "{name}"
{decoder}

[thresholds]
score = 0.4
nms_iou = 0.6
max_detections = 100

[classes]
names = {classes}
"""


def write(family: str, folder: Path, side: int = 64) -> Path:
    """Writes a model and its manifest; gives the manifest's path. The same bytes every time."""
    kind, decoder = FAMILIES[family]
    data = kind(seed=sum(map(ord, family)), side=side).build().SerializeToString(deterministic=True)
    (folder / f"{family}.onnx").write_bytes(data)
    manifest = folder / f"{family}.toml"
    classes = "[" + ", ".join(f'"{name}"' for name in CLASSES) + "]"
    sha256 = hashlib.sha256(data).hexdigest()
    manifest.write_text(MANIFEST.format(name=family, sha256=sha256, side=side, decoder=decoder, classes=classes))
    return manifest
