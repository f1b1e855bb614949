"""The lifecycle of a managed node, walked by service as a lifecycle manager walks it."""

from __future__ import annotations

import shutil
from pathlib import Path

from lifecycle_msgs.msg import TransitionEvent
from lifecycle_msgs.srv import GetAvailableStates, GetAvailableTransitions

from conftest import RigFactory
from harness.peer import NODE, qos
from harness.pictures import blank, photograph, raw_image
from harness.process import MODEL
from harness.rig import ERROR, Camera, cameras


def renamed_model(folder: Path) -> Path:
    """Another manifest of the same weights: a model that can be told apart."""
    manifest = folder / "other.toml"
    manifest.write_text(MODEL.read_text().replace('name = "nanodet-g"', 'name = "other"', 1))
    shutil.copy(MODEL.with_suffix(".onnx"), folder)
    return manifest


def test_a_node_walks_through_its_life_by_service(rig: RigFactory, tmp_path: Path) -> None:
    node = rig({**cameras(["front"]), "autostart": False})
    peer = node.peer
    events = peer.subscribe(TransitionEvent, f"{NODE}/transition_event", qos(depth=100))
    assert peer.state() == "unconfigured"
    peer.wait_until(lambda: peer.node.count_publishers(f"{NODE}/transition_event"), "transition events are published")

    for bad in ("activate", "deactivate", "cleanup", "levitate"):
        assert not peer.transit(bad)
    assert peer.transit("configure")
    assert peer.state() == "inactive"
    camera = Camera(node, "front")
    assert peer.node.count_publishers(f"{NODE}/front/detections") == 1
    camera.send(raw_image(blank()))
    peer.spin(0.3)
    assert not camera.detections, "an inactive node processes nothing"

    for _ in range(2):
        assert peer.transit("activate")
        assert peer.state() == "active"
        camera.connect()
        assert camera.detect(raw_image(photograph("dog.jpg")))
        assert not peer.transit("configure"), "not possible while active"
        assert peer.transit("deactivate")
        count = len(camera.detections)
        camera.send(raw_image(blank()))
        peer.spin(0.3)
        assert len(camera.detections) == count, "a deactivated node processes nothing"

    assert peer.transit("cleanup")
    assert peer.state() == "unconfigured"
    peer.wait_until(
        lambda: peer.node.count_publishers(f"{NODE}/front/detections") == 0, "the topics of the model are gone"
    )

    peer.set("model", str(renamed_model(tmp_path)))
    assert peer.transit("configure")
    assert peer.transit("activate")
    node.wait_message("model", "other")
    camera.connect()
    assert camera.detect(raw_image(photograph("dog.jpg")))

    assert peer.transit("shutdown")
    assert peer.state() == "finalized"
    assert not peer.transit("configure")
    labels = [(e.start_state.label, e.goal_state.label) for e in events]
    walk = ["unconfigured", "configuring", "inactive", "activating", "active", "deactivating", "inactive"]
    walk += [
        "activating",
        "active",
        "deactivating",
        "inactive",
        "cleaningup",
        "unconfigured",
        "configuring",
        "inactive",
    ]
    walk += ["activating", "active", "shuttingdown", "finalized"]
    assert labels == list(zip(walk, walk[1:], strict=False))


def test_states_and_transitions_can_be_asked_for(rig: RigFactory) -> None:
    node = rig({**cameras(["front"]), "autostart": False})
    peer = node.peer
    states = peer.call(GetAvailableStates, "get_available_states", GetAvailableStates.Request()).available_states
    assert {s.label: s.id for s in states}.items() >= {
        "unconfigured": 1,
        "inactive": 2,
        "active": 3,
        "finalized": 4,
    }.items()
    request = GetAvailableTransitions.Request()
    possible = peer.call(GetAvailableTransitions, "get_available_transitions", request).available_transitions
    assert {t.transition.label for t in possible} == {"configure", "shutdown"}
    graph = peer.call(GetAvailableTransitions, "get_transition_graph", request).available_transitions
    assert len(graph) == 7


def test_nothing_to_do_is_said_before_anything_else(rig: RigFactory) -> None:
    """Started without any parameters, the node is up and says what it needs."""
    node = rig()
    message = node.wait_message("lifecycle", "'model'", "'cameras'", at=ERROR)
    assert "cameras:=[front]" in message
    assert node.peer.state() == "unconfigured"
