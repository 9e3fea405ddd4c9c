"""The same works by a client without a file system: what server and loopback give to somebody who only takes.

Large objects come over 4 and over 8 connections, each with one range and one buffer: the better of the two is the
limit. Everything else is one request after the other over one connection.
"""

import statistics
import time

import s3
import work
from machine import Meter
from place import MIB, small_name

CONNECTIONS = (4, 8)


class Raw:
    """The bare client."""

    name = "raw"

    def __init__(self, server):
        self.server = server

    def path(self, key):
        """The signed address of an object."""
        return s3.signed_path(self.server.endpoint, "GET", key)

    def pull(self, pieces):
        """Reads (path, first, size) at once, each over a connection of its own, and returns what was measured."""
        connections = [s3.Connection(self.server.endpoint) for _ in pieces]
        buffers = [bytearray(MIB) for _ in pieces]
        try:
            with Meter(None, self.server.pid) as meter:
                work.at_once(
                    [lambda c=c, b=b, p=p: c.get(*p, b) for c, b, p in zip(connections, buffers, pieces, strict=True)]
                )
        finally:
            for connection in connections:
                connection.close()
        return meter

    def sequential(self, data, _scale, _run):
        """One large object."""
        for count in CONNECTIONS:
            meter = self.pull(split(self.path("big/one"), data.big, count))
            yield {"seq_cold": work.rate(data.big, meter)}, "MB/s", meter.costs, f"{count} connections"
            cpu = meter.costs["client_cpu"] / (data.big / (1 << 30))
            yield {"cpu_per_gib": cpu}, "s", meter.costs, f"{count} connections"

    def parallel(self, data, _scale, _run):
        """Four large objects."""
        for count in CONNECTIONS:
            pieces = []
            for i in range(4):
                pieces += split(self.path(f"big/part{i}"), data.parallel, count // 4)
            meter = self.pull(pieces)
            yield {"par_cold": work.rate(4 * data.parallel, meter)}, "MB/s", meter.costs, f"{count} connections"

    def one_by_one(self, requests, size=4096):
        """GETs of (path, first) of `size` bytes each. Returns how long each took, and the meter."""
        connection, buffer, took = s3.Connection(self.server.endpoint), bytearray(65536), []
        try:
            # a connection that is warm, as a client that has listed has it
            connection.get(*requests[-1], size, buffer)
            with Meter(None, self.server.pid) as meter:
                for path, first in requests:
                    began = time.perf_counter()
                    connection.get(path, first, size, buffer)
                    took.append(time.perf_counter() - began)
        finally:
            connection.close()
        return took, meter

    def first_random(self, data, scale, run):
        """Ranged GETs at random places."""
        path = self.path("big/one")
        took, meter = self.one_by_one([(path, at) for at in work.offsets(scale.random_reads, data.big, run)])
        yield {"rand_first_total": meter.wall}, "s", meter.costs, ""
        yield {"rand_first_p50": statistics.median(took) * 1e3}, "ms", meter.costs, ""

    def small(self, data, _scale, run):
        """The first 4 KiB of many small objects."""
        took, meter = self.one_by_one([(self.path(name), 0) for name in work.shuffled(data, run)])
        yield work.percentiles(took), "ms", meter.costs, ""

    def walk(self, data, _scale, _run):
        """All small objects, one after the other."""
        names = [self.path(small_name(number)) for number in range(data.small_count)]
        _, meter = self.one_by_one([(name, 0) for name in names], data.small)
        yield {"walk": data.small_count / meter.wall}, "files/s", meter.costs, ""

    WORKS = {"seq": sequential, "first": first_random, "small": small, "walk": walk, "par": parallel}


def split(path, size, count):
    """Cuts an object into `count` ranges."""
    step = -(-size // count)
    return [(path, at, min(step, size - at)) for at in range(0, size, step)]
