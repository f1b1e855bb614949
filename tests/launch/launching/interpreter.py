"""What a launch file in XML would start.

Knows what the project's launch files use, and refuses every other element, attribute and substitution: what passes here
means in the real `launch` what it means here.
"""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Mapping
from pathlib import Path

import yaml

from .python_files import interpret_python
from .start import Scope, Start, absolute, single
from .substitution import LaunchError, Substitutor, split

CONDITIONS = {"if", "unless"}

# By element: attributes it must have, attributes it may have.
ATTRIBUTES: dict[str, tuple[set[str], set[str]]] = {
    "launch": (set(), set()),
    "arg": ({"name"}, {"default", "description"}),
    "group": (set(), CONDITIONS),
    "include": ({"file"}, CONDITIONS),
    "set_parameter": ({"name", "value"}, CONDITIONS),
    "set_parameters_from_file": ({"filename"}, CONDITIONS),
    "node": (
        {"pkg", "exec", "name"},
        {"namespace", "args", "ros_args", "output", "respawn", "respawn_delay", "on_exit", *CONDITIONS},
    ),
    "executable": ({"cmd"}, {"output", "on_exit", *CONDITIONS}),
}


def interpret(path: Path, share: Callable[[str], Path], arguments: Mapping[str, str] | None = None) -> Scope:
    """What `ros2 launch PATH name:=value …` would start, and the arguments that it takes.

    Raises `LaunchError`, also for an argument that the file does not declare (`ros2 launch` takes it without a word).
    """
    scope = Scope(dict(arguments or {}))
    _file(path, scope, Substitutor(share))
    for name in arguments or {}:
        if name not in scope.declared:
            raise LaunchError(f"{path.name}: there is no argument '{name}'; there are {', '.join(scope.declared)}")
    return scope


def _file(path: Path, scope: Scope, substitutor: Substitutor) -> None:
    if not path.is_file():
        raise LaunchError(f"{path}: no such launch file")
    if path.suffix == ".py":
        interpret_python(path, scope)
        return
    try:
        root = ElementTree.parse(path).getroot()
    except ElementTree.ParseError as error:
        raise LaunchError(f"{path}: not XML: {error}") from error
    if root.tag != "launch":
        raise LaunchError(f"{path}: expected <launch>, found <{root.tag}>")
    _File(path, substitutor).children(root, scope)


