"""A rig of six cameras, started by its launch file: what each camera gets, from which node, and what comes back."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from diagnostic_msgs.msg import DiagnosticArray
from sensor_msgs.msg import Image
from vision_msgs.msg import Detection2DArray

from harness.detections import found_in
from harness.domain import Domain
from harness.peer import Inbox, Peer
from harness.pictures import photograph, raw_image
from harness.process import MODEL
from harness.rig import values
from launching import ROOT
from launching.interpreter import interpret
from launching.running import Launched

pytestmark = pytest.mark.timeout(400)

# Two nodes load a model each, beside whatever else this machine does.
PATIENCE_S = 120.0

CONFIG = ROOT / "config"
NODES = ("/rig/forward", "/rig/surround")


def rig_file(folder: Path) -> Path:
    """Our example, its forward camera with a model of another name, and nothing that hangs on this machine's speed."""
    rig = yaml.safe_load((CONFIG / "rig_six_cameras.yaml").read_text())
    text = MODEL.read_text()
    assert 'name = "nanodet-g"' in text
    (folder / "forward.toml").write_text(text.replace('name = "nanodet-g"', 'name = "forward"'))
    (folder / "nanodet-g.onnx").symlink_to(MODEL.with_suffix(".onnx"))
    rig["/**"]["ros__parameters"] |= {"max_age_ms": 0, "shadow": {"corruptions": ["gaussian_noise:1"]}}
    rig["/rig/forward"]["ros__parameters"]["model"] = str(folder / "forward.toml")
    path = folder / "rig.yaml"
    path.write_text(yaml.safe_dump(rig))
    return path


class SixCameras:
    """Publishers of six cameras, and what the rig answers."""

    def __init__(self, path: Path, domain: int) -> None:
        self.peer = Peer(domain)
        self.diagnostics = self.peer.subscribe(DiagnosticArray, "/diagnostics", 100)
        self.answers: dict[str, Inbox[Detection2DArray]] = {}
        self._publishers: dict[str, Any] = {}
        picture = photograph("dog.jpg")
        for section, content in yaml.safe_load(path.read_text()).items():
            parameters = content["ros__parameters"]
            for camera in parameters.get("cameras", []):
                self.answers[camera] = self.peer.subscribe(Detection2DArray, f"{section}/{camera}/detections")
                self._publishers[camera] = self.peer.publisher(Image, parameters[camera]["topic"])
        self._messages = {camera: raw_image(picture, frame_id=f"{camera}_optical_link") for camera in self.answers}

    def publish(self) -> None:
        for camera, publisher in self._publishers.items():
            self._messages[camera].header.stamp = self.peer.node.get_clock().now().to_msg()
            publisher.publish(self._messages[camera])

    def publish_until(self, condition: Any, what: str) -> None:
        """A picture of every camera, again and again."""

        def once() -> bool:
            self.publish()
            self.peer.spin(0.3)
            return bool(condition())

        self.peer.wait_until(once, what, PATIENCE_S)

    def statuses(self) -> dict[str, Any]:
        """The newest status of each name."""
        return {status.name: status for array in self.diagnostics for status in array.status}


@pytest.fixture(scope="module")
def rig(installed: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[SixCameras, Launched]]:
    folder = tmp_path_factory.mktemp("rig")
    path = rig_file(folder)
    share = installed / "share"
    launch_file = share / "roadproof" / "launch" / "rig.launch.xml"
    starts = interpret(launch_file, lambda package: share / package, {"rig": str(path), "respawn": "true"}).starts
    domain = Domain()
    cameras = SixCameras(path, domain.number)
    with Launched(starts, installed, folder, domain.number) as launched:
        yield cameras, launched
    cameras.peer.close()
    domain.close()
    for process in launched.processes:
        assert process.exits[-1] == 0, process.log()
        assert "panicked" not in process.log()


def test_every_camera_gets_detections_with_its_frame(rig: tuple[SixCameras, Launched]) -> None:
    cameras, _ = rig
    assert len(cameras.answers) == 6
    cameras.publish_until(lambda: all(cameras.answers.values()), "detections of all six cameras")
    for camera, answers in cameras.answers.items():
        assert {answer.header.frame_id for answer in answers} == {f"{camera}_optical_link"}
        assert "dog" in {found.label for found in found_in(answers[-1])}


def test_each_section_is_a_node_with_its_own_model(rig: tuple[SixCameras, Launched]) -> None:
    cameras, launched = rig
    assert {process.start.full_name for process in launched.processes} == set(NODES)
    names = {"rig/forward: model", "rig/surround: model"}
    cameras.peer.wait_until(lambda: names <= cameras.statuses().keys(), "both models", PATIENCE_S)
    models = {name: values(cameras.statuses()[name])["name"] for name in names}
    assert models == {"rig/forward: model": "forward", "rig/surround: model": "nanodet-g"}


# Subjects that a node speaks of only where it is asked for them, as the rig's are not.
UNASKED = (": ground truth", ": recording")


def leaves(analyzers: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for analyzer in analyzers.values():
        if isinstance(analyzer, dict):
            yield from leaves(analyzer["analyzers"]) if "analyzers" in analyzer else [analyzer]


def test_the_aggregator_finds_every_status_once(rig: tuple[SixCameras, Launched]) -> None:
    cameras, _ = rig
    aggregator = yaml.safe_load((CONFIG / "diagnostic_aggregator.yaml").read_text())
    analyzers = list(leaves(aggregator["analyzers"]["ros__parameters"]))
    prefixes = [prefix for analyzer in analyzers for prefix in analyzer["startswith"]]
    of_the_rig = [p for p in prefixes if p.startswith("rig/") and not p.endswith(UNASKED)]

    def all_seen() -> bool:
        return all(any(name.startswith(prefix) for name in cameras.statuses()) for prefix in of_the_rig)

    cameras.publish_until(all_seen, f"a status for each of {of_the_rig}")
    for name in cameras.statuses():
        assert sum(any(name.startswith(p) for p in analyzer["startswith"]) for analyzer in analyzers) == 1, name
    subjects = {
        node: {prefix.removeprefix(f"{node}: ") for prefix in prefixes if prefix.startswith(f"{node}: ")}
        for node in ("roadproof", "rig/forward", "rig/surround")
    }
    assert subjects["roadproof"] == subjects["rig/forward"] == subjects["rig/surround"]


def test_a_killed_node_comes_back_and_the_other_goes_on(rig: tuple[SixCameras, Launched]) -> None:
    cameras, launched = rig
    forward, surround = (launched.of(name) for name in NODES)
    before = len(cameras.answers["rear"])
    os.kill(forward.process.pid, signal.SIGKILL)
    cameras.publish_until(lambda: forward.exits, "the node is gone")
    assert forward.exits == [-signal.SIGKILL]
    cameras.answers["front"].clear()
    cameras.publish_until(lambda: cameras.answers["front"], "detections of the respawned node")
    assert len(cameras.answers["rear"]) > before
    assert surround.exits == []
