"""What /proc tells: who used the processors and how much memory, and which machine this is."""

import os
import platform
import shutil
import subprocess
import time

HZ = os.sysconf("SC_CLK_TCK")
CORES = os.cpu_count()


def family(pid):
    """Returns `pid` and all processes below it."""
    children = {}
    for entry in filter(str.isdigit, os.listdir("/proc")):
        fields = _stat(entry)
        if fields:
            children.setdefault(int(fields[1]), []).append(int(entry))
    found, left = [], [pid]
    while left:
        found.append(left.pop())
        left += children.get(found[-1], [])
    return found


def _stat(pid):
    """Returns the fields of /proc/PID/stat that follow the name, nothing for a process that is gone."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()
    except OSError:
        return None


def cpu_seconds(pids):
    """User and system time of processes and of their children that have ended."""
    return sum(sum(map(int, fields[11:15])) for fields in map(_stat, pids) if fields) / HZ


def peak_rss_mib(pids):
    """The most that the processes ever had in memory (VmHWM), each for itself, summed."""
    kib = 0
    for pid in pids:
        try:
            with open(f"/proc/{pid}/status") as file:
                kib += sum(int(line.split()[1]) for line in file if line.startswith("VmHWM:"))
        except OSError:
            pass
    return kib / 1024


def busy_seconds():
    """What all processors together have done since the start of the machine, stolen time included."""
    with open("/proc/stat") as file:
        ticks = [int(word) for word in file.readline().split()[1:9]]
    return (sum(ticks) - ticks[3] - ticks[4]) / HZ


def drop_caches():
    """Empties the page cache, with what is not written yet written first."""
    os.sync()
    with open("/proc/sys/vm/drop_caches", "w") as file:
        file.write("3")
    time.sleep(0.3)


class Meter:
    """Measures what happens in a `with`: `wall`, and `costs` of a daemon, of its server and of everybody else."""

    def __init__(self, daemon, server):
        self.daemon, self.server = daemon, server

    def _now(self):
        daemon = family(self.daemon) if self.daemon else []
        server = family(self.server) if self.server else []
        ours = sum(os.times()[:4])
        return cpu_seconds(daemon), cpu_seconds(server), ours, busy_seconds(), peak_rss_mib(daemon)

    def __enter__(self):
        self._before = self._now()
        self._began = time.perf_counter()
        return self

    def __exit__(self, *_):
        self.wall = time.perf_counter() - self._began
        now = self._now()
        daemon, server, client, busy = (after - before for after, before in zip(now[:4], self._before[:4], strict=True))
        foreign = max(0.0, busy - daemon - server - client) / (self.wall * CORES)
        self.costs = {
            "wall": round(self.wall, 4),
            "daemon_cpu": round(daemon, 2),
            "server_cpu": round(server, 2),
            "client_cpu": round(client, 2),
            "rss_mib": round(now[4], 1),
            "foreign": round(min(1.0, foreign), 3),
        }


def facts(project, programs, directory):
    """Returns what a reader of the figures should know of the machine; `programs` are version commands by name."""
    with open("/proc/cpuinfo") as file:
        models = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    with open("/proc/meminfo") as file:
        memory = int(file.readline().split()[1]) >> 20
    commit = _line(["git", "-C", str(project), "describe", "--always", "--dirty", "--abbrev=12"])
    return {
        "cores": CORES,
        "processor": models[0] if models else platform.machine(),
        "memory GiB": memory,
        "kernel": platform.release(),
        "disk": _line(["findmnt", "-no", "FSTYPE,SOURCE,OPTIONS", "-T", str(directory)]),
        "commit": commit,
        "python": platform.python_version(),
        **{name: _line(command) for name, command in programs.items() if shutil.which(command[0])},
    }


def _line(command):
    """The first line that a command prints, wherever it prints it."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)
    return (done.stdout.strip().splitlines() or [""])[0]