class _File:
    def __init__(self, path: Path, substitutor: Substitutor) -> None:
        self.path, self.substitutor = path, substitutor

    def children(self, element: ElementTree.Element, scope: Scope) -> None:
        for child in element:
            try:
                _check(child)
                if self._applies(child, scope):
                    getattr(self, f"_{child.tag}")(child, scope)
            except LaunchError as error:
                if str(error).startswith(str(self.path)):
                    raise
                raise LaunchError(f"{self.path}, <{child.tag} {_label(child)}>: {error}") from error

    def _text(self, text: str, scope: Scope) -> str:
        return self.substitutor.perform(text, scope.variables)

    def _attribute(self, element: ElementTree.Element, name: str, scope: Scope, default: str = "") -> str:
        return self._text(element.get(name, default), scope)

    def _boolean(self, element: ElementTree.Element, name: str, scope: Scope, default: str) -> bool:
        value = self._attribute(element, name, scope, default)
        if value.lower() not in ("true", "false"):
            raise LaunchError(f"{name}: expected true or false, found '{value}'")
        return value.lower() == "true"

    def _applies(self, element: ElementTree.Element, scope: Scope) -> bool:
        return self._boolean(element, "if", scope, "true") and not self._boolean(element, "unless", scope, "false")

    def _arg(self, element: ElementTree.Element, scope: Scope) -> None:
        default = element.get("default")
        value = None if default is None else self._text(default, scope)
        if problem := scope.declare(element.attrib["name"], value, element.get("description", "")):
            raise LaunchError(problem)

    def _group(self, element: ElementTree.Element, scope: Scope) -> None:
        self.children(element, scope.inner())

    def _include(self, element: ElementTree.Element, scope: Scope) -> None:
        given = {}
        for argument in element:
            if argument.tag != "arg" or set(argument.attrib) != {"name", "value"}:
                raise LaunchError("expected <arg name= value=/> only")
            given[argument.attrib["name"]] = self._attribute(argument, "value", scope)
        # An include has no scope of its own; what it declares is not an argument of the file that includes it.
        scope.variables.update(given)
        declared, scope.declared = scope.declared, {}
        file = Path(self._attribute(element, "file", scope))
        _file(file, scope, self.substitutor)
        unknown = given.keys() - scope.declared.keys()
        scope.declared = declared
        if unknown:
            raise LaunchError(f"{file.name} has no argument {', '.join(sorted(unknown))}")

    def _set_parameter(self, element: ElementTree.Element, scope: Scope) -> None:
        name = self._attribute(element, "name", scope)
        scope.parameters.append((name, _value(name, self._attribute(element, "value", scope))))

    def _set_parameters_from_file(self, element: ElementTree.Element, scope: Scope) -> None:
        path = Path(self._attribute(element, "filename", scope))
        if not path.is_file():
            raise LaunchError(f"there is no parameter file {path}")
        scope.parameters.append(path)

    def _node(self, element: ElementTree.Element, scope: Scope) -> None:
        own = {}
        for child in element:
            if child.tag != "param" or set(child.attrib) != {"name", "value"}:
                raise LaunchError(f"expected <param name= value=/> only, found <{child.tag}>")
            own[child.attrib["name"]] = _value(child.attrib["name"], self._attribute(child, "value", scope))
        delay = element.get("respawn_delay", "0.0")
        try:
            # As in ROS 2 Jazzy, where this attribute takes no substitution.
            delay_s = float(delay)
        except ValueError:
            raise LaunchError(f"respawn_delay: expected seconds, found '{delay}'") from None
        scope.starts.append(
            Start(
                package=self._attribute(element, "pkg", scope),
                executable=self._attribute(element, "exec", scope),
                name=self._attribute(element, "name", scope),
                namespace=absolute(self._attribute(element, "namespace", scope)),
                arguments=self._words(element.get("args", ""), scope),
                ros_arguments=self._words(element.get("ros_args", ""), scope),
                parameters=(*scope.parameters, *single(own)),
                respawn=self._boolean(element, "respawn", scope, "false"),
                respawn_delay_s=delay_s,
                shutdown_on_exit=_shuts_down(element),
            )
        )

    def _executable(self, element: ElementTree.Element, scope: Scope) -> None:
        program, *arguments = self._words(element.attrib["cmd"], scope)
        start = Start(executable=program, arguments=tuple(arguments), shutdown_on_exit=_shuts_down(element))
        scope.starts.append(start)

    def _words(self, text: str, scope: Scope) -> tuple[str, ...]:
        return tuple(self._text(word, scope) for word in split(text))


def _check(element: ElementTree.Element) -> None:
    if element.tag not in ATTRIBUTES or element.tag == "launch":
        raise LaunchError("this element is not known to this interpreter")
    needed, allowed = ATTRIBUTES[element.tag]
    if missing := needed - set(element.attrib):
        raise LaunchError(f"attribute {', '.join(sorted(missing))} is missing")
    if unknown := set(element.attrib) - needed - allowed:
        raise LaunchError(f"attribute {', '.join(sorted(unknown))} is not known to this interpreter")


def _label(element: ElementTree.Element) -> str:
    return " ".join(f'{key}="{value}"' for key, value in element.attrib.items())


def _shuts_down(element: ElementTree.Element) -> bool:
    match element.get("on_exit"):
        case None:
            return False
        case "shutdown":
            return True
        case other:
            raise LaunchError(f"on_exit: expected shutdown, found '{other}'")


def _value(name: str, text: str) -> str:
    """A value of `set_parameter` as the command line gets it: launch reads it as YAML and writes it as Python does."""
    try:
        value = yaml.safe_load(text) if text else ""
    except yaml.YAMLError as error:
        raise LaunchError(f"parameter '{name}': {text!r} is not YAML: {error}") from error
    if not isinstance(value, bool | int | float | str):
        raise LaunchError(f"parameter '{name}': launch would not hand {text!r} over as it stands; put it in quotes")
    return str(value)
