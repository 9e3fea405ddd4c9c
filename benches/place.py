"""Where things are on this machine, and the data set."""

import itertools
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

MIB = 1 << 20


@dataclass
class Data:
    """The files of the bucket, as a directory on the disk: also what the native file system is measured with."""

    root: Path
    big: int
    parallel: int
    small: int = 100 << 10
    small_count: int = 200

    def plan(self):
        """Returns sizes by name."""
        files = {"big/one": self.big, **{f"big/part{i}": self.parallel for i in range(4)}}
        return files | {small_name(i): self.small for i in range(self.small_count)}

    def files(self):
        """Returns all files."""
        return [self.root / name for name in self.plan()]

    def make(self):
        """Writes what is missing, random bytes: nothing on the way can make them less."""
        for name, size in self.plan().items():
            path = self.root / name
            if path.exists() and path.stat().st_size == size:
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            with open(path, "wb") as file:
                for at in range(0, size, MIB):
                    file.write(os.urandom(min(MIB, size - at)))


def small_name(number):
    """Returns the name of a small object."""
    return f"lat/o{number:04d}"


@dataclass
class Place:
    """Directories and programs."""

    project: Path
    work: Path
    logs: Path
    data: Data
    cairnfs: Path
    s3server: Path

    @property
    def retired(self):
        """What was used and is empty."""
        return self.work / "retired"

    def retire(self, directory):
        """Takes `directory` away, and what its files hold. The files themselves stay until the end: ext4 without a journal
        does not use an inode again for some minutes, and whoever makes files after a removal looks at each of those."""
        if not directory.exists():
            return
        for at, directories, files in os.walk(directory):
            # nothing is changed through a mount that is left
            directories[:] = [name for name in directories if not os.path.ismount(os.path.join(at, name))]
            for path in (os.path.join(at, name) for name in files):
                if os.path.isfile(path) and not os.path.islink(path):
                    os.truncate(path, 0)
        self.retired.mkdir(exist_ok=True)
        directory.rename(next(p for n in itertools.count() if not (p := self.retired / str(n)).exists()))

    def clear(self):
        """Removes what was retired."""
        shutil.rmtree(self.retired, ignore_errors=True)

    @property
    def environment(self):
        """Where `benches/setup` puts things."""
        return Path(os.environ.get("CAIRNFS_TEST_ENV", self.project / ".test-env")) / "bench"
