"""Parameters: what can be asked, what can be changed while it runs, and what is refused."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from rcl_interfaces.msg import ParameterEvent, ParameterType
from rcl_interfaces.srv import DescribeParameters, GetParameterTypes, ListParameters

from conftest import RigFactory
from harness.pictures import photograph, raw_image
from harness.process import MODEL
from harness.rig import ERROR, Camera, Rig, cameras


@pytest.fixture(scope="module")
def front(module_rig: RigFactory) -> Camera:
    rig: Rig = module_rig(cameras(["front"]))
    camera = Camera(rig, "front")
    camera.connect()
    return camera


def test_parameters_are_listed_described_and_typed(front: Camera) -> None:
    peer = front.rig.peer
    listed = peer.call(ListParameters, "list_parameters", ListParameters.Request()).result
    assert {"model", "cameras", "front.topic", "score_threshold", "health.window_s"} <= set(listed.names)
    request = DescribeParameters.Request(names=["max_age_ms", "low_score_threshold", "front.transport", "autostart"])
    age, score, transport, autostart = peer.call(DescribeParameters, "describe_parameters", request).descriptors
    assert age.type == ParameterType.PARAMETER_INTEGER
    assert (age.integer_range[0].from_value, age.integer_range[0].to_value) == (0, 3_600_000)
    assert (score.floating_point_range[0].from_value, score.floating_point_range[0].to_value) == (0.0, 1.0)
    assert "compressed" in transport.additional_constraints
    assert autostart.read_only
    assert all(descriptor.description for descriptor in (age, score, transport, autostart))
    types = peer.call(GetParameterTypes, "get_parameter_types", GetParameterTypes.Request(names=["cameras", "x"])).types
    assert list(types) == [ParameterType.PARAMETER_STRING_ARRAY, ParameterType.PARAMETER_NOT_SET]


def test_list_parameters_honours_prefixes_and_depth(front: Camera) -> None:
    def names(**request: object) -> list[str]:
        return front.rig.peer.call(ListParameters, "list_parameters", ListParameters.Request(**request)).result.names

    own = {"health.window_s", "health.min_support", "health.profile", "health.rules"}
    assert set(names(prefixes=["health"])) == own
    assert all("." not in name for name in names(depth=1))


def test_a_threshold_takes_effect_with_the_next_frame(front: Camera) -> None:
    message = raw_image(photograph("dog.jpg"))
    peer = front.rig.peer
    usual = front.detect(message)
    try:
        peer.set("score_threshold", 0.6)
        assert [f.label for f in front.detect(message)] == [f.label for f in usual if f.score >= 0.6]
        peer.set("class_score_thresholds", ["car=0.5"])
        assert {f.label for f in front.detect(message)} == {"dog", "car"}
        peer.set("enabled_classes", ["car"])
        assert [f.label for f in front.detect(message)] == ["car"]
        peer.set("max_detections", 1)
        peer.set("enabled_classes", [])
        assert [f.label for f in front.detect(message)] == ["dog"]
    finally:
        for name in ("score_threshold", "class_score_thresholds", "enabled_classes", "max_detections"):
            peer.set(name, None)
    assert front.detect(message) == usual


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("score_threshold", 1.5, "outside 0"),
        ("score_threshold", "high", "expected type double"),
        ("max_age_ms", -1, "outside 0"),
        ("enabled_classes", ["persn"], "'person'"),
        ("class_score_thresholds", ["person"], "class=score"),
        ("low_score_threshold", 0.9, "low_score"),
        ("front.topic", "/other", "unconfigured"),
        ("model", "other.toml", "unconfigured"),
        ("autostart", False, "when the node is started"),
        ("scor_threshold", 0.5, "did you mean 'score_threshold'"),
    ],
)
def test_what_cannot_be_used_is_refused_with_the_reason_and_changes_nothing(
    front: Camera, name: str, value: object, reason: str
) -> None:
    peer = front.rig.peer
    before = peer.get(name)
    result = peer.try_set(name, value)
    assert not result.successful
    assert reason in result.reason
    assert peer.get(name) == before
    assert front.rig.node.is_alive()


def test_an_atomic_change_is_all_or_nothing(front: Camera) -> None:
    peer = front.rig.peer
    result = peer.set_atomically({"max_age_ms": 7000, "score_threshold": -1.0})
    assert not result.successful
    assert "score_threshold" in result.reason
    assert peer.get("max_age_ms") == 0
    try:
        assert peer.set_atomically({"max_age_ms": 7000, "score_threshold": 0.5}).successful
        assert (peer.get("max_age_ms"), peer.get("score_threshold")) == (7000, 0.5)
    finally:
        assert peer.set_atomically({"max_age_ms": 0, "score_threshold": None}).successful


def test_changes_are_announced(front: Camera) -> None:
    peer = front.rig.peer
    events = peer.subscribe(ParameterEvent, "/parameter_events", 100)
    values = itertools.count(2000)

    def announced() -> bool:
        # Another value each time: the first events may be sent before anybody listens.
        peer.set("stale_after_ms", next(values))
        changed = [p for event in events if event.node == "/roadproof" for p in event.changed_parameters]
        return any(p.name == "stale_after_ms" for p in changed)

    peer.wait_until(announced, "a parameter event")
    peer.set("stale_after_ms", None)
    assert peer.get("stale_after_ms") == 1000


def test_a_parameter_file_and_the_command_line_work_together(rig: RigFactory, tmp_path: Path) -> None:
    file = tmp_path / "cameras.yaml"
    file.write_text(
        f"/**:\n  ros__parameters:\n    model: {MODEL}\n    cameras: [left, right]\n"
        "    left:\n      topic: /left\n    right:\n      topic: /right\n    score_threshold: 1\n"
    )
    node = rig(arguments=["--params-file", str(file), "-p", "max_age_ms:=0"])
    node.wait_active()
    assert node.peer.get("right.topic") == "/right"
    assert node.peer.get("score_threshold") == 1.0
    assert node.peer.get("max_age_ms") == 0


def test_a_misspelt_parameter_keeps_the_node_from_being_configured_until_it_is_unset(rig: RigFactory) -> None:
    node = rig({**cameras(["front"]), "front.topc": "/image"})
    message = node.wait_message("lifecycle", "front.topc", at=ERROR)
    assert "did you mean 'front.topic'" in message
    assert node.peer.state() == "unconfigured"
    assert not node.peer.transit("configure")
    node.peer.set("front.topc", None)
    assert node.peer.transit("configure")
    assert node.peer.state() == "inactive"


def test_a_value_out_of_range_at_start_is_named_and_can_be_put_right(rig: RigFactory) -> None:
    node = rig({**cameras(["front"]), "score_threshold": 7.0})
    node.wait_message("lifecycle", "score_threshold", "7 is outside 0", at=ERROR)
    node.peer.set("score_threshold", 0.5)
    assert node.peer.transit("configure")
    node.wait_status("lifecycle", lambda s: "score_threshold" not in s.message, "no complaint any more")


def test_vehicle_wide_parameter_files_are_possible(rig: RigFactory) -> None:
    node = rig({**cameras(["front"]), "wheel_base": 2.7, "allow_unknown_parameters": True})
    node.wait_active()
