"""A labelled bag: labels from a topic, and from a COCO file keyed by stamp."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import cv2
import pytest
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

ROOT = Path(__file__).parents[2]
MODEL = ROOT / "models" / "nanodet-g.toml"
IMAGE, TRUTH = "sensor_msgs/msg/Image", "vision_msgs/msg/Detection2DArray"
START_NS = 1_704_067_200_000_000_000


@pytest.fixture(scope="module")
def labelled_bag(collages: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The collages as a bag with labels, and a COCO file that says the same."""
    store = get_typestore(Stores.ROS2_JAZZY)
    for file in sorted((ROOT / "interfaces" / "vision_msgs" / "msg").glob("*.msg")):
        store.register(get_types_from_msg(file.read_text(), f"vision_msgs/msg/{file.stem}"))
    types = store.types
    folder = tmp_path_factory.mktemp("labelled")
    classes = (collages / "classes.txt").read_text().split()
    coco = {"images": [], "annotations": [], "categories": [{"id": i, "name": n} for i, n in enumerate(classes)]}
    with Writer(folder / "bag", version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        camera = writer.add_connection("/front/image_raw", IMAGE, typestore=store)
        truth = writer.add_connection("/truth", TRUTH, typestore=store)
        for number, file in enumerate(sorted((collages / "images").iterdir())):
            stamp_ns = START_NS + number * 100_000_000
            stamp = types["builtin_interfaces/msg/Time"](stamp_ns // 10**9, stamp_ns % 10**9)
            header = types["std_msgs/msg/Header"](stamp, "front")
            picture = cv2.imread(str(file))
            height, width = picture.shape[:2]
            image = types[IMAGE](header, height, width, "bgr8", 0, width * 3, picture.reshape(-1))
            writer.write(camera, stamp_ns, store.serialize_cdr(image, IMAGE))
            coco["images"].append({"id": number, "file_name": f"{stamp_ns}.png"})
            detections = []
            for line in (collages / "labels" / f"{file.stem}.txt").read_text().splitlines():
                category, *shares = line.split()
                x, y, w, h = (float(s) * side for s, side in zip(shares, (width, height) * 2, strict=True))
                box = [x - w / 2, y - h / 2, w, h]
                coco["annotations"].append({"image_id": number, "category_id": int(category), "bbox": box})
                hypothesis = types["vision_msgs/msg/ObjectHypothesis"](classes[int(category)], 1.0)
                pose = types["geometry_msgs/msg/PoseWithCovariance"]
                point, turn = types["geometry_msgs/msg/Point"], types["geometry_msgs/msg/Quaternion"]
                still = pose(types["geometry_msgs/msg/Pose"](point(0.0, 0.0, 0.0), turn(0.0, 0.0, 0.0, 1.0)), zeros())
                result = types["vision_msgs/msg/ObjectHypothesisWithPose"](hypothesis, still)
                centre = types["vision_msgs/msg/Pose2D"](types["vision_msgs/msg/Point2D"](x, y), 0.0)
                bbox = types["vision_msgs/msg/BoundingBox2D"](centre, w, h)
                detections.append(types["vision_msgs/msg/Detection2D"](header, [result], bbox, ""))
            array = types[TRUTH](header, detections)
            writer.write(truth, stamp_ns, store.serialize_cdr(array, TRUTH))
    (folder / "labels.json").write_text(json.dumps(coco))
    return folder / "bag", folder / "labels.json"


def zeros() -> object:
    import numpy as np

    return np.zeros(36)


def ap(roadproof: str, *arguments: str | Path) -> float:
    command = [roadproof, "evaluate", *map(str, arguments), "--model", str(MODEL), "--bootstrap", "100", "--json"]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)["variants"][0]["clean"]["ap"]


def test_a_bag_gives_what_the_folder_gives(
    roadproof: str, collages: Path, labelled_bag: tuple[Path, Path], tmp_path: Path
) -> None:
    bag, labels = labelled_bag
    folder = ap(roadproof, collages, "--output", tmp_path / "folder")
    by_topic = ap(roadproof, bag, "--truth-topic", "/truth", "--output", tmp_path / "topic")
    by_coco = ap(roadproof, bag, "--labels", labels, "--output", tmp_path / "coco")
    assert folder > 0.4
    assert by_topic == pytest.approx(folder, abs=0.002) and by_coco == pytest.approx(folder, abs=0.002)


def test_a_bag_without_labels_is_refused(roadproof: str, labelled_bag: tuple[Path, Path], tmp_path: Path) -> None:
    bag, _ = labelled_bag

    def refused(*arguments: str) -> str:
        command = [roadproof, "evaluate", str(bag), *arguments, "--model", str(MODEL), "--output", str(tmp_path)]
        result = subprocess.run(command, capture_output=True, text=True)
        assert result.returncode != 0
        return result.stderr

    assert "--truth-topic" in refused()
    assert "/truths" in refused("--truth-topic", "/truths")
    assert "Detection2DArray" in refused("--truth-topic", "/front/image_raw")


def test_replay_ends_with_what_evaluation_says_of_all_frames(
    roadproof: str, labelled_bag: tuple[Path, Path], tmp_path: Path
) -> None:
    bag, _ = labelled_bag
    options = ["--truth-topic", "/truth", "-m", str(MODEL)]
    lines = {}
    for workers in (1, 3):
        output = tmp_path / str(workers)
        command = [roadproof, "replay", str(bag), *options, "-o", str(output), "--workers", str(workers)]
        # The lowest score that evaluation takes by default.
        result = subprocess.run([*command, "--score", "0.02"], capture_output=True, text=True)
        assert result.returncode == 0, result.stderr
        lines[workers] = (output / "ground_truth.jsonl").read_text().splitlines()
    assert lines[1] == lines[3]
    last = json.loads(lines[1][-1])
    assert last["frames"] == last["frames_compared"] == last["truths_received"] > 0
    command = [roadproof, "evaluate", str(bag), *options, "--bootstrap", "100", "--json"]
    result = subprocess.run([*command, "-o", str(tmp_path / "study")], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    clean = json.loads(result.stdout)["variants"][0]["clean"]
    assert last["map"] == pytest.approx(clean["ap"], abs=1e-9)
    assert {c["class_name"]: c["ap"] for c in last["classes"] if c["ap"] is not None} == pytest.approx(
        {c["name"]: c["ap"] for c in clean["classes"] if c["ap"] is not None}, abs=1e-9
    )


def test_replay_says_what_is_wrong_with_ground_truth(
    roadproof: str, collages: Path, labelled_bag: tuple[Path, Path], tmp_path: Path
) -> None:
    bag, _ = labelled_bag
    for source, arguments, text in (
        (bag, ["--truth-topic", "/nowhere"], "/nowhere"),
        (bag, ["--truth-topic", "/front/image_raw"], "vision_msgs/msg/Detection2DArray"),
        (bag, ["--truth-topic", "/truth", "--truth-iou", "0.72"], "0.55"),
        (collages / "images", ["--truth-topic", "/truth"], "expected a bag"),
    ):
        command = [roadproof, "replay", str(source), "-m", str(MODEL), "-o", str(tmp_path / "out"), *arguments]
        result = subprocess.run(command, capture_output=True, text=True)
        assert result.returncode == 1 and text in result.stderr, result.stderr
