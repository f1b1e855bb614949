#!/usr/bin/env python3
"""What each weather did: true accuracy beside the node's estimate, as a table, a strip of pictures and a page."""

from __future__ import annotations

import argparse
import base64
import html
import json
import math
import statistics
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from rosbags.highlevel import AnyReader

from recorder import IMAGE, typestore

sys.path.insert(0, str(Path(__file__).parents[1] / "demo"))
from drawing import Box, draw

STATUS = ("OK", "WARN", "ERROR", "INSUFFICIENT_DATA", "STALE")
TRUTH_COLOUR = (255, 255, 255)


def known(values: list[float | None]) -> list[float]:
    return [value for value in values if value is not None and math.isfinite(value)]


def figure(value: float | None) -> str:
    return "n/a" if value is None or not math.isfinite(value) else f"{100 * value:.1f}"


def true_figures(study: dict[str, Any]) -> tuple[float | None, dict[str, tuple[float | None, int]]]:
    """mAP of a weather, and AP and number of instances of each class that is there."""
    clean = study["variants"][0]["clean"]
    names = [one["name"] for one in study["dataset"]["classes"]]
    instances = [one["instances"] for one in study["dataset"]["classes"]]
    classes = {
        name: (figures["ap"], count)
        for name, figures, count in zip(names, clean["classes"], instances, strict=True)
        if count
    }
    return clean["ap"], classes


def estimates(health: list[dict[str, Any]], name: str) -> tuple[float | None, str]:
    """The last estimate of a class in a weather (its window is then of that weather), and its status."""
    if not health:
        return None, "none"
    last = health[-1]["classes"].get(name)
    return (last["estimated_ap"], STATUS[last["status"]]) if last else (None, "none")


def by_weather(output: Path, weathers: list[str]) -> dict[str, dict[str, Any]]:
    record = json.loads((output / "drive" / "record.json").read_text(encoding="utf-8"))
    found = {}
    for weather in weathers:
        study = json.loads((output / f"study-{weather}.json").read_text(encoding="utf-8"))
        total, classes = true_figures(study)
        health = [one for one in record["health"] if one["weather"] == weather]
        frames = [one for one in record["frames"] if one["weather"] == weather]
        found[weather] = {
            "frames": sum("truth" in one for one in frames),
            "answered": sum("detections" in one and "truth" in one for one in frames),
            "detections_per_frame": statistics.fmean(
                [len(f["detections"]) for f in frames if "detections" in f] or [0]
            ),
            "true_map": total,
            "estimated_map": next(iter(known([one["estimated_map"] for one in reversed(health)])), None),
            "status": STATUS[health[-1]["status"]] if health else "none",
            "seems": health[-1]["estimated_corruption"] if health else "",
            "classes": {
                name: {
                    "ap": ap,
                    "instances": count,
                    **dict(zip(("estimate", "status"), estimates(health, name), strict=True)),
                }
                for name, (ap, count) in classes.items()
            },
        }
    return found


def tables(found: dict[str, dict[str, Any]]) -> list[list[list[str]]]:
    """The two tables, with their heads: by weather, by weather and class."""
    whole = [["weather", "frames", "answered", "mAP", "estimate", "detections/frame", "health", "seems"]]
    single = [["weather", "class", "instances", "AP", "estimate", "error", "health"]]
    for weather, one in found.items():
        whole.append(
            [weather, str(one["frames"]), str(one["answered"]), figure(one["true_map"]), figure(one["estimated_map"])]
            + [f"{one['detections_per_frame']:.1f}", one["status"], one["seems"] or "-"]
        )
        for name, kind in one["classes"].items():
            pair = known([kind["estimate"], kind["ap"]])
            error = pair[0] - pair[1] if len(pair) == 2 else None
            single.append(
                [weather, name, str(kind["instances"]), figure(kind["ap"]), figure(kind["estimate"])]
                + [figure(error), kind["status"]]
            )
    return [whole, single]


def text(table: list[list[str]]) -> str:
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    return "\n".join("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)) for row in table)


def picture(output: Path, weather: str) -> np.ndarray | None:
    """The middle frame of a weather that was answered: detections in colour, ground truth thin and white."""
    record = json.loads((output / "drive" / "record.json").read_text(encoding="utf-8"))
    both = [f for f in record["frames"] if f["weather"] == weather and "detections" in f and "truth" in f]
    if not both:
        return None
    chosen = both[len(both) // 2]
    with AnyReader([output / "drive" / weather], default_typestore=typestore()) as reader:
        connections = [one for one in reader.connections if one.topic == IMAGE]
        for connection, stamp, data in reader.messages(connections=connections):
            if stamp != chosen["stamp_ns"]:
                continue
            message = reader.deserialize(data, connection.msgtype)
            frame = message.data.reshape(message.height, message.width, 3)[..., ::-1].copy()
            for one in chosen["truth"]:
                x_min, y_min, x_max, y_max = map(round, one["box"])
                cv2.rectangle(frame, (x_min, y_min), (x_max, y_max), TRUTH_COLOUR, 1)
            boxes = [Box(one["class"], one["score"], *one["box"]) for one in chosen["detections"]]
            return draw(frame, boxes, f"{weather}   {len(chosen['truth'])} there, {len(boxes)} detected")
    return None


def strip(output: Path, weathers: list[str]) -> Path:
    tiles = [tile for tile in (picture(output, weather) for weather in weathers) if tile is not None]
    blank = np.zeros_like(tiles[0])
    rows = [tiles[i : i + 3] for i in range(0, len(tiles), 3)]
    rows = [np.hstack(row + [blank] * (min(3, len(tiles)) - len(row))) for row in rows]
    path = output / "strip.jpg"
    cv2.imwrite(str(path), np.vstack(rows), [cv2.IMWRITE_JPEG_QUALITY, 90])
    return path


def page(both: list[list[list[str]]], pictures: Path) -> str:
    def as_html(table: list[list[str]]) -> str:
        head, *body = table
        rows = "".join(f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in row)}</tr>" for row in body)
        return f"<table><tr>{''.join(f'<th>{html.escape(cell)}</th>' for cell in head)}</tr>{rows}</table>"

    data = base64.b64encode(pictures.read_bytes()).decode()
    return (
        "<!doctype html><html lang=en><meta charset=utf-8><title>Roadproof in the simulator</title>"
        "<style>body{font:15px sans-serif;margin:2em;max-width:80em}img{width:100%}"
        "td,th{padding:.2em 1em .2em 0;text-align:left}table{border-collapse:collapse}tr+tr{border-top:1px solid #ccc}"
        "</style><h1>Roadproof in the simulator</h1>"
        "<p>White: ground truth. Coloured: what the node published. AP in points, of detections from 0.1 up; the "
        "estimate is the node's last one in that weather, made without labels; error is estimate minus AP.</p>"
        f'<img alt="One frame of each weather" src="data:image/jpeg;base64,{data}">'
        f"<h2>By weather</h2>{as_html(both[0])}<h2>By class</h2>{as_html(both[1])}</html>\n"
    )


def main() -> int:
    """Summarise."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=Path)
    parser.add_argument("weathers", nargs="+")
    arguments = parser.parse_args()
    found = by_weather(arguments.output, arguments.weathers)
    both = tables(found)
    pictures = strip(arguments.output, arguments.weathers)
    (arguments.output / "report.html").write_text(page(both, pictures), encoding="utf-8")
    (arguments.output / "summary.json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    print("\n" + "\n\n".join(text(table) for table in both))
    print(f"\n  {arguments.output}/report.html, {pictures}, {arguments.output}/summary.json")
    return 0 if all(one["answered"] for one in found.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
