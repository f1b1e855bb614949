"""Writing an ONNX graph node by node, with the same bytes on every run."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from tfjs_graph import ConversionError

OPSET = 17
IR_VERSION = 8  # the version that opset 17 was released with

# A dimension may have a name instead of a number: the batch, where it is free.
Shape = tuple["int | str", ...]

TENSOR_TYPES = {np.dtype(np.float32): TensorProto.FLOAT, np.dtype(np.int64): TensorProto.INT64}


class GraphWriter:
    """Nodes in the order of writing; each names its output after its operation."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: dict[str, np.ndarray] = {}
        self.shapes: dict[str, Shape] = {}
        self.numbers: Counter[str] = Counter()

    def emit(self, op: str, inputs: list[str], shape: Shape, **attributes: Any) -> str:
        """Append a node with one FP32 output of `shape`; returns the output's name."""
        prefix = re.sub(r"(?<=.)([A-Z][a-z])", r"_\1", op).lower()
        name = f"{prefix}_{self.numbers[prefix]}"
        self.numbers[prefix] += 1
        self.nodes.append(helper.make_node(op, inputs, [name], name=name, **attributes))
        self.shapes[name] = shape
        return name

    def weight(self, name: str, values: np.ndarray) -> str:
        """Register an initialiser (float32 or int64); returns its name."""
        self.weights[name] = np.ascontiguousarray(values)
        return name

    def producer(self, output: str, op: str) -> onnx.NodeProto | None:
        """The node that writes `output`, if it is an `op`."""
        return next((n for n in self.nodes if n.output[0] == output and n.op_type == op), None)

    def remove(self, node: onnx.NodeProto) -> list[np.ndarray]:
        """Take `node` out again; returns its weights, in the order of its inputs."""
        self.nodes.remove(node)
        del self.shapes[node.output[0]]
        prefix, number = node.name.rsplit("_", 1)
        if int(number) == self.numbers[prefix] - 1:
            self.numbers[prefix] -= 1  # leaves no gap in the names
        return [self.weights.pop(name) for name in node.input if name in self.weights]

    def model(
        self,
        name: str,
        source: tuple[str, Shape],
        outputs: list[tuple[str, Shape]],
        producer: str = "roadproof nanodet_to_onnx",
    ) -> onnx.ModelProto:
        """The model with one input, checked by ONNX."""

        def info(tensor: str, shape: Shape) -> onnx.ValueInfoProto:
            return helper.make_tensor_value_info(tensor, TensorProto.FLOAT, shape)

        graph = helper.make_graph(
            self.nodes,
            name,
            [info(*source)],
            [info(*output) for output in outputs],
            [initialiser(tensor, values) for tensor, values in self.weights.items()],
            value_info=[info(tensor, shape) for tensor, shape in self.shapes.items()],
        )
        model = helper.make_model(
            graph,
            producer_name=producer,
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
        )
        try:
            onnx.checker.check_model(model, full_check=True)
        except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
            raise ConversionError(f"the converted graph is not valid ONNX: {error}") from error
        return model


def initialiser(name: str, values: np.ndarray) -> onnx.TensorProto:
    """An ONNX tensor, little-endian as the format wants it."""
    data = values.astype(values.dtype.newbyteorder("<")).tobytes()
    return helper.make_tensor(name, TENSOR_TYPES[values.dtype], values.shape, data, raw=True)
