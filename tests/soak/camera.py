"""A camera driver: a process of its own, so that it can be killed, stopped and slowed down.

Reads commands from standard input, one JSON object a line, any of these keys:
  rate   frames per second from now on; 0 pauses
  look   how the frames look and are offered (frames.Look); a new quality of service is a new publisher
  clock  {"offset_ns": N} stamps with the wall clock plus N; {"frozen_ns": N} stamps with N, one more for each frame
End of input ends it.
"""

from __future__ import annotations

import argparse
import json
import os
import select
import sys
import time
from pathlib import Path
from typing import Any

import rclpy
from rclpy.publisher import Publisher

from harness.peer import qos

from .frames import Look, serialised, stamp_into
from .sent_log import SentLogWriter

# A camera that lags behind its rate skips what it has missed instead of catching up in a burst.
MOST_LATE_S = 0.1

IDLE_S = 0.05


class Commands:
    """Lines of standard input, without waiting for them."""

    def __init__(self) -> None:
        self._rest = b""
        self.ended = False

    def poll(self, wait_s: float) -> list[dict[str, Any]]:
        """The commands that have come within `wait_s`."""
        ready, _, _ = select.select([0], [], [], max(0.0, wait_s))
        if not ready:
            return []
        data = os.read(0, 65536)
        self.ended = not data
        *lines, self._rest = (self._rest + data).split(b"\n")
        return [json.loads(line) for line in lines if line.strip()]


class CameraDriver:
    """One topic and what is published on it."""

    def __init__(self, name: str, topic: str, look: Look, log: SentLogWriter, seed: int) -> None:
        self.context = rclpy.Context()
        rclpy.init(context=self.context)
        self.node = rclpy.create_node(f"{name}_driver", context=self.context, start_parameter_services=False)
        self.topic, self.log, self.seed = topic, log, seed
        self.publisher: Publisher | None = None
        self.frames: dict[Look, bytearray] = {}
        self.offset_ns, self.frozen_ns = 0, None
        self.publish_ns = 0
        self.put_on(look)

    def put_on(self, look: Look) -> None:
        """Looks like this from now on."""
        key = (look.transport, look.reliable, look.depth, look.latched)
        if self.publisher is None or key != self.offer:
            if self.publisher is not None:
                self.node.destroy_publisher(self.publisher)
            profile = qos(reliable=look.reliable, latched=look.latched, depth=look.depth)
            self.publisher = self.node.create_publisher(look.message_type, self.topic, profile)
            self.offer = key
        if look not in self.frames:
            self.frames[look] = serialised(look, self.seed)
        self.look = look

    def follow_clock(self, clock: dict[str, int]) -> None:
        self.frozen_ns = clock.get("frozen_ns")
        self.offset_ns = clock.get("offset_ns", 0)

    def stamp_ns(self) -> int:
        if self.frozen_ns is None:
            return time.time_ns() + self.offset_ns
        self.frozen_ns += 1
        return self.frozen_ns

    def send(self) -> None:
        stamp_ns = self.stamp_ns()
        message = stamp_into(self.frames[self.look], stamp_ns)
        begin = time.monotonic_ns()
        self.log.append(stamp_ns, begin, self.publish_ns, self.look.kind)
        self.publisher.publish(message)
        self.publish_ns = time.monotonic_ns() - begin

    def run(self) -> None:
        """Until standard input ends."""
        commands, rate_hz, due = Commands(), 0.0, time.monotonic()
        while not commands.ended:
            for command in commands.poll(due - time.monotonic() if rate_hz else IDLE_S):
                if "look" in command:
                    self.put_on(Look.from_json(command["look"]))
                if "clock" in command:
                    self.follow_clock(command["clock"])
                if "rate" in command:
                    rate_hz, due = float(command["rate"]), time.monotonic()
            now = time.monotonic()
            if rate_hz and now >= due:
                self.send()
                due = max(due + 1 / rate_hz, now - MOST_LATE_S)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--name", required=True)
    parser.add_argument("--topic", required=True)
    parser.add_argument("--log", type=Path, required=True, help="where the record of sent frames is kept")
    parser.add_argument("--look", required=True, help="frames.Look as JSON")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    look = Look.from_json(json.loads(arguments.look))
    driver = CameraDriver(arguments.name, arguments.topic, look, SentLogWriter(arguments.log), arguments.seed)
    try:
        driver.run()
    except KeyboardInterrupt:
        sys.exit(130)
    finally:
        driver.node.destroy_node()
        driver.context.try_shutdown()


if __name__ == "__main__":
    main()
