"""patterns.py PROGRAM SOURCE TARGET: makes the system calls with which a program saves SOURCE as TARGET.

Each function is what was seen of that program, or is known of it from its makers; the names are those that it uses.
"""
import fcntl
import os
import secrets
import struct
import sys

source, target = sys.argv[2:4]
here, name = os.path.split(target)
data = open(source, "rb").read()
NEW = os.O_CREAT | os.O_EXCL
READ_WRITE = os.O_RDWR


def beside(other):
    return os.path.join(here, other)


def put(fd, content, at=0, block=65536):
    for i in range(0, len(content), block):
        os.pwrite(fd, content[i:i + block], at + i)


def make(path, content, flags=os.O_WRONLY | NEW):
    fd = os.open(path, flags, 0o644)
    put(fd, content)
    os.close(fd)


def lock(fd):
    """A lock on one byte, as Office and LibreOffice take them."""
    fcntl.fcntl(fd, fcntl.F_SETLK, struct.pack("hhqqi", fcntl.F_WRLCK, 0, 1 << 30, 1, 0))


def explorer():
    """A copy: the final size first, then blocks, not in order; a second open sets the times."""
    fd = os.open(target, READ_WRITE | os.O_CREAT, 0o744)
    os.ftruncate(fd, 0)
    os.ftruncate(fd, len(data))
    half = len(data) // 2 // 65536 * 65536
    put(fd, data[half:], half)
    put(fd, data[:half])
    os.utime(fd, (1500000000, 1500000000))
    os.close(fd)


def explorer_two_step():
    """A copy to a share by WebDAV: an empty file, closed, then opened again and filled."""
    os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644))
    make(target, data, os.O_WRONLY | os.O_TRUNC)


def chromium():
    part = beside(".org.chromium.Chromium." + secrets.token_hex(3))
    make(part, data)
    loading = target + ".crdownload"
    os.close(os.open(loading, os.O_WRONLY | NEW, 0o600))
    os.rename(part, loading)
    if not os.path.exists(target):
        os.close(os.open(target, os.O_WRONLY | NEW, 0o600))
    os.rename(loading, target)
    os.chmod(target, 0o644)


def chromium_headless():
    loading = target + ".crdownload"
    os.close(os.open(loading, os.O_WRONLY | NEW, 0o600))
    make(loading, data[:100000], os.O_WRONLY | os.O_TRUNC)
    fd = os.open(loading, READ_WRITE)
    put(fd, data[100000:], 100000)
    os.fsync(fd)
    os.close(fd)
    if not os.path.exists(target):
        os.close(os.open(target, os.O_WRONLY | NEW, 0o600))
    os.rename(loading, target)


def firefox():
    """The final name is made at once and empty, the data goes to one beside it."""
    if not os.path.exists(target):
        os.close(os.open(target, os.O_WRONLY | NEW, 0o600))
    stem, extension = os.path.splitext(name)
    part = beside(stem + "." + secrets.token_urlsafe(6) + extension + ".part")
    make(part, data)
    os.rename(part, target)


def dolphin():
    """KIO copies a new file to its final name at once."""
    fd = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    os.fchmod(fd, 0o644)
    put(fd, data, block=512 * 1024)
    os.utime(fd, (1500000000, 1500000000))
    os.close(fd)
    os.chown(target, os.getuid(), os.getgid())


def dolphin_replace():
    part = target + ".part"
    make(part, data, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    if os.path.exists(target):
        os.unlink(target)
    os.rename(part, target)


def libreoffice():
    guard = beside(f".~lock.{name}#")
    make(guard, b",me,host,01.01.2020 00:00,file:///;")
    temp = beside("lu" + secrets.token_hex(4) + ".tmp")
    os.close(os.open(temp, READ_WRITE | NEW, 0o600))
    fd = os.open(temp, READ_WRITE)
    lock(fd)
    put(fd, data, block=32768)
    os.fsync(fd)
    os.close(fd)
    if os.path.exists(target):
        os.rename(temp, target)
        os.chmod(target, 0o644)
    else:
        make(target, open(temp, "rb").read())
        os.unlink(temp)
    fd = os.open(target, READ_WRITE)
    lock(fd)
    os.fsync(fd)
    os.close(fd)
    os.unlink(guard)


def word():
    owner = beside("~$" + name[2:])
    make(owner, b"me".ljust(162, b"\0"))
    temp, old = beside("~WRD0001.tmp"), beside("~WRL0002.tmp")
    make(temp, data)
    replaces = os.path.exists(target)
    if replaces:
        os.rename(target, old)
    os.rename(temp, target)
    if replaces:
        os.unlink(old)
    os.unlink(owner)


def excel():
    owner = beside("~$" + name)
    make(owner, b"me".ljust(165, b"\0"))
    temp = beside(secrets.token_hex(4).upper())
    make(temp, data)
    if os.path.exists(target):
        os.unlink(target)
    os.rename(temp, target)
    os.unlink(owner)


def winscp():
    part = target + ".filepart"
    make(part, data)
    if os.path.exists(target):
        os.unlink(target)
    os.rename(part, target)


def nautilus_replace():
    """GLib looks first whether it may write the old file, and renames the new one while it is open."""
    if os.path.exists(target):
        os.close(os.open(target, os.O_WRONLY | os.O_NOFOLLOW))
    temp = beside(".goutputstream-" + secrets.token_hex(3).upper())
    fd = os.open(temp, os.O_WRONLY | NEW, 0o600)
    put(fd, data, block=len(data))
    os.fsync(fd)
    os.rename(temp, target)
    os.close(fd)
    os.chmod(target, 0o644)


def litter():
    content = b"of no use to anybody"
    make(os.path.join(os.path.dirname(source), "litter"), content)
    for other in [".DS_Store", "._" + name, "Thumbs.db", "desktop.ini", ".directory"]:
        make(beside(other), content)
    make(target, data)


{f.__name__: f for f in (
    explorer, explorer_two_step, chromium, chromium_headless, firefox, dolphin, dolphin_replace, libreoffice, word,
    excel, winscp, nautilus_replace, litter,
)}[sys.argv[1]]()
