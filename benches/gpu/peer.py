"""What our detector is compared with on a GPU: Python, ONNX Runtime with IO binding, OpenCV and numpy.

The same job on the same picture: a BGR frame of 1280 x 720 in host memory -> letterbox -> normalised NCHW -> copy to
the device -> run -> outputs to the host -> decode -> non-maximum suppression -> boxes in the frame's pixels. Input and
outputs stay at the same addresses of the device, so that CUDA graphs can be used. If you find something that a
competent engineer would do better here, change it: the comparison is only as good as it is.

    python benches/gpu/peer.py models/nanodet-g.toml --provider cuda --cuda-graph --image street.jpg
    python benches/gpu/peer.py models/nanodet-g.toml --provider cpu --threads 1 --frames 50

JSON goes to standard output: percentiles over the frames, in milliseconds, of each stage and from the frame to the
boxes. It ends with an error, and no figures, where the provider that was asked for does not come up.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnxruntime

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10
    import tomli as tomllib

FRAME_SIZE = (1280, 720)
STAGES = ("preprocess", "upload", "run", "download", "postprocess", "total")
PERCENTILES = (50, 90, 99)
BOX_SIDES = 4
PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
TYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16}
RESIZES = ("letterbox", "letterbox_top_left", "stretch")
DECODERS = ("yolov8", "nanodet")


class PeerError(Exception):
    """What cannot be measured, and why."""


@dataclass(frozen=True)
class Geometry:
    """Where the frame lies in the network's input."""

    scale_x: float
    scale_y: float
    left: int
    top: int


@dataclass(frozen=True)
class Candidates:
    """Boxes (n, 4) as x, y, width, height in the network's pixels; scores (n,); class ids (n,)."""

    boxes: np.ndarray
    scores: np.ndarray
    class_ids: np.ndarray


def load_manifest(path: Path) -> dict[str, Any]:
    """The manifest's tables, of the kinds that this script knows; `file` becomes a path."""
    with path.open("rb") as stream:
        manifest = tomllib.load(stream)
    spec, decoder = manifest["input"], manifest["decoder"]
    for name, value, known in (
        ("decoder.type", decoder["type"], DECODERS),
        ("input.resize", spec["resize"], RESIZES),
        ("input.layout", spec["layout"], ("nchw",)),
        ("input.interpolation", spec["interpolation"], ("linear",)),
        ("decoder.activation", decoder.get("activation", "none"), ("none",)),
        (
            "decoder.multi_label",
            decoder.get("multi_label", decoder["type"] == "nanodet"),
            (decoder["type"] == "nanodet",),
        ),
    ):
        if value not in known:
            raise PeerError(f"{path}: {name}: expected {' or '.join(map(str, known))}, found {value}")
    manifest["file"] = path.parent / manifest["file"]
    return manifest


class Preprocessor:
    """From the frame to the input tensor, with what can be prepared prepared."""

    def __init__(self, spec: dict[str, Any], dtype: type, frame: np.ndarray) -> None:
        height, width = frame.shape[:2]
        self.dtype = dtype
        self.size = (spec["width"], spec["height"])
        if spec["resize"] == "stretch":
            self.inner = self.size
        else:
            scale = min(spec["width"] / width, spec["height"] / height)
            self.inner = (max(1, round(width * scale)), max(1, round(height * scale)))
        left = top = 0
        if spec["resize"] == "letterbox":
            left, top = (spec["width"] - self.inner[0]) // 2, (spec["height"] - self.inner[1]) // 2
        self.geometry = Geometry(self.inner[0] / width, self.inner[1] / height, left, top)
        self.canvas = np.full((spec["height"], spec["width"], 3), spec["pad_value"], np.uint8)
        self.target = self.canvas[top : top + self.inner[1], left : left + self.inner[0]]
        # OpenCV subtracts the mean and multiplies after the swap to RGB, in one pass with the change of layout.
        self.params = cv2.dnn.Image2BlobParams()
        self.params.scalefactor = [1.0 / s for s in spec["std"]]
        self.params.mean = list(spec["mean"])
        self.params.swapRB = spec["colour"] == "rgb"
        self.params.ddepth = cv2.CV_32F

    def __call__(self, frame: np.ndarray) -> np.ndarray:
        """Input (1, 3, H, W); the margins are still there from the last time."""
        cv2.resize(frame, self.inner, dst=self.target, interpolation=cv2.INTER_LINEAR)
        blob = cv2.dnn.blobFromImageWithParams(self.canvas, self.params)
        return blob if self.dtype is np.float32 else blob.astype(self.dtype)


