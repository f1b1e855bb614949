"""SIGINT and SIGTERM end the node within two seconds, whatever it is doing; `leave` insists on it."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from conftest import RigFactory
from harness.pictures import blank, raw_image
from harness.process import binary
from harness.rig import Camera, cameras

SIGNALS = [signal.SIGINT, signal.SIGTERM]


@pytest.mark.parametrize("number", SIGNALS)
def test_an_idle_node_leaves(rig: RigFactory, number: signal.Signals) -> None:
    node = rig(cameras(["front"]))
    node.wait_active()
    node.node.leave(number)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_busy_node_leaves(rig: RigFactory, number: signal.Signals) -> None:
    node = rig(cameras(["front"]))
    camera = Camera(node, "front")
    camera.connect()
    message = raw_image(blank(1280, 720))
    for _ in range(20):
        camera.send(message)
    node.node.leave(number)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_node_leaves_while_it_loads_its_model(rig: RigFactory, number: signal.Signals) -> None:
    node = rig(cameras(["front"]))
    node.node.wait_log("creating the session")
    node.node.leave(number)


def test_an_unconfigured_node_leaves(rig: RigFactory) -> None:
    node = rig()
    node.node.wait_log("cannot configure")
    node.node.leave()


def test_a_malformed_parameter_file_ends_the_start_with_a_message(rig: RigFactory, tmp_path: Path) -> None:
    file = tmp_path / "broken.yaml"
    file.write_text("/**:\n  ros__parameters:\n    cameras: [front\n")
    node = rig(arguments=["--params-file", str(file)])
    assert node.node.wait_exit(10.0) != 0
    log = node.node.log()
    assert "--ros-args" in log and "broken.yaml" in log
    assert "panicked" not in log


def test_a_missing_parameter_file_ends_the_start_with_a_message(rig: RigFactory) -> None:
    node = rig(arguments=["--params-file", "/nowhere.yaml"])
    assert node.node.wait_exit(10.0) != 0
    assert "panicked" not in node.node.log()
    assert binary().is_file()
