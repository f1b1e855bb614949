"""NanoDet-g in 8 bits is a valid ONNX model with a manifest that tells where it is from."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

onnx = pytest.importorskip("onnx", reason="the Python package onnx is not set up: run scripts/setup.sh")

ROOT = Path(__file__).parents[2]
MODEL = ROOT / "models" / "nanodet-g.toml"


@pytest.fixture(scope="module")
def compressed(compress: Callable, pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> dict:
    if not MODEL.with_suffix(".onnx").exists():
        pytest.skip("nanodet-g.onnx is not set up: run scripts/setup.sh")
    folder = tmp_path_factory.mktemp("compressed")
    result = compress(MODEL, "--int8", "--calibrate", pictures, "--calibration-images", 2, "-o", folder)
    return {**result["variants"][0], "base_bytes": result["base"]["bytes"]}


def test_the_checker_passes(compressed: dict) -> None:
    model = onnx.load(compressed["onnx"])
    onnx.checker.check_model(model, full_check=True)
    kinds = {tensor.data_type for tensor in model.graph.initializer}
    assert {onnx.TensorProto.INT8, onnx.TensorProto.INT32, onnx.TensorProto.UINT8} <= kinds


def test_the_interface_stays(compressed: dict) -> None:
    before = onnx.load(str(MODEL.with_suffix(".onnx"))).graph
    after = onnx.load(compressed["onnx"]).graph
    assert list(after.input) == list(before.input)
    assert list(after.output) == list(before.output)


def test_every_convolution_is_quantised_and_the_file_small(compressed: dict) -> None:
    assert len(compressed["steps"][0]["nodes"]) == 37
    assert compressed["bytes"] <= 0.27 * compressed["base_bytes"]


def test_the_manifest_tells_where_it_is_from(compressed: dict) -> None:
    base = MODEL.with_suffix(".onnx").read_bytes()
    assert compressed["compression"]["base"] == "nanodet-g"
    assert compressed["compression"]["base_sha256"] == hashlib.sha256(base).hexdigest()
    assert compressed["compression"]["calibration_images"] == 2
    written = Path(compressed["onnx"]).read_bytes()
    assert compressed["sha256"] == hashlib.sha256(written).hexdigest()
    assert f'base_sha256 = "{hashlib.sha256(base).hexdigest()}"' in Path(compressed["manifest"]).read_text()


def test_a_folder_without_images_is_told(program: Callable, tmp_path: Path) -> None:
    if not MODEL.with_suffix(".onnx").exists():
        pytest.skip("nanodet-g.onnx is not set up: run scripts/setup.sh")
    done = program("compress", MODEL, "--int8", "--calibrate", tmp_path, "-o", tmp_path / "out")
    assert done.returncode != 0
    assert "expected images" in done.stderr
    assert not (tmp_path / "out").exists()
