"""serve.py DIRECTORY: serves the files of a directory on a port of its own, which it prints first.

Parts of files (Range) are served as well: programs go on with a broken download that way.
"""
import http.server
import os
import re
import sys


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        try:
            with open(os.path.join(sys.argv[1], os.path.basename(self.path)), "rb") as f:
                data = f.read()
                modified = os.fstat(f.fileno()).st_mtime
        except OSError:
            return self.send_error(404)
        size, first = len(data), 0
        if part := re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", "")):
            first = int(part[1])
            if first >= size:
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{size}")
                self.send_header("Content-Length", "0")
                return self.end_headers()
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {first}-{size - 1}/{size}")
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(size - first))
        self.send_header("Last-Modified", self.date_time_string(modified))
        self.send_header("Accept-Ranges", "bytes")
        # browsers show what they can show
        self.send_header("Content-Type", "application/octet-stream")
        self.end_headers()
        self.wfile.write(data[first:])

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
