#!/usr/bin/env python3
"""Times PyTorch on the training step that `roadproof-tune` makes: forward, backward and AdamW on an ONNX graph.

The interpreter that has PyTorch (Debian's `python3-torch`) need not have `onnx`, so there are two steps:

    "$ROADPROOF_PYTHON" benches/tune_peer.py dump models/nanodet-g.onnx /tmp/nanodet-g.npz
    /usr/bin/python3 benches/tune_peer.py time --model /tmp/nanodet-g.npz --batch 4 --threads 2 --steps 10

The graph is run node by node on NCHW float32 tensors. Its loss is the mean of the outputs' squares: what it is does not
matter for the time, only that every weight has a gradient. Known operators: those of NanoDet-g, see `OPERATORS`.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

GRAPH = "graph"
WEIGHT = "weight:"


def dump(model: Path, graph: Path) -> None:
    """Writes the graph of an ONNX file as JSON and its constants as arrays into one .npz file."""
    import onnx
    from onnx import helper, numpy_helper

    source = onnx.load(model).graph
    weights = {tensor.name: numpy_helper.to_array(tensor) for tensor in source.initializer}
    nodes = []
    for node in source.node:
        attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        if node.op_type == "Constant":
            weights[node.output[0]] = numpy_helper.to_array(attributes["value"])
            continue
        attributes = {name: v.decode() if isinstance(v, bytes) else v for name, v in attributes.items()}
        record = {"op": node.op_type, "inputs": list(node.input), "outputs": list(node.output)}
        nodes.append(record | {"attributes": attributes})
    image = next(value for value in source.input if value.name not in weights)
    shape = [dim.dim_value or 1 for dim in image.type.tensor_type.shape.dim]
    outputs = [value.name for value in source.output]
    text = json.dumps({"input": image.name, "shape": shape, "outputs": outputs, "nodes": nodes}, default=list)
    np.savez(graph, **{GRAPH: np.array(text)}, **{WEIGHT + name: array for name, array in weights.items()})


def operators() -> dict[str, Callable[..., Any]]:
    """By operator the function of its inputs, the image's batch and its attributes."""
    import torch
    from torch.nn import functional

    def conv(x, w, b=None, *, attributes, **_):
        top, left, bottom, right = attributes.get("pads", [0, 0, 0, 0])
        if (top, left) != (bottom, right):
            x, top, left = functional.pad(x, (left, right, top, bottom)), 0, 0
        strides, dilations = attributes.get("strides", [1, 1]), attributes.get("dilations", [1, 1])
        return functional.conv2d(x, w, b, strides, (top, left), dilations, attributes.get("group", 1))

    def max_pool(x, *, attributes, **_):
        top, left, bottom, right = attributes.get("pads", [0, 0, 0, 0])
        if any((top, left, bottom, right)):
            x = functional.pad(x, (left, right, top, bottom), value=float("-inf"))
        kernel, strides = attributes["kernel_shape"], attributes.get("strides", [1, 1])
        return functional.max_pool2d(x, kernel, strides, ceil_mode=bool(attributes.get("ceil_mode", 0)))

    def reshape(x, shape, *, batch, **_):
        sides = [x.shape[at] if side == 0 else int(side) for at, side in enumerate(shape.tolist())]
        if sides[0] == 1:
            sides[0] = batch
        return x.reshape(sides)

    def resize(x, _roi=None, scales=None, sizes=None, *, attributes, **_):
        size = [int(side) for side in sizes[2:]] if sizes is not None else None
        factors = None if size else [float(factor) for factor in scales[2:]]
        if attributes.get("mode", "nearest") == "nearest":
            return functional.interpolate(x, size, factors, mode="nearest")
        aligned = attributes.get("coordinate_transformation_mode", "half_pixel") == "align_corners"
        return functional.interpolate(x, size, factors, mode="bilinear", align_corners=aligned)

    return {
        "Add": lambda a, b, **_: a + b,
        "Concat": lambda *values, attributes, **_: torch.cat(values, attributes["axis"]),
        "Conv": conv,
        "LeakyRelu": lambda x, attributes, **_: functional.leaky_relu(x, attributes.get("alpha", 0.01)),
        "MaxPool": max_pool,
        "Reshape": reshape,
        "Resize": resize,
        "Sigmoid": lambda x, **_: torch.sigmoid(x),
        "Transpose": lambda x, attributes, **_: x.permute(attributes["perm"]),
    }


