"""The live page in a real browser, fed by a replay at the recording's own speed.

ROADPROOF_SHOTS, where set, is a folder in which the screenshots stay.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import struct
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import Browser, find

ROOT = Path(__file__).parents[2]
MODEL = ROOT / "models" / "nanodet-g.toml"
PATIENCE_S = 60.0

CAMPAIGN = """
format = 1
name = "noise"
[[segment]]
kind = "hold"
start_s = 4
duration_s = 600
steps = ["gaussian_noise:2"]
"""


class Playing:
    """A replay with its page, until it is stopped."""

    def __init__(self, command: list[str]) -> None:
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
        self.said: list[str] = []
        self.address = self._address()
        # What it goes on to say must not fill the pipe.
        threading.Thread(target=self._drain, daemon=True).start()

    def _address(self) -> str:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.said.append(line)
            if found := re.search(r"dashboard: (http://\S+)", line):
                return found[1]
        raise AssertionError("".join(self.said))

    def _drain(self) -> None:
        assert self.process.stderr is not None
        self.said.extend(self.process.stderr)

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()

    def get(self, path: str, method: str = "GET", host: str | None = None) -> tuple[int, bytes]:
        request = urllib.request.Request(self.address + path, method=method)
        if host:
            request.add_header("Host", host)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def state(self) -> dict[str, Any]:
        return json.loads(self.get("/api/state")[1])


def wait(what: str, condition: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.2)
    raise AssertionError(f"within {PATIENCE_S} s: {what}")


@pytest.fixture(scope="module")
def playing(roadproof: str, collages: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Playing]:
    folder = tmp_path_factory.mktemp("playing")
    images = folder / "street"
    images.mkdir()
    pictures = sorted((collages / "images").iterdir())
    for index in range(1200):
        (images / f"{index:05}{pictures[0].suffix}").hardlink_to(pictures[index % len(pictures)])
    (folder / "campaign.toml").write_text(CAMPAIGN)
    command = [roadproof, "replay", images, "-m", MODEL, "-o", folder / "out", "--rate", "5", "--window", "10"]
    command += ["--campaign", folder / "campaign.toml", "--realtime", "--workers", "1", "--dashboard", "127.0.0.1:0"]
    playing = Playing([str(word) for word in command])
    yield playing
    playing.stop()
    shutil.rmtree(images)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    program = find()
    if program is None:
        pytest.skip("no chromium, chromium-browser or google-chrome is installed: the page was not looked at")
    browser = Browser(program, tmp_path_factory.mktemp("profile"))
    yield browser
    browser.close()


def test_the_state_is_that_of_the_replay(playing: Playing) -> None:
    state = wait("two seconds of health", lambda: (s := playing.state())["cameras"][0]["timeline"][1:] and s)
    assert state["facts"]["model_name"] == "nanodet-g"
    (camera,) = state["cameras"]
    assert camera["health"]["status"] in ("ok", "warn", "error", "insufficient_data")
    assert {"class_name", "status", "detections", "score_p50"} <= camera["health"]["classes"][0].keys()
    newest = state["sequence"]
    later = json.loads(playing.get(f"/api/state?since={newest}")[1])
    assert all(point["sequence"] > newest for point in later["cameras"][0]["timeline"])
    assert json.loads(playing.get(f"/api/state?since={newest + 10**6}")[1])["anew"], "of another run of the node"


def test_it_is_read_only_and_for_this_machine(playing: Playing) -> None:
    assert playing.get("/")[0] == 200
    for method in ("POST", "PUT", "DELETE"):
        assert playing.get("/api/state", method)[0] == 405
    assert playing.get("/api/state", host="evil.example")[0] == 403
    assert playing.get("/api/state?since=x")[0] == 400
    assert playing.get("/api/cameras/7/picture")[0] == 404
    assert playing.get("/../Cargo.toml")[0] == 404


def test_a_picture_is_drawn_once_somebody_asks(playing: Playing) -> None:
    def picture() -> bytes | None:
        status, data = playing.get("/api/cameras/0/picture")
        return data if status == 200 else None

    jpeg = wait("a picture", picture)
    assert jpeg[:2] == b"\xff\xd8" and jpeg[-2:] == b"\xff\xd9"


@pytest.mark.parametrize(("theme", "width"), [("light", 1280), ("dark", 390)])
def test_the_page_shows_it(browser: Browser, playing: Playing, tmp_path: Path, theme: str, width: int) -> None:
    browser.open(playing.address + "/", width, theme)

    def seen(script: str) -> Callable[[], Any]:
        return lambda: browser.evaluate(script)

    wait("a class", seen("document.querySelectorAll('tr[data-class], .few span').length"))
    wait("the injection", seen("document.querySelector('.injection')?.textContent.includes('gaussian_noise')"))
    wait("a timeline", seen("document.querySelectorAll('.timelines canvas').length >= 2"))
    painted = """(() => { const c = document.querySelector('canvas.picture'); if (!c) return false;
        return c.getContext('2d').getImageData(0, 0, c.width, c.height).data.some((v, i) => i % 4 < 3 && v > 0); })()"""
    wait("a picture", seen(painted))
    assert browser.evaluate("document.getElementById('link').textContent") == "", "connected"
    assert browser.evaluate("document.documentElement.scrollWidth") <= width, "no scrolling sideways"
    assert browser.messages == [], "the console is silent and nothing else is fetched"
    folder = Path(os.environ.get("ROADPROOF_SHOTS") or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)
    shot = folder / f"dashboard-{theme}-{width}.png"
    browser.screenshot(shot)
    assert struct.unpack(">I", shot.read_bytes()[16:20])[0] == width


def test_a_taken_port_is_said_plainly(roadproof: str, playing: Playing, collages: Path, tmp_path: Path) -> None:
    address = playing.address.removeprefix("http://")
    command = [roadproof, "replay", collages / "images", "-m", MODEL, "-o", tmp_path / "out", "--dashboard", address]
    result = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    assert result.returncode != 0
    assert address in result.stderr and "another port" in result.stderr


def test_the_page_says_when_the_node_is_gone(browser: Browser, playing: Playing) -> None:
    browser.open(playing.address + "/", 1280, "light")
    wait("a class", lambda: browser.evaluate("document.querySelectorAll('tr[data-class], .few span').length"))
    playing.stop()
    wait("a warning", lambda: browser.evaluate("document.getElementById('link').classList.contains('lost')"))
