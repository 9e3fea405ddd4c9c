#!/usr/bin/env python3
"""Makes table.md and the plot from what was measured. `benches/report.py DIR...` makes them anew, in the first DIR."""

import json
import statistics
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

from rows import MOUNTPOINT, PEERS, Figures, Row, rows

CONTENDERS = ("cairnfs", *PEERS, "native", "raw")
# more than this share of all processors in other hands, and a figure is not to be relied on
BUSY = 0.1


def write(directories):
    """Writes the table, and returns it."""
    text = markdown(*load(directories))
    (directories[0] / "table.md").write_text(text)
    return text


def draw(directories, python):
    """Draws the plot, where `python` has matplotlib. Returns what came of that in words."""
    plot = Path(__file__).parent / "plot.py"
    if not Path(python).exists():
        return "no plot: matplotlib is not installed (benches/setup does it)"
    done = subprocess.run([python, "-B", plot, *directories], capture_output=True, text=True, check=False)
    if done.returncode:
        return f"no plot: {(done.stderr.strip().splitlines() or ['it ended by itself'])[-1]}"
    return f"plot: {directories[0]}/plot.svg"


def load(directories):
    """Reads what was measured: facts of the first directory, samples of all."""
    facts, samples = None, []
    for directory in directories:
        found = json.loads((directory / "results.json").read_text())
        facts = facts or found["facts"]
        samples += found["samples"]
    return facts, samples


def markdown(facts, samples):
    """The whole report."""
    figures = Figures(samples)
    measured = [row for row in rows() if figures.get(row, "cairnfs")[0] is not None or figures.spread(row, "raw")]
    parts = [
        "# How fast cairnfs reads",
        introduction(facts, samples),
        main_table(figures, measured),
        notes(facts),
        "## Spread\n\nLeast, **median** and most of all runs; also what was measured beyond the rows above.",
        spread_table(figures, measured, samples),
        "## Cost\n\nMedians: daemon CPU s / server CPU s / peak daemon MiB / share of the machine in other hands.",
        cost_table(samples),
        "## The machine\n\n" + "\n".join(f"* {name}: {value}" for name, value in facts["machine"].items()),
    ]
    if facts.get("status"):
        parts.append("## What `cairnfs status` said\n\n```\n" + facts["status"].strip() + "\n```")
    failed = [sample for sample in samples if "error" in sample]
    if failed:
        lines = [f"* {s['server']} {s['work']} {s['contender']} run {s['run']}: {s['error']}" for s in failed]
        parts.append("## What failed\n\n" + "\n".join(lines))
    return "\n\n".join(part for part in parts if part) + "\n"


def introduction(facts, samples):
    """How often, when, and whether the machine was free."""
    shares = [sample["foreign"] for sample in samples if "foreign" in sample]
    text = f"{facts['runs']} runs, medians, {facts['began']} to {facts['ended']}, `{facts['command']}`."
    if facts["quick"]:
        text += " **A check of the harness, with small files: these figures mean nothing.**"
    if shares:
        busy = sum(share > BUSY for share in shares)
        text += (
            f"\nOther processes had {statistics.median(shares):.1%} of the processors (median; "
            f"most {max(shares):.0%}), and more than {BUSY:.0%} in {busy} of {len(shares)} figures."
        )
        if busy > len(shares) / 10:
            text += " **The machine was busy: do not rely on these figures.**"
    late = {(s["server"], s["work"], s["run"]): s["unwritten"] for s in samples if s.get("unwritten")}
    if late:
        most = max(late.values()) / (1 << 20)
        text += f"\nIn {len(late)} works of cairnfs something did not get to its disk cache in time, at most {most:.1f} MiB."
    return "\n".join([text, *(f"\nLeft out: {line}." for line in facts["left_out"])])


