"""The S3 servers that everybody reads from. Each has its data in memory, so that an empty page cache costs it nothing."""

import html
import os
import random
import shutil
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import processes
import s3

MEMORY = Path("/dev/shm")
PREFIX = "cairnfs-bench-"


@dataclass
class Server:
    """Where it is, and the process whose time is the server's."""

    name: str
    endpoint: str
    pid: int
    read_only: bool = False


@contextmanager
def running(name, place):
    """Runs the server `name` with the data set as its bucket."""
    start = {"weed": seaweed, "nginx": nginx, "delay20": delay20}[name]
    forget_the_dead()
    memory = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=MEMORY))
    try:
        with start(place, memory) as server:
            yield server
    finally:
        shutil.rmtree(memory, ignore_errors=True)


def forget_the_dead():
    """Frees the memory that a benchmark held when it was killed."""
    for directory in MEMORY.glob(f"{PREFIX}*"):
        if not Path("/proc", directory.name.removeprefix(PREFIX).split("-")[0]).exists():
            shutil.rmtree(directory, ignore_errors=True)


@contextmanager
def seaweed(place, memory):
    """SeaweedFS, as the tests run it."""
    script = place.project / "tests/servers/start-seaweed.sh"
    command = [script, memory / "weed", free_ports(8), "--bucket", s3.BUCKET, "--until-eof"]
    with speaking(command, place) as words:
        server = Server("weed", words["ENDPOINT"], int(words["PID"]))
        fill(server, place)
        yield server


@contextmanager
def delay20(place, _memory):
    """The project's own server, which waits 20 ms before each request."""
    command = [place.s3server, "--bucket", s3.BUCKET, "--until-eof"]
    command += ["--access-key", s3.ACCESS_KEY, "--secret-key", s3.SECRET_KEY]
    with speaking([*command, "--delay-ms", "20"], place) as words:
        server = Server("delay20", words["ENDPOINT"], words["STARTED"])
        fill(server, place)
        yield server


@contextmanager
def speaking(command, place):
    """Runs a server that says in a line of NAME=VALUE where it is, and ends when its standard input does."""
    keys = {"S3_ACCESS_KEY": s3.ACCESS_KEY, "S3_SECRET_KEY": s3.SECRET_KEY}
    if "CAIRNFS_TEST_ENV" in os.environ:
        keys["CAIRNFS_TEST_ENV"] = os.environ["CAIRNFS_TEST_ENV"]
    log = place.logs / "server.log"
    process = processes.start(command, log=log, env=keys, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        line = process.stdout.readline()
        words = dict(word.split("=", 1) for word in line.split() if "=" in word)
        if "ENDPOINT" not in words:
            raise RuntimeError(f"{command[0]} does not start, see {log}")
        yield {**words, "STARTED": process.pid}
        process.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            process.wait(30)
    finally:
        processes.stop(process)


def fill(server, place):
    """Uploads the data set."""
    for file in place.data.files():
        s3.upload(server.endpoint, str(file.relative_to(place.data.root)), file)


@contextmanager
def nginx(place, memory):
    """nginx, which sends files with sendfile(2) and takes any signature; the answers to listings are files, too."""
    root = memory / "root"
    for file in place.data.files():
        copy = root / file.relative_to(place.data.root)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, copy)
    (memory / "lists").mkdir()
    folders = sorted(folder.name for folder in root.iterdir())
    write_list(memory, "root", "", [], folders)
    write_list(memory, "empty", "", [], [])
    for folder in folders:
        write_list(memory, folder, f"{folder}/", sorted((root / folder).iterdir()), [])
    port = free_ports(1)
    configuration = memory / "nginx.conf"
    configuration.write_text(nginx_configuration(memory, port, folders))
    process = processes.start(["nginx", "-p", memory, "-c", configuration], log=place.logs / "nginx.log")
    try:
        wait_for(port, process)
        yield Server("nginx", f"http://127.0.0.1:{port}", process.pid, read_only=True)
    finally:
        processes.stop(process)


def write_list(memory, name, prefix, files, folders):
    """Writes the answer to a ListObjectsV2 of `prefix`."""
    text = (
        '<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        f"<Name>{s3.BUCKET}</Name><Prefix>{prefix}</Prefix><Delimiter>/</Delimiter><MaxKeys>1000</MaxKeys>"
        f"<KeyCount>{len(files) + len(folders)}</KeyCount><IsTruncated>false</IsTruncated>"
    )
    for file in files:
        stat = file.stat()
        modified = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(int(stat.st_mtime)))
        # as nginx makes them
        etag = html.escape(f'"{int(stat.st_mtime):x}-{stat.st_size:x}"')
        text += (
            f"<Contents><Key>{prefix}{file.name}</Key><LastModified>{modified}</LastModified><ETag>{etag}</ETag>"
            f"<Size>{stat.st_size}</Size><StorageClass>STANDARD</StorageClass></Contents>"
        )
    for folder in folders:
        text += f"<CommonPrefixes><Prefix>{folder}/</Prefix></CommonPrefixes>"
    (memory / "lists" / f"{name}.xml").write_text(text + "</ListBucketResult>")


def nginx_configuration(memory, port, folders):
    """What nginx is told. Writing is forbidden in S3's own words, so that clients know it for a right they lack."""
    names = "".join(
        f'"{written}" {folder}; ' for folder in folders for written in (f"{folder}/", quote(f"{folder}/", safe=""))
    )
    temporary = "".join(f"{kind}_temp_path {memory}/{kind}; " for kind in ("proxy", "fastcgi", "uwsgi", "scgi"))
    return f"""
worker_processes 1; daemon off; pid {memory}/nginx.pid; error_log {memory}/error.log; user root;
events {{ worker_connections 512; }}
http {{
    sendfile on; tcp_nodelay on; sendfile_max_chunk 1m; access_log off; default_type application/octet-stream;
    keepalive_requests 1000000; keepalive_timeout 3600; client_body_temp_path {memory}/body; {temporary}
    map $arg_prefix $list {{ default empty; "" root; {names} }}
    server {{
        listen 127.0.0.1:{port};
        if ($request_method !~ ^(GET|HEAD)$) {{
            return 403 '<?xml version="1.0"?><Error><Code>AccessDenied</Code><Message>read only</Message></Error>';
        }}
        location = /{s3.BUCKET} {{ default_type application/xml; root {memory}/lists; try_files /$list.xml =404; }}
        location = /{s3.BUCKET}/ {{ default_type application/xml; root {memory}/lists; try_files /$list.xml =404; }}
        location ~ ^/{s3.BUCKET}/[a-z]+/?$ {{ return 404; }}
        location /{s3.BUCKET}/ {{ alias {memory}/root/; }}
    }}
}}
"""


def free_ports(count):
    """Finds free ports in a row, below those that the kernel hands out by itself."""
    for _ in range(1000):
        first = random.randrange(15_000, 32_000)
        held = []
        try:
            for port in range(first, first + count):
                held.append(socket.create_server(("127.0.0.1", port)))
            return first
        except OSError:
            continue
        finally:
            for one in held:
                one.close()
    raise RuntimeError(f"no {count} free ports in a row")


def wait_for(port, process):
    """Waits until somebody listens."""
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            if process.poll() is not None:
                raise RuntimeError("nginx does not start, see nginx.log") from None
            time.sleep(0.05)
    raise RuntimeError("nginx does not listen")
