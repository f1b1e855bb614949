"""Processes and what can be read of them from /proc."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .frames import Look
from .sent_log import SentLog

ROOT = Path(__file__).parents[2]
SHARED_MEMORY = Path("/dev/shm")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Usage:
    """What a process holds and has used."""

    rss_bytes: int
    cpu_s: float
    threads: int
    descriptors: int

    @classmethod
    def of(cls, pid: int) -> Usage:
        """Raises OSError for a process that is gone."""
        folder = Path(f"/proc/{pid}")
        # The name, in parentheses, may hold anything; fields from the state on are fixed (proc_pid_stat(5)).
        fields = (folder / "stat").read_text().rpartition(")")[2].split()
        cpu_s = (int(fields[11]) + int(fields[12])) / TICKS_PER_S
        resident = int((folder / "statm").read_text().split()[1])
        return cls(resident * PAGE_BYTES, cpu_s, int(fields[17]), len(list((folder / "fd").iterdir())))


def orphaned_segments() -> dict[str, int]:
    """Fast DDS's files in shared memory that no living process has mapped or open, with their sizes in bytes."""
    files = {file.name: file for file in SHARED_MEMORY.glob("fastrtps_*")} if SHARED_MEMORY.is_dir() else {}
    used = set()
    for process in Path("/proc").iterdir():
        if not process.name.isdigit():
            continue
        try:
            lines = (process / "maps").read_text().splitlines()
            used |= {line.rpartition("/")[2] for line in lines if "/dev/shm/" in line}
            used |= {Path(os.readlink(fd)).name for fd in (process / "fd").iterdir()}
        except OSError:
            # It ended meanwhile, or belongs to somebody else.
            continue
    sizes = {}
    for name, file in files.items():
        if name not in used:
            try:
                sizes[name] = file.stat().st_blocks * 512
            except FileNotFoundError:
                continue
    return sizes


def child_environment(domain: int) -> dict[str, str]:
    return {**os.environ, "ROS_DOMAIN_ID": str(domain), "RCUTILS_COLORIZED_OUTPUT": "0"}


class CameraProcess:
    """A camera driver that may be killed, stopped and started again under the same name."""

    def __init__(self, folder: Path, name: str, look: Look, domain: int, seed: int, prefix: Sequence[str] = ()) -> None:
        self.name, self.topic, self.look, self.domain, self.seed = name, f"/{name}", look, domain, seed
        self.prefix = list(prefix)
        self.log_path, self.output_path = folder / f"{name}.sent", folder / f"{name}.log"
        self.rate_hz = 0.0
        self.clock: dict[str, int] | None = None
        self.stopped = False
        self.start()

    def start(self) -> None:
        """Starts it; with the rate and clock that it had, if it runs anew."""
        command = [
            *self.prefix, sys.executable, "-m", "tests.soak.camera", "--name", self.name, "--topic", self.topic,
            "--log", str(self.log_path), "--look", json.dumps(self.look.as_json()), "--seed", str(self.seed),
        ]  # fmt: skip
        with self.output_path.open("a") as output:
            self.process = subprocess.Popen(
                command, cwd=ROOT, env=child_environment(self.domain), text=True,
                stdin=subprocess.PIPE, stdout=output, stderr=subprocess.STDOUT,
            )  # fmt: skip
        self.stopped = False
        if self.clock is not None:
            self.tell(clock=self.clock)
        self.tell(rate=self.rate_hz)

    def tell(self, **command: Any) -> None:
        """Gives a command; raises if the driver has left."""
        if self.process.poll() is not None:
            code, said = self.process.returncode, self.output_path.read_text(errors="replace")[-2000:]
            raise RuntimeError(f"the driver of '{self.name}' has left with code {code}:\n{said}")
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()

    def play(self, rate_hz: float) -> None:
        self.rate_hz = rate_hz
        self.tell(rate=rate_hz)

    def put_on(self, look: Look) -> None:
        self.look = look
        self.tell(look=look.as_json())

    def follow_clock(self, clock: dict[str, int]) -> None:
        self.clock = clock
        self.tell(clock=clock)

    def kill(self) -> None:
        """Without a chance to say goodbye."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        self.process.send_signal(signal.SIGSTOP)
        self.stopped = True

    def go_on(self) -> None:
        self.process.send_signal(signal.SIGCONT)
        self.stopped = False

    def is_alive(self) -> bool:
        return self.process.poll() is None

    def close(self) -> None:
        """Asks it to leave by the end of its input, and insists."""
        if self.process.poll() is None:
            self.go_on()
            assert self.process.stdin is not None
            self.process.stdin.close()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.process.wait()

    def sent(self) -> SentLog:
        return SentLog.read(self.log_path)


def wait_quiet(cameras: Sequence[CameraProcess], seconds: float = 0.3, timeout: float = 10.0) -> None:
    """Waits until no camera has sent anything for a while."""
    deadline = time.monotonic() + timeout
    before = [len(camera.sent()) for camera in cameras]
    while time.monotonic() < deadline:
        time.sleep(seconds)
        now = [len(camera.sent()) for camera in cameras]
        if now == before:
            return
        before = now
    raise RuntimeError(f"cameras still send although they were told to pause {timeout} s ago: {before}")