class Network:
    """The graph of a dump, with its float32 constants as parameters."""

    def __init__(self, path: Path) -> None:
        import torch

        with np.load(path) as arrays:
            graph = json.loads(str(arrays[GRAPH]))
            weights = {name.removeprefix(WEIGHT): arrays[name] for name in arrays.files if name.startswith(WEIGHT)}
        self.nodes, self.outputs = graph["nodes"], graph["outputs"]
        self.input, self.shape = graph["input"], graph["shape"]
        self.operators = operators()
        unknown = sorted({node["op"] for node in self.nodes} - self.operators.keys())
        if unknown:
            raise SystemExit(f"{path}: expected operators of {sorted(self.operators)}, found {unknown}")
        trained = {name for node in self.nodes if node["op"] == "Conv" for name in node["inputs"][1:]}
        self.constants = {name: torch.from_numpy(np.array(array)) for name, array in weights.items()}
        self.parameters = [self.constants[name].requires_grad_() for name in sorted(trained & self.constants.keys())]

    def __call__(self, images: Any) -> list[Any]:
        values = {**self.constants, self.input: images}
        for node in self.nodes:
            inputs = [values[name] if name else None for name in node["inputs"]]
            operator = self.operators[node["op"]]
            values[node["outputs"][0]] = operator(*inputs, attributes=node["attributes"], batch=len(images))
        return [values[name] for name in self.outputs]


def measure(model: Path, batch: int, threads: int, steps: int) -> dict[str, Any]:
    """Seconds of `steps` steps, after two that do not count."""
    import torch

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    network = Network(model)
    optimizer = torch.optim.AdamW(network.parameters, lr=1e-6)
    images = torch.rand(batch, *network.shape[1:])
    seconds = []
    for _ in range(steps + 2):
        start = time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        loss = sum(output.square().mean() for output in network(images))
        loss.backward()
        optimizer.step()
        seconds.append(time.perf_counter() - start)
    median = statistics.median(seconds[2:])
    return {
        "model": model.name,
        "torch": torch.__version__,
        "batch": batch,
        "threads": threads,
        "steps": steps,
        "median_s": median,
        "least_s": min(seconds[2:]),
        "images_per_s": batch / median,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    dumping = commands.add_parser("dump", help="read an ONNX file; needs onnx")
    dumping.add_argument("model", type=Path)
    dumping.add_argument("graph", type=Path)
    timing = commands.add_parser("time", help="time training steps; needs torch")
    timing.add_argument("--model", type=Path, required=True, help="what dump wrote")
    timing.add_argument("--batch", type=int, default=4)
    timing.add_argument("--threads", type=int, default=2)
    timing.add_argument("--steps", type=int, default=10, help="steps that are timed, after two that are not")
    timing.add_argument("--json", action="store_true", help="print a JSON object")
    arguments = parser.parse_args()
    if arguments.command == "dump":
        dump(arguments.model, arguments.graph)
        return
    result = measure(arguments.model, arguments.batch, arguments.threads, arguments.steps)
    if arguments.json:
        json.dump(result, sys.stdout)
        print()
    else:
        print(
            f"PyTorch {result['torch']}, {result['model']}, batch {result['batch']}, {result['threads']} threads: "
            f"{result['median_s'] * 1e3:.0f} ms a step (least {result['least_s'] * 1e3:.0f}), "
            f"{result['images_per_s']:.1f} images/s"
        )


if __name__ == "__main__":
    main()
