"""Reading a TF.js graph model: nodes, constants, outputs.

Reference: the TF.js graph model format (tensorflow/tfjs-converter, `io/types.ts`).
"""

from __future__ import annotations

import base64
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

JsonObject = dict[str, Any]


class ConversionError(Exception):
    """The input is not a model that can be converted faithfully."""


@dataclass(frozen=True)
class Node:
    """One node of the TensorFlow graph."""

    name: str
    op: str
    inputs: tuple[str, ...]
    attributes: JsonObject

    def height_width(self, key: str) -> tuple[int, int]:
        """Height and width of an NHWC list attribute such as `strides`."""
        batch, height, width, channels = (int(v) for v in self.attributes[key]["list"]["i"])
        if batch != 1 or channels != 1 or height < 1 or width < 1:
            raise ValueError(f"attribute '{key}': expected [1, h, w, 1], found {[batch, height, width, channels]}")
        return height, width

    def text(self, key: str, default: str) -> str:
        """A string attribute; TF.js stores these in base64."""
        if key not in self.attributes:
            return default
        return base64.b64decode(self.attributes[key]["s"], validate=True).decode("ascii")

    def flag(self, key: str) -> bool:
        """A boolean attribute, false where absent."""
        return bool(self.attributes.get(key, {}).get("b", False))


@dataclass(frozen=True)
class Graph:
    """A TF.js graph model: nodes by name, constants by name, outputs in order."""

    nodes: dict[str, Node]
    constants: dict[str, np.ndarray]
    outputs: tuple[str, ...]

    def dependency_order(self) -> list[Node]:
        """What the outputs need, each node after its inputs. A constant is no node."""
        order: list[Node] = []
        state: dict[str, str] = {}
        stack = list(reversed(self.outputs))
        while stack:
            name = stack[-1]
            if name in self.constants or state.get(name) == "done":
                stack.pop()
                continue
            node = self.nodes.get(name)
            if node is None:
                raise ConversionError(f"the graph refers to '{name}', which is neither a node nor a weight")
            if node.op == "Const":
                raise ConversionError(f"constant '{name}' has no values in the weights manifest")
            if state.get(name) == "open":
                stack.pop()
                state[name] = "done"
                order.append(node)
                continue
            state[name] = "open"
            for source in reversed([s.split(":")[0] for s in node.inputs]):
                if state.get(source) == "open":
                    raise ConversionError(f"the graph has a cycle through '{source}' and '{name}'")
                if state.get(source) != "done":
                    stack.append(source)
        return order


def load_graph(model_json: Path) -> Graph:
    """Read `model_json` and the weight files that it names, which lie beside it."""
    try:
        document = json.loads(model_json.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConversionError(f"{model_json}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise ConversionError(f"{model_json}: not valid JSON: {error}") from error
    if not isinstance(document, dict) or document.get("format") != "graph-model":
        raise ConversionError(f'{model_json}: expected a TF.js document with "format": "graph-model"')
    try:
        nodes = {}
        for entry in document["modelTopology"]["node"]:
            # A leading '^' marks a control dependency, which carries no data.
            inputs = tuple(name for name in entry.get("input", []) if not name.startswith("^"))
            nodes[entry["name"]] = Node(entry["name"], entry["op"], inputs, entry.get("attr", {}))
        outputs = tuple(name.split(":")[0] for name in document["signature"]["outputs"])
        constants = {}
        for group in document["weightsManifest"]:
            constants.update(load_weights(model_json.parent, group["paths"], group["weights"]))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ConversionError(f"{model_json}: not a TF.js graph model: {type(error).__name__}: {error}") from error
    return Graph(nodes, constants, outputs)


def load_weights(folder: Path, paths: list[str], specs: list[JsonObject]) -> dict[str, np.ndarray]:
    """Decode one weight group: the files of `paths` joined, cut up as `specs` says."""
    blob = b""
    for path in paths:
        if Path(path).name != path:
            raise ConversionError(f"weight file '{path}': expected a plain file name beside the model")
        try:
            blob += (folder / path).read_bytes()
        except OSError as error:
            raise ConversionError(f"{folder / path}: cannot be read: {error.strerror}") from error
    weights = {}
    offset = 0
    for spec in specs:
        name, shape, stored = spec["name"], spec["shape"], spec["dtype"]
        quantised = spec.get("quantization")
        if quantised is not None:
            stored = quantised["dtype"]
        if stored not in ("float32", "float16", "int32") or (quantised is not None and stored != "float16"):
            raise ConversionError(
                f"weight '{name}': stored as {stored}; supported are float32, int32 and float32 kept as float16"
            )
        dtype = np.dtype(stored).newbyteorder("<")
        count = math.prod(shape)
        end = offset + count * dtype.itemsize
        if end > len(blob):
            raise ConversionError(
                f"weight '{name}': needs bytes {offset}..{end} of {', '.join(paths)}, which has only {len(blob)}; "
                "the file is truncated"
            )
        values = np.frombuffer(blob, dtype, count, offset).reshape(shape)
        weights[name] = values.astype(np.int32 if stored == "int32" else np.float32)
        offset = end
    if offset != len(blob):
        raise ConversionError(f"{', '.join(paths)}: {len(blob) - offset} bytes more than the weights described")
    return weights
