"""`roadproof model info` against counts made with other means."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

onnx = pytest.importorskip("onnx", reason="the Python package onnx is not set up: run scripts/setup.sh")
numpy = pytest.importorskip("numpy")

ROOT = Path(__file__).parents[2]
MODEL = ROOT / "models" / "nanodet-g.toml"


def info(roadproof: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([roadproof, "model", "info", *map(str, arguments)], capture_output=True, text=True)


@pytest.fixture(scope="module")
def nanodet() -> Path:
    path = MODEL.with_suffix(".onnx")
    if not path.exists():
        pytest.skip("nanodet-g.onnx is not set up: run scripts/setup.sh")
    return path


@pytest.fixture(scope="module")
def found(roadproof: str, nanodet: Path) -> dict:
    done = info(roadproof, MODEL, "--json", "--provider", "cpu")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_multiplications_are_those_of_the_shapes(found: dict, nanodet: Path) -> None:
    graph = onnx.shape_inference.infer_shapes(onnx.load(nanodet)).graph
    shapes = {
        value.name: [side.dim_value for side in value.type.tensor_type.shape.dim]
        for value in (*graph.value_info, *graph.output)
    }
    weights = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    expected = {}
    for node in graph.node:
        assert node.op_type not in ("ConvTranspose", "Gemm", "MatMul")
        if node.op_type == "Conv":
            _, channels, *kernel = weights[node.input[1]].shape
            expected[node.name] = int(numpy.prod(shapes[node.output[0]]) * channels * numpy.prod(kernel))
    layers = {layer["node"]: layer["macs"] for layer in found["model"]["layers"] if layer["macs"]}
    assert len(expected) == 37
    assert layers == expected
    assert found["model"]["macs"] == sum(expected.values())


def test_parameters_and_memory_are_those_of_the_file(found: dict, nanodet: Path) -> None:
    graph = onnx.shape_inference.infer_shapes(onnx.load(nanodet)).graph
    arrays = [onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer]
    floats = [array for array in arrays if array.dtype == numpy.float32]
    parameters = found["model"]["parameters"]
    assert parameters["elements"] == sum(array.size for array in floats)
    assert parameters["bytes"] == sum(array.nbytes for array in floats)
    assert parameters["zeros"] == sum(int((array == 0).sum()) for array in floats)
    sizes = {
        value.name: 4 * int(numpy.prod([side.dim_value for side in value.type.tensor_type.shape.dim]))
        for value in (*graph.input, *graph.value_info, *graph.output)
    }
    made = [name for node in graph.node for name in node.output]
    total = sum(sizes[name] for name in (*made, graph.input[0].name))
    assert found["model"]["memory"]["total_bytes"] == total
    # the most at once: everything that was made before and is used now or later
    last = {name: place for place, node in enumerate(graph.node) for name in (*node.output, *node.input)}
    last |= {value.name: len(graph.node) for value in graph.output}
    first = {name: place for place, node in enumerate(graph.node) for name in node.output} | {graph.input[0].name: -1}
    live = [
        sum(sizes[name] for name in first if first[name] <= place <= last[name]) for place in range(len(graph.node))
    ]
    assert found["model"]["memory"]["peak_bytes"] == max(live)


def test_the_interface_and_operators_are_those_of_the_file(found: dict, nanodet: Path) -> None:
    model = onnx.load(nanodet)
    operators: dict[str, int] = {}
    for node in model.graph.node:
        operators[node.op_type] = operators.get(node.op_type, 0) + 1
    assert found["model"]["operators"] == operators
    assert found["model"]["opset"] == model.opset_import[0].version
    assert found["model"]["ir_version"] == model.ir_version
    assert [tensor["name"] for tensor in found["model"]["outputs"]] == [value.name for value in model.graph.output]
    assert found["model"]["inputs"][0]["shape"] == [1, 3, 416, 416]


def test_the_processor_takes_all_nodes(found: dict) -> None:
    (placement,) = found["placement"]
    assert placement == {"provider": "cpu", "taken": found["model"]["nodes"], "elsewhere": [], "copies": 0}


def test_a_provider_that_is_not_there_is_told(roadproof: str, nanodet: Path) -> None:
    done = info(roadproof, MODEL, "--provider", "gpu")
    assert done.returncode != 0
    assert "expected one of `cpu`, `cuda`, `tensorrt`, `nv_tensorrt_rtx`" in done.stderr
    done = info(roadproof, MODEL, "--provider", "tensorrt")
    if done.returncode == 0:
        pytest.skip("this machine has TensorRT")
    assert "tensorrt" in done.stderr
    assert "onnxruntime-gpu" in done.stderr


def free(nanodet: Path, path: Path) -> Path:
    """The model with an input of any height."""
    model = onnx.load(nanodet)
    model.graph.input[0].type.tensor_type.shape.dim[2].dim_param = "rows"
    del model.graph.value_info[:]
    onnx.save(model, path)
    return path


def test_a_free_size_needs_the_manifest(roadproof: str, nanodet: Path, tmp_path: Path) -> None:
    path = free(nanodet, tmp_path / "free.onnx")
    done = info(roadproof, path)
    assert done.returncode != 0
    assert "`rows` on axis 2" in done.stderr
    assert "manifest" in done.stderr
    text = MODEL.read_text().replace('"nanodet-g.onnx"', '"free.onnx"')
    lines = [line for line in text.splitlines() if not line.startswith("sha256")]
    (tmp_path / "free.toml").write_text("\n".join(lines))
    done = info(roadproof, tmp_path / "free.toml", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["model"]["inputs"][0]["shape"] == [1, 3, 416, 416]


def test_the_text_names_every_layer(roadproof: str, nanodet: Path) -> None:
    done = info(roadproof, nanodet, "--layers")
    assert done.returncode == 0, done.stderr
    for node in onnx.load(nanodet).graph.node:
        assert node.name in done.stdout
    assert "million MACs" in done.stdout
