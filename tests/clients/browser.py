"""browser.py chromium|firefox PROFILE FOLDER URL...: downloads into FOLDER as a browser without a window does.

Steers it by the browser's own protocol for that (DevTools, Marionette). Ends when every download has ended: 0, or 1 with the
word for it where one was interrupted.
"""
import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.request

PATIENCE = 60
which, profile, folder, *urls = sys.argv[1:]


def wait_for(what, look):
    until = time.monotonic() + PATIENCE
    while not (found := look()):
        if time.monotonic() > until:
            raise SystemExit(f"no {what}")
        time.sleep(0.05)
    return found


class WebSocket:
    """As much of RFC 6455 as DevTools needs."""

    def __init__(self, url):
        host, port, path = re.fullmatch(r"ws://([^:]+):(\d+)(/.*)", url).groups()
        self.stream = socket.create_connection((host, int(port)), PATIENCE)
        self.stream.sendall(
            f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode())
        self.file = self.stream.makefile("rb")
        while self.file.readline().strip():
            pass

    def send(self, message):
        data = json.dumps(message).encode()
        self.stream.sendall(b"\x81" + bytes([0x80 | 126]) + len(data).to_bytes(2, "big") + bytes(4) + data)

    def receive(self):
        length = self.file.read(2)[1] & 0x7F
        if length > 125:
            length = int.from_bytes(self.file.read(2 if length == 126 else 8), "big")
        return json.loads(self.file.read(length))


def chromium():
    program = subprocess.Popen(
        ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
         f"--user-data-dir={profile}", "--remote-debugging-port=0", "about:blank"],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        port_file = os.path.join(profile, "DevToolsActivePort")
        port = wait_for("DevTools", lambda: os.path.exists(port_file) and open(port_file).readline().strip())
        version = json.load(urllib.request.urlopen(f"http://127.0.0.1:{port}/json/version"))
        tools = WebSocket(version["webSocketDebuggerUrl"])
        tools.send({"id": 1, "method": "Browser.setDownloadBehavior",
                    "params": {"behavior": "allow", "downloadPath": folder, "eventsEnabled": True}})
        for url in urls:
            tools.send({"id": 2, "method": "Target.createTarget", "params": {"url": url}})
        states = []
        while len(states) < len(urls):
            message = tools.receive()
            state = message.get("params", {}).get("state")
            if message.get("method") == "Browser.downloadProgress" and state != "inProgress":
                states.append(state)
        tools.send({"id": 3, "method": "Browser.close"})
        program.wait(PATIENCE)
        return [state for state in states if state != "completed"]
    finally:
        program.kill()
        program.wait()


bad = {f.__name__: f for f in (chromium,)}[which]()
if bad:
    raise SystemExit(f"downloads: {', '.join(bad)}")
