"""A ROS domain of one's own, so that neither another test run nor a robot in the room is heard."""

from __future__ import annotations

import fcntl
import os
import tempfile
from pathlib import Path
from typing import IO

# Up to 101 the ports of a domain stay below Linux's ephemeral range (docs.ros.org, "The ROS_DOMAIN_ID").
DOMAINS = range(1, 100)


class Domain:
    """A domain number that no other test process of this machine uses while this object is open.

    The lock is on a file, so the system gives it back however the process ends.
    """

    def __init__(self) -> None:
        folder = Path(tempfile.gettempdir()) / "roadproof-e2e-domains"
        folder.mkdir(mode=0o777, exist_ok=True)
        # Where the search begins differs, so that a domain is not reused while DDS still remembers its last user.
        start = (os.getpid() * 7 + Domain._opened * 13) % len(DOMAINS)
        Domain._opened += 1
        for offset in range(len(DOMAINS)):
            number = DOMAINS[(start + offset) % len(DOMAINS)]
            lock = (folder / f"{number}.lock").open("w")
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                lock.close()
                continue
            self.number = number
            self._lock: IO[str] = lock
            return
        raise RuntimeError(f"all domains from {DOMAINS.start} to {DOMAINS.stop - 1} are in use by tests")

    _opened = 0

    def close(self) -> None:
        self._lock.close()