def main_table(figures, measured):
    """One line a row."""
    head = ["", "unit", "cairnfs", *PEERS, "Mountpoint (mark)", "native", "raw", "target", "ratio", "reached"]
    lines = [[cell(figures, row, who) for who in CONTENDERS] for row in measured]
    body = []
    for row, cells in zip(measured, lines, strict=True):
        goal, against, ratio, enough = figures.verdict(row)
        sign = "≤" if row.less_is_better else "≥"
        target = f"{sign} {row.target.factor:g}" + (f" × {against}" if against else "")
        if goal is not None and against:
            target += f" = {short(goal)}"
        reached = {None: "–", True: "yes", False: "**no**"}[enough]
        shown = "–" if ratio is None else f"{ratio:.2f}" if against else short(ratio)
        marks = figures.marks(row)
        by = [short(marks["rclone"])] if "rclone" in marks else []
        by += [f"by raw {short(marks['raw'])}"] if "raw" in marks else []
        ours, *peers, native, raw = cells
        title = f"{row.title}"
        body.append([title, row.unit, ours, *peers, ", ".join(by) or "–", native, raw, target, shown, reached])
    return table(head, body)


def notes(facts):
    """What a reader must know of the columns."""
    return (
        "MB/s are 10^6 bytes a second. *raw* is a client without a file system, of two numbers of connections the better. "
        f"*Mountpoint (mark)* is not measured here: {MOUNTPOINT['source']}. The mark is its ratio to rclone then, times "
        "rclone here; the ratio to the bare client is shown beside it. *native* is "
        f"{facts['machine']['disk'].split()[0]} with the same bytes."
    )


def cell(figures, row, who):
    """A figure, with the variant that it is of."""
    value, variant = figures.get(row, who)
    return "–" if value is None else short(value) + (f" ({variant})" if variant else "")


def spread_table(figures, measured, samples):
    """The least and the most of each, also of what is in no row above."""
    shown = {(row.server, row.metric) for row in measured}
    more = {(s["server"], s["metric"]): s["unit"] for s in samples if "value" in s}
    rest = [
        Row(f"{metric}, {server}", server, metric, unit, None, unit in ("s", "ms"))
        for (server, metric), unit in more.items()
        if (server, metric) not in shown
    ]
    body = []
    for row in measured + rest:
        found = [figures.spread(row, who) for who in CONTENDERS]
        if any(found):
            body.append([row.title, row.unit, *(spread(values) if values else "–" for values in found)])
    return table(["", "unit", *CONTENDERS], body)


def spread(values):
    """The median between the least and the most."""
    return f"{short(min(values))} **{short(statistics.median(values))}** {short(max(values))}"


def cost_table(samples):
    """What the works cost."""
    grouped, works = defaultdict(list), {}
    for sample in samples:
        if "value" in sample and sample["metric"] not in ("cpu_per_gib", "rand_first_p50", "small_p99"):
            key = sample["server"], sample["metric"]
            works[key] = None
            grouped[key, sample["contender"]].append(sample)
    body = []
    for key in works:
        cells = []
        for who in CONTENDERS:
            found = grouped[key, who]
            names = ("daemon_cpu", "server_cpu", "rss_mib", "foreign")
            cpu, server, rss, foreign = (statistics.median(s[name] for s in found) if found else 0 for name in names)
            cells.append(f"{cpu:.2f} / {server:.2f} / {rss:.0f} / {foreign:.0%}" if found else "–")
        body.append([" ".join(key), *cells])
    return table(["", *CONTENDERS], body)


def short(value):
    """Three digits that count."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def table(head, body):
    """A table in Markdown."""
    rule = ["---"] * len(head)
    return "\n".join("| " + " | ".join(line) + " |" for line in [head, rule, *body])


if __name__ == "__main__":
    if not sys.argv[1:]:
        sys.exit("usage: report.py DIR...")
    given = [Path(name) for name in sys.argv[1:]]
    print(write(given))
    print(draw(given, sys.executable))
