"""A link between two network namespaces that loses and delays packets, the same ones for the same seed.

Linux's own netem is a module that not every kernel has, and its losses cannot be repeated. Here each namespace has a
TUN device (Documentation/networking/tuntap.rst of Linux), and this process carries the IP packets between them.
Commands come on standard input, one JSON object a line: {"loss": 0.01, "delay_ms": 20, "jitter_ms": 5}.
Counts go to standard output when the input ends.
"""

from __future__ import annotations

import argparse
import fcntl
import heapq
import itertools
import json
import os
import random
import select
import struct
import subprocess
import sys
import time

# linux/if_tun.h
TUNSETIFF = 0x400454CA
IFF_TUN, IFF_NO_PI = 0x0001, 0x1000

MTU = 1500
QUEUE_PACKETS = 20_000


def open_tun(name: str) -> int:
    """A new TUN device in the namespace of this process; it goes with the descriptor."""
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH", name.encode(), IFF_TUN | IFF_NO_PI))
    return device


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)


def move_into(namespace: str, device: str, address: str) -> None:
    """Gives a device to a namespace, with an address and a way for multicast, by which nodes find each other."""
    ip("link", "set", device, "netns", namespace)
    ip("-n", namespace, "address", "add", f"{address}/24", "dev", device)
    ip("-n", namespace, "link", "set", device, "mtu", str(MTU), "up", "multicast", "on")
    ip("-n", namespace, "link", "set", "lo", "up")
    ip("-n", namespace, "route", "add", "224.0.0.0/4", "dev", device)


class Link:
    """Packets on their way, in both directions."""

    def __init__(self, ends: tuple[int, int], seed: int) -> None:
        self.other = {ends[0]: ends[1], ends[1]: ends[0]}
        self.chance = random.Random(seed)
        self.loss, self.delay_s, self.jitter_s = 0.0, 0.0, 0.0
        self.under_way: list[tuple[float, int, int, bytes]] = []
        self.number = itertools.count()
        self.counts = {"carried": 0, "lost": 0, "queue_full": 0}

    def set(self, command: dict[str, float]) -> None:
        self.loss = command.get("loss", 0.0)
        self.delay_s = command.get("delay_ms", 0.0) / 1e3
        self.jitter_s = command.get("jitter_ms", 0.0) / 1e3

    def take(self, end: int, now: float) -> None:
        """Everything that waits at one end."""
        while True:
            try:
                packet = os.read(end, 65536)
            except BlockingIOError:
                return
            if self.chance.random() < self.loss:
                self.counts["lost"] += 1
            elif len(self.under_way) >= QUEUE_PACKETS:
                self.counts["queue_full"] += 1
            else:
                due = now + self.delay_s + self.chance.uniform(-self.jitter_s, self.jitter_s)
                heapq.heappush(self.under_way, (due, next(self.number), self.other[end], packet))

    def deliver(self, now: float) -> None:
        while self.under_way and self.under_way[0][0] <= now:
            _, _, end, packet = heapq.heappop(self.under_way)
            try:
                os.write(end, packet)
                self.counts["carried"] += 1
            except OSError:
                # The device is not up yet, or its queue is full.
                self.counts["queue_full"] += 1

    def run(self) -> None:
        """Until standard input ends."""
        ends, rest = list(self.other), b""
        while True:
            wait = max(0.0, self.under_way[0][0] - time.monotonic()) if self.under_way else 1.0
            ready, _, _ = select.select([0, *ends], [], [], wait)
            now = time.monotonic()
            if 0 in ready:
                data = os.read(0, 65536)
                if not data:
                    return
                *lines, rest = (rest + data).split(b"\n")
                for line in lines:
                    self.set(json.loads(line))
            for end in ends:
                if end in ready:
                    self.take(end, now)
            self.deliver(now)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("namespaces", nargs=2)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    names = [f"rp{os.getpid()}{side}" for side in "ab"]
    ends = (open_tun(names[0]), open_tun(names[1]))
    for index, (namespace, name) in enumerate(zip(arguments.namespaces, names, strict=True)):
        move_into(namespace, name, f"10.77.0.{index + 1}")
    print("ready", flush=True)
    link = Link(ends, arguments.seed)
    link.run()
    print(json.dumps(link.counts), flush=True)


if __name__ == "__main__":
    try:
        main()
    except subprocess.CalledProcessError as error:
        sys.exit(f"relay: {' '.join(error.cmd)}: {error.stderr.strip()}")
