"""The demo's result: what the node reported, as a summary and as tables."""

from __future__ import annotations

import dataclasses
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from roadproof.msg import CameraHealth, ClassHealth

COUNTERS = ("received", "processed", "overwritten", "stale", "rejected")
STAGES = {
    "wait": "in the camera's slot",
    "convert": "decompression, colour",
    "preprocess": "resize, normalisation",
    "inference": "ONNX Runtime",
    "postprocess": "decoding, NMS",
    "publish": "building, sending",
    "total": "arrival to published",
    "age": "stamp to published",
}
STATUS_NAMES = {
    ClassHealth.OK: "ok",
    ClassHealth.WARN: "warn",
    ClassHealth.ERROR: "error",
    ClassHealth.INSUFFICIENT_DATA: "insufficient data",
    ClassHealth.STALE: "stale",
}


def statuses(array: DiagnosticArray) -> dict[str, DiagnosticStatus]:
    """Return the node's statuses by subject, for example `input front`."""
    prefix = "roadproof: "
    return {status.name.removeprefix(prefix): status for status in array.status if status.name.startswith(prefix)}


def values(status: DiagnosticStatus) -> dict[str, str]:
    """Return a status's key-value pairs."""
    return {pair.key: pair.value for pair in status.values}


def number(text: str) -> float | None:
    """Read a figure; None where the node has none."""
    try:
        return float(text)
    except ValueError:
        return None


@dataclasses.dataclass
class Seen:
    """What the collector saw of one camera with its own eyes."""

    sent: int | None
    frames: int
    arrays: int
    detections: int
    latency_p50_ms: float | None
    latency_p99_ms: float | None


def summarise(
    diagnostics: DiagnosticArray, health: dict[str, CameraHealth], seen: dict[str, Seen], transports: dict[str, str]
) -> dict[str, Any]:
    """Put everything into one JSON-ready structure."""
    by_subject = statuses(diagnostics)
    model = values(by_subject["model"])
    inference = values(by_subject["inference"])
    cameras = {}
    for camera, transport in transports.items():
        reported = values(by_subject[f"input {camera}"])
        cameras[camera] = {
            "transport": transport,
            "qos": reported["qos"],
            "frames": {counter: int(reported[counter]) for counter in COUNTERS},
            "seen": dataclasses.asdict(seen[camera]),
            "low_score": round(health[camera].low_score, 4),
            "classes": [class_figures(entry) for entry in health[camera].classes if entry.detections > 0],
        }
    return {
        "model": {key: model[key] for key in ("name", "sha256", "decoder", "onnxruntime")},
        "provider": inference["provider"],
        "cameras": cameras,
        "latency_ms": {
            stage: {
                "p50": number(inference[f"{stage}_p50_ms"]),
                "p99": number(inference[f"{stage}_p99_ms"]),
            }
            for stage in STAGES
        },
    }


def class_figures(entry: ClassHealth) -> dict[str, Any]:
    """Return the health figures of a class that has detections."""
    return {
        "class": entry.class_name,
        "published": entry.published,
        "detections": entry.detections,
        "published_per_s": round(entry.detection_rate * entry.published / entry.detections, 3),
        "score_p10": round(entry.score_p10, 3),
        "score_p50": round(entry.score_p50, 3),
        "score_p90": round(entry.score_p90, 3),
        "status": STATUS_NAMES.get(entry.status, str(entry.status)),
        "reason": entry.reason,
    }


def problems(summary: dict[str, Any]) -> list[str]:
    """Say what did not go as it must."""
    found = []
    for camera, figures in summary["cameras"].items():
        frames, seen = figures["frames"], figures["seen"]
        parts = sum(frames[counter] for counter in COUNTERS[1:])
        if frames["received"] != parts:
            found.append(f"{camera}: {frames['received']} frames received, but {parts} accounted for")
        if frames["processed"] == 0:
            found.append(f"{camera}: no frame was processed")
        elif seen["detections"] == 0:
            found.append(f"{camera}: nothing was detected in {frames['processed']} frames")
        if frames["rejected"]:
            found.append(f"{camera}: {frames['rejected']} frames were rejected")
        if seen["arrays"] != frames["processed"]:
            found.append(f"{camera}: {frames['processed']} frames processed, {seen['arrays']} arrays arrived")
    return found


def table(title: str, head: list[str], rows: list[list[str]], text_columns: set[int]) -> str:
    """Lay a table out; columns are right-aligned, those in `text_columns` left-aligned."""
    widths = [max(len(cell) for cell in column) for column in zip(head, *rows, strict=True)]

    def line(cells: list[str]) -> str:
        padded = [
            cell.ljust(width) if column in text_columns else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
        ]
        return "  " + "  ".join(padded).rstrip()

    rule = "  " + "  ".join("─" * width for width in widths)
    return "\n".join([title, line(head), rule, *map(line, rows)])


def milliseconds(figure: float | None) -> str:
    """Write a latency for a table."""
    return "n/a" if figure is None else f"{figure:.2f}"


def render(summary: dict[str, Any]) -> str:
    """Return the tables for the terminal."""
    frames = [
        [
            camera,
            figures["transport"],
            "?" if figures["seen"]["sent"] is None else str(figures["seen"]["sent"]),
            *(str(figures["frames"][counter]) for counter in COUNTERS),
        ]
        for camera, figures in summary["cameras"].items()
    ]
    latencies = [
        [
            stage,
            milliseconds(summary["latency_ms"][stage]["p50"]),
            milliseconds(summary["latency_ms"][stage]["p99"]),
            what,
        ]
        for stage, what in STAGES.items()
    ]
    for camera, figures in summary["cameras"].items():
        seen = figures["seen"]
        what = f"stamp to received by a subscriber of {camera}"
        row = [f"{camera}", milliseconds(seen["latency_p50_ms"]), milliseconds(seen["latency_p99_ms"]), what]
        latencies.append(row)
    classes = [
        [
            camera,
            entry["class"],
            str(entry["published"]),
            f"{entry['published_per_s']:.1f}",
            f"{entry['score_p10']:.2f}",
            f"{entry['score_p50']:.2f}",
            f"{entry['score_p90']:.2f}",
            entry["status"],
        ]
        for camera, figures in summary["cameras"].items()
        for entry in sorted(figures["classes"], key=lambda entry: -entry["published"])
        if entry["published"]
    ]
    low_score = next(iter(summary["cameras"].values()))["low_score"]
    parts = [
        table("Frames", ["camera", "transport", "sent", *COUNTERS], frames, {0, 1}),
        table("Latency, ms", ["stage", "p50", "p99", ""], latencies, {0, 3}),
        table(
            f"Classes: detections published, and the quantiles of all scores from {low_score:.2f} up",
            ["camera", "class", "detections", "1/s", "p10", "p50", "p90", "status"],
            classes,
            {0, 1, 7},
        ),
    ]
    faint = [
        f"  {camera}: {', '.join(entry['class'] for entry in figures['classes'] if not entry['published'])}"
        for camera, figures in summary["cameras"].items()
        if any(not entry["published"] for entry in figures["classes"])
    ]
    if faint:
        parts.append("\n".join(["Seen only below the publishing threshold", *faint]))
    return "\n\n".join(parts)
