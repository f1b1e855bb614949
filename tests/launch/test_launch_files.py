"""Every launch file: what it names exists where the package is installed, and does what its arguments say."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from launching import ROOT
from launching.interpreter import interpret
from launching.python_files import load
from launching.start import Start
from launching.substitution import LaunchError, Substitutor, parse, split

pytestmark = pytest.mark.timeout(300)

# Arguments that a launch file cannot do without, and those that make it do the most.
FILES: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "roadproof.launch.xml": (
        {},
        {
            "topic": "/sensing/{camera}/image_raw",
            "cameras": "front,rear",
            "transport": "compressed",
            "model": "models/nanodet-g.toml",
            "provider": "cuda,cpu",
            "autostart": "false",
            "use_sim_time": "true",
            "namespace": "perception",
            "name": "eyes",
            "respawn": "true",
            "dashboard": "127.0.0.1:0",
        },
    ),
    "rig.launch.xml": ({}, {"use_sim_time": "true", "respawn": "true", "dashboard": "127.0.0.1:0"}),
    "replay.launch.xml": ({"bag": "/bags/drive"}, {"bag": "/bags/drive", "topic": "/image", "rate": "0.5"}),
    "simulator.launch.xml": ({}, {"weather": "fog", "model": "models/nanodet-g.toml"}),
}
# Of other packages.
COMMANDS = {"ros2"}

Share = Callable[[str], Path]


@pytest.fixture(scope="module")
def share(installed: Path) -> Share:
    def find(package: str) -> Path:
        folder = installed / "share" / package
        if not folder.is_dir():
            raise LaunchError(f"package '{package}' is not installed")
        return folder

    return find


def launch(share: Share, file: str, **arguments: str) -> list[Start]:
    return interpret(share("roadproof") / "launch" / file, share, arguments).starts


def known_parameters() -> tuple[set[str], set[str]]:
    """Full names of the node's parameters, and of what a camera has of its own, from the schema."""
    schema = json.loads((ROOT / "config" / "schema" / "roadproof.schema.json").read_text())

    def names(properties: dict[str, dict], prefix: str = "") -> set[str]:
        found = set()
        for name, content in properties.items():
            inner = content.get("properties")
            found |= names(inner, f"{prefix}{name}.") if inner else {prefix + name}
        return found

    definitions = schema["definitions"]
    return names(definitions["node"]["properties"]), set(definitions["camera"]["properties"])


def check_parameters(start: Start) -> None:
    own, of_cameras = known_parameters()
    given = start.set_parameters()
    cameras = set(yaml.safe_load(given.get("cameras", "[]")))
    for file in (parameter for parameter in start.parameters if isinstance(parameter, Path)):
        for section in yaml.safe_load(file.read_text()).values():
            cameras |= set(section["ros__parameters"].get("cameras", []))
    for name in given:
        camera, _, suffix = name.partition(".")
        assert name in own or (camera in cameras and suffix in of_cameras), f"{start.full_name}: no parameter '{name}'"


def test_every_launch_file_is_installed_and_tested(share: Share) -> None:
    installed = {path.name for path in (share("roadproof") / "launch").iterdir()}
    assert installed == {path.name for path in (ROOT / "launch").iterdir() if path.is_file()}
    assert {name for name in installed if name.endswith(".xml")} == set(FILES)


@pytest.mark.parametrize("most", [False, True], ids=["least", "most"])
@pytest.mark.parametrize("file", FILES)
def test_all_that_a_launch_file_names_is_there(share: Share, installed: Path, file: str, most: bool) -> None:
    starts = launch(share, file, **FILES[file][most])
    assert starts
    for start in starts:
        if start.package:
            assert start.package == "roadproof"
            assert Path(start.program(installed)).is_file(), start.program(installed)
        else:
            assert start.executable in COMMANDS
        for parameter in start.parameters:
            assert not isinstance(parameter, Path) or parameter.is_file()
        if start.executable == "roadproof":
            check_parameters(start)


@pytest.mark.parametrize("file", FILES)
def test_every_argument_is_described(share: Share, file: str) -> None:
    scope = interpret(share("roadproof") / "launch" / file, share, FILES[file][0])
    assert all(scope.declared.values()), scope.declared


def test_an_argument_wins_over_the_file_and_an_empty_one_does_not(share: Share) -> None:
    (plain,) = launch(share, "roadproof.launch.xml")
    assert plain.set_parameters() == {}
    assert (plain.full_name, plain.respawn, plain.arguments) == ("/roadproof", False, ("node", "--dashboard", "off"))
    (full,) = launch(share, "roadproof.launch.xml", **FILES["roadproof.launch.xml"][True])
    assert isinstance(full.parameters[0], Path), "the file comes first, later ones win"
    assert full.set_parameters() == {
        "cameras": "[front, rear]",
        "front.topic": "/sensing/front/image_raw",
        "front.transport": "compressed",
        "rear.topic": "/sensing/rear/image_raw",
        "rear.transport": "compressed",
        "model": "models/nanodet-g.toml",
        "providers": "[cuda,cpu]",
        "autostart": "False",
        "use_sim_time": "True",
    }
    assert (full.full_name, full.respawn, full.respawn_delay_s) == ("/perception/eyes", True, 2.0)


