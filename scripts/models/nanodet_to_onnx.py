#!/usr/bin/env python3
"""Convert the NanoDet-g TF.js graph model to ONNX.

The TF.js graph is an ONNX graph that was translated to TensorFlow: its body is
NCHW, and every convolution sits between two transposes (to NHWC and back), with
its padding and its bias as nodes of their own. This converter undoes that:

* a transpose is only remembered (as the permutation between TensorFlow's axes
  and ours) and written out where a reshape or an output really needs it, so
  the body of the result is NCHW throughout;
* explicit padding goes into the `pads` of the convolution or pooling behind it;
* the bias goes into the convolution;
* a convolution whose channels are split afterwards becomes one convolution per
  part. Classification and box logits then have tensors, and after quantisation
  scales, of their own.

Result: FP32, opset 17, static shapes. Input `images` (1, 3, H, W), the
normalised pixels. Per stride S one `scores_S` (1, N, classes), after the
sigmoid, and one `boxes_S` (1, N, 4 x bins), logits of the four sides'
distances in the order left, top, right, bottom; N = (H / S) x (W / S), row by
row. The same input gives the same bytes.

References: TensorFlow raw ops documentation; ONNX operator schemas, opset 17;
for what the outputs mean, Li et al., "Generalized Focal Loss", arXiv:2006.04388.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import helper

from onnx_writer import GraphWriter
from tfjs_graph import ConversionError, Graph, Node, load_graph

BOX_SIDES = 4
# Padding at or below this value never wins a max, so MaxPool may leave it out.
LOWEST_PADDING = -1e30


@dataclass(frozen=True)
class Value:
    """A tensor of the TensorFlow graph, expressed by a tensor of the ONNX graph.

    TensorFlow's axis `i` is the ONNX tensor's axis `perm[i]`. `pads`, per ONNX
    axis, is padding with `pad_value` that has not been written out yet.
    """

    name: str
    shape: tuple[int, ...]
    perm: tuple[int, ...]
    pads: tuple[tuple[int, int], ...] | None = None
    pad_value: float = 0.0


NHWC_FROM_NCHW = (0, 2, 3, 1)


class Converter:
    """Builds the ONNX graph, node by node in dependency order."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.uses = Counter(name.split(":")[0] for node in graph.nodes.values() for name in node.inputs)
        self.constants = dict(graph.constants)
        self.values: dict[str, Value] = {}
        self.onnx = GraphWriter()
        self.input: Value | None = None
        self.handlers: dict[str, Callable[[Node], Value | tuple[Value, ...]]] = {
            "Placeholder": self.placeholder,
            "Identity": lambda node: self.value(node, 0),
            "Transpose": self.transpose,
            "Pad": self.pad,
            "PadV2": self.pad,
            "Conv2D": self.conv2d,
            "MaxPool": self.max_pool,
            "LeakyRelu": self.leaky_relu,
            "Sigmoid": lambda node: self.elementwise(node, "Sigmoid"),
            "Add": self.add,
            "AddV2": self.add,
            "ConcatV2": self.concat,
            "SplitV": self.split,
            "ResizeBilinear": self.resize_bilinear,
            "Reshape": self.reshape,
        }

    def convert(self) -> onnx.ModelProto:
        """The whole graph as a checked ONNX model."""
        order = self.graph.dependency_order()
        unsupported = {n.op: n.name for n in order if n.op not in self.handlers and n.op not in FOLDED}
        if unsupported:
            listed = ", ".join(f"{op} ('{name}')" for op, name in sorted(unsupported.items()))
            raise ConversionError(f"unsupported operations: {listed}")
        for node in order:
            if node.op in FOLDED and self.fold(node):
                continue
            if node.op not in self.handlers:
                raise ConversionError(f"{node.op} '{node.name}': supported only with constant inputs")
            try:
                result = self.handlers[node.op](node)
            except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
                raise ConversionError(
                    f"{node.op} '{node.name}': malformed node: {type(error).__name__}: {error}"
                ) from error
            for index, value in enumerate(result if isinstance(result, tuple) else (result,)):
                self.values[node.name if index == 0 else f"{node.name}:{index}"] = value
        if self.input is None:
            raise ConversionError("the outputs do not depend on any input")
        outputs = self.outputs(self.input.shape[2] * self.input.shape[3])
        return self.onnx.model("nanodet", (self.input.name, self.input.shape), outputs)

    # ---- access to inputs -------------------------------------------------

    def value(self, node: Node, index: int) -> Value:
        """Input `index` of `node`, which must be a computed tensor."""
        try:
            return self.values[node.inputs[index]]
        except (IndexError, KeyError) as error:
            raise ConversionError(f"{node.op} '{node.name}': expected a computed tensor as input {index}") from error

    def constant(self, node: Node, index: int) -> np.ndarray:
        """Input `index` of `node`, which must be a constant."""
        try:
            return self.constants[node.inputs[index]]
        except (IndexError, KeyError) as error:
            raise ConversionError(f"{node.op} '{node.name}': expected a constant as input {index}") from error

    def axis(self, node: Node, index: int, value: Value) -> int:
        """ONNX axis for the TensorFlow axis in constant input `index`."""
        return value.perm[int(self.constant(node, index).item())]

    def nchw(self, node: Node) -> Value:
        """Input 0 of an NHWC operation, which must come from an NCHW tensor."""
        value = self.value(node, 0)
        layout = node.text("data_format", "NHWC")
        if layout != "NHWC" or value.perm != NHWC_FROM_NCHW:
            raise ConversionError(
                f"{node.op} '{node.name}': expected NHWC data transposed from NCHW, "
                f"found {layout} with axes {value.perm}"
            )
        return value

    def plain(self, node: Node, index: int) -> Value:
        """Input `index` of `node`, with no padding pending."""
        value = self.value(node, index)
        if value.pads is not None:
            raise ConversionError(f"{node.op} '{node.name}': padding is supported only in front of Conv2D and MaxPool")
        return value

    # ---- constant folding -------------------------------------------------

    def fold(self, node: Node) -> bool:
        """Compute `node` now if all its inputs are constants."""
        if not all(name in self.constants for name in node.inputs):
            return False
        self.constants[node.name] = FOLDED[node.op](node, [self.constants[name] for name in node.inputs])
        return True

    # ---- operations -------------------------------------------------------

    def placeholder(self, node: Node) -> Value:
        shape = tuple(int(d["size"]) for d in node.attributes["shape"]["shape"]["dim"])
        if self.input is not None or len(shape) != 4 or shape[:2] != (1, 3):
            raise ConversionError(f"input '{node.name}': expected one single input (1, 3, H, W), found {shape}")
        self.input = Value("images", shape, (0, 1, 2, 3))
        return self.input

    def transpose(self, node: Node) -> Value:
        value, order = self.value(node, 0), self.constant(node, 1).tolist()
        if sorted(order) != list(range(len(value.perm))):
            raise ConversionError(f"Transpose '{node.name}': {order} does not permute {len(value.perm)} axes")
        return replace(value, perm=tuple(value.perm[i] for i in order))

    def pad(self, node: Node) -> Value:
        value, amounts = self.plain(node, 0), self.constant(node, 1)
        if amounts.shape != (len(value.perm), 2) or amounts.min() < 0:
            raise ConversionError(
                f"{node.op} '{node.name}': expected two amounts >= 0 per axis, found {amounts.tolist()}"
            )
        pads = [(0, 0)] * len(value.perm)
        for tf_axis, axis in enumerate(value.perm):
            pads[axis] = (int(amounts[tf_axis, 0]), int(amounts[tf_axis, 1]))
        if any(pads[0] + pads[1]):
            raise ConversionError(f"{node.op} '{node.name}': padding of batch or channels is not supported: {pads}")
        pad_value = float(self.constant(node, 2).item()) if node.op == "PadV2" else 0.0
        return replace(value, pads=tuple(pads), pad_value=pad_value)

    def window(self, node: Node, value: Value, kernel: tuple[int, int]) -> tuple[dict[str, list[int]], tuple[int, int]]:
        """Attributes `kernel_shape`, `pads`, `strides` of a sliding window, and its output's height and width."""
        strides = node.height_width("strides")
        padding = node.text("padding", "")
        pads = [(0, 0), (0, 0)]
        if value.pads is not None:
            pads = list(value.pads[2:])
        size = [value.shape[2 + i] + sum(pads[i]) for i in range(2)]
        if padding == "SAME":
            # TensorFlow puts the odd pixel of padding at the end.
            for i in range(2):
                missing = max((math.ceil(size[i] / strides[i]) - 1) * strides[i] + kernel[i] - size[i], 0)
                pads[i] = (pads[i][0] + missing // 2, pads[i][1] + missing - missing // 2)
                size[i] += missing
        elif padding != "VALID":
            raise ConversionError(f"{node.op} '{node.name}': padding '{padding}' is not supported")
        out = tuple((size[i] - kernel[i]) // strides[i] + 1 for i in range(2))
        if min(out) < 1:
            raise ConversionError(f"{node.op} '{node.name}': window {kernel} is larger than its input {size}")
        attributes = {
            "kernel_shape": list(kernel),
            "pads": [pads[0][0], pads[1][0], pads[0][1], pads[1][1]],
            "strides": list(strides),
        }
        return attributes, (out[0], out[1])

    def conv2d(self, node: Node) -> Value:
        value, kernel = self.nchw(node), self.constant(node, 1)
        if kernel.ndim != 4 or kernel.shape[2] != value.shape[1]:
            raise ConversionError(
                f"Conv2D '{node.name}': kernel {kernel.shape} does not fit {value.shape[1]} input channels"
            )
        if "dilations" in node.attributes and node.height_width("dilations") != (1, 1):
            raise ConversionError(f"Conv2D '{node.name}': dilation is not supported")
        if value.pads is not None and value.pad_value != 0.0:
            raise ConversionError(f"Conv2D '{node.name}': padding with {value.pad_value} is not supported, only 0")
        attributes, out = self.window(node, value, (kernel.shape[0], kernel.shape[1]))
        return self.convolve(value.name, kernel.transpose(3, 2, 0, 1), None, out, attributes)

    def convolve(
        self,
        source: str,
        kernel: np.ndarray,
        bias: np.ndarray | None,
        out: tuple[int, int],
        attributes: dict[str, list[int]],
    ) -> Value:
        """Write a Conv with an (out, in, h, w) kernel."""
        shape = (1, kernel.shape[0], *out)
        name = self.onnx.emit("Conv", [source, ""], shape, **attributes)
        self.onnx.nodes[-1].input[1] = self.onnx.weight(f"{name}.weight", kernel)
        if bias is not None:
            self.onnx.nodes[-1].input.append(self.onnx.weight(f"{name}.bias", bias))
        return Value(name, shape, NHWC_FROM_NCHW)

    def max_pool(self, node: Node) -> Value:
        value = self.nchw(node)
        if value.pads is not None and value.pad_value > LOWEST_PADDING:
            raise ConversionError(f"MaxPool '{node.name}': padding with {value.pad_value} could win the maximum")
        attributes, out = self.window(node, value, node.height_width("ksize"))
        shape = (*value.shape[:2], *out)
        return Value(self.onnx.emit("MaxPool", [value.name], shape, **attributes), shape, value.perm)

    def elementwise(self, node: Node, op: str, **attributes: Any) -> Value:
        value = self.plain(node, 0)
        return replace(value, name=self.onnx.emit(op, [value.name], value.shape, **attributes))

    def leaky_relu(self, node: Node) -> Value:
        return self.elementwise(node, "LeakyRelu", alpha=float(node.attributes["alpha"]["f"]))

    def add(self, node: Node) -> Value:
        left = self.plain(node, 0)
        if node.inputs[1] in self.constants:
            return self.add_bias(node, left, self.constants[node.inputs[1]])
        right = self.plain(node, 1)
        if left.perm != right.perm or left.shape != right.shape:
            raise ConversionError(f"{node.op} '{node.name}': {left.shape} and {right.shape} differ in shape or layout")
        return replace(left, name=self.onnx.emit("Add", [left.name, right.name], left.shape))

    def add_bias(self, node: Node, value: Value, bias: np.ndarray) -> Value:
        """A constant per channel, added to a convolution's result, is its bias."""
        conv = self.onnx.producer(value.name, "Conv")
        if (
            conv is None
            or len(conv.input) != 2
            or self.uses[node.inputs[0].split(":")[0]] != 1
            or value.perm != NHWC_FROM_NCHW
            or bias.shape != (value.shape[1],)
        ):
            raise ConversionError(
                f"{node.op} '{node.name}': a constant of shape {bias.shape} can only be added as a convolution's bias"
            )
        conv.input.append(self.onnx.weight(f"{value.name}.bias", bias))
        return value

    def concat(self, node: Node) -> Value:
        count = len(node.inputs) - 1
        parts = [self.plain(node, i) for i in range(count)]
        axis = self.axis(node, count, parts[0])
        shape = list(parts[0].shape)
        shape[axis] = sum(part.shape[axis] for part in parts)
        for part in parts:
            if part.perm != parts[0].perm or (*part.shape[:axis], shape[axis], *part.shape[axis + 1 :]) != tuple(shape):
                raise ConversionError(
                    f"ConcatV2 '{node.name}': inputs differ in shape or layout beyond the joined axis"
                )
        name = self.onnx.emit("Concat", [part.name for part in parts], tuple(shape), axis=axis)
        return Value(name, tuple(shape), parts[0].perm)

    def split(self, node: Node) -> tuple[Value, ...]:
        """A split of a convolution's channels: one convolution per part."""
        value, sizes = self.plain(node, 0), self.constant(node, 1).tolist()
        axis = self.axis(node, 2, value)
        conv = self.onnx.producer(value.name, "Conv")
        if axis != 1 or sum(sizes) != value.shape[1] or conv is None or self.uses[node.inputs[0].split(":")[0]] != 1:
            raise ConversionError(f"SplitV '{node.name}': only a split of a convolution's own channels is supported")
        tensors = self.onnx.remove(conv)
        attributes = {a.name: list(a.ints) for a in conv.attribute}
        parts, start = [], 0
        for size in sizes:
            cut = [tensor[start : start + size] for tensor in tensors]
            part = self.convolve(
                conv.input[0], cut[0], cut[1] if len(cut) > 1 else None, (value.shape[2], value.shape[3]), attributes
            )
            parts.append(replace(part, perm=value.perm))
            start += size
        return tuple(parts)

    def resize_bilinear(self, node: Node) -> Value:
        value = self.nchw(node)
        if node.flag("align_corners") or not node.flag("half_pixel_centers"):
            raise ConversionError(f"ResizeBilinear '{node.name}': only half_pixel_centers=true is supported")
        height, width = (int(v) for v in self.constant(node, 1))
        shape = (*value.shape[:2], height, width)
        name = self.onnx.emit(
            "Resize",
            [value.name, "", "", ""],
            shape,
            mode="linear",
            coordinate_transformation_mode="half_pixel",
        )
        self.onnx.nodes[-1].input[3] = self.onnx.weight(f"{name}.sizes", np.array(shape, np.int64))
        return Value(name, shape, value.perm)

    def reshape(self, node: Node) -> Value:
        value, wanted = self.plain(node, 0), [int(v) for v in self.constant(node, 1)]
        if value.perm != tuple(range(len(value.perm))):
            raise ConversionError(f"Reshape '{node.name}': its input is transposed, which is not supported")
        total, known = math.prod(value.shape), math.prod(v for v in wanted if v != -1)
        shape = tuple(total // known if v == -1 and known > 0 else v for v in wanted)
        if math.prod(shape) != total:
            raise ConversionError(f"Reshape '{node.name}': {value.shape} cannot become {wanted}")
        name = self.onnx.emit("Reshape", [value.name, ""], shape)
        self.onnx.nodes[-1].input[1] = self.onnx.weight(f"{name}.shape", np.array(shape, np.int64))
        return Value(name, shape, tuple(range(len(shape))))

    # ---- outputs ----------------------------------------------------------

    def outputs(self, pixels: int) -> list[tuple[str, tuple[int, ...]]]:
        """Write the outputs' transposes; returns names and shapes, scores first, finest stride first.

        `pixels` is the input's area.
        """
        found = {}
        for name in self.graph.outputs:
            value = self.values[name]
            shape = tuple(value.shape[axis] for axis in value.perm)
            producer = self.onnx.producer(value.name, "Reshape")
            if len(shape) != 3 or producer is None:
                raise ConversionError(f"output '{name}': expected a reshaped tensor (1, cells, values), found {shape}")
            stride = math.isqrt(pixels // shape[1])
            if stride * stride * shape[1] != pixels:
                raise ConversionError(f"output '{name}': {shape[1]} cells do not tile the input at any stride")
            # Scores come out of a sigmoid, box logits straight out of a convolution.
            scores = self.onnx.producer(producer.input[0], "Sigmoid") is not None
            if not scores and shape[2] % BOX_SIDES != 0:
                raise ConversionError(f"output '{name}': {shape[2]} box values are not four sides of equal bins")
            found[(not scores, stride)] = (value, shape)
        if len(found) != len(self.graph.outputs) or len(found) % 2 != 0:
            raise ConversionError("expected one score and one box output per stride")
        result: list[tuple[str, tuple[int, ...]]] = []
        for (is_boxes, stride), (value, shape) in sorted(found.items()):
            name = f"{'boxes' if is_boxes else 'scores'}_{stride}"
            self.onnx.nodes.append(
                helper.make_node("Transpose", [value.name], [name], name=name, perm=list(value.perm))
            )
            result.append((name, shape))
        return result


def fold_sparse_to_dense(node: Node, inputs: list[np.ndarray]) -> np.ndarray:
    """TensorFlow `SparseToDense` with indices (n, rank)."""
    indices, shape, values, default = inputs
    if indices.ndim != 2 or indices.shape[1] != shape.size:
        raise ConversionError(f"SparseToDense '{node.name}': indices {indices.shape} do not fit shape {shape.tolist()}")
    dense = np.full(shape.tolist(), default.item(), default.dtype)
    dense[tuple(indices.T)] = values
    return dense


# Operations that are computed at conversion time when all their inputs are constant.
FOLDED: dict[str, Callable[[Node, list[np.ndarray]], np.ndarray]] = {
    "SparseToDense": fold_sparse_to_dense,
    "Add": lambda _, inputs: inputs[0] + inputs[1],
    "AddV2": lambda _, inputs: inputs[0] + inputs[1],
}


def convert(model_json: Path) -> bytes:
    """The ONNX file for the TF.js graph model at `model_json`."""
    return Converter(load_graph(model_json)).convert().SerializeToString(deterministic=True)


def main() -> int:
    parser = argparse.ArgumentParser(description="Convert the NanoDet-g TF.js graph model to ONNX.")
    parser.add_argument("model_json", type=Path, help="nanodet.json, with nanodet.bin beside it")
    parser.add_argument("onnx_file", type=Path, help="where to write the ONNX model")
    arguments = parser.parse_args()
    try:
        data = convert(arguments.model_json)
    except ConversionError as error:
        print(f"nanodet_to_onnx: {error}", file=sys.stderr)
        return 1
    # Written aside and renamed, so that nobody ever sees half a model.
    temporary = arguments.onnx_file.with_name(arguments.onnx_file.name + ".part")
    try:
        temporary.write_bytes(data)
        os.replace(temporary, arguments.onnx_file)
    except OSError as error:
        print(f"nanodet_to_onnx: {arguments.onnx_file}: cannot be written: {error.strerror}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
