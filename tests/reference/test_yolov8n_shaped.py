"""Tests of the model that only measures speed.

    python -m pytest tests/reference/test_yolov8n_shaped.py

with tests/reference/requirements.txt installed.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

onnx = pytest.importorskip("onnx")

import numpy as np  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "scripts" / "models" / "make_yolov8n_shaped.py"
# Multiply-accumulates of the published architecture: 8.7 GFLOPs at 640 x 640, two to a multiply-accumulate.
GMACS = (4.3, 4.4)


def make(folder: Path, *arguments: str) -> Path:
    """The model, written to `folder`."""
    output = folder / "made.onnx"
    subprocess.run([sys.executable, str(SCRIPT), str(output), *arguments], check=True, capture_output=True)
    return output


def dimensions(value: onnx.ValueInfoProto) -> list[int | str]:
    return [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim]


def test_shapes_parameters_and_arithmetic(tmp_path: Path) -> None:
    model = onnx.load(make(tmp_path))
    onnx.checker.check_model(model, full_check=True)
    graph = model.graph
    assert [(v.name, dimensions(v)) for v in graph.input] == [("images", [1, 3, 640, 640])]
    assert [(v.name, dimensions(v)) for v in graph.output] == [("output0", [1, 84, 8400])]
    # Counted from the file, not by the script: what convolutions hold, and what they multiply.
    sizes = {tensor.name: int(np.prod(tensor.dims)) for tensor in graph.initializer}
    outputs = {value.name: dimensions(value) for value in graph.value_info}
    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    assert sum(sizes[name] for node in convolutions for name in node.input[1:]) == 3_151_904
    macs = sum(sizes[node.input[1]] * int(np.prod(outputs[node.output[0]][2:])) for node in convolutions)
    assert GMACS[0] <= macs / 1e9 <= GMACS[1]


def test_the_same_arguments_give_the_same_bytes(tmp_path: Path) -> None:
    hashes = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        hashes.append(hashlib.sha256(make(tmp_path / name).read_bytes()).hexdigest())
    assert hashes[0] == hashes[1]
    assert f'sha256 = "{hashes[0]}"' in (tmp_path / "one" / "made.toml").read_text(encoding="utf-8")


def test_weights_are_exact_in_float16(tmp_path: Path) -> None:
    for tensor in onnx.load(make(tmp_path)).graph.initializer:
        values = onnx.numpy_helper.to_array(tensor)
        if values.dtype == np.float32 and "weight" in tensor.name:
            np.testing.assert_array_equal(values, values.astype(np.float16).astype(np.float32))


def test_a_free_batch_runs_and_keeps_its_images_apart(tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    path = make(tmp_path, "--batch", "dynamic")
    assert dimensions(onnx.load(path).graph.input[0]) == ["batch", 3, 640, 640]
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    images = np.random.default_rng(7).random((2, 3, 640, 640), np.float32)
    (both,) = session.run(None, {"images": images})
    (second,) = session.run(None, {"images": images[1:]})
    assert both.shape == (2, 84, 8400)
    np.testing.assert_allclose(both[1], second[0], rtol=1e-3, atol=1e-3)
    assert np.isfinite(both).all()
    assert np.abs(both[0] - both[1]).max() > 0.01
    widths, scores = both[:, 2:4], both[:, 4:]
    assert widths.min() > 0 and widths.max() < 2 * 15 * 32
    assert 0 < (scores > 0.05).sum() < scores.size / 10


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("made.txt",), "made.txt: expected a name that ends in .onnx"),
        (("made.onnx", "--batch", "0"), "expected 'dynamic' or a number from 1, found '0'"),
        (("missing/made.onnx",), "No such file or directory: 'missing/made.onnx"),
    ],
)
def test_what_cannot_be_made_is_refused(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    command = [sys.executable, str(SCRIPT), *arguments]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode != 0
    assert said in result.stderr
    assert list(tmp_path.iterdir()) == []
