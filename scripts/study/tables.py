"""Tables (Markdown) and plots (SVG) of a compression study.

Reads the report.json that `roadproof evaluate` wrote and the compress.json of `roadproof compress --json`, and writes
tables.md and *.svg into a folder. Needs matplotlib, which set-up does not install.

    python3 scripts/study/tables.py study/report.json compressed/compress.json study/latency/report.json -o study/
"""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

GROUPS = ["noise", "blur", "weather", "digital"]
# below this AP nothing can be said of the share that is kept
FLOOR = 0.05
COLOURS = {"noise": "#c1272d", "blur": "#1f5fa8", "weather": "#5c8a2c", "digital": "#8a5a2c"}


def points(value: float | None) -> str:
    """AP in points."""
    return "–" if value is None else f"{100 * value:.1f}"


def difference(entry: dict | None) -> str:
    """A drop in points with its interval; bold where the interval leaves out zero."""
    if entry is None:
        return "–"
    low, high = entry["interval"]
    text = f"{100 * entry['drop']:.1f} ({100 * low:.1f} to {100 * high:.1f})"
    return f"**{text}**" if low > 0 or high < 0 else text


def row(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"


def table(head: list[str], rows: list[list[str]]) -> str:
    return "\n".join([row(*head), row(*["---"] * len(head)), *(row(*cells) for cells in rows)]) + "\n"


def by_group(variant: dict, key: str) -> dict[str, dict]:
    against = variant["against_base"]
    if against is None or (variant["clean"]["ap"] or 0) < FLOOR:
        return {}
    return {group: entry for group, entry in against.get(key, [])}


def overview(study: dict, latency: dict[str, float], made: dict[str, dict]) -> str:
    base = study["variants"][0]
    rows = []
    for variant in study["variants"]:
        clean, worst = variant["clean"], variant["worst_class"]
        interval = " to ".join(points(side) for side in clean["ap_interval"])
        against = variant["against_base"]
        size = variant["model"]["size_bytes"] / base["model"]["size_bytes"]
        time = latency.get(variant["name"])
        macs = made.get(variant["name"], {}).get("macs_ratio")
        rows.append(
            [
                variant["name"],
                f"{points(clean['ap'])} ({interval})",
                difference(against and against["clean_drop"]),
                f"{worst['name']} {points(worst['ap'])}" if worst else "–",
                points(variant["robustness"]["mpc"]),
                points(variant["robustness"]["rpc"]),
                f"{100 * size:.0f} %",
                "–" if macs is None else f"{macs:.2f}",
                "–" if time is None else f"{time / latency[base['name']]:.2f}",
            ]
        )
    head = [
        "Variant", "AP (95 %)", "AP lost, clean (95 %)", "Worst class AP", "mPC", "rPC %", "File", "MACs", "Latency",
    ]  # fmt: skip
    return table(head, rows)


def groups(study: dict, key: str) -> str:
    rows = []
    for variant in study["variants"][1:]:
        entries = by_group(variant, key)
        if not entries:
            continue
        rows.append([variant["name"], *(difference(entries.get(group)) for group in GROUPS)])
    return table(["Variant", *(group.capitalize() for group in GROUPS)], rows)


def severities(study: dict) -> str:
    rows = []
    levels = study["settings"]["severities"]
    for variant in study["variants"]:
        if (variant["clean"]["ap"] or 0) < FLOOR:
            continue
        for group in ("noise", "blur"):
            cells = [variant["name"] if group == "noise" else "", group]
            cells += [points(group_ap(variant, group, level)) for level in levels]
            rows.append(cells)
    return table(["Variant", "Group", *(f"AP at {level:g}" for level in levels)], rows)


def group_ap(variant: dict, group: str, severity: float) -> float | None:
    found = [
        cell["accuracy"]["ap"] for cell in variant["cells"] if cell["group"] == group and cell["severity"] == severity
    ]
    found = [ap for ap in found if ap is not None]
    return sum(found) / len(found) if found else None


def classes(study: dict) -> str:
    least = study["settings"]["min_support"]
    counted = [entry for entry in study["dataset"]["classes"] if entry["instances"] >= least]
    rows = []
    for entry in counted:
        aps = []
        for variant in study["variants"]:
            own = next(c for c in variant["clean"]["classes"] if c["name"] == entry["name"])
            aps.append(points(own["ap"]))
        rows.append([f"{entry['name']} ({entry['instances']})", *aps])
    return table(["Class (instances)", *(variant["name"] for variant in study["variants"])], rows)


def plot_rates(study: dict, folder: Path) -> None:
    base = study["variants"][0]
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.6), sharey=True)
    titles = [("c", "Structured: channels removed"), ("u", "Unstructured: weights zeroed")]
    for axis, (kind, title) in zip(axes, titles, strict=True):
        for suffix, label, colour in [("", "plain", "#888888"), ("-fit", "reconstructed", "#1f5fa8")]:
            found = []
            for variant in study["variants"]:
                match = re.fullmatch(rf"{kind}(\d+){suffix}", variant["name"])
                if match:
                    found.append((int(match[1]), variant["clean"]["ap"], variant["clean"]["ap_interval"]))
            found.sort()
            if not found:
                continue
            rates, aps, intervals = zip(*found, strict=True)
            axis.plot([0, *rates], [100 * ap for ap in (base["clean"]["ap"], *aps)], "o-", color=colour, label=label)
            low, high = zip(*intervals, strict=True)
            axis.fill_between(rates, [100 * a for a in low], [100 * a for a in high], color=colour, alpha=0.15, lw=0)
        axis.set(title=title, xlabel="rate, %")
        axis.grid(alpha=0.3)
        axis.legend(frameon=False)
    axes[0].set_ylabel("AP, clean images")
    figure.tight_layout()
    figure.savefig(folder / "compression-rates.svg")


