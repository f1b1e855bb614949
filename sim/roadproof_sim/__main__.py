"""`python -m roadproof_sim --ros-args -p weather:=fog`: the simulator bridge as a process."""

from __future__ import annotations

import signal
import sys


def fail(message: str) -> int:
    print(f"roadproof_sim: error: {message}", file=sys.stderr)
    return 1


def main() -> int:
    """Run until the duration is over or somebody asks it to end."""
    try:
        import rclpy
        import vision_msgs.msg  # noqa: F401
    except ImportError as error:
        return fail(f"{error}; no ROS 2 environment is sourced (. scripts/env.sh), or it lacks vision_msgs")
    try:
        import gltf  # noqa: F401
        import panda3d.core  # noqa: F401
    except ImportError as error:
        return fail(f"{error}; run scripts/setup_sim.sh, and use the simulator's Python (.deps/sim/bin/python)")
    from rclpy.exceptions import InvalidParameterTypeException
    from rclpy.signals import SignalHandlerOptions

    from .assets import AssetError
    from .bridge import Bridge
    from .renderer import RendererError
    from .settings import SettingError

    asked = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: asked.append(True))
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    bridge = None
    try:
        bridge = Bridge()
        while not (asked or bridge.ready):
            rclpy.spin_once(bridge, timeout_sec=0.1)
        while not (asked or bridge.over):
            rclpy.spin_once(bridge, timeout_sec=0.0)
            bridge.step()
        bridge.get_logger().info(f"{bridge.frame} frames published")
    except (AssetError, RendererError, SettingError, InvalidParameterTypeException) as error:
        return fail(str(error))
    finally:
        if bridge is not None:
            bridge.close()
        rclpy.try_shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
