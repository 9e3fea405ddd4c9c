"""Processes of the benchmark's own: none of them outlives it, however it ends."""

import os
import signal
import subprocess


def start(command, *, log, env=None, stdin=subprocess.DEVNULL, stdout=None):
    """Starts a program that is killed should we die, and that no Ctrl-C of the terminal reaches but through us."""
    with open(log, "ab") as errors:
        return subprocess.Popen(
            ["setpriv", "--pdeathsig", "TERM", "--", *map(str, command)],
            env=clean_environment(env or {}),
            stdin=stdin,
            stdout=errors if stdout is None else stdout,
            stderr=errors,
            start_new_session=True,
            text=True,
        )


def stop(process, patience=40):
    """Asks a program to end, and makes it where it does not. Returns whether it did by itself."""
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(patience)
        return True
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return False
    finally:
        for pipe in (process.stdin, process.stdout):
            if pipe:
                pipe.close()


def clean_environment(extra):
    """Nothing of the user's settings: neither S3 keys nor configuration files reach what is measured."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
    return {**kept, **extra}


def end_like_ctrl_c():
    """Lets SIGTERM and SIGHUP clean up as Ctrl-C does, and that also where a shell has turned it off."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
