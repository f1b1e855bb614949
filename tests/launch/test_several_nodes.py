"""Two nodes on one machine, with one model file: in one domain under two names, and in two domains under one."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from diagnostic_msgs.msg import DiagnosticArray
from sensor_msgs.msg import Image
from vision_msgs.msg import Detection2DArray

from harness.domain import Domain
from harness.peer import Inbox, Peer
from harness.pictures import blank, raw_image
from harness.process import MODEL
from harness.rig import values
from launching.running import Launched
from launching.start import Start

pytestmark = pytest.mark.timeout(400)

PATIENCE_S = 120.0


def node(name: str, dashboard: str = "off") -> Start:
    parameters = {"model": str(MODEL), "cameras": "[front]", "front.topic": "/image", "max_age_ms": "0"}
    parameters["intra_op_threads"] = "1"
    arguments = ("node", "--dashboard", dashboard)
    return Start("roadproof", "roadproof", name, "/", arguments, parameters=tuple(parameters.items()))


class Listener:
    """A camera in a domain, and what the nodes there say."""

    def __init__(self, domain: int, *names: str) -> None:
        self.peer = Peer(domain)
        self.image = self.peer.publisher(Image, "/image")
        self.diagnostics = self.peer.subscribe(DiagnosticArray, "/diagnostics")
        self.answers: dict[str, Inbox[Detection2DArray]] = {
            name: self.peer.subscribe(Detection2DArray, f"/{name}/front/detections") for name in names
        }

    def publish_until_answered(self) -> None:
        def answered() -> bool:
            message = raw_image(blank())
            message.header.stamp = self.peer.node.get_clock().now().to_msg()
            self.image.publish(message)
            self.peer.spin(0.3)
            return all(self.answers.values())

        self.peer.wait_until(answered, f"answers of {', '.join(self.answers)}", PATIENCE_S)


@contextmanager
def domains(count: int) -> Iterator[list[int]]:
    taken = [Domain() for _ in range(count)]
    yield [domain.number for domain in taken]
    for domain in taken:
        domain.close()


def test_two_names_in_one_domain(installed: Path, tmp_path: Path) -> None:
    with socket.socket() as taken, domains(1) as (domain,):
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        # One page on a port that is taken, one on a port that is free.
        starts = [node("left", f"127.0.0.1:{taken.getsockname()[1]}"), node("right", "127.0.0.1:0")]
        with Launched(starts, installed, tmp_path, domain) as launched:
            listener = Listener(domain, "left", "right")
            listener.publish_until_answered()
            left, right = launched.processes
            assert "the node runs without its dashboard" in left.log() and "choose another port" in left.log()
            found = re.search(r"dashboard: http://127\.0\.0\.1:(\d+)", right.log())
            assert found, right.log()
            socket.create_connection(("127.0.0.1", int(found[1])), 10).close()

            def names() -> set[str]:
                return {status.name for array in listener.diagnostics for status in array.status}

            expected = {f"{side}: {subject}" for side in ("left", "right") for subject in ("lifecycle", "input front")}
            listener.peer.wait_until(lambda: expected <= names(), "diagnostics of both", PATIENCE_S)
            assert all(name.startswith(("left: ", "right: ")) for name in names())
            graph = listener.peer.node
            services = [
                {service for service, _ in graph.get_service_names_and_types_by_node(side, "/")}
                for side in ("left", "right")
            ]
            assert services[0] and not services[0] & services[1]
            topics = [
                {topic for topic, _ in graph.get_publisher_names_and_types_by_node(side, "/")}
                for side in ("left", "right")
            ]
            shared = {"/diagnostics", "/rosout", "/parameter_events"}
            assert topics[0] & topics[1] <= shared
            listener.peer.close()
        assert [process.exits for process in launched.processes] == [[0], [0]]


def test_one_name_in_two_domains(installed: Path, tmp_path: Path) -> None:
    with domains(2) as (here, there):
        for domain in (here, there):
            (tmp_path / str(domain)).mkdir()
        with (
            Launched([node("roadproof")], installed, tmp_path / str(here), here),
            Launched([node("roadproof")], installed, tmp_path / str(there), there),
        ):
            ours, theirs = Listener(here, "roadproof"), Listener(there, "roadproof")
            theirs.peer.withdraw(theirs.image)
            ours.publish_until_answered()

            def inputs() -> list[dict[str, str]]:
                newest = theirs.diagnostics[-1].status if theirs.diagnostics else []
                return [values(status) for status in newest if status.name == "roadproof: input front"]

            theirs.peer.wait_until(inputs, "diagnostics of the other domain's node", PATIENCE_S)
            (seen,) = inputs()
            assert (seen["publishers"], seen["received"]) == ("0", "0")
            assert not theirs.answers["roadproof"]
            ours.peer.close()
            theirs.peer.close()
