"""Sets the parameters of cameras that were named by argument, for the node that is started next.

Included by roadproof.launch.xml: launch files in XML have no loops (docs/decisions/0011-rigs-in-parameter-files.md).
"""

from __future__ import annotations

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import SetParameter

# What stands for the camera's name in a topic.
PLACEHOLDER = "{camera}"


def camera_parameters(cameras: str, topic: str, transport: str) -> dict[str, str]:
    """Parameters by name, as YAML; `cameras` are names with commas between."""
    names = [name.strip() for name in cameras.split(",")]
    if not all(names):
        raise ValueError(f"launch argument cameras: expected names with commas between, found '{cameras}'")
    if len(names) > 1 and PLACEHOLDER not in topic:
        raise ValueError(
            f"launch argument topic: {len(names)} cameras need {PLACEHOLDER} in the topic, which stands for each one's "
            f"name; found '{topic}'"
        )
    # A text: launch would turn a list into a tuple of Python, which the node cannot read.
    parameters = {"cameras": f"[{', '.join(names)}]"}
    for name in names:
        parameters[f"{name}.topic"] = topic.replace(PLACEHOLDER, name)
        parameters[f"{name}.transport"] = transport
    return parameters


def set_parameters(context: LaunchContext) -> list[SetParameter]:
    arguments = (LaunchConfiguration(name).perform(context) for name in ("cameras", "topic", "transport"))
    return [SetParameter(name=name, value=value) for name, value in camera_parameters(*arguments).items()]


def generate_launch_description() -> LaunchDescription:
    return LaunchDescription(
        [
            DeclareLaunchArgument("cameras", description="Names of the cameras, with commas between"),
            DeclareLaunchArgument("topic", description="Image topic; {camera} stands for the camera's name"),
            DeclareLaunchArgument("transport", default_value="raw", description="raw or compressed"),
            OpaqueFunction(function=set_parameters),
        ]
    )
