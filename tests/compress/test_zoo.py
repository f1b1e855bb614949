"""Detectors of the families that people use go through every method, and stay detectors of their family."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

onnx = pytest.importorskip("onnx", reason="the Python package onnx is not set up: run scripts/setup.sh")
onnxruntime = pytest.importorskip("onnxruntime")
numpy = pytest.importorskip("numpy")

FAMILIES = ("yolox", "yolov8", "rtdetr")
# flags, and the share of the file that may be left
METHODS = {
    "fp16": (["--fp16"], 0.6),
    "int8": (["--int8"], 0.5),
    "structured": (["--structured", "0.3"], 0.85),
    "structured-int8": (["--structured", "0.3", "--reconstruct", "bias", "--int8"], 0.29),
}


def outputs(model: Path, seeds: range = range(3)) -> list:
    """What a model puts out for noise as wide as normalised images are."""
    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    shape = session.get_inputs()[0].shape
    noise = (numpy.random.default_rng(seed).normal(0, 1, shape).astype(numpy.float32) for seed in seeds)
    return [values for image in noise for values in session.run(None, {"images": image})]


@pytest.mark.parametrize("family", FAMILIES)
def test_the_model_is_what_it_claims(program: Callable, models: dict[str, Path], family: str) -> None:
    checked = program("model", "check", models[family])
    assert checked.returncode == 0, checked.stderr
    graph = onnx.load(str(models[family].with_suffix(".onnx"))).graph
    operators = {node.op_type for node in graph.node}
    expected = {
        "yolox": {"Slice", "BatchNormalization", "MaxPool", "Resize", "Sigmoid"},
        "yolov8": {"Split", "Softmax", "MaxPool", "Resize", "Sub"},
        "rtdetr": {"LayerNormalization", "Erf", "TopK", "GatherElements", "GridSample", "MatMul", "Softmax"},
    }
    assert expected[family] <= operators
    # what it puts out depends on the image
    first, second = (outputs(models[family].with_suffix(".onnx"), range(seed, seed + 1)) for seed in (0, 1))
    assert all(numpy.abs(a - b).max() > 1e-3 for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("family", FAMILIES)
def test_every_method(
    program: Callable,
    compress: Callable,
    models: dict[str, Path],
    pictures: Path,
    tmp_path: Path,
    family: str,
    method: str,
) -> None:
    flags, largest = METHODS[method]
    result = compress(models[family], *flags, "--calibrate", pictures, "-o", tmp_path)
    [made] = result["variants"]
    assert made["state"] == "made"
    assert made["bytes"] <= largest * result["base"]["bytes"]
    onnx.checker.check_model(onnx.load(made["onnx"]), full_check=True)
    checked = program("model", "check", made["manifest"])
    assert checked.returncode == 0, checked.stderr
    before = onnx.load(str(models[family].with_suffix(".onnx"))).graph
    after = onnx.load(made["onnx"]).graph
    assert list(after.input) == list(before.input)
    assert list(after.output) == list(before.output)
    for wanted, found in zip(outputs(models[family].with_suffix(".onnx")), outputs(Path(made["onnx"])), strict=True):
        assert found.shape == wanted.shape
        assert numpy.isfinite(found).all()


@pytest.mark.parametrize("family", FAMILIES)
def test_half_precision_computes_nearly_the_same(
    compress: Callable, models: dict[str, Path], tmp_path: Path, family: str
) -> None:
    """On average: queries that change places are far off."""
    [made] = compress(models[family], "--fp16", "-o", tmp_path)["variants"]
    for wanted, found in zip(outputs(models[family].with_suffix(".onnx")), outputs(Path(made["onnx"])), strict=True):
        assert numpy.median(numpy.abs(found - wanted)) <= 0.01 * numpy.abs(wanted).max()


def test_a_wider_margin_leaves_more_in_float32(
    compress: Callable, models: dict[str, Path], pictures: Path, tmp_path: Path
) -> None:
    make = [models["yolov8"], "--fp16", "--calibrate", pictures]
    [narrow] = compress(*make, "-o", tmp_path / "narrow")["variants"]
    [wide] = compress(*make, "--fp16-margin", "20000", "-o", tmp_path / "wide")["variants"]
    assert (narrow["compression"]["steps"][0]["margin"], wide["compression"]["steps"][0]["margin"]) == (2, 20000)
    ranges = [
        {island["node"] for island in made["steps"][0]["islands"] if island["reason"]["kind"] == "range"}
        for made in (narrow, wide)
    ]
    assert ranges[0] < ranges[1]
    for values, wanted in zip(outputs(Path(wide["onnx"])), outputs(models["yolov8"].with_suffix(".onnx")), strict=True):
        assert values.dtype == numpy.float32
        assert numpy.isfinite(values).all() and values.shape == wanted.shape
