"""The simulator bridge without a renderer: schedules, traffic, projection, boxes, parameters, messages."""

from __future__ import annotations

import math

import numpy as np
import pytest

from roadproof_sim.camera import HEIGHT_M, MOUNTS, Camera
from roadproof_sim.settings import RULES, SettingError, Settings, check
from roadproof_sim.truth import IGNORED, Limits, boxes_of_masks, label, visibility, whole_box
from roadproof_sim.weather import WEATHERS, parse_schedule
from roadproof_sim.world import HORIZON_M, LANE_X, World

FRONT = Camera("front", 640, 384, 70.0)
DEFAULTS = {name: rule.default for name, rule in RULES.items()}


def test_a_schedule_goes_round() -> None:
    schedule = parse_schedule(["clear:2", "fog:3.5"])
    assert schedule is not None
    assert [schedule.at(t) for t in (0.0, 1.99, 2.0, 5.49, 5.5, 7.6)] == [
        "clear",
        "clear",
        "fog",
        "fog",
        "clear",
        "fog",
    ]
    assert parse_schedule([]) is None


@pytest.mark.parametrize("entry", ["fog", "fog:", "fog:-1", "fog:nan", "fog:inf", "snow:3", ":3", "fog:3:4"])
def test_a_wrong_schedule_is_named(entry: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        parse_schedule([entry])


@pytest.mark.parametrize("weather", WEATHERS.values())
def test_contrast_falls_to_a_twentieth_at_the_visibility(weather) -> None:  # noqa: ANN001
    assert math.exp(-weather.extinction_per_m * weather.visibility_m) == pytest.approx(0.05)
    assert math.hypot(*weather.to_sun) == pytest.approx(1.0)


def test_traffic_belongs_to_its_seed_and_time() -> None:
    assert World(3).actors(12.5) == World(3).actors(12.5)
    assert World(3).actors(12.5) != World(4).actors(12.5)
    assert World(3).actors(12.5) != World(3).actors(12.6)
    keys = [actor.key for actor in World(3).actors(12.5)]
    assert len(keys) == len(set(keys)) > 20


@pytest.mark.parametrize("time_s", np.arange(0.0, 120.0, 3.7))
def test_nobody_drives_into_anybody(time_s: float) -> None:
    world = World(5)
    actors = world.actors(float(time_s))
    assert all(abs(actor.y - world.ego_y(float(time_s))) <= HORIZON_M for actor in actors)
    for lane in ("ahead", "oncoming", "parked+1", "parked-1"):
        along = sorted(actor.y for actor in actors if actor.key.startswith(lane))
        assert all(b - a > 5.5 for a, b in zip(along, along[1:], strict=False)), lane


def test_a_street_can_be_without_traffic() -> None:
    assert {actor.model.split("_")[0] for actor in World(1, density=0.0).actors(5.0)} == {"light"}


def test_projection_is_that_of_a_pinhole() -> None:
    ego_y = 40.0
    (x, y, z), _ = FRONT.pose(LANE_X, ego_y)
    assert z == HEIGHT_M
    pixels, depth = FRONT.project(
        np.array([[x, y + 10, z], [x + 10 * math.tan(math.radians(35)), y + 10, z]]), LANE_X, ego_y
    )
    assert depth == pytest.approx([10, 10])
    assert pixels == pytest.approx(np.array([[320, 192], [640, 192]]))
    # CameraInfo counts from the first pixel's middle.
    assert FRONT.matrix[:2, 2] == pytest.approx([319.5, 191.5])


def test_the_rear_camera_looks_back() -> None:
    rear = Camera("rear", 640, 384, 70.0)
    (x, y, z), _ = rear.pose(LANE_X, 0.0)
    pixels, depth = rear.project(np.array([[x + 1, y - 10, z]]), LANE_X, 0.0)
    assert depth[0] == pytest.approx(10)
    assert pixels[0, 0] < 320


def test_boxes_are_tight_around_visible_pixels() -> None:
    numbers = np.zeros((20, 30), np.int32)
    numbers[3:9, 5:12] = 7
    numbers[5:15, 10:14] = 300
    assert boxes_of_masks(numbers) == {7: (5, 3, 12, 9), 300: (10, 5, 14, 15)}
    # An object in two parts has one box.
    numbers[19, 29] = 7
    assert boxes_of_masks(numbers)[7] == (5, 3, 30, 20)
    assert boxes_of_masks(np.zeros((4, 4), np.int32)) == {}


def test_visibility_is_the_share_of_the_whole_box() -> None:
    whole = whole_box(np.array([[-50.0, 10.0], [40.0, 60.0]]), np.array([5.0, 6.0]), 100, 50)
    assert whole == (0.0, 10.0, 40.0, 50.0)
    assert visibility((0, 10, 20, 50), whole) == pytest.approx(0.5)
    # Where a corner is behind the camera nothing is known, and the object stays.
    assert whole_box(np.array([[1.0, 1.0]]), np.array([-1.0]), 100, 50) is None
    assert visibility((0, 0, 9, 9), None) == 1.0


def test_small_objects_are_left_out_or_marked() -> None:
    seen, whole = (0, 0, 10, 15), (0.0, 0.0, 10.0, 15.0)
    assert label("a", "car", seen, whole, Limits(min_height_px=16)) is None
    marked = label("a", "car", seen, whole, Limits(min_height_px=16, small="mark"))
    assert marked is not None and marked.class_name == IGNORED
    kept = label("a", "car", seen, whole, Limits(min_height_px=15))
    assert kept is not None and (kept.class_name, kept.corners) == ("car", (0.0, 0.0, 10.0, 15.0))
    assert label("a", "car", seen, (0.0, 0.0, 40.0, 15.0), Limits(min_height_px=15)) is None


def test_the_defaults_can_be_used() -> None:
    settings = Settings.of(DEFAULTS)
    assert [camera.frame_id for camera in settings.cameras] == ["camera_front_optical"]
    assert settings.weather_at(100.0) == "clear"
    assert Settings.of({**DEFAULTS, "schedule": ["fog:5"]}).weather_at(3.0) == "fog"


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("weather", "snow", "clear, overcast"),
        ("weather", 3, "str"),
        ("cameras", [], "at least one"),
        ("cameras", ["front", "front"], "once"),
        ("cameras", ["roof"], "front_left"),
        ("cameras", [1], "strings"),
        ("schedule", ["fog"], "fog:10"),
        ("seed", -1, "0 …"),
        ("rate", 0.0, "0.1 …"),
        ("rate", float("nan"), "nan"),
        ("rate", 5, "float"),
        ("small_objects", "hide", "omit or mark"),
        ("wheather", "fog", "no such parameter"),
    ],
)
def test_a_wrong_parameter_is_named(name: str, value: object, expected: str) -> None:
    with pytest.raises(SettingError, match=f"^{name}: .*{expected}"):
        check(name, value)


