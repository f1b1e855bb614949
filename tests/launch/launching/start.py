"""What a launch file starts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

Scalar = bool | int | float | str


@dataclass(frozen=True)
class Start:
    """A process that a launch file starts: a node, or any command where `package` is empty."""

    executable: str
    package: str = ""
    name: str = ""
    namespace: str = ""
    arguments: tuple[str, ...] = ()
    ros_arguments: tuple[str, ...] = ()
    # In order, later ones win: files, and single parameters as the command line takes them.
    parameters: tuple[Path | tuple[str, str], ...] = ()
    remappings: tuple[tuple[str, str], ...] = ()
    respawn: bool = False
    respawn_delay_s: float = 0.0
    shutdown_on_exit: bool = False

    @property
    def full_name(self) -> str:
        return f"{self.namespace.rstrip('/')}/{self.name}"

    def program(self, prefix: Path) -> str:
        """The program in an installed tree; that of no package is looked for in PATH."""
        return str(prefix / "lib" / self.package / self.executable) if self.package else self.executable

    def command(self, prefix: Path) -> list[str]:
        """The whole command line, words in the order in which launch gives them."""
        command = [self.program(prefix), *self.arguments]
        if not self.package:
            return command
        command += ["--ros-args", *self.ros_arguments] if self.ros_arguments else []
        command += ["--ros-args", "-r", f"__node:={self.name}", "-r", f"__ns:={self.namespace or '/'}"]
        for parameter in self.parameters:
            match parameter:
                case Path():
                    command += ["--params-file", str(parameter)]
                case name, value:
                    command += ["-p", f"{name}:={value}"]
        for source, target in self.remappings:
            command += ["-r", f"{source}:={target}"]
        return command

    def set_parameters(self) -> dict[str, str]:
        """The parameters that are set one by one."""
        return dict(parameter for parameter in self.parameters if isinstance(parameter, tuple))


@dataclass
class Scope:
    """What a launch file has said so far and what holds for what it starts next."""

    variables: dict[str, str] = field(default_factory=dict)
    parameters: list[Path | tuple[str, str]] = field(default_factory=list)
    starts: list[Start] = field(default_factory=list)
    # Names of all arguments that were declared, with their descriptions.
    declared: dict[str, str] = field(default_factory=dict)

    def inner(self) -> Scope:
        """For a group: what is set in it does not hold outside."""
        return Scope(dict(self.variables), list(self.parameters), self.starts, self.declared)

    def declare(self, name: str, default: str | None, description: str) -> str | None:
        """Declares an argument; a problem if it has no value."""
        self.declared[name] = description
        if name in self.variables:
            return None
        if default is None:
            return f"argument '{name}' is required: {name}:=…"
        self.variables[name] = default
        return None


def absolute(namespace: str) -> str:
    """A namespace as launch gives it to a node."""
    return namespace if namespace.startswith("/") else f"/{namespace}"


def single(parameters: Mapping[str, Scalar]) -> list[tuple[str, str]]:
    """Parameters with values of Python, as YAML."""
    return [(name, value if isinstance(value, str) else json.dumps(value)) for name, value in parameters.items()]
