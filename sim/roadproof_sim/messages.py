"""From pictures and boxes to ROS messages."""

from __future__ import annotations

import array

import numpy as np
from builtin_interfaces.msg import Time
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header
from vision_msgs.msg import Detection2D, Detection2DArray, ObjectHypothesisWithPose

from .camera import Camera
from .truth import Box

NS = 1_000_000_000


def stamp(time_ns: int) -> Time:
    return Time(sec=time_ns // NS, nanosec=time_ns % NS)


def header(time_ns: int, frame_id: str) -> Header:
    return Header(stamp=stamp(time_ns), frame_id=frame_id)


def image(head: Header, rgb: np.ndarray) -> Image:
    """An rgb8 image from (height, width, 3) bytes."""
    height, width = rgb.shape[:2]
    message = Image(header=head, height=height, width=width, encoding="rgb8", is_bigendian=0, step=width * 3)
    # rclpy takes an array.array as it is; anything else is checked byte by byte.
    message.data = array.array("B", rgb.tobytes())
    return message


def camera_info(head: Header, camera: Camera) -> CameraInfo:
    matrix = camera.matrix
    message = CameraInfo(header=head, height=camera.height, width=camera.width, distortion_model="plumb_bob")
    message.d = [0.0] * 5
    message.k = matrix.ravel().tolist()
    message.r = np.eye(3).ravel().tolist()
    message.p = np.hstack([matrix, np.zeros((3, 1))]).ravel().tolist()
    return message


def detections(head: Header, boxes: list[Box]) -> Detection2DArray:
    """Boxes as the node publishes its own: class name in the hypothesis, box in pixels. `id` is the object's key."""
    message = Detection2DArray(header=head)
    for box in boxes:
        detection = Detection2D(header=head, id=box.key)
        result = ObjectHypothesisWithPose()
        result.hypothesis.class_id = box.class_name
        result.hypothesis.score = 1.0
        detection.results = [result]
        x_min, y_min, x_max, y_max = box.corners
        detection.bbox.center.position.x = (x_min + x_max) / 2
        detection.bbox.center.position.y = (y_min + y_max) / 2
        detection.bbox.size_x = x_max - x_min
        detection.bbox.size_y = y_max - y_min
        message.detections.append(detection)
    return message
