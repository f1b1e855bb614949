"""What a launch file in Python would start: stand-ins for the names of `launch` and `launch_ros` that ours import."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Protocol

from .start import Scalar, Scope, Start, absolute, single
from .substitution import LaunchError


class Action(Protocol):
    def execute(self, context: LaunchContext) -> None: ...


@dataclass
class LaunchContext:
    scope: Scope

    @property
    def launch_configurations(self) -> dict[str, str]:
        return self.scope.variables


@dataclass
class LaunchDescription:
    entities: Sequence[Action]


@dataclass
class LaunchConfiguration:
    variable_name: str

    def perform(self, context: LaunchContext) -> str:
        if self.variable_name not in context.scope.variables:
            raise LaunchError(f"LaunchConfiguration('{self.variable_name}'): no such argument")
        return context.scope.variables[self.variable_name]


@dataclass
class DeclareLaunchArgument:
    name: str
    default_value: str | None = None
    description: str = ""

    def execute(self, context: LaunchContext) -> None:
        if problem := context.scope.declare(self.name, self.default_value, self.description):
            raise LaunchError(problem)


@dataclass
class OpaqueFunction:
    function: Callable[[LaunchContext], Sequence[Action]]

    def execute(self, context: LaunchContext) -> None:
        for action in self.function(context):
            action.execute(context)


@dataclass
class SetParameter:
    name: str
    value: str

    def execute(self, context: LaunchContext) -> None:
        context.scope.parameters.append((self.name, self.value))


@dataclass
class Node:
    package: str
    executable: str
    name: str
    namespace: str = ""
    arguments: Sequence[str] = ()
    ros_arguments: Sequence[str] = ()
    parameters: Sequence[str | dict[str, Scalar]] = ()
    respawn: bool = False
    respawn_delay: float = 0.0
    output: str = field(default="log")

    def execute(self, context: LaunchContext) -> None:
        own: list[Path | tuple[str, str]] = []
        for parameters in self.parameters:
            own += single(parameters) if isinstance(parameters, dict) else [Path(parameters)]
        context.scope.starts.append(
            Start(
                package=self.package,
                executable=self.executable,
                name=self.name,
                namespace=absolute(self.namespace),
                arguments=tuple(self.arguments),
                ros_arguments=tuple(self.ros_arguments),
                parameters=(*context.scope.parameters, *own),
                respawn=self.respawn,
                respawn_delay_s=self.respawn_delay,
            )
        )


STAND_INS: dict[str, tuple[type, ...]] = {
    "launch": (LaunchContext, LaunchDescription),
    "launch.actions": (DeclareLaunchArgument, OpaqueFunction),
    "launch.substitutions": (LaunchConfiguration,),
    "launch_ros": (),
    "launch_ros.actions": (Node, SetParameter),
}


@contextmanager
def _stand_ins() -> Iterator[None]:
    before = {name: sys.modules.get(name) for name in STAND_INS}
    for name, members in STAND_INS.items():
        module = ModuleType(name)
        for member in members:
            setattr(module, member.__name__, member)
        sys.modules[name] = module
    try:
        yield
    finally:
        for name, module in before.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module


def load(path: Path) -> ModuleType:
    """A launch file as a module, which sees the stand-ins."""
    spec = importlib.util.spec_from_file_location(path.name.replace(".", "_"), path)
    assert spec is not None and spec.loader is not None, path
    module = importlib.util.module_from_spec(spec)
    with _stand_ins():
        try:
            spec.loader.exec_module(module)
        except ImportError as error:
            raise LaunchError(f"{path}: {error}; this interpreter has no stand-in for it") from error
    return module


def interpret_python(path: Path, scope: Scope) -> None:
    """Adds what the file starts to the scope."""
    context = LaunchContext(scope)
    for action in load(path).generate_launch_description().entities:
        try:
            action.execute(context)
        except ValueError as error:
            raise LaunchError(f"{path}: {error}") from error
