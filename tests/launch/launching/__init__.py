"""Launch files without `ros2 launch`: what they would start, and starting it.

ROS 2 from PyPI has no `launch`. `interpreter` does what the project's own launch files need of it and refuses all
else; `running` starts, watches and respawns processes. tests/launch/test_real_launch.py compares with the real `launch`
where that is installed.
"""

import os
from pathlib import Path

ROOT = Path(__file__).parents[3]

# Before a peer joins a domain: nothing leaves this machine.
os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
os.environ.pop("ROS_STATIC_PEERS", None)
