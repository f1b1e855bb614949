"""Clean frames, fog that comes up, clean frames again: health, diagnostics and the live page follow and recover."""

from __future__ import annotations

import json
import math
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import cv2
import pytest
from browser import Browser, find
from roadproof.msg import CameraHealth, ClassHealth
from sensor_msgs.msg import Image

from conftest import RigFactory
from harness.pictures import raw_image
from harness.process import MODEL, ROOT
from harness.rig import OK, Camera, cameras, level, values

WINDOW_S = 8
RATE_HZ = 8.0
SEVERITIES = (1, 2, 3, 4, 5)
BAD = (CameraHealth.WARN, CameraHealth.ERROR)


def run(*command: str | Path) -> None:
    result = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


@pytest.fixture(scope="module")
def collages(collages: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty of them: alarms need more than twelve to be set from."""
    folder = tmp_path_factory.mktemp("collages")
    run(sys.executable, ROOT / "scripts/demo/collages.py", folder, "--images", "40")
    return folder


@pytest.fixture(scope="module")
def profile(roadproof: str, collages: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("profile") / "profile.json"
    options = ["--corruptions", "fog,gaussian_noise", "--severities", "1,3,5", "--rate", str(RATE_HZ)]
    run(roadproof, "profile", collages, "-m", MODEL, "-o", path, "--window", str(WINDOW_S), *options)
    return path


@pytest.fixture(scope="module")
def frames(roadproof: str, collages: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[int, list[Image]]:
    """Every collage clean (0) and in fog of each severity."""
    folder = tmp_path_factory.mktemp("fog")
    found = {}
    for severity in (0, *SEVERITIES):
        source = collages / "images"
        if severity:
            run(roadproof, "corrupt", source, "--corruption", f"fog:{severity}", "-o", folder / str(severity))
            source = folder / str(severity)
        pictures = [cv2.imread(str(path)) for path in sorted(source.iterdir())]
        found[severity] = [raw_image(picture[:, :, ::-1].copy()) for picture in pictures]
    return found


def play(camera: Camera, pictures: list[Image], seconds: float, until=lambda: False) -> bool:
    """Frames in turn at the camera's rate; ends early, and says so, once `until` holds."""
    begin = time.monotonic()
    index = 0
    while time.monotonic() - begin < seconds:
        camera.send(pictures[index % len(pictures)])
        index += 1
        camera.rig.peer.spin(max(0.0, begin + index / RATE_HZ - time.monotonic()))
        if until():
            return True
    return False


@pytest.mark.timeout(240)
def test_health_follows_fog_and_recovers(
    rig: RigFactory, profile: Path, frames: dict[int, list[Image]], tmp_path: Path
) -> None:
    parameters = cameras(["front"], health__profile=str(profile), health__window_s=WINDOW_S, stale_after_ms=3000)
    node = rig(parameters, options=["--dashboard", "127.0.0.1:0"])
    camera = Camera(node, "front")
    camera.connect()
    health = camera.health()
    node.node.wait_log("dashboard: http://")
    address = re.search(r"dashboard: (http://[\d.:]+)", node.node.log())[1]

    def is_well() -> bool:
        return bool(health) and health[-1].status == CameraHealth.OK

    assert play(camera, frames[0], 40, is_well), f"clean frames are well: {health[-1].status} {health[-1].reason}"
    clean = health[-1]
    assert clean.profile_sha256 and clean.estimated_map > 0
    assert clean.estimated_map_low <= clean.estimated_map <= clean.estimated_map_high
    assert clean.image_state == CameraHealth.IMAGE_NORMAL
    assert level(node.wait_status("health front")) == OK

    def is_bad() -> bool:
        return health[-1].status in BAD

    for severity in SEVERITIES:
        play(camera, frames[severity], 3)
    assert play(camera, frames[5], 60, is_bad), f"fog is noticed: {health[-1].reason}"
    foggy = health[-1]
    assert foggy.reason
    assert foggy.estimated_map < clean.estimated_map
    assert foggy.estimated_corruption == "fog" and foggy.estimated_severity > 1
    assert foggy.image_contrast < clean.image_contrast
    assert any(c.status in (ClassHealth.WARN, ClassHealth.ERROR) and c.reason for c in foggy.classes)
    told = {level(status) for message in node.diagnostics for status in message.status if "health front" in status.name}
    assert told - {OK}, "diagnostics follow"

    assert play(camera, frames[0], 60, is_well), f"and it recovers: {health[-1].status} {health[-1].reason}"
    status = node.wait_status("health front", lambda s: level(s) == OK, "well again")
    assert values(status)["estimated_map"] != "n/a"
    assert not any(math.isnan(c.expected_precision) for c in health[-1].classes if c.published > 20)

    look(address, tmp_path)


def look(address: str, folder: Path) -> None:
    """What a browser sees of it."""
    program = find()
    if program is None:
        pytest.skip("no browser is installed: the page was not looked at, all else held")
    browser = Browser(program, folder / "browser")
    try:
        browser.open(address + "/", 1280, "light")
        deadline = time.monotonic() + 30
        alarms: list[str] = []
        while not alarms and time.monotonic() < deadline:
            rows = "[...document.querySelectorAll('#alarms tr[data-status]')].map(r => r.dataset.status)"
            alarms = json.loads(browser.evaluate(f"JSON.stringify({rows})"))
            time.sleep(0.3)
        assert "warn" in alarms or "error" in alarms, "the alarm is on the page"
        assert browser.evaluate("document.querySelectorAll('.timelines canvas.curve').length") == 1
        assert browser.messages == []
        shots = Path(os.environ.get("ROADPROOF_SHOTS") or folder)
        shots.mkdir(parents=True, exist_ok=True)
        browser.screenshot(shots / "dashboard-fog.png")
    finally:
        browser.close()


def test_a_foreign_profile_is_refused_with_the_reason(rig: RigFactory, profile: Path, tmp_path: Path) -> None:
    content = json.loads(profile.read_text())
    content["model"]["sha256"] = "0" * 64
    content["model"]["name"] = "another"
    foreign = tmp_path / "foreign.json"
    foreign.write_text(json.dumps(content))
    node = rig(cameras(["front"], health__profile=str(foreign)))
    message = node.wait_message("lifecycle", "health.profile", "another")
    assert "roadproof profile" in message


def test_a_broken_profile_is_refused_with_the_reason(rig: RigFactory, tmp_path: Path) -> None:
    broken = tmp_path / "broken.json"
    broken.write_text("{")
    node = rig(cameras(["front"], health__profile=str(broken)))
    assert "broken.json" in node.wait_message("lifecycle", "health.profile")


def test_the_score_that_the_profile_counts_from_is_kept(rig: RigFactory, profile: Path) -> None:
    node = rig(cameras(["front"], health__profile=str(profile)))
    node.wait_active()
    refusal = node.peer.try_set("low_score_threshold", 0.2).reason
    assert "0.1" in refusal and "health.profile" in refusal