def test_every_camera_has_a_place() -> None:
    assert set(DEFAULTS["cameras"]) <= set(MOUNTS)
    assert len({(mount.x, mount.y, mount.heading) for mount in MOUNTS.values()}) == len(MOUNTS)


def test_messages_say_what_the_node_says() -> None:
    messages = pytest.importorskip("roadproof_sim.messages", reason="no ROS 2 environment is sourced")
    box = label("car:1", "car", (10, 20, 50, 40), None, Limits())
    assert box is not None
    head = messages.header(12_500_000_001, FRONT.frame_id)
    array = messages.detections(head, [box])
    assert (array.header.stamp.sec, array.header.stamp.nanosec) == (12, 500_000_001)
    (detection,) = array.detections
    assert detection.results[0].hypothesis.class_id == "car"
    assert (detection.bbox.center.position.x, detection.bbox.center.position.y) == (30, 30)
    assert (detection.bbox.size_x, detection.bbox.size_y) == (40, 20)
    picture = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    image = messages.image(head, picture)
    assert (image.encoding, image.step, bytes(image.data)) == ("rgb8", 12, picture.tobytes())
    info = messages.camera_info(head, FRONT)
    assert info.k[0] == pytest.approx(FRONT.focal_px) and info.header.frame_id == array.header.frame_id
