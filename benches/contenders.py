"""Who reads: cairnfs, the peers with the options that served them best here, and the native file system."""

import json
import os
import shutil
import subprocess
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import processes
import s3

SETTINGS = """\
# the folders of the benchmark, none with an extension list; everything else as cairnfs has it
[[domain]]
name = "big"
template = "big/{filename}"
[[domain]]
name = "lat"
template = "lat/{filename}"
[[domain]]
name = "flat"
template = "flat/{filename}"
[[domain]]
name = "tree"
template = "tree/{directory}/{filename}"
[[domain]]
name = "out"
template = "out/{filename:path}"
"""

RCLONE_SETTINGS = """\
[store]
type = s3
provider = {provider}
access_key_id = {access}
secret_access_key = {secret}
endpoint = {endpoint}
region = {region}
force_path_style = true
"""


class Native:
    """A directory on the disk. It has no daemon, and no state but the page cache."""

    name = "native"
    pid = None
    # with its page cache empty, cold and warm are one thing to it
    has_disk_cache = True
    settle = 0

    def __init__(self, place):
        self.root = place.data.root

    @contextmanager
    def mounted(self, _server, fresh=True):
        """Is always there."""
        yield self


class Mounted:
    """A file system of a daemon. `command` and `prepare` say how one is started."""

    # how long what was read may still be on its way to the disk cache before that is measured or unmounted
    settle = 2

    def __init__(self, place):
        self.place = place
        self.home = place.work / self.name
        self.root = self.home / "mnt"
        self.cache = self.home / "cache"
        self.log = place.logs / f"{self.name}.log"
        self.process = None

    @property
    def pid(self):
        """The daemon's, while one runs."""
        return self.process and self.process.pid

    @contextmanager
    def mounted(self, server, fresh=True):
        """Runs a new daemon; `fresh` means that it finds nothing of those before it."""
        # of a run that was killed: nothing may be removed through a mount
        unmount(self.root)
        if fresh:
            self.place.retire(self.home)
        for directory in (self.root, self.cache):
            directory.mkdir(parents=True, exist_ok=True)
        environment = {"HOME": str(self.home), "XDG_RUNTIME_DIR": str(self.home), **self.prepare(server)}
        try:
            self.process = processes.start(self.command(server), log=self.log, env=environment)
            self._wait()
            with self._watched():
                yield self
        finally:
            self._end()

    def _wait(self):
        deadline = time.monotonic() + 60
        while not os.path.ismount(self.root):
            if self.process.poll() is not None:
                raise RuntimeError(f"{self.name} ended by itself, see {self.log}")
            if time.monotonic() > deadline:
                raise RuntimeError(f"{self.name} does not mount, see {self.log}")
            time.sleep(0.02)

    @contextmanager
    def _watched(self):
        """Kills a daemon that hangs, so that whoever reads gets an error and the next has his turn."""
        timer = threading.Timer(300, self.process.kill)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _end(self):
        if self.process:
            processes.stop(self.process)
        self.process = None
        unmount(self.root)


def unmount(root):
    """Takes away what a daemon left."""
    for way in ([], ["-l"]):
        if os.path.ismount(root) or is_dead(root):
            subprocess.run(["umount", *way, root], stderr=subprocess.DEVNULL, check=False)


def is_dead(root):
    """Whether a mount is there whose daemon is gone."""
    try:
        root.stat()
        return False
    except FileNotFoundError:
        return False
    except OSError:
        return True


class Cairnfs(Mounted):
    """What this is about."""

    name = "cairnfs"
    has_disk_cache = True

    @staticmethod
    def missing(_place):
        """It was built before."""
        return None

    def prepare(self, server):
        """Writes its configuration."""
        settings = self.place.work / "cairnfs.toml"
        # a server that takes no writes: do not try
        settings.write_text(SETTINGS + ("\n[mount]\nread_only = true\n" if server.read_only else ""))
        self.settings = settings
        return {"S3_ACCESS_KEY": s3.ACCESS_KEY, "S3_SECRET_KEY": s3.SECRET_KEY}

    def command(self, server):
        """In the foreground, with directories of its own."""
        own = ["--state-dir", self.home / "state", "--cache-dir", self.cache, "--config", self.settings]
        where = [f"s3://{s3.BUCKET}", self.root, "--endpoint-url", server.endpoint, "--region-name", s3.REGION]
        return [self.place.cairnfs, "mount", *where, *own]

    def status(self):
        """Returns what it says of itself."""
        done = self._ask("status", self.root)
        return done.stdout + done.stderr

    def unwritten(self):
        """How many bytes of what was read did not get to the disk cache in time."""
        return json.loads(self._ask("cache", "stat", "--json", self.root).stdout)["unwritten_bytes"]

    def _ask(self, *command):
        environment = processes.clean_environment({"HOME": str(self.home), "XDG_RUNTIME_DIR": str(self.home)})
        command = [self.place.cairnfs, *command]
        return subprocess.run(command, capture_output=True, text=True, timeout=30, env=environment, check=False)


