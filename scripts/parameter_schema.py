#!/usr/bin/env python3
"""Write config/schema/roadproof.schema.json, the JSON schema of parameter files, from what a running node says.

    . scripts/env.sh
    "$ROADPROOF_PYTHON" scripts/parameter_schema.py      # after a parameter was added or changed, and the node built

Editors check parameter files by it; tests/launch/test_schema.py fails while it and the node disagree.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import rclpy
from rcl_interfaces.msg import ParameterDescriptor, ParameterType
from rclpy.node import Node
from rclpy.parameter import Parameter, parameter_value_to_python
from rclpy.parameter_client import AsyncParameterClient

from free_domain import free_domain

ROOT = Path(__file__).resolve().parents[1]
SCHEMA = ROOT / "config" / "schema" / "roadproof.schema.json"
PATIENCE_S = 30.0

# A camera by whose parameters those of all cameras are told.
EXAMPLE = "camera"

# What the node takes as a camera's name, and rcl as a node's.
CAMERA_NAME = "^[A-Za-z][A-Za-z0-9]*(_[A-Za-z0-9]+)*$"
SECTION = r"^(/\*\*|/?[A-Za-z_][A-Za-z0-9_]*(/[A-Za-z_][A-Za-z0-9_]*)*)$"

TYPES = {
    ParameterType.PARAMETER_BOOL: "boolean",
    ParameterType.PARAMETER_INTEGER: "integer",
    ParameterType.PARAMETER_DOUBLE: "number",
    ParameterType.PARAMETER_STRING: "string",
    ParameterType.PARAMETER_STRING_ARRAY: "array",
}


@dataclass(frozen=True)
class Declared:
    """A parameter as the node declares it; `default` is None where it is not set."""

    descriptor: ParameterDescriptor
    default: Any


def schema_of(parameters: list[Declared], camera: list[Declared]) -> dict[str, Any]:
    """The schema for a node with these parameters of its own, and these of each camera (named `camera.…`)."""
    node: dict[str, Any] = {}
    for declared in parameters:
        *groups, name = declared.descriptor.name.split(".")
        properties = node
        for group in groups:
            block = properties.setdefault(group, {"type": "object", "additionalProperties": False, "properties": {}})
            properties = block["properties"]
        properties[name] = _leaf(declared)
    groups = sorted(name for name, content in node.items() if content["type"] == "object")
    node["cameras"] |= {
        "uniqueItems": True,
        "items": {"type": "string", "pattern": CAMERA_NAME, "not": {"enum": groups}},
    }
    own = {declared.descriptor.name.removeprefix(f"{EXAMPLE}."): _leaf(declared) for declared in camera}
    section = {
        "type": "object",
        "additionalProperties": False,
        "required": ["ros__parameters"],
        "properties": {"ros__parameters": {"$ref": "#/definitions/node"}},
    }
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Parameters of Roadproof's node",
        "description": "Written by scripts/parameter_schema.py; do not edit.",
        "type": "object",
        "minProperties": 1,
        "additionalProperties": False,
        "patternProperties": {SECTION: section},
        "definitions": {
            "node": {
                "type": "object",
                "properties": node,
                "propertyNames": {"pattern": CAMERA_NAME},
                "additionalProperties": {"$ref": "#/definitions/camera"},
            },
            "camera": {
                "type": "object",
                "description": "A camera, by its name in `cameras`. Any other name here is a misspelt parameter.",
                "additionalProperties": False,
                "properties": own,
            },
        },
    }


def _leaf(declared: Declared) -> dict[str, Any]:
    descriptor = declared.descriptor
    leaf: dict[str, Any] = {"type": TYPES[descriptor.type]}
    if leaf["type"] == "array":
        leaf["items"] = {"type": "string"}
    for span in (*descriptor.integer_range, *descriptor.floating_point_range):
        leaf |= {"minimum": span.from_value, "maximum": span.to_value}
    constraints = [part.strip() for part in descriptor.additional_constraints.split(";") if part.strip()]
    for constraint in constraints:
        if constraint.startswith("one of: "):
            leaf["enum"] = constraint.removeprefix("one of: ").split(", ")
    notes = [constraint for constraint in constraints if not constraint.startswith("one of: ")]
    if descriptor.read_only:
        notes.append("settable only at start")
    leaf["description"] = descriptor.description + (f" ({'; '.join(notes)})" if notes else "")
    if declared.default is not None:
        leaf["default"] = declared.default
    return leaf


def ask(node: Node, name: str = "/roadproof") -> dict[str, Any]:
    """The schema of the node `name`, which must be unconfigured and without cameras; it is left with one camera."""
    client = AsyncParameterClient(node, name)
    if not client.wait_for_services(PATIENCE_S):
        raise TimeoutError(f"no node {name} within {PATIENCE_S} s")

    def result(future: Any) -> Any:
        rclpy.spin_until_future_complete(node, future, node.executor, PATIENCE_S)
        if not future.done():
            raise TimeoutError(f"{name} does not answer within {PATIENCE_S} s")
        return future.result()

    def declared(prefixes: list[str]) -> list[Declared]:
        names = sorted(result(client.list_parameters(prefixes, 0)).result.names)
        descriptors = result(client.describe_parameters(names)).descriptors
        values = result(client.get_parameters(names)).values
        return [
            Declared(descriptor, parameter_value_to_python(value))
            for descriptor, value in zip(descriptors, values, strict=True)
        ]

    own = declared([])
    (answer,) = result(client.set_parameters([Parameter("cameras", value=[EXAMPLE])])).results
    if not answer.successful:
        raise RuntimeError(f"{name} takes no camera: {answer.reason}")
    return schema_of(own, declared([EXAMPLE]))


@contextlib.contextmanager
def running(program: Path) -> Iterator[None]:
    """A node without any parameters, which therefore stays unconfigured."""
    process = subprocess.Popen([program, "node"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    program = os.environ.get("ROADPROOF_BIN", ROOT / "target" / "release" / "roadproof")
    parser.add_argument("--program", type=Path, default=program, help="the built node (default: %(default)s)")
    arguments = parser.parse_args()
    if not arguments.program.is_file():
        sys.exit(f"parameter_schema: no {arguments.program}; `make build` builds it")
    os.environ |= {"ROS_DOMAIN_ID": str(free_domain()), "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}
    with running(arguments.program):
        rclpy.init()
        schema = ask(rclpy.create_node("parameter_schema", start_parameter_services=False))
        rclpy.shutdown()
    SCHEMA.parent.mkdir(exist_ok=True)
    SCHEMA.write_text(json.dumps(schema, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"wrote {SCHEMA.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
