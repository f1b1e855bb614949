"""What the node is compared with: the same job in rclpy, onnxruntime and OpenCV, written plainly and well.

Subscribes to a sensor_msgs/Image (rgb8), keeps the latest frame only, runs NanoDet on it and publishes a
vision_msgs/Detection2DArray. Everything per frame is vectorised; boxes are decoded for candidates only.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnxruntime
import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image
from vision_msgs.msg import Detection2D, Detection2DArray, ObjectHypothesisWithPose

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


@dataclasses.dataclass(frozen=True)
class Found:
    """Detections of one frame: corners in pixels of the image, scores, class ids."""

    boxes: np.ndarray
    scores: np.ndarray
    class_ids: np.ndarray


class NanoDet:
    """The model with what goes before and after it."""

    def __init__(self, manifest_path: Path, threads: int) -> None:
        """Load the model that a manifest describes."""
        manifest: dict[str, Any] = tomllib.loads(manifest_path.read_text(encoding="utf-8"))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        path = manifest_path.parent / manifest["file"]
        self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self._input_name = self._session.get_inputs()[0].name
        outputs = manifest["decoder"]["outputs"]
        self._output_names = [*outputs["scores"], *outputs["boxes"]]
        self.class_names: list[str] = manifest["classes"]["names"]
        self._score = manifest["thresholds"]["score"]
        self._iou = manifest["thresholds"]["nms_iou"]
        self._most = manifest["thresholds"]["max_detections"]

        spec = manifest["input"]
        self._width, self._height = spec["width"], spec["height"]
        self._mean = spec["mean"]
        self._inverse_std = (1.0 / np.asarray(spec["std"], np.float32)).reshape(1, 3, 1, 1)
        self._canvas = np.zeros((self._height, self._width, 3), np.uint8)

        # The middle of each cell, and the stride of its level.
        centres, strides = [], []
        for stride in manifest["decoder"]["strides"]:
            ys, xs = np.mgrid[: self._height // stride, : self._width // stride]
            centres.append((np.stack([xs.ravel(), ys.ravel()], axis=1) + 0.5) * stride)
            strides.append(np.full(xs.size, stride))
        self._centres = np.concatenate(centres).astype(np.float32)
        self._strides = np.concatenate(strides).astype(np.float32)

    def detect(self, rgb: np.ndarray) -> Found:
        """Detect in an image of shape (height, width, 3)."""
        height, width = rgb.shape[:2]
        scale = min(self._width / width, self._height / height)
        new_width, new_height = round(width * scale), round(height * scale)
        left, top = (self._width - new_width) // 2, (self._height - new_height) // 2
        cv2.resize(
            rgb,
            (new_width, new_height),
            dst=self._canvas[top : top + new_height, left : left + new_width],
            interpolation=cv2.INTER_AREA,
        )
        tensor = cv2.dnn.blobFromImage(self._canvas, mean=self._mean, swapRB=True)
        tensor *= self._inverse_std
        outputs = self._session.run(self._output_names, {self._input_name: tensor})
        levels = len(outputs) // 2
        scores = np.concatenate([output[0] for output in outputs[:levels]])
        distances = np.concatenate([output[0] for output in outputs[levels:]])
        found = self._decode(scores, distances)
        scale_back = np.tile((width / new_width, height / new_height), 2)
        corners = (found.boxes - np.tile((left, top), 2)) * scale_back
        return Found(np.clip(corners, 0, (width, height, width, height)), found.scores, found.class_ids)

    def _decode(self, scores: np.ndarray, distances: np.ndarray) -> Found:
        class_ids = scores.argmax(axis=1)
        best = scores[np.arange(len(scores)), class_ids]
        kept = np.flatnonzero(best >= self._score)
        class_ids, best = class_ids[kept], best[kept]
        # Generalized Focal Loss (arXiv 2006.04388): each side's distance is the mean of its distribution.
        logits = distances[kept].reshape(len(kept), 4, -1)
        weights = np.exp(logits - logits.max(axis=2, keepdims=True))
        sides = (weights @ np.arange(weights.shape[2], dtype=np.float32)) / weights.sum(axis=2)
        sides *= self._strides[kept, None]
        centres = self._centres[kept]
        boxes = np.concatenate([centres - sides[:, :2], centres + sides[:, 2:]], axis=1)
        if len(kept):
            sized = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)
            left = cv2.dnn.NMSBoxesBatched(sized, best, class_ids, self._score, self._iou)
            order = np.asarray(left, int).ravel()[: self._most]
            boxes, best, class_ids = boxes[order], best[order], class_ids[order]
        return Found(boxes, best, class_ids)


class BaselineNode(Node):
    """One camera in, detections out."""

    def __init__(self, model: NanoDet, topic: str, detections: str) -> None:
        """Subscribe and publish."""
        super().__init__("baseline")
        self._model = model
        self._publisher = self.create_publisher(Detection2DArray, detections, 10)
        latest = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
        self.create_subscription(Image, topic, self._on_image, latest)

    def _on_image(self, image: Image) -> None:
        if image.encoding != "rgb8" or len(image.data) != image.step * image.height:
            self.get_logger().warning("not an rgb8 image", throttle_duration_sec=5.0)
            return
        rows = np.frombuffer(image.data, np.uint8).reshape(image.height, image.step)
        rgb = rows[:, : image.width * 3].reshape(image.height, image.width, 3)
        found = self._model.detect(rgb)
        array = Detection2DArray(header=image.header)
        for (x_min, y_min, x_max, y_max), score, class_id in zip(
            found.boxes.tolist(), found.scores.tolist(), found.class_ids.tolist(), strict=True
        ):
            detection = Detection2D(header=image.header)
            detection.bbox.center.position.x = (x_min + x_max) / 2
            detection.bbox.center.position.y = (y_min + y_max) / 2
            detection.bbox.size_x = x_max - x_min
            detection.bbox.size_y = y_max - y_min
            result = ObjectHypothesisWithPose()
            result.hypothesis.class_id = self._model.class_names[class_id]
            result.hypothesis.score = score
            detection.results.append(result)
            array.detections.append(detection)
        self._publisher.publish(array)


def main() -> None:
    """Run until stopped."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, help="a NanoDet manifest")
    parser.add_argument("--topic", default="/image")
    parser.add_argument("--detections", default="/baseline/detections")
    parser.add_argument("--threads", type=int, default=1, help="ONNX Runtime's threads within an operator")
    arguments = parser.parse_args()
    # OpenCV's and numpy's own threads follow the same limit.
    cv2.setNumThreads(arguments.threads)
    rclpy.init()
    with contextlib.suppress(KeyboardInterrupt, ExternalShutdownException):
        rclpy.spin(BaselineNode(NanoDet(arguments.model, arguments.threads), arguments.topic, arguments.detections))


if __name__ == "__main__":
    main()
