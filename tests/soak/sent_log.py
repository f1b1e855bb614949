"""What a camera has sent, in a file that survives the camera's being killed.

One record of four little-endian 64-bit integers for every frame, written before the frame is published: a camera that
is killed has tried to send at most one frame that nobody got, and has sent none that is not in its file.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

RECORD = np.dtype([("stamp_ns", "<i8"), ("sent_ns", "<i8"), ("publish_ns", "<i8"), ("kind", "<i8")])

GOOD, MALFORMED, UNDECODABLE = 0, 1, 2
KINDS = (GOOD, MALFORMED, UNDECODABLE)


class SentLogError(ValueError):
    """A file that is not such a log."""


class SentLogWriter:
    """Appends records; each goes to the system at once."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def append(self, stamp_ns: int, sent_ns: int, publish_ns: int, kind: int) -> None:
        """`sent_ns` by the monotonic clock; `publish_ns`: what publishing the frame before took."""
        os.write(self._file, np.array((stamp_ns, sent_ns, publish_ns, kind), RECORD).tobytes())


@dataclass(frozen=True)
class SentLog:
    """The records of one camera, oldest first."""

    records: np.ndarray
    # Bytes behind the last whole record: of a camera that was killed while it wrote.
    torn_bytes: int

    @classmethod
    def read(cls, path: Path) -> SentLog:
        """All records; none if the camera has not sent anything yet."""
        data = path.read_bytes() if path.exists() else b""
        whole = len(data) // RECORD.itemsize * RECORD.itemsize
        records = np.frombuffer(data[:whole], RECORD)
        unknown = set(records["kind"].tolist()) - set(KINDS)
        if unknown:
            raise SentLogError(f"{path}: expected the kinds {KINDS} in the records, found {sorted(unknown)[:5]}")
        return cls(records, len(data) - whole)

    def __len__(self) -> int:
        return len(self.records)

    def since(self, index: int) -> SentLog:
        """The records from `index` on."""
        return SentLog(self.records[index:], self.torn_bytes)

    def count(self, kind: int) -> int:
        """How many frames of a kind were sent."""
        return int((self.records["kind"] == kind).sum())

    def stamps(self) -> np.ndarray:
        return self.records["stamp_ns"]

    def rate_hz(self) -> float:
        """Mean rate from the first frame to the last; 0 for fewer than two."""
        if len(self) < 2:
            return 0.0
        took_ns = int(self.records["sent_ns"][-1] - self.records["sent_ns"][0])
        return (len(self) - 1) / (took_ns / 1e9) if took_ns > 0 else 0.0
