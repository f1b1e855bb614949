"""Soak and chaos: what the node does for hours, and while everything around it goes wrong.

`$ROADPROOF_PYTHON -m tests.soak --help` lists the scenarios; docs/reliability.md has the figures.
"""

import os
import sys
from pathlib import Path

# The end-to-end tests' harness: node processes, domains, an rclpy peer.
sys.path.insert(0, str(Path(__file__).parents[1] / "e2e"))

# Before rclpy loads the middleware: nothing leaves this machine.
os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
os.environ.pop("ROS_STATIC_PEERS", None)
