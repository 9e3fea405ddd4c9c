#!/usr/bin/env bash
# Python: plain files, shutil, tempfile with os.replace, mmap, zipfile.
. "$(dirname "$0")/../lib.sh"
needs "$PYTHON"
client "Python" "$PYTHON --version" "open, shutil, tempfile, mmap, zipfile"

# py CODE [ARGUMENT...]: s and t are the source and the target, args the further arguments
py() {
    "$PYTHON" -IS -c 'import mmap, os, pathlib, shutil, sys, tempfile, zipfile
s, t, *args = sys.argv[2:]
here = os.path.dirname(t)
data = open(s, "rb").read() if os.path.exists(s) else b""
exec(sys.argv[1])' "$1" "$SOURCE" "$TARGET" "${@:2}"
}

write() { py 'open(t, "wb").write(data)'; }
unbuffered() { py 'f = open(t, "wb", 0); f.write(data[:1000]); f.write(data[1000:]); f.close()'; }
copy() { py 'shutil.copy(s, t)'; }
copy2() { py 'shutil.copy2(s, t)'; }
copyfile() { py 'shutil.copyfile(s, t)'; }
move() { py 'shutil.move(s, t)' && gone "$SOURCE"; }
path() { py 'pathlib.Path(t).write_bytes(data)'; }
sendfile() { py 'a = os.open(s, os.O_RDONLY); b = os.open(t, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
while os.sendfile(b, a, None, 1 << 20): pass
os.close(b)'; }
replace() { py 'fd, n = tempfile.mkstemp(dir=here); f = os.fdopen(fd, "wb"); f.write(data); f.flush(); os.fsync(fd); f.close(); os.replace(n, t)'; }
replace_named() { py 'f = tempfile.NamedTemporaryFile(dir=here, delete=False); f.write(data); f.close(); os.chmod(f.name, 0o644); os.replace(f.name, t)'; }
replace_suffix() { py 'fd, n = tempfile.mkstemp(dir=here, suffix=".pdf"); f = os.fdopen(fd, "wb"); f.write(data); f.close(); os.replace(n, t)'; }
replace_open() { py 'fd, n = tempfile.mkstemp(dir=here); f = os.fdopen(fd, "wb"); f.write(data); f.flush(); os.replace(n, t); f.close()'; }
mapped() { py 'fd = os.open(t, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o644); os.ftruncate(fd, len(data)); m = mmap.mmap(fd, len(data)); m[:] = data; os.close(fd); m.flush(); m.close()'; }
backwards() { py 'f = open(t, "wb"); n = len(data); f.truncate(n)
for at in reversed(range(0, n, 4099)): f.seek(at); f.write(data[at:at + 4099])
f.close()'; }
two_opens() { py 'os.close(os.open(t, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o644)); fd = os.open(t, os.O_RDWR | os.O_TRUNC); os.write(fd, data); os.close(fd)'; }
both 'open(…, "wb")' write
both 'open(…, "wb", 0)' unbuffered
both "shutil.copy" copy
both "shutil.copy2" copy2
both "shutil.copyfile" copyfile
both "shutil.move" move
both "Path.write_bytes" path
both "os.sendfile" sendfile
both "tempfile.mkstemp and os.replace" replace
both "NamedTemporaryFile and os.replace" replace_named
both 'tempfile.mkstemp(suffix=".pdf") and os.replace' replace_suffix
both "os.replace of a file still open" replace_open
both "mmap" mapped
both "blocks from the end to the beginning" backwards
both "an empty open, then a second one that writes" two_opens
refused 'open(…, "wb")' write
refused "shutil.copy" copy
replace_or_remove() { py 'fd, n = tempfile.mkstemp(dir=here); os.write(fd, data); os.close(fd)
try: os.replace(n, t)
except OSError: os.unlink(n); raise'; }
refused "tempfile.mkstemp and os.replace" replace_or_remove

exclusive() {
    seed report.pdf
    says "File exists" py 'open(t, "xb")'
    expect "report.pdf=$OLD"
}
one 'open(…, "xb") of an object' exclusive existing

exclusive_new() {
    py 'open(t, "xb").write(data)'
    expect "report.pdf=$NEW"
}
one 'open(…, "xb") of a new name' exclusive_new new

append() {
    seed report.pdf
    cat "$OLD" "$NEW" >wanted
    py 'open(t, "ab").write(data)'
    expect "report.pdf=$OLD" "report_*.pdf=wanted"
}
one 'open(…, "ab") of an object' append existing

update() {
    seed report.pdf
    cp "$OLD" wanted
    py 'f = open(args[0], "r+b"); f.seek(100); f.write(b"words"); f.truncate(4000); f.close()' wanted
    py 'f = open(args[0], "r+b"); f.seek(100); f.write(b"words"); f.truncate(4000); f.close()' "$TARGET"
    expect "report.pdf=$OLD" "report_*.pdf=wanted"
}
one 'open(…, "r+b") of an object' update existing

no_write() {
    seed report.pdf
    py 'fd = os.open(t, os.O_RDWR); os.read(fd, 10); os.fsync(fd); os.close(fd); open(t, "ab").close(); open(t, "r+b").close()'
    expect "report.pdf=$OLD"
}
one "opening an object for writing without writing" no_write

temporary() {
    py 'f = tempfile.TemporaryFile(dir=here); f.write(data); f.seek(0); assert f.read() == data; f.close()'
    py 'f = tempfile.NamedTemporaryFile(dir=here); f.write(data); f.flush(); assert open(f.name, "rb").read() == data; f.close()'
    py 'd = tempfile.SpooledTemporaryFile(dir=here, max_size=10); d.write(data); d.seek(0); assert d.read() == data; d.close()'
    expect
}
one "TemporaryFile leaves nothing" temporary

whole_tree() {
    mkdir -p tree/one
    cp "$NEW" tree/a.pdf
    cp "$OLD" tree/one/b.pdf
    py 'shutil.copytree(args[0], os.path.join(here, "copy"))' tree
    expect "copy/a.pdf=$NEW" "copy/one/b.pdf=$OLD"
    py 'shutil.rmtree(os.path.join(here, "copy"))'
    gone "$HERE/copy"
    expect
}
one "shutil.copytree and rmtree" whole_tree new

zipped() {
    py 'z = zipfile.ZipFile(args[0], "w", zipfile.ZIP_DEFLATED); z.write(s, "report.pdf"); z.close()' "$HERE/a.zip"
    cp "$HERE/a.zip" .
    py 'assert zipfile.ZipFile(args[0]).read("report.pdf") == data' a.zip
    expect a.zip=a.zip
    py 'z = zipfile.ZipFile(args[0], "a"); z.writestr("b.txt", "words"); z.close()' "$HERE/a.zip"
    cp "$HERE"/a_*.zip b.zip
    py 'z = zipfile.ZipFile(args[0]); assert z.read("report.pdf") == data and z.read("b.txt") == b"words"' b.zip
    expect a.zip=a.zip "a_*.zip=b.zip"
}
one "zipfile writes and appends" zipped

child() {
    py 'import subprocess
f = open(t, "wb"); f.write(data[:1000]); f.flush()
subprocess.run(["tail", "-c", "+1001", s], stdout=f, check=True)
f.close()'
    expect "report.pdf=$NEW"
}
one "a file shared with a child process" child
finish
