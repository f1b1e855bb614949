"""No room left where bags are written."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from harness.process import MODEL, binary

from ..frames import Look, scene
from ..ledger import Terms
from ..report import Report, SkipScenario
from ..stage import Options, Stage

FRAMES = 12
SMALL_MIB = 2
IMAGE = "sensor_msgs/msg/Image"


@contextmanager
def small_disk(folder: Path, mebibytes: int) -> Iterator[Path]:
    """A file system of that size; skips where it may not be mounted."""
    if shutil.which("mount") is None:
        raise SkipScenario("no `mount` here")
    folder.mkdir(parents=True, exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={mebibytes}m", "roadproof-soak", str(folder)]
    mounted = subprocess.run(command, capture_output=True, text=True)
    if mounted.returncode != 0:
        raise SkipScenario(f"a small disk may not be mounted here: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def source_bag(path: Path) -> Path:
    """Raw frames, 11 MB of them: more than the small disk holds."""
    store = get_typestore(Stores.ROS2_JAZZY)
    image, header, stamp = (store.types[name] for name in (IMAGE, "std_msgs/msg/Header", "builtin_interfaces/msg/Time"))
    pixels = np.ascontiguousarray(scene(640, 480, 0)[:, :, ::-1])
    shutil.rmtree(path, ignore_errors=True)
    with Writer(path, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        connection = writer.add_connection("/front/image_raw", IMAGE, typestore=store)
        for number in range(FRAMES):
            at_ns = 1_700_000_000 * 10**9 + number * 10**8
            noisy = cv2.add(pixels, np.random.default_rng(number).integers(0, 40, pixels.shape, np.uint8))
            message = image(
                header(stamp(at_ns // 10**9, at_ns % 10**9), "front"), 480, 640, "bgr8", 0, 1920, noisy.ravel()
            )
            writer.write(connection, at_ns, store.serialize_cdr(message, IMAGE))
    return path


def disk_full(options: Options, report: Report) -> None:
    """`replay`, `corrupt` and `bag convert` write a bag to a disk that is too small, and the node records onto one.

    They must say so and fail, and nothing they leave may look like a whole bag.
    """
    options.folder.mkdir(parents=True, exist_ok=True)
    bag = source_bag(options.folder / "drive")
    with small_disk(options.folder / "small", SMALL_MIB) as disk:
        results = ["-m", str(MODEL), "-o", str(options.folder / "replayed")]
        commands = {
            "replay --bag": ["replay", str(bag), *results, "--bag", str(disk / "out.mcap")],
            "replay -o": ["replay", str(bag), "-m", str(MODEL), "-o", str(disk / "results")],
            "corrupt": ["corrupt", str(bag), "--corruption", "gaussian_noise:1", "-o", str(disk / "out.mcap")],
            "bag convert": ["bag", "convert", str(bag), str(disk / "out.mcap")],
        }
        for name, command in commands.items():
            # Results without pictures are small: where they go has to be full from the start.
            filler = disk / "filler" if name == "replay -o" else None
            if filler is not None:
                fill(filler)
            _judge_tool(report, name, command, disk)
            for left in disk.iterdir():
                shutil.rmtree(left) if left.is_dir() else left.unlink()
        _record(options, report, disk)


def fill(path: Path) -> None:
    """Takes all the room that there is."""
    with path.open("wb", buffering=0) as file:
        size = 2**16
        while size:
            try:
                file.write(b"\0" * size)
            except OSError:
                size //= 2


def _judge_tool(report: Report, name: str, command: list[str], disk: Path) -> None:
    ended = subprocess.run([str(binary()), *command], capture_output=True, text=True, timeout=300)
    said = ended.stderr.strip()[-300:]
    report.check(f"{name}: fails", ended.returncode != 0, ended.returncode, "an exit status other than 0")
    holds = "No space left" in said
    report.check(f"{name}: says why", holds, said, "No space left on device, and where")
    whole = [left.name for left in disk.rglob("*") if left.suffix in (".mcap", ".db3") or left.name == "metadata.yaml"]
    report.check(f"{name}: leaves nothing that looks whole", not whole, whole, "no finished bag")


def _record(options: Options, report: Report, disk: Path) -> None:
    """The node's own recorder."""
    looks = {"front": Look("raw", encoding="bgr8")}
    with Stage(options, looks, {"record.path": str(disk / "recorded.mcap")}) as stage:
        stage.begin()
        stage.play_all(10.0)
        stage.play(options.seconds)
        free = os.statvfs(disk)
        stage.account(report, Terms())
        found = {name: status for name, status in stage.statuses.items() if "record" in name}
        said = any("space" in status.get("message", "").lower() for status in found.values())
        report.check("the recorder says that the disk is full", said, found, "a status of the recorder that says so")
    report.figure("recorder", {"free_bytes": free.f_bavail * free.f_frsize, "at": time.strftime("%H:%M:%S")})
