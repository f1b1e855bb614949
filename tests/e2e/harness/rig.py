"""A node under test with its peer, in a domain of their own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rcl_interfaces.msg import Log
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile
from roadproof.msg import CameraHealth
from sensor_msgs.msg import CompressedImage, Image
from vision_msgs.msg import Detection2DArray

from .detections import Found, found_in
from .domain import Domain
from .peer import NODE, PATIENCE_S, Inbox, Peer, qos
from .pictures import blank, raw_image
from .process import MODEL, NodeProcess, Value

OK, WARN, ERROR, STALE = (
    DiagnosticStatus.OK,
    DiagnosticStatus.WARN,
    DiagnosticStatus.ERROR,
    DiagnosticStatus.STALE,
)

COUNTERS = ("received", "processed", "overwritten", "stale", "rejected", "pending")


def level(status: DiagnosticStatus) -> bytes:
    """The level in the form of the constants, which rclpy gives as bytes."""
    return status.level if isinstance(status.level, bytes) else bytes([status.level])


def values(status: DiagnosticStatus) -> dict[str, str]:
    return {entry.key: entry.value for entry in status.values}


def cameras(names: Sequence[str], **parameters: Value) -> dict[str, Value]:
    """Parameters for cameras that publish on `/NAME`. Frames never count as too old unless a test says so:
    on a busy machine they may be."""
    topics = {f"{name}.topic": f"/{name}" for name in names}
    common: dict[str, Value] = {"model": str(MODEL), "cameras": names, "intra_op_threads": 1, "max_age_ms": 0}
    return {**common, **topics, **{key.replace("__", "."): value for key, value in parameters.items()}}


class Rig:
    """A node process, a peer, and what the peer hears of the node."""

    def __init__(
        self,
        folder: Path,
        parameters: Mapping[str, Value] | None = None,
        arguments: Sequence[str] = (),
        prefix: Sequence[str] = (),
        options: Sequence[str] = (),
    ) -> None:
        self.domain = Domain()
        self.peer = Peer(self.domain.number)
        self.diagnostics = self.peer.subscribe(DiagnosticArray, "/diagnostics")
        self.log_messages = self.peer.subscribe(Log, "/rosout", 100)
        self.folder = folder
        self.node = NodeProcess(folder / "node.log", self.domain.number, parameters, arguments, prefix, options)

    def close(self) -> None:
        """Ends both; the node has to leave as it should. Fine after a test has ended the node itself."""
        try:
            if self.node.process.returncode is None:
                self.node.leave()
        finally:
            self.node.kill()
            self.peer.close()
            self.domain.close()

    # ---- diagnostics

    def status(self, subject: str) -> DiagnosticStatus | None:
        """The newest status of `subject`, if there is one."""
        newest = self.diagnostics[-1].status if self.diagnostics else []
        return next((status for status in newest if status.name == f"roadproof: {subject}"), None)

    def wait_status(
        self,
        subject: str,
        condition: Callable[[DiagnosticStatus], object] = lambda _: True,
        what: str = "reported",
        timeout: float = PATIENCE_S,
    ) -> DiagnosticStatus:
        """A status reported from now on that fulfils `condition`."""
        seen = len(self.diagnostics)

        def fulfilled() -> DiagnosticStatus | None:
            status = self.status(subject) if len(self.diagnostics) > seen else None
            return status if status is not None and condition(status) else None

        try:
            return self.peer.wait_until(fulfilled, f"status '{subject}': {what}", timeout)
        except AssertionError as error:
            raise AssertionError(f"{error}; last: {self.status(subject)}") from None

    def wait_message(self, subject: str, *texts: str, at: bytes | None = None, timeout: float = PATIENCE_S) -> str:
        """The message of `subject`, once it holds all `texts` (at level `at`)."""
        status = self.wait_status(
            subject,
            lambda s: all(text in s.message for text in texts) and (at is None or level(s) == at),
            f"a message with {texts}",
            timeout,
        )
        return status.message

    def wait_active(self) -> None:
        self.wait_message("lifecycle", "active", at=OK)

    # ---- counters

    def counters(self, camera: str) -> dict[str, int]:
        """The camera's counters in the newest report; empty before the first."""
        status = self.status(f"input {camera}")
        return {name: int(values(status)[name]) for name in COUNTERS} if status is not None else {}

    def wait_count(self, camera: str, counter: str, least: int) -> dict[str, str]:
        """The camera's values once `counter` has reached `least` and nothing is under way."""

        def reached(status: DiagnosticStatus) -> bool:
            found = values(status)
            return int(found[counter]) >= least and found["pending"] == "0"

        return values(self.wait_status(f"input {camera}", reached, f"{counter} >= {least}"))


