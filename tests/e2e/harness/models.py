"""Variants of the default model for tests."""

from __future__ import annotations

from pathlib import Path

import onnx
from onnx import numpy_helper

from .process import MODEL


def with_free_batch(folder: Path) -> Path:
    """The default model, its manifest beside it, with a first dimension that is free from end to end: reshapes keep
    it, and resizes tell how much larger the picture gets instead of the new shape."""
    model = onnx.load(MODEL.with_suffix(".onnx"))
    graph = model.graph
    constants = {constant.name: constant for constant in graph.initializer}
    sides = {value.name: value.type.tensor_type.shape.dim for value in shapes_of(model)}
    for node in graph.node:
        if node.op_type == "Reshape":
            shape = numpy_helper.to_array(constants[node.input[1]]).copy()
            shape[0] = 0
            constants[node.input[1]].CopyFrom(numpy_helper.from_array(shape, node.input[1]))
        elif node.op_type == "Resize":
            sizes = numpy_helper.to_array(constants[node.input[3]])
            scales = [to / side.dim_value for to, side in zip(sizes, sides[node.input[0]], strict=True)]
            name = f"{node.input[3]}.scales"
            graph.initializer.append(onnx.helper.make_tensor(name, onnx.TensorProto.FLOAT, [len(scales)], scales))
            del node.input[2:]
            node.input.append(name)
    for value in [*graph.input, *graph.output]:
        value.type.tensor_type.shape.dim[0].dim_param = "images"
    del graph.value_info[:]
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, folder / MODEL.with_suffix(".onnx").name)
    manifest = folder / MODEL.name
    lines = MODEL.read_text().splitlines()
    manifest.write_text("\n".join(line for line in lines if not line.startswith("sha256")))
    return manifest


def shapes_of(model: onnx.ModelProto) -> list[onnx.ValueInfoProto]:
    graph = onnx.shape_inference.infer_shapes(model, strict_mode=True).graph
    return [*graph.input, *graph.value_info, *graph.output]
