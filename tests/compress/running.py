"""Models run in Python, on pictures that have the size of their input."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy
import onnxruntime
import tomllib


def size(manifest: Path) -> int:
    """The side of a model's square input."""
    return tomllib.loads(manifest.read_text())["input"]["width"]


def blots(folder: Path, count: int, side: int) -> list[Path]:
    """Pictures of soft blots, coarse ones and fine ones."""
    folder.mkdir()
    paths = [folder / f"{number:02}.png" for number in range(count)]
    for number, path in enumerate(paths):
        cells = 4 + 3 * (number % 4)
        noise = numpy.random.default_rng(number).integers(0, 256, (cells, cells, 3), dtype=numpy.uint8)
        cv2.imwrite(str(path), cv2.resize(noise, (side, side), interpolation=cv2.INTER_CUBIC))
    return paths


def read(manifest: Path, picture: Path) -> numpy.ndarray:
    """What a model sees of a picture of its input's size: nothing is resized."""
    given = tomllib.loads(manifest.read_text())["input"]
    pixels = cv2.imread(str(picture))
    assert pixels.shape[:2] == (given["height"], given["width"])
    if given["colour"] == "rgb":
        pixels = pixels[:, :, ::-1]
    scaled = (pixels - numpy.array(given["mean"], numpy.float32)) / numpy.array(given["std"], numpy.float32)
    return numpy.ascontiguousarray(scaled.transpose(2, 0, 1)[None], numpy.float32)


def outputs(model: Path, images: list[numpy.ndarray]) -> list[numpy.ndarray]:
    """By output: what a model puts out for all images."""
    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    found = [session.run(None, {name: image}) for image in images]
    return [numpy.stack(values) for values in zip(*found, strict=True)]


def error(wanted: list[numpy.ndarray], found: list[numpy.ndarray]) -> float:
    """Squared differences over the variance, the mean over the outputs."""
    pairs = list(zip(wanted, found, strict=True))
    return sum(float(((a - b) ** 2).mean() / a.var()) for a, b in pairs) / len(pairs)
