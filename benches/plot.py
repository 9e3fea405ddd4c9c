#!/usr/bin/env python3
"""Draws plot.svg and plot.png: one small picture a row of the table, with what is to be reached as a line."""

import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot  # noqa: E402

from report import CONTENDERS, load, short  # noqa: E402
from rows import Figures, rows  # noqa: E402

COLOURS = {"cairnfs": "#c0392b", "native": "#7f8c8d", "raw": "#34495e", "Mountpoint": "#d8c7a0"}
OTHER = "#a9bcd0"
COLUMNS = 3


def main(directories):
    """Draws all that was measured."""
    _, samples = load(directories)
    figures = Figures(samples)
    measured = [row for row in rows() if figures.get(row, "cairnfs")[0] is not None]
    if not measured:
        sys.exit("nothing of cairnfs was measured")
    height = -(-len(measured) // COLUMNS)
    canvas, grid = pyplot.subplots(height, COLUMNS, figsize=(5 * COLUMNS, 2.3 * height), squeeze=False)
    for axes in grid.flat[len(measured) :]:
        axes.set_axis_off()
    for axes, row in zip(grid.flat, measured, strict=False):
        draw(axes, row, figures)
    canvas.tight_layout()
    for kind in ("svg", "png"):
        canvas.savefig(directories[0] / f"plot.{kind}", dpi=110)


def draw(axes, row, figures):
    """One row."""
    bars = {who: figures.get(row, who)[0] for who in CONTENDERS}
    bars["Mountpoint"] = figures.mark(row)
    order = ("cairnfs", "rclone-stream", "rclone-full", "s3fs", "Mountpoint", "native", "raw")
    names = [who for who in order if bars.get(who) is not None]
    values = [bars[who] for who in names]
    drawn = axes.barh(names, values, color=[COLOURS.get(who, OTHER) for who in names])
    over_the_line = {"facecolor": "white", "edgecolor": "none", "pad": 0.5}
    axes.bar_label(drawn, [short(value) for value in values], padding=3, fontsize=7, bbox=over_the_line, zorder=3)
    goal, _, _, enough = figures.verdict(row)
    if goal is not None:
        axes.axvline(goal, color="#27ae60" if enough else "#c0392b", linestyle="--", linewidth=1.2)
    axes.invert_yaxis()
    axes.set_xlim(0, 1.18 * max([*values, goal or 0]))
    better = "less is better" if row.less_is_better else "more is better"
    axes.set_title(f"{row.title} [{row.unit}, {better}]", fontsize=8)
    axes.tick_params(labelsize=7)
    axes.spines[["top", "right"]].set_visible(False)


if __name__ == "__main__":
    main([Path(name) for name in sys.argv[1:]])
