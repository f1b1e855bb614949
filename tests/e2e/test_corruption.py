"""Injected corruptions and shadow copies in the live node."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sensor_msgs.msg import Image

from conftest import RigFactory
from harness.peer import NODE
from harness.pictures import blank, photograph, raw_image
from harness.rig import OK, WARN, Camera, Rig, cameras, level, values


@pytest.fixture(scope="module")
def front(module_rig: RigFactory) -> Camera:
    rig: Rig = module_rig(cameras(["front", "rear"], corruption__radius_mode="absolute"))
    camera = Camera(rig, "front")
    camera.connect()
    return camera


def disarm(camera: Camera) -> None:
    peer = camera.rig.peer
    peer.set("inject.armed", False)
    for name in ("inject.corruptions", "inject.campaign", "inject.cameras", "shadow.corruptions"):
        peer.set(name, None)


def test_nothing_is_injected_unless_armed(front: Camera) -> None:
    message = raw_image(photograph("dog.jpg"))
    clean = front.detect(message)
    front.rig.peer.set("inject.corruptions", ["gaussian_noise:5"])
    try:
        assert front.detect(message) == clean
        status = front.rig.wait_status("injection")
        assert (level(status), status.message, values(status)["armed"]) == (OK, "off", "false")
    finally:
        disarm(front)


def test_an_armed_injection_is_announced_everywhere_and_ends(front: Camera) -> None:
    rig, peer, health = front.rig, front.rig.peer, front.health()
    message = raw_image(photograph("dog.jpg"))
    clean = front.detect(message)
    assert {f.label for f in clean} >= {"dog", "bicycle"}
    peer.set("inject.corruptions", ["contrast:5", "gaussian_noise:4"])
    peer.set("inject.armed", True)
    try:
        assert front.detect(message) != clean
        text = rig.wait_message("injection", "INJECTING", "contrast:5 + gaussian_noise:4", "all cameras", at=WARN)
        assert text
        assert values(rig.status("injection"))["injected.front"] == "contrast:5 + gaussian_noise:4"
        peer.wait_until(lambda: health and health[-1].injection, "health says that frames are corrupted")
        assert health[-1].corruption == "contrast:5 + gaussian_noise:4"
        # The same frame index would be corrupted in the same way; the next one is drawn anew.
        peer.set("inject.cameras", ["rear"])
        assert front.detect(message) == clean
    finally:
        disarm(front)
    assert front.detect(message) == clean
    peer.wait_until(lambda: not health[-1].injection and health[-1].corruption == "", "health is clean again")


def test_the_corrupted_picture_can_be_looked_at(front: Camera) -> None:
    peer = front.rig.peer
    peer.set("debug_image.max_rate_hz", 100.0)
    pictures = peer.subscribe(Image, f"{NODE}/front/debug/corrupted")
    message = raw_image(blank(64, 48, 200))
    peer.set("inject.corruptions", ["brightness:5"])
    peer.set("inject.armed", True)
    try:

        def shown() -> bool:
            front.process(message)
            return bool(pictures)

        peer.wait_until(shown, "a corrupted picture")
        assert np.frombuffer(pictures[-1].data, np.uint8).min() == 255
    finally:
        disarm(front)
        peer.set("debug_image.max_rate_hz", None)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"inject.armed": True}, "nothing to inject"),
        ({"inject.corruptions": ["fgo:1"]}, "did you mean 'fog'"),
        ({"inject.corruptions": ["fog:6"]}, "0 … 5"),
        ({"inject.corruptions": ["fog"]}, "CORRUPTION:SEVERITY"),
        ({"inject.campaign": "/nowhere.toml", "inject.armed": True}, "/nowhere.toml"),
        ({"inject.campaign": "a.toml", "inject.corruptions": ["fog:1"], "inject.armed": True}, "both"),
        ({"inject.cameras": ["left"]}, "'left'"),
        ({"shadow.corruptions": ["snow:nan"]}, "0 … 5"),
        ({"shadow.max_share": 1.5}, "outside 0"),
    ],
)
def test_mistakes_are_refused_before_they_do_anything(front: Camera, changes: dict, reason: str) -> None:
    result = front.rig.peer.set_atomically(changes)
    assert not result.successful
    assert reason in result.reason
    assert front.rig.peer.get("inject.armed") is False


def test_dropped_frames_are_counted(front: Camera) -> None:
    peer = front.rig.peer
    before = front.quiet_counters()
    assert peer.set_atomically({"inject.corruptions": ["frame_drop:5"], "inject.armed": True}).successful
    try:
        message = raw_image(blank())
        for _ in range(30):
            front.send(message)
            peer.spin(0.03)
        after = front.quiet_counters()
    finally:
        disarm(front)
    assert after["received"] == before["received"] + 30
    lost = after["rejected"] - before["rejected"]
    assert 0 < lost < 30
    assert "dropped by the injected corruption" in front.rig.wait_count("front", "received", 30)["last_rejection"]


def test_a_campaign_runs_from_the_moment_of_arming(front: Camera, tmp_path: Path) -> None:
    campaign = tmp_path / "pulse.toml"
    campaign.write_text(
        'format = 1\nname = "pulse"\n[[segment]]\nkind = "hold"\nstart_s = 0\nduration_s = 2.5\n'
        'cameras = ["front"]\nsteps = ["brightness:2"]\n'
    )
    rig, peer = front.rig, front.rig.peer
    assert peer.set_atomically({"inject.campaign": str(campaign), "inject.armed": True}).successful
    message = raw_image(blank())
    try:

        def said(text: str) -> bool:
            front.process(message)
            status = rig.status("injection")
            return status is not None and text in status.message

        peer.wait_until(lambda: said("INJECTING: campaign 'pulse'"), "the campaign begins")
        peer.wait_until(lambda: said("injecting nothing now: campaign 'pulse'"), "the campaign ends")
    finally:
        disarm(front)


def test_shadow_copies_watch_robustness_and_leave_the_published_alone(front: Camera) -> None:
    rig, peer, health = front.rig, front.rig.peer, front.health()
    message = raw_image(photograph("dog.jpg"))
    clean = front.detect(message)
    peer.set("shadow.max_share", 0.5)
    peer.set("shadow.corruptions", ["contrast:5", "brightness:0.5"])
    try:

        def probed() -> bool:
            assert front.detect(message) == clean
            # As a camera of few frames a second, which leaves time for copies.
            peer.spin(0.15)
            entry = next((c for c in health[-1].classes if c.class_name == "dog"), None) if health else None
            return entry is not None and entry.probe_retention == entry.probe_retention

        peer.wait_until(probed, "a retention", timeout=40.0)
        entry = next(c for c in health[-1].classes if c.class_name == "dog")
        assert entry.probe_corruption == "contrast:5", "of the two, the one that costs the dog more"
        assert entry.probe_retention == 0.0
        assert not health[-1].injection
        status = values(rig.wait_status("injection"))
        assert int(status["shadow_copies"]) >= 10
        assert float(status["shadow_share"]) <= 0.5
        robustness = values(rig.wait_status("robustness front"))
        assert robustness["contrast:5.dog"].startswith("0.00 of "), robustness
        assert "profile" not in robustness["contrast:5.dog"], "there is none"
    finally:
        disarm(front)
        peer.set("shadow.max_share", None)
