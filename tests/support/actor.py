"""A process that does what a test tells it, one line at a time.

Each line on standard input is a JSON string with Python code. The answer, on standard output, is one line of JSON:
{"ok": value} for an expression or a statement, {"errno": "EACCES"} for a system call that failed,
{"error": traceback} for anything else.
"""
import ctypes
import errno
import fcntl
import hashlib
import json
import mmap
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback

mount, host = sys.argv[1:3]
libc = ctypes.CDLL(None, use_errno=True)
AT_FDCWD, RENAME_NOREPLACE, RENAME_EXCHANGE = -100, 1, 2
WRITE_NEW = os.O_WRONLY | os.O_CREAT | os.O_TRUNC


def p(path):
    """The path in the mount."""
    return os.path.join(mount, path)


def h(path):
    """The path on the host, beside the mount."""
    return os.path.join(host, path)


def content(seed, size):
    """The same bytes as support::data::content."""
    blocks = (hashlib.sha256(b"%d/%d" % (seed, i)).digest() for i in range((size + 31) // 32))
    return b"".join(blocks)[:size]


def sha(data):
    return hashlib.sha256(data).hexdigest()


def write_all(fd, data):
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view):]


def write(path, data, flags=WRITE_NEW):
    """Opens, writes, closes; an error of any of them is the answer."""
    fd = os.open(path, flags, 0o644)
    try:
        write_all(fd, data)
    except OSError:
        os.close(fd)
        raise
    os.close(fd)


def read(path):
    with open(path, "rb", buffering=0) as f:
        return f.readall()


def rename(old, new, flags):
    if libc.renameat2(AT_FDCWD, os.fsencode(old), AT_FDCWD, os.fsencode(new), flags) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def in_thread(act):
    """Runs `act` on a second thread and returns what it returned."""
    result = []
    thread = threading.Thread(target=lambda: result.append(act()))
    thread.start()
    thread.join()
    return result[0]


def in_child(act):
    """Runs `act` in a forked child and returns its exit status; the child ends without closing by hand."""
    pid = os.fork()
    if pid == 0:
        code = 99
        try:
            act()
            code = 0
        except OSError as e:
            code = e.errno
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def spawn(args, gate=None):
    """Runs a program by posix_spawn(3), other threads going on meanwhile, and waits for its end. What it has of our
    descriptors ends with its execve; before that it opens `gate`, a FIFO."""
    actions, pid = ctypes.create_string_buffer(256), ctypes.c_int()  # posix_spawn_file_actions_t: 80 bytes
    libc.posix_spawn_file_actions_init(actions)
    if gate:
        libc.posix_spawn_file_actions_addopen(actions, 100, os.fsencode(gate), os.O_RDONLY, 0)
    argv = (ctypes.c_char_p * (len(args) + 1))(*map(os.fsencode, args), None)
    code = libc.posix_spawn(ctypes.byref(pid), argv[0], actions, None, argv, None)
    libc.posix_spawn_file_actions_destroy(actions)
    if code != 0:
        raise OSError(code, os.strerror(code))
    os.waitpid(pid.value, 0)


def obey(code):
    try:
        try:
            return {"ok": eval(compile(code, "test", "eval"), globals())}
        except SyntaxError:
            exec(compile(code, "test", "exec"), globals())
            return {"ok": None}
    except OSError as e:
        return {"errno": errno.errorcode.get(e.errno, str(e.errno))}
    except BaseException:
        return {"error": traceback.format_exc()}


def main():
    # what a shell's child has: Python itself ignores SIGPIPE and turns SIGINT into an exception
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    for line in iter(sys.stdin.readline, ""):
        result = obey(json.loads(line))
        if isinstance(result.get("ok"), bytes):
            result["ok"] = sha(result["ok"])  # bytes are answered by their digest
        sys.stdout.write(json.dumps(result) + "\n")
        sys.stdout.flush()


main()
