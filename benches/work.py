"""What is read through a file system, the same for all. Each work yields a row of figures with what it cost."""

import json
import os
import random
import statistics
import subprocess
import threading
import time
from dataclasses import dataclass

from machine import Meter, drop_caches
from place import MIB, small_name

# how long after the cold read a file that was looked at meanwhile is read again, in seconds: on machines whose memory is slow to
# come, cairnfs needs two or three of them to bring a GiB into it
LATER = 5


@dataclass
class Scale:
    """How much is done."""

    fio_seconds: int = 10
    random_reads: int = 200


def read_all(path):
    """Reads a file as `dd bs=1M of=/dev/null` does, and returns how long it is."""
    buffer, total = [bytearray(MIB)], 0
    file = os.open(path, os.O_RDONLY)
    try:
        while got := os.readv(file, buffer):
            total += got
    finally:
        os.close(file)
    return total


def rate(size, meter):
    """MB/s."""
    return size / 1e6 / meter.wall


def read_big(fs, server, data):
    """Reads the large file, and returns MB/s and the costs."""
    with Meter(fs.pid, server.pid) as meter:
        size = read_all(fs.root / "big/one")
    expect(size, data.big)
    return rate(size, meter), meter.costs


def sequential(fs, server, data, _scale, _run):
    """One large file that nobody has read."""
    with fs.mounted(server):
        drop_caches()
        speed, costs = read_big(fs, server, data)
        yield {"seq_cold": speed}, "MB/s", costs
        if fs.pid:
            yield {"cpu_per_gib": costs["daemon_cpu"] / (data.big / (1 << 30))}, "s", costs


def cached(fs, server, data, scale, run):
    """A large file that was read before: from the page cache, from the disk cache, and from that after a remount."""
    with fs.mounted(server):
        expect(read_all(fs.root / "big/one"), data.big)
        yield read_big_often(fs, server, data, "seq_again")
        time.sleep(max(LATER, fs.settle))
        yield read_big_often(fs, server, data, "seq_later")
        if not fs.has_disk_cache:
            return
        yield read_big_often(fs, server, data, "seq_warm", before=drop_caches)
    with fs.mounted(server, fresh=False):
        yield read_big_often(fs, server, data, "seq_remounted", before=drop_caches)
        drop_caches()
        with Meter(fs.pid, server.pid) as meter:
            iops = fio(fs.root / "big/one", scale.fio_seconds, run)
        yield {"rand_warm": iops}, "IOPS", meter.costs


def read_big_often(fs, server, data, name, before=lambda: None):
    """Reads the large file several times, each after `before`, and returns the median as a row: a read of a tenth of a second
    or two says little by itself. An even number, since some machines are fast and slow in turn."""
    reads = []
    for _ in range(6):
        before()
        reads.append(read_big(fs, server, data))
    (low, low_costs), (high, high_costs) = sorted(reads, key=lambda read: read[0])[2:4]
    return {name: (low + high) / 2}, "MB/s", {what: (low_costs[what] + high_costs[what]) / 2 for what in low_costs}


def offsets(count, size, run):
    """Page-aligned places in a file, others in each run, the same for all in it."""
    dice = random.Random(run)
    return [dice.randrange(size >> 12) << 12 for _ in range(count)]


def first_random(fs, server, data, scale, run):
    """The first random reads of a large file that nobody has read."""
    with fs.mounted(server):
        drop_caches()
        took = []
        with Meter(fs.pid, server.pid) as meter:
            file = os.open(fs.root / "big/one", os.O_RDONLY)
            for offset in offsets(scale.random_reads, data.big, run):
                began = time.perf_counter()
                got = os.pread(file, 4096, offset)
                took.append(time.perf_counter() - began)
                expect(len(got), 4096)
            os.close(file)
        yield {"rand_first_total": meter.wall}, "s", meter.costs
        yield {"rand_first_p50": statistics.median(took) * 1e3}, "ms", meter.costs


def fio(path, seconds, run):
    """Random reads of 4 KiB, one at a time, at places that depend on `run` only. Returns how many a second."""
    command = ["fio", "--name=random", f"--filename={path}", "--readonly", "--rw=randread", "--bs=4k", "--numjobs=1"]
    command += ["--ioengine=psync", "--iodepth=1", "--time_based", f"--runtime={seconds}", "--fallocate=none"]
    command += [f"--randseed={run + 1}", "--output-format=json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 240, check=True)
    return json.loads(done.stdout[done.stdout.index("{") :])["jobs"][0]["read"]["iops"]


def random_cold(fs, server, _data, scale, run):
    """Random reads for some seconds, of a large file that nobody has read."""
    with fs.mounted(server):
        drop_caches()
        with Meter(fs.pid, server.pid) as meter:
            iops = fio(fs.root / "big/one", scale.fio_seconds, run)
        yield {"rand_cold": iops}, "IOPS", meter.costs


def shuffled(data, run):
    """The small objects in an order that depends on the run only."""
    names = [small_name(i) for i in range(data.small_count)]
    random.Random(run).shuffle(names)
    return names


def small(fs, server, data, _scale, run):
    """Open, the first 4 KiB and close of many small files that nobody has read."""
    with fs.mounted(server):
        drop_caches()
        took = []
        with Meter(fs.pid, server.pid) as meter:
            for name in shuffled(data, run):
                began = time.perf_counter()
                file = os.open(fs.root / name, os.O_RDONLY)
                got = os.read(file, 4096)
                os.close(file)
                took.append(time.perf_counter() - began)
                expect(len(got), 4096)
        yield percentiles(took), "ms", meter.costs


def percentiles(took):
    """Median and 99th percentile in ms."""
    ordered = sorted(took)
    return {"small_p50": statistics.median(ordered) * 1e3, "small_p99": ordered[int(len(ordered) * 0.99) - 1] * 1e3}


def walk(fs, server, data, _scale, _run):
    """Copies a directory of small files that nobody has read, one after the other as they are listed."""
    with fs.mounted(server):
        drop_caches()
        with Meter(fs.pid, server.pid) as meter:
            with os.scandir((fs.root / small_name(0)).parent) as entries:
                sizes = [read_all(entry.path) for entry in entries]
        expect(sizes, [data.small] * data.small_count)
        yield {"walk": len(sizes) / meter.wall}, "files/s", meter.costs


def parallel(fs, server, data, _scale, _run):
    """Four large files at once."""
    with fs.mounted(server):
        drop_caches()
        with Meter(fs.pid, server.pid) as meter:
            sizes = at_once([lambda i=i: read_all(fs.root / f"big/part{i}") for i in range(4)])
        expect(sizes, [data.parallel] * 4)
        yield {"par_cold": rate(sum(sizes), meter)}, "MB/s", meter.costs


def at_once(calls):
    """Runs every call in a thread of its own, and returns what they returned. The first error is ours."""
    results, errors = [None] * len(calls), []

    def run(number):
        try:
            results[number] = calls[number]()
        except Exception as error:  # noqa: BLE001
            errors.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return results


def expect(got, wanted):
    """A figure for something that was not read is none."""
    if got != wanted:
        raise RuntimeError(f"read {got} where {wanted} is there")


WORKS = {
    "seq": sequential,
    "cached": cached,
    "first": first_random,
    "rand": random_cold,
    "small": small,
    "walk": walk,
    "par": parallel,
}
