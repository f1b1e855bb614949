"""Starts a node for every section of a parameter file.

Included by rig.launch.xml, which declares the arguments: launch files in XML have no loops
(docs/decisions/0011-rigs-in-parameter-files.md).
"""

from __future__ import annotations

import re
from pathlib import Path

import yaml
from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

# The section of parameters that all nodes have in common.
COMMON = "/**"
FULL_NAME = re.compile(r"(?P<namespace>(/[A-Za-z_]\w*)*)/(?P<name>[A-Za-z_]\w*)", re.ASCII)
RESPAWN_DELAY_S = 2.0


class RigError(ValueError):
    """A rig that cannot be started."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(f"rig file {path}: {problem}")


def rig_nodes(path: Path) -> list[tuple[str, str]]:
    """Namespace and name of each node of a rig file, in the file's order."""
    try:
        rig = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RigError(path, f"cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise RigError(path, f"is not YAML: {error}") from error
    if not isinstance(rig, dict):
        raise RigError(path, "expected sections such as '/rig/surround:', found none")
    common = _parameters(path, COMMON, rig.pop(COMMON, {"ros__parameters": {}}))
    nodes = []
    for section, content in rig.items():
        found = FULL_NAME.fullmatch(str(section))
        if found is None:
            raise RigError(
                path, f"expected the full name of a node, such as '/rig/surround', found section '{section}'"
            )
        if not ({**common, **_parameters(path, section, content)}).get("cameras"):
            raise RigError(path, f"section '{section}' names no cameras: give it 'cameras: [front]'")
        nodes.append((found["namespace"], found["name"]))
    if not nodes:
        raise RigError(path, "has no section for a node: give one the node's full name, such as '/rig/surround'")
    return nodes


def _parameters(path: Path, section: str, content: object) -> dict[str, object]:
    parameters = content.get("ros__parameters") if isinstance(content, dict) else None
    if not isinstance(parameters, dict):
        raise RigError(path, f"expected 'ros__parameters:' with parameters below it in section '{section}'")
    return parameters


def start_nodes(context: LaunchContext) -> list[Node]:
    def argument(name: str) -> str:
        return LaunchConfiguration(name).perform(context)

    path = Path(argument("rig"))
    pushed = context.launch_configurations.get("ros_namespace")
    if pushed:
        raise RigError(
            path,
            f"namespace '{pushed}' was pushed around it, and its sections would not be found: a parameter file "
            "addresses nodes by their full names, so write the namespace there",
        )
    parameters: list[str | dict[str, bool]] = [str(path)]
    if argument("use_sim_time"):
        parameters.append({"use_sim_time": _boolean("use_sim_time", argument("use_sim_time"))})
    return [
        Node(
            package="roadproof",
            executable="roadproof",
            name=name,
            namespace=namespace,
            arguments=["node", "--dashboard", argument("dashboard")],
            ros_arguments=["--log-level", argument("log_level")],
            parameters=parameters,
            respawn=_boolean("respawn", argument("respawn")),
            respawn_delay=RESPAWN_DELAY_S,
            output="screen",
        )
        for namespace, name in rig_nodes(path)
    ]


def _boolean(name: str, text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError(f"launch argument {name}: expected true or false, found '{text}'")
    return text.lower() == "true"


def generate_launch_description() -> LaunchDescription:
    names = ("rig", "use_sim_time", "log_level", "respawn", "dashboard")
    return LaunchDescription([*map(DeclareLaunchArgument, names), OpaqueFunction(function=start_nodes)])
