"""What is pruned is valid, counted right, unchanged where nothing goes, and nearer to the original when fitted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

onnx = pytest.importorskip("onnx", reason="the Python package onnx is not set up: run scripts/setup.sh")
pytest.importorskip("onnxruntime")
pytest.importorskip("cv2")
pytest.importorskip("tomllib")
numpy = pytest.importorskip("numpy")

import running  # noqa: E402

NANODET = Path(__file__).parents[2] / "models" / "nanodet-g.toml"
MODELS = ("nanodet-g", "yolox", "yolov8", "rtdetr")


@pytest.fixture
def manifest(request: pytest.FixtureRequest, models: dict[str, Path]) -> Path:
    """Of the model that a test asks for."""
    if request.param != "nanodet-g":
        return models[request.param]
    if not NANODET.with_suffix(".onnx").exists():
        pytest.skip("nanodet-g.onnx is not set up: run scripts/setup.sh")
    return NANODET


def noise(manifest: Path, count: int = 2) -> list:
    """As wide as normalised images are."""
    side = running.size(manifest)
    draw = (numpy.random.default_rng(seed).normal(0, 1, (1, 3, side, side)) for seed in range(count))
    return [values.astype(numpy.float32) for values in draw]


def zeros(path: str) -> tuple[int, int]:
    """Zeros and elements of the constants that are weights: two axes and more."""
    arrays = [onnx.numpy_helper.to_array(tensor) for tensor in onnx.load(path).graph.initializer]
    weights = [array for array in arrays if array.dtype == numpy.float32 and array.ndim > 1]
    return sum(int((array == 0).sum()) for array in weights), sum(array.size for array in weights)


@pytest.mark.parametrize(
    "flags",
    (
        ["--structured", "0.3"],
        ["--structured", "0.5", "--importance", "scale", "--multiple", "8"],
        ["--structured", "0.9"],
        ["--unstructured", "0.7"],
        ["--unstructured", "0.5", "--scope", "layer"],
        ["--pattern", "2:4"],
        ["--structured", "0.2", "--unstructured", "0.5"],
    ),
    ids=("structured", "multiple", "most", "unstructured", "layer", "pattern", "both"),
)
@pytest.mark.parametrize("manifest", MODELS, indirect=True)
def test_what_is_pruned_is_valid(compress: Callable, manifest: Path, flags: list[str], tmp_path: Path) -> None:
    result = compress(manifest, *flags, "-o", tmp_path)
    [made] = result["variants"]
    onnx.checker.check_model(onnx.load(made["onnx"]), full_check=True)
    before, after = (running.outputs(path, noise(manifest)) for path in (manifest.with_suffix(".onnx"), made["onnx"]))
    assert [values.shape for values in before] == [values.shape for values in after]
    assert all(numpy.isfinite(values).all() for values in after)
    assert running.error(before, after) > 0
    if "--structured" in flags:
        # counted by the step while it decides, and by the file that came out
        macs = made["steps"][0]["pruned"]["macs"]
        assert macs == {"before": result["base"]["macs"], "after": made["macs"]}
        assert made["macs_ratio"] == pytest.approx(made["macs"] / result["base"]["macs"])
        assert made["macs_ratio"] < 0.95
        assert made["parameters"] < result["base"]["parameters"]
        assert made["bytes"] < 0.95 * result["base"]["bytes"]
    else:
        assert made["macs_ratio"] == result["base"]["macs_ratio"] == 1
    if "--structured" not in flags:
        rate = made["compression"]["rate"]
        zero, elements = zeros(made["onnx"])
        assert 0.7 * rate <= zero / elements <= rate + 0.02


@pytest.mark.parametrize(
    "flags",
    (["--structured", "0"], ["--structured", "0", "--multiple", "8"], ["--unstructured", "0"]),
    ids=("structured", "multiple", "unstructured"),
)
@pytest.mark.parametrize("manifest", MODELS, indirect=True)
def test_nothing_pruned_changes_nothing(compress: Callable, manifest: Path, flags: list[str], tmp_path: Path) -> None:
    [made] = compress(manifest, *flags, "-o", tmp_path)["variants"]
    onnx.checker.check_model(onnx.load(made["onnx"]), full_check=True)
    before, after = (running.outputs(path, noise(manifest)) for path in (manifest.with_suffix(".onnx"), made["onnx"]))
    for wanted, found in zip(before, after, strict=True):
        assert numpy.abs(found - wanted).max() <= 1e-5 * max(1, numpy.abs(wanted).max())


@pytest.mark.parametrize("flags", (["--structured", "0.3"], ["--unstructured", "0.7"]), ids=("channels", "weights"))
@pytest.mark.parametrize("manifest", ("yolov8", "yolox"), indirect=True)
def test_reconstruction_brings_outputs_back(
    compress: Callable, manifest: Path, flags: list[str], tmp_path: Path
) -> None:
    """On the pictures that it looked at, and on others."""
    seen = running.blots(tmp_path / "seen", 16, running.size(manifest))
    others = running.blots(tmp_path / "others", 24, running.size(manifest))[16:]
    errors = {}
    for what in ("none", "bias", "weights"):
        make = [manifest, *flags, "--reconstruct", what, "--calibrate", tmp_path / "seen", "-o", tmp_path / what]
        [made] = compress(*make)["variants"]
        onnx.checker.check_model(onnx.load(made["onnx"]), full_check=True)
        for kind, pictures in (("seen", seen), ("others", others)):
            images = [running.read(manifest, picture) for picture in pictures]
            wanted = running.outputs(manifest.with_suffix(".onnx"), images)
            errors[kind, what] = running.error(wanted, running.outputs(made["onnx"], images))
    for kind in ("seen", "others"):
        assert errors[kind, "weights"] < 0.7 * errors[kind, "none"], errors
        assert errors[kind, "weights"] < errors[kind, "bias"] < errors[kind, "none"], errors
