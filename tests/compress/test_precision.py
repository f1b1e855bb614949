"""Precision by accuracy: layers stay in float until a gate is passed, and integers are as good as another tool's."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

tomllib = pytest.importorskip("tomllib")
onnx = pytest.importorskip("onnx", reason="the Python package onnx is not set up: run scripts/setup.sh")
cv2 = pytest.importorskip("cv2")
pytest.importorskip("onnxruntime")

import running  # noqa: E402

NANODET = Path(__file__).parents[2] / "models" / "nanodet-g.toml"


@pytest.fixture(scope="module")
def halves(collages: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Path]]:
    """The collages in the size of NanoDet-g's input: a folder to calibrate on, and others to measure on."""
    folder = tmp_path_factory.mktemp("halves") / "calibrate"
    folder.mkdir()
    side = running.size(NANODET)
    paths = []
    for number, picture in enumerate(sorted((collages / "images").iterdir())):
        paths.append((folder if number % 3 else folder.parent) / picture.name)
        cv2.imwrite(str(paths[-1]), cv2.resize(cv2.imread(str(picture)), (side, side), interpolation=cv2.INTER_AREA))
    return folder, [path for path in paths if path.parent != folder]


def test_layers_stay_in_float_until_the_gate_is_passed(
    program: Callable, compress: Callable, collages: Path, tmp_path: Path
) -> None:
    """All in integers, with ranges that clip three of a hundred values, loses more than the gate allows."""
    make = [NANODET, "--int8", "--calibration", "percentile", "--percentile", "97", "--calibrate", collages]
    make += ["--calibration-images", "4", "-o", tmp_path / "out"]
    result = compress(*make, "--max-drop", "ap=0.12", code=1)
    assert result["variants"][0]["gate"]["drops"][0]["drop"] > 0.12

    refused = program("compress", *make, "--mixed")
    assert refused.returncode != 0
    assert "give a gate" in refused.stderr

    [made] = compress(*make, "--mixed", "--max-drop", "ap=0.12")["variants"]
    assert made["gate"]["passed"] and not made["refused"]
    assert made["gate"]["drops"][0]["drop"] <= 0.12
    kept = tomllib.loads(Path(made["manifest"]).read_text())["compression"]["kept_in_float"]
    step = made["steps"][0]
    assert kept == step["kept_in_float"]
    assert 0 < len(kept) < 37
    # the most sensitive ones, and only they, compute in float
    assert kept == [layer["node"] for layer in step["sensitivities"]][: len(kept)]
    errors = [layer["error"] for layer in step["sensitivities"]]
    assert len(errors) == 37 and errors == sorted(errors, reverse=True)
    model = onnx.load(made["onnx"])
    onnx.checker.check_model(model, full_check=True)
    weights = {tensor.name for tensor in model.graph.initializer if tensor.data_type == onnx.TensorProto.FLOAT}
    float_convolutions = [node.name for node in model.graph.node if node.op_type == "Conv" and node.input[1] in weights]
    assert sorted(float_convolutions) == sorted(kept)
    # done is done
    assert compress(*make, "--mixed", "--max-drop", "ap=0.12")["variants"][0]["state"] == "there"


def test_integers_are_as_good_as_those_of_onnxruntime(
    compress: Callable, halves: tuple[Path, list[Path]], tmp_path: Path
) -> None:
    quantization = pytest.importorskip("onnxruntime.quantization", reason="ONNX Runtime has no quantisation here")
    calibrate, held_out = halves

    class Reader(quantization.CalibrationDataReader):
        def __init__(self) -> None:
            self.left = sorted(calibrate.iterdir())
            self.name = onnx.load(NANODET.with_suffix(".onnx")).graph.input[0].name

        def get_next(self) -> dict | None:
            return {self.name: running.read(NANODET, self.left.pop(0))} if self.left else None

    theirs = tmp_path / "theirs.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        quantization.quantize_static(
            str(NANODET.with_suffix(".onnx")),
            str(theirs),
            Reader(),
            quant_format=quantization.QuantFormat.QDQ,
            per_channel=True,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
            calibrate_method=quantization.CalibrationMethod.MinMax,
        )
    [ours] = compress(NANODET, "--int8", "--calibrate", calibrate, "-o", tmp_path)["variants"]
    images = [running.read(NANODET, picture) for picture in held_out]
    wanted = running.outputs(NANODET.with_suffix(".onnx"), images)
    errors = {
        name: running.error(wanted, running.outputs(path, images))
        for name, path in (("ours", ours["onnx"]), ("theirs", theirs))
    }
    print(json.dumps(errors))
    assert 0 < errors["ours"] <= 1.25 * errors["theirs"], errors
