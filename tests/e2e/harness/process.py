"""The node under test, as the process that a vehicle would start."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[3]
MODEL = ROOT / "models" / "nanodet-g.toml"

# SIGINT and SIGTERM end the node within this time, whatever it is doing.
LEAVE_S = 2.0

Value = bool | int | float | str | Sequence[str]


def binary() -> Path:
    """The program under test; $ROADPROOF_BIN says otherwise."""
    path = Path(os.environ.get("ROADPROOF_BIN", ROOT / "target" / "release" / "roadproof"))
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: run `cargo build --release`, or set ROADPROOF_BIN")
    return path


def ros_arguments(parameters: Mapping[str, Value]) -> list[str]:
    """Parameters as the command line takes them. JSON is YAML, and quotes what YAML would misread."""
    arguments = []
    for name, value in parameters.items():
        text = json.dumps(value if isinstance(value, bool | int | float | str) else list(value))
        arguments += ["-p", f"{name}:={text}"]
    return arguments


class NodeProcess:
    """A running `roadproof node`. Its log goes to `log`."""

    def __init__(
        self,
        log: Path,
        domain: int,
        parameters: Mapping[str, Value] | None = None,
        arguments: Sequence[str] = (),
        prefix: Sequence[str] = (),
        options: Sequence[str] = (),
    ) -> None:
        self.log_path = log
        environment = {
            **os.environ,
            "ROS_DOMAIN_ID": str(domain),
            "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
            "ROS_LOG_DIR": str(log.parent),
            "RCUTILS_COLORIZED_OUTPUT": "0",
            "RUST_BACKTRACE": "1",
        }
        command = [*prefix, str(binary()), "node", *options, "--ros-args", *ros_arguments(parameters or {}), *arguments]
        with log.open("w") as output:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, env=environment
            )

    def log(self) -> str:
        """Everything that the node has written so far."""
        return self.log_path.read_text(errors="replace")

    def is_alive(self) -> bool:
        return self.process.poll() is None

    def wait_log(self, text: str, timeout: float = 20.0) -> None:
        """Waits until the log holds `text`."""
        deadline = time.monotonic() + timeout
        while text not in self.log():
            assert self.is_alive(), f"the node left (code {self.process.returncode}) before it wrote {text!r}"
            assert time.monotonic() < deadline, f"the node did not write {text!r} within {timeout} s"
            time.sleep(0.002)

    def wait_exit(self, timeout: float) -> int:
        """The exit code; an error if the node does not leave in time."""
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the node has not left after {timeout} s") from None

    def leave(self, number: signal.Signals = signal.SIGINT) -> None:
        """Asks the node to leave, and insists that it does so in time, in good order and without a panic."""
        assert self.is_alive(), f"the node left by itself (code {self.process.returncode})"
        self.process.send_signal(number)
        code = self.wait_exit(LEAVE_S)
        assert code == 0, f"the node left with code {code} on {number.name}"
        assert "panicked" not in self.log()

    def kill(self) -> None:
        """Ends the node whatever it does, for clearing up."""
        if self.is_alive():
            self.process.kill()
        self.process.wait()

    def peak_memory_mib(self) -> float:
        """Largest resident memory so far."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        kibibytes = next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))
        return int(kibibytes) / 1024
