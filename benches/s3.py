"""As much of an S3 client as the bare figures need: signed addresses, and requests over one socket without ado."""

import hashlib
import hmac
import http.client
import os
import socket
import time
from urllib.parse import quote, urlsplit

ACCESS_KEY = "cairnfs-bench-key"
SECRET_KEY = "cairnfs-bench-secret"
REGION = "us-east-1"
BUCKET = "bench"


def signed_path(endpoint, method, key):
    """Returns path and query of a request that is signed for a day (Signature Version 4, in the query)."""
    host = urlsplit(endpoint).netloc
    now = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    scope = f"{now[:8]}/{REGION}/s3/aws4_request"
    path = f"/{BUCKET}/{quote(key)}"
    query = "&".join(
        f"{name}={quote(value, safe='')}"
        for name, value in [
            ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"),
            ("X-Amz-Credential", f"{ACCESS_KEY}/{scope}"),
            ("X-Amz-Date", now),
            ("X-Amz-Expires", "86400"),
            ("X-Amz-SignedHeaders", "host"),
        ]
    )
    request = f"{method}\n{path}\n{query}\nhost:{host}\n\nhost\nUNSIGNED-PAYLOAD"
    text = f"AWS4-HMAC-SHA256\n{now}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    secret = f"AWS4{SECRET_KEY}".encode()
    for word in (now[:8], REGION, "s3", "aws4_request"):
        secret = hmac.digest(secret, word.encode(), "sha256")
    return f"{path}?{query}&X-Amz-Signature={hmac.new(secret, text.encode(), 'sha256').hexdigest()}"


def upload(endpoint, key, file):
    """Stores a file under `key` in one request."""
    connection = http.client.HTTPConnection(urlsplit(endpoint).netloc, timeout=300, blocksize=1 << 20)
    try:
        with open(file, "rb") as body:
            length = {"Content-Length": str(os.fstat(body.fileno()).st_size)}
            connection.request("PUT", signed_path(endpoint, "PUT", key), body=body, headers=length)
            answer = connection.getresponse()
            text = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{key} cannot be stored: {answer.status} {text[:200]!r}")
    finally:
        connection.close()


class Connection:
    """One connection that is kept, for GETs of ranges. The least that a client can do: no parsing but the length."""

    def __init__(self, endpoint):
        place = urlsplit(endpoint)
        self._host = place.netloc
        self._socket = socket.create_connection((place.hostname, place.port), timeout=120)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def close(self):
        """Ends the connection."""
        self._socket.close()

    def get(self, path, first, size, into):
        """Reads `size` bytes from `first` on through the buffer `into`, which may be smaller than that."""
        head = f"GET {path} HTTP/1.1\r\nHost: {self._host}\r\nRange: bytes={first}-{first + size - 1}\r\n\r\n"
        self._socket.sendall(head.encode())
        got = self._body_begun(size, into)
        view = memoryview(into)
        while got < size:
            received = self._socket.recv_into(view[: min(len(view), size - got)])
            if not received:
                raise ConnectionError("the server ended in the middle of a body")
            got += received

    def _body_begun(self, size, into):
        """Reads the head of an answer, and returns how much of the body came with it."""
        have = 0
        while (end := into.find(b"\r\n\r\n", 0, have)) < 0:
            received = self._socket.recv_into(memoryview(into)[have : min(len(into), have + 65536)])
            if not received:
                raise ConnectionError("the server ended before its answer")
            have += received
        head = bytes(into[:end])
        length = [line.split(b":")[1] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        if head[9:12] not in (b"200", b"206") or [int(text) for text in length] != [size]:
            raise RuntimeError(f"not the answer that was asked for: {head[:300]!r}")
        return have - end - 4
