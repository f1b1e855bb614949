"""Soak and chaos: what the node does for hours, and while everything around it goes wrong.

`$ROADPROOF_PYTHON -m tests.soak --help` lists the scenarios; docs/reliability.md has the figures.
"""

import os
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

# The end-to-end tests' harness: node processes, domains, an rclpy peer.
sys.path.insert(0, str(ROOT / "tests" / "e2e"))

# Before rclpy loads the middleware: nothing leaves this machine.
os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
os.environ.pop("ROS_STATIC_PEERS", None)

# As docs/performance.md asks of a vehicle. Ten processes with 16 MiB each want more than a container has by default.
SHARED_MEMORY = Path("/dev/shm")
if SHARED_MEMORY.is_dir() and shutil.disk_usage(SHARED_MEMORY).free >= 2**28:
    os.environ.setdefault("FASTRTPS_DEFAULT_PROFILES_FILE", str(ROOT / "config" / "fastdds.xml"))
