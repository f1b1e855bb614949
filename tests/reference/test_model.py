"""Tests of the model converter and of the reference detector.

    python -m pytest tests/reference

with tests/reference/requirements.txt installed. Tests of the real model skip
where scripts/models/fetch_nanodet.sh has not run.
"""

from __future__ import annotations

import copy
import hashlib
import json
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "scripts" / "models"), str(Path(__file__).parent)]

import detect  # noqa: E402
import evaluate  # noqa: E402
import nanodet_to_onnx  # noqa: E402
from tfjs_graph import ConversionError  # noqa: E402

MANIFEST = ROOT / "models" / "nanodet-g.toml"
MODEL = ROOT / "models" / "nanodet-g.onnx"
RECORDED = ROOT / "tests" / "data" / "nanodet_recorded.json"

needs_model = pytest.mark.skipif(not MODEL.exists(), reason="models/nanodet-g.onnx has not been fetched")


# ---- the real model ---------------------------------------------------------


def recorded_input() -> np.ndarray:
    """The pattern that tests/data/nanodet_recorded.json describes."""
    channel, y, x = np.meshgrid(np.arange(3), np.arange(416), np.arange(416), indexing="ij")
    in_disc = (x % 156 - 78) ** 2 + (y % 156 - 78) ** 2 < 1521
    pattern = np.where(in_disc, (3 * channel - 2) / 2, ((x + 2 * y) // 8 % 32 - 16) / 16)
    return pattern.astype(np.float32)[None]


@needs_model
def test_outputs_match_the_original_graph() -> None:
    recorded = json.loads(RECORDED.read_text(encoding="utf-8"))
    session = onnxruntime.InferenceSession(str(MODEL), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    assert names == list(recorded["outputs"])
    for name, values in zip(names, session.run(names, {"images": recorded_input()}), strict=True):
        expected = recorded["outputs"][name]
        assert list(values.shape) == expected["shape"]
        indices, samples = zip(*expected["samples"], strict=True)
        np.testing.assert_allclose(values.ravel()[list(indices)], samples, rtol=0, atol=recorded["tolerance"])
        exact = values.astype(np.float64)
        sums = (np.abs(exact).sum(), np.square(exact).sum())
        expected_sums = (expected["sum_of_magnitudes"], expected["sum_of_squares"])
        np.testing.assert_allclose(sums, expected_sums, rtol=recorded["tolerance"])


@needs_model
def test_model_has_the_pinned_hash_and_a_plain_graph() -> None:
    manifest = detect.load_manifest(MANIFEST)
    assert hashlib.sha256(MODEL.read_bytes()).hexdigest() == manifest["sha256"]
    graph = onnx.load(str(MODEL)).graph
    transposed = [node.output[0] for node in graph.node if node.op_type == "Transpose"]
    assert transposed == [output.name for output in graph.output], "transposes only in front of the outputs"
    assert not [node.name for node in graph.node if node.op_type in ("Pad", "Split", "Identity")]


def test_manifest_names_the_80_coco_classes() -> None:
    names = detect.load_manifest(MANIFEST)["classes"]["names"]
    assert len(names) == len(set(names)) == 80
    assert (names[0], names[2], names[5], names[16], names[79]) == ("person", "car", "bus", "dog", "toothbrush")


@needs_model
def test_average_precision_on_real_photographs() -> None:
    folder = ROOT.parent / "shared" / "data" / "coco128-train"
    if not folder.is_dir():
        pytest.skip("the labelled photographs are not on this machine")
    figures = evaluate.evaluate(folder, detect.load_manifest(MANIFEST), 0.02, 0.6, 100)
    assert figures["images"] == 128
    assert figures["ap"] == pytest.approx(0.343, abs=0.005)
    assert figures["ap50"] == pytest.approx(0.486, abs=0.005)


# ---- the converter, on a graph small enough to compute by hand ---------------

RNG = np.random.default_rng(7)
WEIGHTS: dict[str, np.ndarray] = {
    "to_nhwc": np.array([0, 2, 3, 1], np.int32),
    "to_nchw": np.array([0, 3, 1, 2], np.int32),
    "to_rows": np.array([0, 2, 1], np.int32),
    "stem_kernel": RNG.normal(size=(3, 3, 3, 4)).astype(np.float32),
    "stem_bias": RNG.normal(size=4).astype(np.float32),
    "head_kernel": RNG.normal(size=(1, 1, 4, 10)).astype(np.float32),
    "head_bias": RNG.normal(size=10).astype(np.float32),
    "sizes": np.array([2, 8], np.int32),
    "channel_axis": np.array(1, np.int32),
    "scores_shape": np.array([1, 2, -1], np.int32),
    "boxes_shape": np.array([1, 8, -1], np.int32),
}


def node(name: str, op: str, *inputs: str, **attributes: object) -> dict:
    return {"name": name, "op": op, "input": list(inputs), "attr": attributes}


def window(padding: str, stride: int) -> dict:
    encoded = {"SAME": "U0FNRQ==", "VALID": "VkFMSUQ="}[padding]
    return {"padding": {"s": encoded}, "strides": {"list": {"i": ["1", str(stride), str(stride), "1"]}}}


def small_document() -> dict:
    """3 x 8 x 8 input, one SAME convolution at stride 2, a split head: 2 classes, 4 x 2 bins, 16 cells."""
    size = {"shape": {"dim": [{"size": str(n)} for n in (1, 3, 8, 8)]}}
    nodes = [
        node("boxes", "Identity", "boxes_rows"),
        node("input", "Placeholder", shape=size),
        node("nhwc", "Transpose", "input", "to_nhwc"),
        node("stem", "Conv2D", "nhwc", "stem_kernel", **window("SAME", 2)),
        node("stem_biased", "Add", "stem", "stem_bias"),
        node("stem_nchw", "Transpose", "stem_biased", "to_nchw"),
        node("active", "LeakyRelu", "stem_nchw", alpha={"f": 0.25}),
        node("head_nhwc", "Transpose", "active", "to_nhwc"),
        node("head", "Conv2D", "head_nhwc", "head_kernel", **window("VALID", 1)),
        node("head_biased", "AddV2", "head", "head_bias"),
        node("head_nchw", "Transpose", "head_biased", "to_nchw"),
        node("parts", "SplitV", "head_nchw", "sizes", "channel_axis"),
        node("scores_sigmoid", "Sigmoid", "parts"),
        node("scores_flat", "Reshape", "scores_sigmoid", "scores_shape"),
        node("scores", "Transpose", "scores_flat", "to_rows"),
        node("boxes_flat", "Reshape", "parts:1", "boxes_shape"),
        node("boxes_rows", "Transpose", "boxes_flat", "to_rows"),
        *(node(name, "Const") for name in WEIGHTS),
    ]
    specs = [{"name": k, "shape": list(w.shape), "dtype": str(w.dtype)} for k, w in WEIGHTS.items()]
    return {
        "format": "graph-model",
        "modelTopology": {"node": nodes},
        "signature": {"outputs": {"boxes:0": {}, "scores:0": {}}},
        "weightsManifest": [{"paths": ["small.bin"], "weights": specs}],
    }


def write(folder: Path, document: object, blob: bytes | None = None) -> Path:
    (folder / "small.bin").write_bytes(blob if blob is not None else b"".join(w.tobytes() for w in WEIGHTS.values()))
    path = folder / "small.json"
    path.write_text(document if isinstance(document, str) else json.dumps(document), encoding="utf-8")
    return path


def small_expected(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The small graph, computed plainly. SAME at stride 2 on 8 pixels pads one row and column at the end."""
    padded = np.pad(image[0], ((0, 0), (0, 1), (0, 1)))
    stem = np.empty((4, 4, 4))
    for row in range(4):
        for column in range(4):
            patch = padded[:, 2 * row : 2 * row + 3, 2 * column : 2 * column + 3]
            stem[:, row, column] = np.einsum("chw,hwco->o", patch, WEIGHTS["stem_kernel"]) + WEIGHTS["stem_bias"]
    active = np.where(stem > 0, stem, 0.25 * stem)
    head = np.einsum("chw,co->hwo", active, WEIGHTS["head_kernel"][0, 0]) + WEIGHTS["head_bias"]
    flat = head.reshape(1, 16, 10)
    return 1 / (1 + np.exp(-flat[:, :, :2])), flat[:, :, 2:]


def test_small_graph_computes_what_it_should(tmp_path: Path) -> None:
    data = nanodet_to_onnx.convert(write(tmp_path, small_document()))
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    assert [output.name for output in session.get_outputs()] == ["scores_2", "boxes_2"]
    image = RNG.normal(size=(1, 3, 8, 8)).astype(np.float32)
    found = session.run(["scores_2", "boxes_2"], {"images": image})
    for values, expected in zip(found, small_expected(image), strict=True):
        np.testing.assert_allclose(values, expected, atol=1e-5)


def test_conversion_gives_the_same_bytes_again(tmp_path: Path) -> None:
    path = write(tmp_path, small_document())
    assert nanodet_to_onnx.convert(path) == nanodet_to_onnx.convert(path)


def broken(change: str) -> dict:
    """The small document with one thing wrong."""
    document = copy.deepcopy(small_document())
    nodes = {n["name"]: n for n in document["modelTopology"]["node"]}
    specs = {s["name"]: s for s in document["weightsManifest"][0]["weights"]}
    match change:
        case "unknown op":
            nodes["active"]["op"] = "Gelu"
        case "cycle":
            nodes["nhwc"]["input"][0] = "stem"
        case "missing node":
            nodes["nhwc"]["input"][0] = "elsewhere"
        case "missing weight":
            document["weightsManifest"][0]["weights"] = []
        case "dtype":
            specs["stem_kernel"]["quantization"] = {"dtype": "uint8"}
        case "padding":
            nodes["stem"]["attr"]["padding"]["s"] = "RVhQTElDSVQ="
        case "strides":
            nodes["stem"]["attr"]["strides"] = {"list": {"i": ["1", "2"]}}
        case "layout":
            nodes["stem"]["input"][0] = "input"
        case "axis":
            nodes["parts"]["input"][2] = "stem_bias"
        case "no format":
            del document["format"]
        case "no topology":
            del document["modelTopology"]
        case "outside file":
            document["weightsManifest"][0]["paths"] = ["../small.bin"]
        case "absent file":
            document["weightsManifest"][0]["paths"] = ["absent.bin"]
    return document


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("unknown op", r"unsupported operations: Gelu \('active'\)"),
        ("cycle", "cycle"),
        ("missing node", "'elsewhere'"),
        ("missing weight", "more than the weights described"),
        ("dtype", "'stem_kernel': stored as uint8"),
        ("padding", "'stem': padding 'EXPLICIT' is not supported"),
        ("strides", "'stem': malformed node"),
        ("layout", "'stem': expected NHWC data transposed from NCHW"),
        ("axis", "SplitV 'parts'"),
        ("no format", "graph-model"),
        ("no topology", "not a TF.js graph model"),
        ("outside file", "plain file name"),
        ("absent file", "cannot be read"),
    ],
)
def test_broken_documents_are_refused_by_name(tmp_path: Path, change: str, message: str) -> None:
    with pytest.raises(ConversionError, match=message):
        nanodet_to_onnx.convert(write(tmp_path, broken(change)))


@pytest.mark.parametrize("kept", [0, 1, 100, 500])
def test_truncated_weights_are_refused(tmp_path: Path, kept: int) -> None:
    blob = b"".join(w.tobytes() for w in WEIGHTS.values())
    with pytest.raises(ConversionError, match="truncated"):
        nanodet_to_onnx.convert(write(tmp_path, small_document(), blob[:kept]))


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '"graph-model"', '{"format": "layers-model"}'])
def test_other_json_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConversionError, match=r"small\.json"):
        nanodet_to_onnx.convert(write(tmp_path, text))


# ---- the reference detector --------------------------------------------------

SPEC = {"width": 416, "height": 416, "colour": "bgr", "pad_value": 7, "interpolation": "linear", "resize": "letterbox"}


def test_letterbox_centres_a_wide_image() -> None:
    canvas, geometry = detect.fit(np.full((300, 600, 3), 200, np.uint8), SPEC)
    assert (geometry.left, geometry.top) == (0, 104)
    assert (geometry.scale_x, geometry.scale_y) == pytest.approx((416 / 600, 208 / 300))
    assert (canvas[:104] == 7).all() and (canvas[104:312] == 200).all() and (canvas[312:] == 7).all()


def test_boxes_return_to_the_original_pixels() -> None:
    _, geometry = detect.fit(np.zeros((300, 600, 3), np.uint8), SPEC)
    in_network = np.array([[0.0, 104.0, 208.0, 208.0], [-50.0, 0.0, 500.0, 416.0]])
    found = detect.Detections(in_network, np.ones(2), np.zeros(2, int))
    boxes = detect.restore(found, geometry, 600, 300).boxes
    np.testing.assert_allclose(boxes, [[0, 0, 300, 150], [0, 0, 600, 300]], atol=1e-9)


def test_decode_puts_a_certain_box_around_its_cell() -> None:
    scores, logits = np.zeros((1, 16, 2), np.float32), np.full((1, 16, 8), -50.0, np.float32)
    scores[0, 6, 1] = 0.9  # row 1, column 2 of 4 x 4
    logits[0, 6, [0, 3, 5, 7]] = 50.0  # left 0, top 1, right 1, bottom 1
    found = detect.decode([scores], [logits], [8], 32, 0.5)
    assert found.class_ids.tolist() == [1]
    np.testing.assert_allclose(found.boxes, [[20, 4, 28, 20]])


def test_suppression_is_per_class_and_limited() -> None:
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 10], [0, 0, 10, 9], [20, 20, 30, 30]], float)
    found = detect.Detections(boxes, np.array([0.9, 0.8, 0.7, 0.6]), np.array([0, 1, 0, 0]))
    assert detect.suppress(found, 0.6, 100).scores.tolist() == [0.9, 0.8, 0.6]
    assert detect.suppress(found, 0.6, 2).scores.tolist() == [0.9, 0.8]
