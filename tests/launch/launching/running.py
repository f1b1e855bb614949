"""Starts what a launch file starts, keeps its logs, and starts it again where it asks for that."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

from .start import Start

# As launch: SIGINT, and SIGTERM and SIGKILL where that does not help, five seconds later each.
PATIENCE_S = 5.0


class Running:
    """A process, through all its lives."""

    def __init__(self, start: Start, command: Sequence[str], log: Path, environment: Mapping[str, str]) -> None:
        self.start, self.log_path = start, log
        self._command, self._environment = command, environment
        self._stopping = threading.Event()
        # Exit codes of the lives that have ended.
        self.exits: list[int] = []
        self.process = self._begin()
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._watcher.start()

    def log(self) -> str:
        return self.log_path.read_text(errors="replace")

    def stop(self) -> None:
        """Ends it for good."""
        self._stopping.set()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
            if self._watcher.is_alive():
                # The watcher may be about to begin another life, which it then does not.
                self.process.send_signal(number)
                self._watcher.join(PATIENCE_S)
        assert not self._watcher.is_alive(), f"process {self.process.pid} cannot be ended"

    def _begin(self) -> subprocess.Popen[bytes]:
        with self.log_path.open("ab") as log:
            return subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self._environment
            )

    def _watch(self) -> None:
        while True:
            self.exits.append(self.process.wait())
            if not self.start.respawn or self._stopping.wait(self.start.respawn_delay_s):
                return
            self.process = self._begin()


class Launched:
    """All processes of a launch file, until the end of a `with` block."""

    def __init__(self, starts: Sequence[Start], prefix: Path, folder: Path, domain: int) -> None:
        environment = {**os.environ, "ROS_DOMAIN_ID": str(domain), "ROS_LOG_DIR": str(folder)}
        # What is installed is found there before anything of the checkout.
        environment["AMENT_PREFIX_PATH"] = f"{prefix}:{os.environ['AMENT_PREFIX_PATH']}"
        environment |= {"RCUTILS_COLORIZED_OUTPUT": "0", "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}
        self.processes: list[Running] = []
        for at, start in enumerate(starts):
            log = folder / f"{at}-{start.name or start.executable}.log"
            self.processes.append(Running(start, start.command(prefix), log, environment))

    def __enter__(self) -> Launched:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self.processes:
            process.stop()

    def of(self, full_name: str) -> Running:
        """The process of a node."""
        (found,) = (process for process in self.processes if process.start.full_name == full_name)
        return found