def test_a_bag_and_a_simulator_bring_their_own_time(share: Share) -> None:
    for file in ("replay.launch.xml", "simulator.launch.xml"):
        node, other = launch(share, file, **FILES[file][False])
        assert node.set_parameters()["use_sim_time"] == "True"
        assert other.shutdown_on_exit, "what is left without its images ends as well"
    (node,) = launch(share, "simulator.launch.xml", bridge="false")
    assert node.set_parameters()["front.topic"] == "/sim/camera/front/image_raw"


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"cameras": "front,rear", "topic": "/image"}, r"2 cameras need \{camera\}"),
        ({"cameras": "front,,rear", "topic": "/{camera}"}, "names with commas between, found 'front,,rear'"),
        ({"topc": "/image"}, "no argument 'topc'"),
        ({"respawn": "perhaps"}, "expected true or false, found 'perhaps'"),
        ({"params_file": "/none.yaml"}, "no parameter file /none.yaml"),
        ({"topic": "it's"}, "eval"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(share: Share, arguments: dict[str, str], reason: str) -> None:
    with pytest.raises(LaunchError, match=reason):
        launch(share, "roadproof.launch.xml", **arguments)


def test_a_bag_has_to_be_named(share: Share) -> None:
    with pytest.raises(LaunchError, match="argument 'bag' is required"):
        launch(share, "replay.launch.xml")


@pytest.mark.parametrize(
    ("rig", "reason"),
    [
        ("", "expected sections such as '/rig/surround:', found none"),
        ("{", "is not YAML"),
        ("/**: {ros__parameters: {}}", "no section for a node"),
        ("surround: {ros__parameters: {cameras: [a]}}", "the full name of a node, .* found section 'surround'"),
        ("/**/surround: {ros__parameters: {cameras: [a]}}", "found section '/\\*\\*/surround'"),
        ("/rig/surround: {cameras: [a]}", "expected 'ros__parameters:'"),
        ("/rig/surround: {ros__parameters: {model: m.toml}}", "names no cameras"),
    ],
)
def test_broken_rigs_are_refused_with_the_section(share: Share, tmp_path: Path, rig: str, reason: str) -> None:
    path = tmp_path / "rig.yaml"
    path.write_text(rig)
    with pytest.raises(LaunchError, match=reason) as error:
        launch(share, "rig.launch.xml", rig=str(path))
    assert str(path) in str(error.value)


def test_a_rig_that_is_nowhere_is_named(share: Share) -> None:
    with pytest.raises(LaunchError, match="/none.yaml: cannot be read: No such file"):
        launch(share, "rig.launch.xml", rig="/none.yaml")


def test_a_rig_under_a_pushed_namespace_is_refused(installed: Path) -> None:
    launch_file = load(installed / "share" / "roadproof" / "launch" / "rig.launch.py")

    class Pushed:
        scope = type("Scope", (), {"variables": {"rig": "rig.yaml", "ros_namespace": "/car"}})
        launch_configurations = scope.variables

    with pytest.raises(launch_file.RigError, match="'/car' was pushed"):
        launch_file.start_nodes(Pushed())


def test_common_cameras_count_for_every_section(share: Share, tmp_path: Path) -> None:
    path = tmp_path / "rig.yaml"
    path.write_text(
        "/**: {ros__parameters: {cameras: [a]}}\n/left: {ros__parameters: {}}\n/x/right: {ros__parameters: {}}"
    )
    assert [start.full_name for start in launch(share, "rig.launch.xml", rig=str(path))] == ["/left", "/x/right"]


# ---- the interpreter itself


@pytest.mark.parametrize("text", ["$(var", "$(var a", "$()", "$(var 'a)"])
def test_broken_substitutions_are_refused(text: str) -> None:
    with pytest.raises(LaunchError, match="expected"):
        parse(text)


def test_substitutions_are_performed_as_launch_does() -> None:
    substitutor = Substitutor(lambda package: f"/share/{package}")
    variables = {"topic": "/a", "which": "topic"}
    for text, expected in {
        "x$(var topic)y": "x/ay",
        "$(var $(var which))": "/a",
        "$(find-pkg-share roadproof)/config": "/share/roadproof/config",
        "$(eval '\\'$(var topic)\\' != \\'\\'')": "True",
        '$(eval "1 + 1")': "2",
    }.items():
        assert substitutor.perform(text, variables) == expected
    for text in ("$(env HOME)", "$(var none)", "$(eval 'nothing')"):
        with pytest.raises(LaunchError):
            substitutor.perform(text, variables)
    assert split(" a  b$(var c  d)e f") == ["a", "b$(var c  d)e", "f"]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("<launch>", "not XML"),
        ("<robot/>", "expected <launch>"),
        ("<launch><let name='a' value='b'/></launch>", "not known to this interpreter"),
        ("<launch><node pkg='a' exec='b' name='c' machine='d'/></launch>", "machine is not known"),
        ("<launch><node pkg='a' exec='b'/></launch>", "name is missing"),
        ("<launch><node pkg='a' exec='b' name='c' respawn_delay='$(var d)'/></launch>", "expected seconds"),
        ("<launch><set_parameter name='a' value='[b]'/></launch>", "put it in quotes"),
        ("<launch><include file='/none.launch.xml'/></launch>", "no such launch file"),
        ("<launch><arg name='a'/></launch>", "argument 'a' is required"),
    ],
)
def test_files_beyond_the_interpreter_are_refused(share: Share, tmp_path: Path, body: str, reason: str) -> None:
    path = tmp_path / "broken.launch.xml"
    path.write_text(body)
    with pytest.raises(LaunchError, match=reason) as error:
        interpret(path, share)
    assert "broken.launch.xml" in str(error.value) or "none.launch.xml" in str(error.value)
