"""Where the real `launch` of ROS 2 is installed: it starts what the interpreter says, file by file."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

from launching.interpreter import interpret
from test_launch_files import FILES

pytestmark = pytest.mark.timeout(300)

if any(importlib.util.find_spec(name) is None for name in ("launch", "launch_xml", "launch_ros")):
    pytest.skip(
        "no launch, launch_xml and launch_ros here (ROS 2 from PyPI has none): launch files were interpreted by the "
        "tests' own interpreter only",
        allow_module_level=True,
    )

# What `ros2 launch` does with a file and its arguments.
LAUNCH = """
import sys
from launch import LaunchDescription, LaunchService
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import AnyLaunchDescriptionSource

path, *arguments = sys.argv[1:]
pairs = [argument.split(":=", 1) for argument in arguments]
service = LaunchService(argv=arguments)
included = IncludeLaunchDescription(AnyLaunchDescriptionSource(path), launch_arguments=pairs)
service.include_launch_description(LaunchDescription([included]))
sys.exit(service.run())
"""

# Stands for every program, says how it was called, and stays until it is ended, as a node does.
PROGRAM = """#!{python}
import json, pathlib, sys, uuid
files = [file for option, file in zip(sys.argv, sys.argv[1:]) if option == "--params-file"]
called = {{"argv": sys.argv, "files": {{file: pathlib.Path(file).read_text() for file in files}}}}
pathlib.Path("{calls}", uuid.uuid4().hex).write_text(json.dumps(called))
"""

Call = tuple[str, tuple[tuple[str, str], ...]]


@pytest.fixture(scope="module")
def recording(installed: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """What is installed, with programs that only note how they are called; and the folder of their notes."""
    folder = tmp_path_factory.mktemp("recording")
    prefix, calls = folder / "prefix", folder / "calls"
    calls.mkdir()
    (prefix / "lib" / "roadproof").mkdir(parents=True)
    shutil.copytree(installed / "share", prefix / "share")
    index = prefix / "share" / "ament_index" / "resource_index" / "packages"
    index.mkdir(parents=True)
    (index / "roadproof").touch()
    for program in (prefix / "lib/roadproof/roadproof", prefix / "lib/roadproof/roadproof_sim", prefix / "bin/ros2"):
        program.parent.mkdir(exist_ok=True)
        program.write_text(PROGRAM.format(python=sys.executable, calls=calls))
        program.chmod(0o755)
    return prefix, calls


def call(argv: list[str], files: Mapping[str, str]) -> Call:
    """A command line in a form that compares: words in order, and parameters by their final values.

    launch writes a node's own parameters to a file, the interpreter gives them one by one.
    """
    words: list[str] = []
    parameters: dict[str, str] = {}
    rest = iter(argv[1:])
    for word in rest:
        if word == "-p":
            name, _, value = next(rest).partition(":=")
            parameters[name] = repr(yaml.safe_load(value))
        elif word == "--params-file":
            file = next(rest)
            if not Path(file).name.startswith("launch_params_"):
                words += [word, file]
                continue
            for section in yaml.safe_load(files[file]).values():
                parameters |= {name: repr(value) for name, value in section["ros__parameters"].items()}
        elif word == "-r":
            rule = next(rest)
            # Without a namespace, launch may leave the rule out.
            words += [word, rule] if rule != "__ns:=/" else []
        else:
            words.append(word)
    return " ".join([Path(argv[0]).name, *words]), tuple(sorted(parameters.items()))


@pytest.mark.parametrize("most", [False, True], ids=["least", "most"])
@pytest.mark.parametrize("file", FILES)
def test_the_real_launch_starts_the_same(recording: tuple[Path, Path], tmp_path: Path, file: str, most: bool) -> None:
    prefix, calls = recording
    # The programs end at once, which respawn would repeat for ever.
    arguments = {name: value for name, value in FILES[file][most].items() if name != "respawn"}
    path = prefix / "share" / "roadproof" / "launch" / file
    starts = interpret(path, lambda package: prefix / "share" / package, arguments).starts
    environment = {**os.environ, "PATH": f"{prefix}/bin:{os.environ['PATH']}", "ROS_LOG_DIR": str(tmp_path)}
    environment["AMENT_PREFIX_PATH"] = f"{prefix}:{os.environ['AMENT_PREFIX_PATH']}"
    # A program that is required and ends takes the others with it, perhaps before they have begun.
    deadline_s = 60
    for note in calls.iterdir():
        note.unlink()
    result = subprocess.run(
        [sys.executable, "-c", LAUNCH, str(path), *(f"{name}:={value}" for name, value in arguments.items())],
        env=environment,
        capture_output=True,
        text=True,
        timeout=deadline_s,
    )
    notes = [json.loads(note.read_text()) for note in calls.iterdir()]
    real = sorted(call(note["argv"], note["files"]) for note in notes)
    ours = sorted(call(start.command(prefix), {}) for start in starts)
    if any(start.shutdown_on_exit for start in starts):
        assert set(real) <= set(ours) and real, result.stdout + result.stderr
    else:
        assert real == ours, result.stdout + result.stderr


def test_the_real_launch_refuses_a_broken_rig(recording: tuple[Path, Path], tmp_path: Path) -> None:
    prefix, _ = recording
    rig = tmp_path / "rig.yaml"
    rig.write_text("surround: {ros__parameters: {cameras: [a]}}")
    environment = {**os.environ, "ROS_LOG_DIR": str(tmp_path)}
    environment["AMENT_PREFIX_PATH"] = f"{prefix}:{os.environ['AMENT_PREFIX_PATH']}"
    path = prefix / "share" / "roadproof" / "launch" / "rig.launch.xml"
    result = subprocess.run(
        [sys.executable, "-c", LAUNCH, str(path), f"rig:={rig}"], env=environment, capture_output=True, text=True
    )
    assert result.returncode != 0
    assert "found section 'surround'" in result.stdout + result.stderr
