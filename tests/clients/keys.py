"""keys.py PROGRAM [ARGUMENT...]: drives a program at a terminal, as somebody at a keyboard does.

Standard input says how, one step a line: `wait TEXT` until TEXT is on the screen since the last key was sent, `keys KEYS`
(with Python's escapes) and `end`, until the program has ended. Ends with the program's exit code.
"""
import codecs
import os
import pty
import select
import sys
import time

PATIENCE = 20

pid, terminal = pty.fork()
if pid == 0:
    os.environ["TERM"] = "xterm"
    os.execvp(sys.argv[1], sys.argv[1:])
screen = b""


def look(seconds):
    """Takes in what the program writes; returns whether there was something."""
    global screen
    if not select.select([terminal], [], [], seconds)[0]:
        return False
    try:
        data = os.read(terminal, 65536)
    except OSError:  # the program has closed the terminal
        data = b""
    screen += data
    return bool(data)


def give_up(step):
    os.kill(pid, 9)
    sys.exit(f"no '{step}'; the screen has: {screen!r}")


for line in sys.stdin.read().splitlines():
    step, _, text = line.partition(" ")
    until = time.monotonic() + PATIENCE
    if step == "wait":
        while text.encode() not in screen:
            look(0.1)
            if time.monotonic() > until:
                give_up(line)
    elif step == "keys":
        while look(0):
            pass
        screen = b""
        os.write(terminal, codecs.decode(text, "unicode_escape").encode())
    elif step == "end":
        while (ended := os.waitpid(pid, os.WNOHANG))[0] == 0:
            look(0.05)
            if time.monotonic() > until:
                give_up(line)
        sys.exit(os.waitstatus_to_exitcode(ended[1]))
    else:
        sys.exit(f"what is '{line}'?")
