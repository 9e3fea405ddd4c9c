"""desktop.py: does on a screen what a person does there, and sees what a screen reader reads out.

Standard input says how, one step a line:

    window TITLE       waits for a window whose title begins so, and goes there
    closed TITLE       waits until there is none
    keys KEY...        presses keys (xdotool's names)
    type TEXT          types a text
    see TEXT           waits until something on the screen contains the text, and prints it
    unseen TEXT        waits until nothing does
    press NAME         waits for a button of that name, and presses it
    drag NAME TITLE    drags what has that name onto the middle of a window

What is in a list of files is not read but to drag it: Thunar does not always survive that its list is looked at while
it changes. Fails with what is on the screen when a step does not come true.
"""
import subprocess
import sys
import time

import pyatspi

PATIENCE = 20
LISTS = (pyatspi.ROLE_TABLE, pyatspi.ROLE_TREE_TABLE, pyatspi.ROLE_MENU_BAR, pyatspi.ROLE_TOOL_BAR)


def xdotool(*arguments):
    return subprocess.run(["xdotool", *map(str, arguments)], capture_output=True, text=True)


def below(node, lists):
    """Everything that is showing at or below a node; nodes come and go meanwhile."""
    try:
        role = node.getRole()
        if role not in (pyatspi.ROLE_DESKTOP_FRAME, pyatspi.ROLE_APPLICATION):
            if (role in LISTS and not lists) or not node.getState().contains(pyatspi.STATE_SHOWING):
                return
            yield node
        children = list(node)
    except Exception:  # of any kind: it has gone
        return
    for child in children:
        if child is not None:
            yield from below(child, lists)


def screen(lists=False):
    return below(pyatspi.Registry.getDesktop(0), lists)


def name(node):
    try:
        return node.name or ""
    except Exception:  # of any kind: it has gone
        return ""


def find(holds, lists=False):
    return next((node for node in screen(lists) if holds(node)), None)


def wait_for(step, look):
    until = time.monotonic() + PATIENCE
    while True:
        if found := look():
            return found
        if time.monotonic() > until:
            shown = sorted({name(node) for node in screen()} - {""})
            sys.exit(f"no '{step}'; the screen has: {'; '.join(shown)}")
        time.sleep(0.05)


def window(title):
    for number in xdotool("search", "--onlyvisible", "--name", f"^{title}").stdout.split():
        return number


def goes_to(title):
    number = window(title)
    if number and xdotool("getactivewindow").stdout.strip() != number:
        xdotool("windowactivate", number)
    return number and xdotool("getactivewindow").stdout.strip() == number


def middle(node):
    box = node.queryComponent().getExtents(pyatspi.DESKTOP_COORDS)
    return box.x + min(box.width // 2, 20), box.y + box.height // 2


def drag(node, title):
    from_x, from_y = middle(node)
    place = dict(line.split("=") for line in xdotool("getwindowgeometry", "--shell", window(title)).stdout.split())
    to_x = int(place["X"]) + int(place["WIDTH"]) * 2 // 3
    to_y = int(place["Y"]) + int(place["HEIGHT"]) * 3 // 4
    xdotool("mousemove", from_x, from_y, "mousedown", 1)
    # it is a drag only from some pixels on, and its goal is asked at every motion
    for part in range(1, 11):
        xdotool("mousemove", from_x + (to_x - from_x) * part // 10, from_y + (to_y - from_y) * part // 10)
        time.sleep(0.05)
    xdotool("mouseup", 1)


for line in sys.stdin.read().splitlines():
    step, _, text = line.strip().partition(" ")
    if step == "window":
        wait_for(line, lambda: goes_to(text))
    elif step == "closed":
        wait_for(line, lambda: not window(text))
    elif step == "keys":
        xdotool("key", *text.split())
    elif step == "type":
        xdotool("type", text)
    elif step == "see":
        print(name(wait_for(line, lambda: find(lambda node: text in name(node)))))
    elif step == "unseen":
        wait_for(line, lambda: not find(lambda node: text in name(node)))
    elif step == "press":
        button = wait_for(line, lambda: find(
            lambda node: node.getRole() == pyatspi.ROLE_PUSH_BUTTON and name(node) == text))
        button.queryAction().doAction(0)
    elif step == "drag":
        what, _, title = text.partition(" ")
        drag(wait_for(line, lambda: find(lambda node: name(node) == what, lists=True)), title)
    else:
        sys.exit(f"what is '{line}'?")