class Camera:
    """A camera driver on the peer's side: publishes frames and hears what the node finds in them."""

    def __init__(
        self,
        rig: Rig,
        name: str,
        profile: QoSProfile | None = None,
        message_type: type = Image,
        topic: str | None = None,
    ) -> None:
        self.rig, self.name, self.message_type = rig, name, message_type
        self.topic = topic or f"/{name}"
        self.detections: Inbox[Detection2DArray] = rig.peer.subscribe(
            Detection2DArray, f"{NODE}/{name}/detections", qos(depth=1000)
        )
        self.profile = profile or qos()
        self.publisher: Publisher = rig.peer.publisher(message_type, self.topic, self.profile)
        self.sent = 0

    def republish(self, profile: QoSProfile) -> None:
        """Takes the publisher down and puts up one of another quality of service."""
        self.rig.peer.withdraw(self.publisher)
        self.profile = profile
        self.publisher = self.rig.peer.publisher(self.message_type, self.topic, profile)

    def withdraw(self) -> None:
        self.rig.peer.withdraw(self.publisher)

    def connect(self) -> None:
        """Waits until the node asks for exactly what this camera offers and answers frames.

        Discovery goes both ways and neither side sees all of it, so a frame that is answered is the only proof.
        """

        def matched() -> bool:
            infos = self.rig.peer.node.get_subscriptions_info_by_topic(self.topic)
            return any(
                info.qos_profile.reliability == self.profile.reliability
                and info.qos_profile.durability == self.profile.durability
                for info in infos
            )

        self.rig.peer.wait_until(matched, f"the node subscribes to {self.topic} as it is offered")
        frame = blank()
        for _ in range(10):
            stamp = self.send(self._wrap(frame))
            try:
                self.rig.peer.wait_until(lambda: self.answer(stamp), "a first answer", timeout=1.0)  # noqa: B023
                # Only what is sent from now on is sure to be received.
                self.sent = 0
                status = self.rig.wait_status(f"input {self.name}")
                self.sent = int(values(status)["received"])
                return
            except AssertionError:
                continue
        raise AssertionError(f"the node does not answer frames on {self.topic}")

    def _wrap(self, picture: Any) -> Any:
        if self.message_type is Image:
            return raw_image(picture)
        from .pictures import compressed_image

        return compressed_image(picture, "png")

    def send(self, message: Image | CompressedImage, stamp_ns: int | None = None) -> tuple[int, int]:
        """Publishes a frame, stamped now unless said otherwise; returns its stamp."""
        if stamp_ns is None:
            message.header.stamp = self.rig.peer.node.get_clock().now().to_msg()
        else:
            message.header.stamp = Time(sec=stamp_ns // 10**9, nanosec=stamp_ns % 10**9)
        self.publisher.publish(message)
        self.sent += 1
        return message.header.stamp.sec, message.header.stamp.nanosec

    def answer(self, stamp: tuple[int, int]) -> Detection2DArray | None:
        """The array for the frame of that stamp, if it has come."""
        for array in reversed(self.detections):
            if (array.header.stamp.sec, array.header.stamp.nanosec) == stamp:
                return array
        return None

    def process(self, message: Image | CompressedImage, stamp_ns: int | None = None) -> Detection2DArray:
        """Publishes a frame and waits for the array that answers it."""
        stamp = self.send(message, stamp_ns)
        return self.rig.peer.wait_until(lambda: self.answer(stamp), f"detections of a frame on {self.topic}")

    def detect(self, message: Image | CompressedImage) -> list[Found]:
        """What the node finds in a frame, best score first."""
        return found_in(self.process(message))

    def quiet_counters(self) -> dict[str, int]:
        """The counters once they account for every frame that was sent. For reliable cameras that have connected,
        the first frames of which may have been sent before anybody listened."""

        def settled() -> dict[str, int] | None:
            counters = self.rig.counters(self.name)
            return counters if counters and counters["received"] >= self.sent and not counters["pending"] else None

        return self.rig.peer.wait_until(settled, f"counters of all {self.sent} frames of '{self.name}'")

    def wait_counters(self, expected: dict[str, int]) -> None:
        """Waits until a report shows exactly these counters."""
        try:
            self.rig.peer.wait_until(lambda: self.rig.counters(self.name) == expected, "the right counters")
        except AssertionError:
            assert self.rig.counters(self.name) == expected
            raise

    def health(self) -> Inbox[CameraHealth]:
        return self.rig.peer.subscribe(CameraHealth, f"{NODE}/{self.name}/health")