def decode_yolov8(outputs: list[np.ndarray], floor: float) -> Candidates:
    """(1, 4 + classes, cells): the best class of every cell with a score of at least `floor`."""
    output = outputs[0][0]
    classes = output[BOX_SIDES:]
    cells = np.flatnonzero(classes.max(axis=0) >= floor)
    class_ids = classes[:, cells].argmax(axis=0)
    centre_x, centre_y, width, height = output[:BOX_SIDES, cells].astype(np.float64)
    boxes = np.stack([centre_x - width / 2, centre_y - height / 2, width, height], axis=1)
    return Candidates(boxes, classes[class_ids, cells].astype(np.float32), class_ids)


def decode_nanodet(outputs: list[np.ndarray], floor: float, strides: list[int], width: int) -> Candidates:
    """Per stride scores (1, N, classes), then per stride side logits (1, N, 4 x bins); boxes of candidates only."""
    found = []
    for score, logit, stride in zip(outputs[: len(strides)], outputs[len(strides) :], strides, strict=True):
        hits = np.flatnonzero(score >= floor)
        cells, class_ids = np.divmod(hits, score.shape[2])
        sides = logit[0, cells].astype(np.float32).reshape(len(cells), BOX_SIDES, logit.shape[2] // BOX_SIDES)
        weights = np.exp(sides - sides.max(axis=2, keepdims=True))
        weights /= weights.sum(axis=2, keepdims=True)
        left, top, right, bottom = ((weights @ np.arange(weights.shape[2], dtype=np.float32)) * stride).T
        rows, columns = np.divmod(cells, math.ceil(width / stride))
        x, y = (columns + 0.5) * stride, (rows + 0.5) * stride
        boxes = np.stack([x - left, y - top, left + right, top + bottom], axis=1)
        found.append(Candidates(boxes, score.ravel()[hits].astype(np.float32), class_ids))
    return Candidates(
        np.concatenate([f.boxes for f in found]),
        np.concatenate([f.scores for f in found]),
        np.concatenate([f.class_ids for f in found]),
    )


class Postprocessor:
    """From the outputs to boxes in the frame's pixels: (n, 6) as x_min, y_min, x_max, y_max, score, class id."""

    def __init__(self, manifest: dict[str, Any], geometry: Geometry, frame: np.ndarray) -> None:
        self.decoder, self.thresholds = manifest["decoder"], manifest["thresholds"]
        self.width = manifest["input"]["width"]
        self.offset = np.array([geometry.left, geometry.top] * 2, np.float64)
        self.scale = np.array([geometry.scale_x, geometry.scale_y] * 2, np.float64)
        self.limit = np.array([frame.shape[1], frame.shape[0]] * 2, np.float64)

    def __call__(self, outputs: list[np.ndarray]) -> np.ndarray:
        floor = self.thresholds["score"]
        if self.decoder["type"] == "yolov8":
            found = decode_yolov8(outputs, floor)
        else:
            found = decode_nanodet(outputs, floor, self.decoder["strides"], self.width)
        if not len(found.scores):
            return np.empty((0, 6))
        kept = cv2.dnn.NMSBoxesBatched(
            found.boxes, found.scores, found.class_ids.astype(np.int32), floor, self.thresholds["nms_iou"]
        )
        kept = np.asarray(kept, np.int64)
        kept = kept[np.argsort(-found.scores[kept], kind="stable")][: self.thresholds["max_detections"]]
        corners = found.boxes[kept]
        corners[:, 2:] += corners[:, :2]
        corners = np.clip((corners - self.offset) / self.scale, 0.0, self.limit)
        inside = (corners[:, 2] > corners[:, 0]) & (corners[:, 3] > corners[:, 1])
        return np.column_stack([corners, found.scores[kept], found.class_ids[kept]])[inside]


class Runner:
    """The session, its input and its outputs at fixed places of the device."""

    def __init__(self, manifest: dict[str, Any], arguments: argparse.Namespace) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = arguments.threads
        provider = PROVIDERS[arguments.provider]
        if provider not in onnxruntime.get_available_providers():
            raise PeerError(
                f"--provider {arguments.provider}: this ONNX Runtime ({onnxruntime.__version__}) has only "
                f"{', '.join(onnxruntime.get_available_providers())}"
            )
        settings = {}
        if arguments.provider == "cuda":
            settings = {
                "device_id": "0",
                "cudnn_conv_algo_search": "EXHAUSTIVE",
                "cudnn_conv_use_max_workspace": "1",
                "enable_cuda_graph": str(int(arguments.cuda_graph)),
                "prefer_nhwc": str(int(arguments.nhwc)),
            }
        self.session = onnxruntime.InferenceSession(str(manifest["file"]), options, providers=[(provider, settings)])
        self.session.disable_fallback()
        if self.session.get_providers()[0] != provider:
            raise PeerError(f"--provider {arguments.provider}: did not come up; see ONNX Runtime's messages above")
        device = "cpu" if arguments.provider == "cpu" else "cuda"
        self.binding = self.session.io_binding()
        source = self.session.get_inputs()[0]
        self.dtype = self.type_of(source)
        spec = manifest["input"]
        self.input = self.place(source, (1, 3, spec["height"], spec["width"]), device)
        self.binding.bind_ortvalue_input(source.name, self.input)
        decoder = manifest["decoder"]
        outputs = {output.name: output for output in self.session.get_outputs()}
        names = list(outputs)
        if decoder["type"] == "nanodet":
            names = decoder["outputs"]["scores"] + decoder["outputs"]["boxes"]
        self.outputs = []
        for name in names:
            # A batch that is free is one here.
            shape = tuple(size if isinstance(size, int) else 1 for size in outputs[name].shape)
            self.outputs.append(self.place(outputs[name], shape, device))
            self.binding.bind_ortvalue_output(name, self.outputs[-1])

    @staticmethod
    def type_of(value: Any) -> type:
        """numpy's type of an input or output."""
        if value.type not in TYPES:
            raise PeerError(f"{value.name}: expected {' or '.join(TYPES)}, found {value.type}")
        return TYPES[value.type]

    def place(self, value: Any, shape: tuple[int, ...], device: str) -> Any:
        """Memory of the device for an input or output."""
        return onnxruntime.OrtValue.ortvalue_from_shape_and_type(shape, self.type_of(value), device, 0)

    def upload(self, tensor: np.ndarray) -> None:
        self.input.update_inplace(tensor)

    def run(self) -> None:
        """Returns when the outputs are there."""
        self.session.run_with_iobinding(self.binding)
        self.binding.synchronize_outputs()

    def download(self) -> list[np.ndarray]:
        return [value.numpy() for value in self.outputs]


def measure(
    frame: np.ndarray, before: Preprocessor, runner: Runner, after: Postprocessor, frames: int
) -> tuple[np.ndarray, np.ndarray]:
    """Milliseconds (frames, stages), and the boxes of the last frame."""
    times = np.empty((frames, len(STAGES)))
    boxes = np.empty((0, 6))
    clock = time.perf_counter
    for row in times:
        start = clock()
        tensor = before(frame)
        prepared = clock()
        runner.upload(tensor)
        uploaded = clock()
        runner.run()
        computed = clock()
        outputs = runner.download()
        downloaded = clock()
        boxes = after(outputs)
        end = clock()
        marks = np.array([start, prepared, uploaded, computed, downloaded, end])
        row[:-1], row[-1] = np.diff(marks) * 1e3, (end - start) * 1e3
    return times, boxes


def read_frame(path: Path | None) -> np.ndarray:
    """The picture at 1280 x 720, BGR; without one, noise that is always the same."""
    if path is None:
        return np.random.default_rng(0).integers(0, 256, (FRAME_SIZE[1], FRAME_SIZE[0], 3), np.uint8)
    image = cv2.imread(str(path), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    if image is None:
        raise PeerError(f"{path}: not an image that OpenCV can read")
    if image.shape[1::-1] == FRAME_SIZE:
        return image
    return cv2.resize(image, FRAME_SIZE, interpolation=cv2.INTER_LINEAR)


def positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a number from 1, found '{text}'")
    return int(text)


def arguments_of(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Measure Python, ONNX Runtime with IO binding, OpenCV and numpy on one picture; JSON goes to "
        "standard output, in milliseconds.",
        epilog="example: peer.py models/nanodet-g.toml --provider cuda --cuda-graph --image street.jpg",
    )
    parser.add_argument("manifest", type=Path, help="model manifest (decoder yolov8 or nanodet)")
    parser.add_argument("--provider", choices=sorted(PROVIDERS), default="cuda", help="(default: cuda)")
    parser.add_argument("--cuda-graph", action="store_true", help="capture the run as a CUDA graph and replay it")
    parser.add_argument("--nhwc", action="store_true", help="let the CUDA provider compute in NHWC")
    parser.add_argument("--image", type=Path, help="picture, scaled to 1280 x 720; noise if not given")
    parser.add_argument("--frames", type=positive, default=500, help="frames that count (default: 500)")
    parser.add_argument("--warm-up", type=positive, default=50, help="frames before that do not (default: 50)")
    parser.add_argument(
        "--threads", type=int, default=0, help="threads inside one operator on the CPU (default: 0, all)"
    )
    parser.add_argument("--score", type=float, help="instead of the manifest's threshold")
    parser.add_argument("--boxes", action="store_true", help="also write the boxes that were found")
    arguments = parser.parse_args(argv)
    if arguments.provider != "cuda" and (arguments.cuda_graph or arguments.nhwc):
        parser.error("--cuda-graph and --nhwc need --provider cuda")
    return arguments


def report(arguments: argparse.Namespace) -> dict[str, Any]:
    """Everything, from the manifest to the figures."""
    frame = read_frame(arguments.image)
    manifest = load_manifest(arguments.manifest)
    if arguments.score is not None:
        manifest["thresholds"]["score"] = arguments.score
    started = time.perf_counter()
    runner = Runner(manifest, arguments)
    opened = time.perf_counter()
    before = Preprocessor(manifest["input"], runner.dtype, frame)
    after = Postprocessor(manifest, before.geometry, frame)
    measure(frame, before, runner, after, arguments.warm_up)
    times, boxes = measure(frame, before, runner, after, arguments.frames)
    result = {
        "model": str(arguments.manifest),
        "provider": arguments.provider,
        "cuda_graph": arguments.cuda_graph,
        "nhwc": arguments.nhwc,
        "image": str(arguments.image) if arguments.image else None,
        "input_type": np.dtype(runner.dtype).name,
        "frames": arguments.frames,
        "warm_up": arguments.warm_up,
        "onnxruntime": onnxruntime.__version__,
        "opencv": cv2.__version__,
        "numpy": np.__version__,
        "open_s": round(opened - started, 3),
        "detections": len(boxes),
        "stages_ms": {
            stage: {f"p{p}": round(float(np.percentile(times[:, index], p)), 4) for p in PERCENTILES}
            for index, stage in enumerate(STAGES)
        },
    }
    if arguments.boxes:
        keys = ("x_min", "y_min", "x_max", "y_max", "score", "class_id")
        result["boxes"] = [dict(zip(keys, [*map(float, b[:5]), int(b[5])], strict=True)) for b in boxes]
    return result


def main(argv: list[str] | None = None) -> int:
    arguments = arguments_of(argv)
    try:
        result = report(arguments)
    except (PeerError, OSError, ValueError, KeyError, RuntimeError) as error:
        print(f"peer: {type(error).__name__}: {error}", file=sys.stderr)
        return 1
    json.dump(result, sys.stdout, indent=1)
    print()
    return 0


if __name__ == "__main__":
    sys.exit(main())