class Rclone(Mounted):
    """rclone mount."""

    OPTIONS = (
        "--use-server-modtime --no-checksum --dir-cache-time 5m --attr-timeout 60s --transfers 16 "
        "--s3-upload-concurrency 4 --s3-chunk-size 16M --s3-no-check-bucket --vfs-cache-max-size 50G "
        "--vfs-read-chunk-streams 2 --vfs-read-chunk-size 32M --vfs-fast-fingerprint"
    )

    @staticmethod
    def program(place):
        """From PyPI: Debian's is too old."""
        return place.environment / "bin/rclone"

    @classmethod
    def missing(cls, place):
        """Says why it cannot take part."""
        return None if cls.program(place).exists() else "rclone is not installed (benches/setup does it)"

    def prepare(self, server):
        """Writes its configuration."""
        provider = "SeaweedFS" if server.name == "weed" else "Other"
        self.settings = self.home / "rclone.conf"
        self.settings.write_text(
            RCLONE_SETTINGS.format(
                provider=provider,
                access=s3.ACCESS_KEY,
                secret=s3.SECRET_KEY,
                endpoint=server.endpoint,
                region=s3.REGION,
            )
        )
        return {}

    def command(self, _server):
        """In the foreground."""
        options = [*self.OPTIONS.split(), *self.MODE.split()]
        where = [f"store:{s3.BUCKET}", self.root, "--config", self.settings, "--cache-dir", self.cache]
        return [self.program(self.place), "mount", *where, *options]


class RcloneStream(Rclone):
    """Without a cache of what is read."""

    name = "rclone-stream"
    has_disk_cache = False
    MODE = "--vfs-cache-mode writes --max-read-ahead 1M --buffer-size 0"


class RcloneFull(Rclone):
    """With a cache on the disk."""

    name = "rclone-full"
    has_disk_cache = True
    # it writes its index 5 s after the last close; what is unmounted before that is lost
    settle = 8
    MODE = "--vfs-cache-mode full --vfs-read-ahead 64M"


class S3fs(Mounted):
    """s3fs-fuse, with its cache on the disk: there is no reading of it without that."""

    name = "s3fs"
    has_disk_cache = True
    OPTIONS = (
        "use_path_request_style,big_writes,max_read=131072,kernel_cache,multireq_max=64,parallel_count=4,"
        "multipart_size=52,max_stat_cache_size=200000,stat_cache_expire=900,enable_noobj_cache"
    )

    @staticmethod
    def missing(_place):
        """Says why it cannot take part."""
        return None if shutil.which("s3fs") else "s3fs is not installed (benches/setup does it)"

    def prepare(self, _server):
        """Writes its file of keys."""
        self.keys = self.home / "keys"
        self.keys.write_text(f"{s3.ACCESS_KEY}:{s3.SECRET_KEY}\n")
        self.keys.chmod(0o600)
        return {}

    def command(self, server):
        """In the foreground."""
        own = f"passwd_file={self.keys},url={server.endpoint},endpoint={s3.REGION},use_cache={self.cache}"
        return ["s3fs", s3.BUCKET, self.root, "-f", "-o", f"{own},{self.OPTIONS}"]


PEERS = {"rclone": [RcloneStream, RcloneFull], "s3fs": [S3fs]}


def programs(place):
    """How each program tells its version."""
    return {
        "cairnfs": [str(place.cairnfs), "--version"],
        "rclone": [str(Rclone.program(place)), "version"],
        "s3fs": ["s3fs", "--version"],
        "nginx": ["nginx", "-v"],
        "SeaweedFS": [str(Path(place.environment).parent / "seaweed/bin/weed"), "version"],
        "fio": ["fio", "--version"],
    }