def plot_claim(study: dict, folder: Path, chosen: list[str]) -> None:
    variants = [variant for variant in study["variants"][1:] if not chosen or variant["name"] in chosen]
    variants = [variant for variant in variants if by_group(variant, "groups_relative")]
    figure, axis = plt.subplots(figsize=(9, 0.42 * len(variants) + 1.2))
    for number, variant in enumerate(reversed(variants)):
        entries = by_group(variant, "groups_relative")
        for offset, group in enumerate(GROUPS):
            entry = entries.get(group)
            if entry is None:
                continue
            low, high = entry["interval"]
            y = number + 0.27 - 0.18 * offset
            axis.plot([100 * low, 100 * high], [y, y], color=COLOURS[group], lw=1.2)
            label = group if number == 0 else None
            axis.plot(100 * entry["drop"], y, "o", ms=4, color=COLOURS[group], label=label)
    axis.axvline(0, color="black", lw=0.8)
    axis.set_yticks(range(len(variants)), [variant["name"] for variant in reversed(variants)])
    axis.set_xlabel("share of clean AP lost beyond the base's share, percentage points (95 %)")
    axis.grid(axis="x", alpha=0.3)
    axis.legend(frameon=False, ncols=4, loc="lower right", bbox_to_anchor=(1, 1))
    figure.tight_layout()
    figure.savefig(folder / "compression-corruptions.svg")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("report", type=Path, help="report.json of the study")
    parser.add_argument("made", type=Path, nargs="?", help="compress.json")
    parser.add_argument("latency", type=Path, nargs="?", help="report.json of a run with one worker, for latencies")
    parser.add_argument("-o", "--output", type=Path, default=Path())
    parser.add_argument("--plot", nargs="*", default=[], help="variants in the plot of corruptions; all by default")
    arguments = parser.parse_args()
    study = json.loads(arguments.report.read_text())
    made = {}
    if arguments.made:
        made = {variant["name"]: variant for variant in json.loads(arguments.made.read_text())["variants"]}
    latency = {}
    if arguments.latency:
        timed = json.loads(arguments.latency.read_text())
        latency = {variant["name"]: variant["latency"]["p50_ms"] for variant in timed["variants"]}
    parts = [
        ("Clean accuracy, size, speed", overview(study, latency, made)),
        ("Share of clean AP lost beyond the base's share, points (95 %)", groups(study, "groups_relative")),
        ("Points of AP lost beyond the base's loss (95 %)", groups(study, "groups")),
        ("By severity", severities(study)),
        ("By class, clean", classes(study)),
    ]
    arguments.output.mkdir(parents=True, exist_ok=True)
    text = "\n".join(f"## {title}\n\n{content}" for title, content in parts)
    (arguments.output / "tables.md").write_text(text)
    plot_rates(study, arguments.output)
    plot_claim(study, arguments.output, arguments.plot)


if __name__ == "__main__":
    main()
