"""Asks the node for parameters and sets them, many times a second, and tells in JSON what was answered.

A process of its own: whoever listens to the node's detections must not be held up by it.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import rclpy
from rcl_interfaces.srv import DescribeParameters, GetParameters, ListParameters, SetParameters
from rclpy.parameter import Parameter, parameter_value_to_python
from rclpy.qos import qos_profile_parameters

from harness.peer import NODE, Peer

from .statistics import percentiles

# For each request, so many are answered within this time or count as lost.
ANSWER_TIMEOUT_S = 10.0

# Each parameter that is set, with what it takes and what it refuses.
ACCEPTED: dict[str, Any] = {
    "score_threshold": lambda chance: round(chance.uniform(0.3, 0.6), 6),
    "max_detections": lambda chance: chance.randint(50, 200),
    "stale_after_ms": lambda chance: chance.randint(500, 5000),
    "enabled_classes": lambda chance: chance.sample(["person", "car", "dog", "bicycle"], 2),
    "debug_image.max_rate_hz": lambda chance: round(chance.uniform(1, 10), 6),
}
REFUSED: dict[str, Any] = {
    "score_threshold": lambda chance: chance.choice([-1.0, 7.5, "high"]),
    "max_detections": lambda chance: chance.choice([0, -5, True]),
    "stale_after_ms": lambda chance: chance.choice([1, 2.5]),
    "enabled_classes": lambda _: ["persn"],
    "scor_threshold": lambda _: 0.5,
    "model": lambda _: "other.toml",
}


@dataclass
class Tally:
    """What became of the requests of one service."""

    sent: int = 0
    answered: int = 0
    waits_ms: list[float] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return {"sent": self.sent, "answered": self.answered, "wait_ms": percentiles(self.waits_ms)}


class Storm:
    """The requests of one run."""

    def __init__(self, domain: int, seed: int) -> None:
        self.peer = Peer(domain, "storm")
        self.chance = random.Random(seed)
        self.tallies = {"set": Tally(), "get": Tally(), "list": Tally(), "describe": Tally()}
        self.results: Counter[str] = Counter()
        self.wrong: list[dict[str, Any]] = []
        self.accepted: dict[str, Any] = {}
        kinds = {"set": SetParameters, "get": GetParameters, "list": ListParameters, "describe": DescribeParameters}
        self.clients = {
            name: self.peer.node.create_client(kind, f"{NODE}/{name}_parameters", qos_profile=qos_profile_parameters)
            for name, kind in kinds.items()
        }
        for name, client in self.clients.items():
            self.peer.wait_until(client.service_is_ready, f"service {name} is there")

    def ask(self, name: str, request: Any, judge: Any = lambda response: None) -> None:
        """Sends a request and counts its answer when it comes."""
        tally, begin = self.tallies[name], time.monotonic()
        tally.sent += 1

        def answered(future: Any) -> None:
            tally.answered += 1
            tally.waits_ms.append((time.monotonic() - begin) * 1e3)
            judge(future.result())

        self.clients[name].call_async(request).add_done_callback(answered)

    def set_one(self) -> None:
        """Sets a parameter: to a value that is accepted, or to one that must be refused."""
        right = self.chance.random() < 0.5
        name, draw = self.chance.choice(list((ACCEPTED if right else REFUSED).items()))
        value = draw(self.chance)

        def judge(response: Any) -> None:
            result = response.results[0]
            self.results["accepted" if result.successful else "refused"] += 1
            if result.successful != right or (not right and not result.reason):
                self.wrong.append({"name": name, "value": value, "reason": result.reason})

        if right:
            self.accepted[name] = value
        request = SetParameters.Request(parameters=[Parameter(name, value=value).to_parameter_msg()])
        self.ask("set", request, judge)

    def run(self, seconds: float, rate_hz: float) -> dict[str, Any]:
        begin = time.monotonic()
        number = 0
        while (now := time.monotonic()) < begin + seconds:
            while begin + number / rate_hz <= now:
                self.set_one()
                if number % 10 == 0:
                    self.ask("get", GetParameters.Request(names=list(ACCEPTED)))
                if number % 50 == 0:
                    self.ask("list", ListParameters.Request())
                    self.ask("describe", DescribeParameters.Request(names=list(ACCEPTED)))
                number += 1
            self.peer.executor.spin_once(timeout_sec=max(0.0, begin + number / rate_hz - time.monotonic()))
        took_s = time.monotonic() - begin
        deadline = time.monotonic() + ANSWER_TIMEOUT_S
        while any(t.answered < t.sent for t in self.tallies.values()) and time.monotonic() < deadline:
            self.peer.executor.spin_once(timeout_sec=0.05)
        return {
            "set_hz": round(number / took_s, 1),
            "services": {name: tally.as_json() for name, tally in self.tallies.items()},
            "results": dict(self.results),
            "wrong": self.wrong[:5],
            "wrong_count": len(self.wrong),
            "expected": self.accepted,
            "found": self.current(),
        }

    def current(self) -> dict[str, Any]:
        """What the node says that the parameters are, of those that were set."""
        names = list(self.accepted)
        future = self.clients["get"].call_async(GetParameters.Request(names=names))
        self.peer.wait_until(future.done, "the parameters at the end")
        found = (parameter_value_to_python(value) for value in future.result().values)
        return {
            name: list(value) if isinstance(value, list) else value for name, value in zip(names, found, strict=True)
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--domain", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--rate", type=float, default=200.0, help="requests to set a parameter, per second")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    storm = Storm(arguments.domain, arguments.seed)
    try:
        print(json.dumps(storm.run(arguments.seconds, arguments.rate)))
    finally:
        storm.peer.close()
        rclpy.try_shutdown()


if __name__ == "__main__":
    main()
