"""A subscriber of everything that cameras' results come on, in a process of its own that can be stopped."""

from __future__ import annotations

import argparse
from collections import Counter

from sensor_msgs.msg import Image
from vision_msgs.msg import Detection2DArray

from harness.peer import NODE, Peer, qos


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--domain", type=int, required=True)
    parser.add_argument("cameras", nargs="+")
    arguments = parser.parse_args()
    peer = Peer(arguments.domain, "sink")
    heard: Counter[str] = Counter()
    for name in arguments.cameras:
        for kind, topic in ((Detection2DArray, "detections"), (Image, "debug/image")):
            count = lambda _, what=f"{name}/{topic}": heard.update([what])  # noqa: E731
            peer.node.create_subscription(kind, f"{NODE}/{name}/{topic}", count, qos(), raw=True)
    try:
        while True:
            peer.spin(1.0)
            print(dict(heard), flush=True)
    except KeyboardInterrupt:
        peer.close()


if __name__ == "__main__":
    main()
