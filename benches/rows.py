"""The rows of the table: what each shows, and what cairnfs is to reach in it."""

import json
import statistics
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

MOUNTPOINT = json.loads((Path(__file__).parent / "mountpoint.json").read_text())
PEERS = ("rclone-stream", "rclone-full", "s3fs")
# what every process needs, and what the cache keeps in memory by default
RSS_MIB = 128 + 64


@dataclass(frozen=True)
class Target:
    """`factor` times what `against` reached: "peers" (the best, Mountpoint's mark included), "raw", "native", or 1."""

    factor: float
    against: str


@dataclass(frozen=True)
class Row:
    """A line of the table."""

    title: str
    server: str
    metric: str
    unit: str
    target: Target | None
    less_is_better: bool = False


def rows():
    """Returns all rows, in order."""
    best, raw, native = Target(1.25, "peers"), Target(1.5, "raw"), Target(0.95, "native")
    cpu = "daemon CPU seconds per GiB, cold, "
    return [
        Row("cold sequential, SeaweedFS", "weed", "seq_cold", "MB/s", best),
        Row("cold sequential, nginx", "nginx", "seq_cold", "MB/s", best),
        Row("cold sequential, 20 ms a request", "delay20", "seq_cold", "MB/s", Target(0.85, "raw")),
        Row(cpu + "SeaweedFS", "weed", "cpu_per_gib", "s", Target(0.9, "1"), True),
        Row(cpu + "nginx", "nginx", "cpu_per_gib", "s", Target(0.9, "1"), True),
        Row(cpu + "20 ms", "delay20", "cpu_per_gib", "s", Target(0.9, "1"), True),
        Row("sequential, disk cache, page cache dropped", "weed", "seq_warm", "MB/s", native),
        Row("the same after a remount", "weed", "seq_remounted", "MB/s", native),
        Row("sequential, page cache, right after the cold read", "weed", "seq_again", "MB/s", native),
        Row("sequential, page cache, 5 s later", "weed", "seq_later", "MB/s", native),
        Row("random 4 KiB cold, the first 200: all", "weed", "rand_first_total", "s", raw, True),
        Row("random 4 KiB cold, the first 200: p50", "weed", "rand_first_p50", "ms", raw, True),
        Row("random 4 KiB cold, 10 s", "weed", "rand_cold", "IOPS", Target(1.0, "peers")),
        Row("random 4 KiB, disk cache", "weed", "rand_warm", "IOPS", Target(0.9, "native")),
        Row("open, 4 KiB, close of 200 cold objects: p50", "weed", "small_p50", "ms", Target(1.3, "raw"), True),
        Row("open, 4 KiB, close of 200 cold objects: p99", "weed", "small_p99", "ms", Target(1.3, "raw"), True),
        Row("200 cold objects of 100 KiB as listed, SeaweedFS", "weed", "walk", "files/s", best),
        Row("the same, 20 ms a request", "delay20", "walk", "files/s", best),
        Row("4 files at once cold, SeaweedFS", "weed", "par_cold", "MB/s", best),
        Row("4 files at once cold, nginx", "nginx", "par_cold", "MB/s", best),
        Row("peak memory (VmHWM) in all of these", "", "rss_mib", "MiB", Target(RSS_MIB, "1"), True),
    ]


class Figures:
    """Medians of what was measured."""

    def __init__(self, samples):
        self._values = defaultdict(lambda: defaultdict(list))
        self._memory = defaultdict(float)
        for sample in samples:
            if "value" not in sample:
                continue
            who = sample["contender"]
            self._values[sample["server"], sample["metric"], who][sample["variant"]].append(sample["value"])
            self._memory[who] = max(self._memory[who], sample["rss_mib"])

    def get(self, row, contender):
        """Returns the median of the best variant, and which that is; `None` where there is none."""
        if row.metric == "rss_mib":
            # the most in any run: a median would hide it
            return (self._memory[contender], "") if self._memory[contender] else (None, "")
        variants = self._values.get((row.server, row.metric, contender))
        if not variants:
            return None, ""
        medians = [(statistics.median(values), variant) for variant, values in variants.items()]
        return (min if row.less_is_better else max)(medians)

    def spread(self, row, contender):
        """Returns all values of the best variant."""
        _, variant = self.get(row, contender)
        return self._values.get((row.server, row.metric, contender), {}).get(variant, [])

    def marks(self, row):
        """Returns where Mountpoint would be here, as far from rclone and from the bare client as it was elsewhere."""
        known = MOUNTPOINT["figures"].get(f"{row.server} {row.metric}", {})
        marks = {}
        for other in known.keys() - {"mountpoint"}:
            here, _ = self.get(row, other)
            if here is not None:
                marks["raw" if other == "raw" else "rclone"] = known["mountpoint"] / known[other] * here
        return marks

    def mark(self, row):
        """Returns the mark that counts: the one by rclone."""
        return self.marks(row).get("rclone")

    def limit(self, row):
        """Returns what the target is a multiple of, and its name; `None` where that was not measured."""
        if row.target.against == "1":
            return 1.0, ""
        if row.target.against != "peers":
            return self.get(row, row.target.against)[0], row.target.against
        found = [(value, peer) for peer in PEERS if (value := self.get(row, peer)[0]) is not None]
        if (mark := self.mark(row)) is not None:
            found.append((mark, "Mountpoint's mark"))
        if not found:
            return None, "peers"
        return (min if row.less_is_better else max)(found)

    def verdict(self, row):
        """Returns (what is to be reached, against whom, the ratio that was reached, whether that is enough)."""
        (limit, name), (ours, _) = self.limit(row), self.get(row, "cairnfs")
        if limit is None:
            return None, name, None, None
        goal = row.target.factor * limit
        if ours is None:
            return goal, name, None, None
        return goal, name, ours / limit, ours <= goal if row.less_is_better else ours >= goal
