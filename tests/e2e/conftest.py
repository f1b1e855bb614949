"""Fixtures of the end-to-end tests: node processes over real Fast DDS, with an rclpy peer.

They run in the environment of scripts/env.sh, against target/release/roadproof or $ROADPROOF_BIN.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

# Before rclpy loads the middleware: nothing leaves this machine.
os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
os.environ.pop("ROS_STATIC_PEERS", None)

from harness.process import MODEL, Value, binary  # noqa: E402
from harness.rig import Rig  # noqa: E402

# A test that hangs is stopped with the stacks of all threads, where pytest-timeout is installed.
TEST_TIMEOUT_S = 90

# Lines of the node's log that a failed test shows.
LOG_LINES = 60

RigFactory = Callable[..., Rig]

_rigs: list[Rig] = []


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        item.add_marker(pytest.mark.timeout(TEST_TIMEOUT_S))


def pytest_sessionstart() -> None:
    """Without the program or its model every test would fail in the same way; say so once."""
    try:
        binary()
    except FileNotFoundError as error:
        pytest.exit(str(error), returncode=1)
    weights = MODEL.with_suffix(".onnx")
    if not weights.is_file():
        pytest.exit(f"{weights} is missing: run scripts/setup.sh", returncode=1)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Shows the end of the nodes' logs beside the failure."""
    report = yield
    if report.failed:
        for rig in _rigs:
            lines = rig.node.log().splitlines()[-LOG_LINES:]
            report.sections.append((f"log of the node ({rig.node.log_path})", "\n".join(lines)))
    return report


def _factory(folder_of: Callable[[], Path]) -> Iterator[RigFactory]:
    mine: list[Rig] = []

    def start(
        parameters: dict[str, Value] | None = None,
        arguments: Sequence[str] = (),
        prefix: Sequence[str] = (),
        options: Sequence[str] = (),
    ) -> Rig:
        rig = Rig(folder_of(), parameters, arguments, prefix, options)
        mine.append(rig)
        _rigs.append(rig)
        return rig

    yield start
    failure: AssertionError | None = None
    for rig in mine:
        try:
            rig.close()
        except AssertionError as error:
            failure = failure or error
    try:
        if failure is not None:
            raise failure
    finally:
        for rig in mine:
            _rigs.remove(rig)


@pytest.fixture(scope="module")
def module_rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RigFactory]:
    """Starts a node that the tests of a module share; afterwards it has to leave in good order."""
    yield from _factory(lambda: tmp_path_factory.mktemp("rig"))


@pytest.fixture
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RigFactory]:
    """Starts a node of a test's own; afterwards it has to leave in good order."""
    yield from _factory(lambda: tmp_path_factory.mktemp("rig"))
