"""Models that cannot be used: the node stays up, says why, and takes a good one when it gets it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from conftest import RigFactory
from harness.pictures import photograph, raw_image
from harness.process import MODEL
from harness.rig import ERROR, WARN, Camera, Rig, cameras

WEIGHTS = MODEL.with_suffix(".onnx")


def edited(folder: Path, *replacements: tuple[str, str], weights: bool = True) -> Path:
    """A copy of the default model with parts of its manifest replaced."""
    text = MODEL.read_text()
    for old, new in replacements:
        assert old in text, old
        text = text.replace(old, new, 1)
    manifest = folder / "model.toml"
    manifest.write_text(text)
    if weights:
        shutil.copy(WEIGHTS, folder / WEIGHTS.name)
    return manifest


def without_hash(folder: Path, data: bytes) -> Path:
    """The default model's manifest without its hash, over other bytes."""
    lines = [line for line in MODEL.read_text().splitlines() if not line.startswith("sha256")]
    manifest = folder / "model.toml"
    manifest.write_text("\n".join(lines))
    (folder / WEIGHTS.name).write_bytes(data)
    return manifest


@pytest.fixture(scope="module")
def node(module_rig: RigFactory) -> Iterator[Rig]:
    rig: Rig = module_rig({**cameras(["front"]), "autostart": False})
    yield rig
    # After all that, a good model works.
    rig.peer.set("model", str(MODEL))
    assert rig.peer.transit("configure")
    assert rig.peer.transit("activate")
    camera = Camera(rig, "front")
    camera.connect()
    assert camera.detect(raw_image(photograph("dog.jpg")))


CASES: dict[str, tuple[Callable[[Path], Path], tuple[str, ...]]] = {
    "no manifest": (lambda f: f / "none.toml", ("none.toml",)),
    "manifest is no TOML": (lambda f: edited(f, ("format = 1", "format = = 1")), ("model.toml",)),
    "unknown key in the manifest": (lambda f: edited(f, ("licence =", "licens =")), ("licens",)),
    "no weights": (lambda f: edited(f, weights=False), ("nanodet-g.onnx",)),
    "other weights than the hash says": (lambda f: wrong_hash(f), ("SHA-256",)),
    "truncated weights": (lambda f: without_hash(f, WEIGHTS.read_bytes()[:1_000_000]), ("nanodet-g.onnx",)),
    "empty weights": (lambda f: without_hash(f, b""), ("nanodet-g.onnx", "empty")),
    "not ONNX": (lambda f: without_hash(f, b"<!DOCTYPE html><html>" + b" " * 5000), ("nanodet-g.onnx",)),
    "a decoder for other outputs": (lambda f: other_decoder(f), ("yolov8", "expected", "found")),
    "too few class names": (lambda f: edited(f, ('"person",', "")), ("80", "79")),
    "another input size": (lambda f: edited(f, ("width = 416", "width = 320")), ("416", "320")),
}


def other_decoder(folder: Path) -> Path:
    """The default model, said to have one output of boxes and scores."""
    manifest = edited(folder, ('type = "nanodet"', 'type = "yolov8"'))
    lines = manifest.read_text().splitlines()
    manifest.write_text("\n".join(line for line in lines if not line.startswith(("strides", "outputs"))))
    return manifest


def wrong_hash(folder: Path) -> Path:
    manifest = edited(folder)
    (folder / WEIGHTS.name).write_bytes(WEIGHTS.read_bytes() + b"\0")
    return manifest


@pytest.mark.parametrize("case", CASES)
def test_a_bad_model_is_refused_with_the_reason(node: Rig, case: str, tmp_path: Path) -> None:
    make, texts = CASES[case]
    node.peer.set("model", str(make(tmp_path)))
    assert not node.peer.transit("configure")
    assert node.peer.state() == "unconfigured"
    message = node.wait_message("lifecycle", *texts, at=ERROR)
    assert message
    assert node.node.is_alive()


def test_a_provider_that_is_not_there_is_an_error_and_not_a_silent_fallback(node: Rig) -> None:
    peer = node.peer
    peer.set("model", str(MODEL))
    peer.set("providers", ["cuda"])
    try:
        assert not peer.transit("configure")
        node.wait_message("lifecycle", "cuda", "install", at=ERROR)
        peer.set("providers", ["tensorrt"])
        assert not peer.transit("configure")
        node.wait_message("lifecycle", "libnvinfer.so.10", "TensorRT 10", at=ERROR)
        peer.set("providers", ["cuda", "cpu"])
        peer.set("provider_policy", "prefer")
        assert peer.transit("configure")
        assert peer.transit("activate")
        node.wait_message("inference", "running on `cpu`", "`cuda`", "install", at=WARN)
        assert peer.transit("deactivate")
        assert peer.transit("cleanup")
    finally:
        peer.set("providers", None)
        peer.set("provider_policy", None)
