"""table.py RESULTS: prints docs/clients.md from what a full run has left in RESULTS/STORE/DRIVER.

Fails, and says why, where a case failed, or a client of expected.tsv is missing or has no case of a kind that it must have.
"""
import collections
import pathlib
import sys

STORES = {"dir": "file://", "own_server": "the tests' own S3 server", "seaweedfs": "SeaweedFS"}
VARIANTS = ("new", "existing", "refused", "")
HEAD = """# Clients

Real programs, driven on a real mount: written by `tests/clients/full`, which needs a Debian 12 and half an hour. Each case
compares names and bytes through the mount and then everything that is in the bucket, so that a lock file or a second copy
that nobody wanted is a failure, too; how a program is driven is in `tests/clients/drivers`. The settings are the default
ones, but for the list of extensions and, for "Samba, patient", `publish_after = "2s"`.

**new**: onto a name that is free. **existing**: onto the name of an object, which must keep its bytes and its time, while the
new bytes get a suffix. **refused**: a forbidden type, or what a bucket cannot do; **told** is what a person reads then.
The columns count the cases that passed on {stores}.

| client | version | new | existing | refused | other | told | remarks |
|---|---|---|---|---|---|---|---|"""


def rows(path):
    return [line.split("\t") for line in path.read_bytes().decode().replace("\r", "").split("\n") if line]


def cell(text):
    return text.replace("|", "\\|").strip()


def told(messages):
    """The shortest of what a person is told, in one line; what says why goes before what does not."""
    lines = [" ".join(message.replace(";", " ").split()) for message in messages if message]
    return cell(min(lines, key=lambda line: ("denied" not in line.lower(), len(line)), default=""))


home = pathlib.Path(__file__).parent
results = pathlib.Path(sys.argv[1])
stores = [name for name in STORES if (results / name).is_dir()]
clients, cases, wrong = {}, collections.defaultdict(dict), []
for file in sorted(results.glob("*/*/clients.tsv")):
    clients |= {name: (version, remark) for name, version, remark in rows(file)}
for file in sorted(results.glob("*/*/results.tsv")):
    for outcome, _, title, variant, message, client in rows(file):
        cases[client].setdefault((variant, title), {})[file.parts[-3]] = (outcome, message)
        if outcome not in ("pass", "known"):
            wrong.append(f"{client}: {title} {variant} on {file.parts[-3]}: {outcome}: {message}")
for client, variants in rows(home / "expected.tsv"):
    of_client = cases.get(client, {})
    for variant in variants.split() or [""]:
        passed = [c for (v, _), by in of_client.items() if v == variant for c, _ in by.values() if c == "pass"]
        if not passed:
            wrong.append(f"{client}: no case '{variant or 'other'}'")
    for store in stores:
        if missing := sum(store not in by for by in of_client.values()):
            wrong.append(f"{client}: {missing} cases were not run on {store}")
if stores != list(STORES):
    wrong.append(f"not run on every kind of store: {stores}")

print(HEAD.format(stores=", on ".join(STORES[s] for s in stores)))
for client in sorted(cases, key=str.casefold):
    version, remark = clients.get(client, ("", ""))
    count = collections.Counter(v for (v, _), by in cases[client].items() if all(o == "pass" for o, _ in by.values()))
    words = told(m for (v, _), by in cases[client].items() if v == "refused" for _, m in by.values())
    numbers = " | ".join(str(count[v] or "–") for v in VARIANTS)
    print(f"| {client} | {version} | {numbers} | {words} | {cell(remark)} |")
known = {(client, title, by[s][1]) for client, all_ in cases.items() for (_, title), by in all_.items() for s in by
         if by[s][0] == "known"}
if known:
    print("\nKnown faults:\n")
    for client, title, why in sorted({(c, t, w.partition(" (")[0]) for c, t, w in known}):
        print(f"* **{client}**, {title}: {why}.")
total = sum(len(all_) for all_ in cases.values())
print(f"\n{total} cases of {len(cases)} clients on each of {len(stores)} kinds of store.")
sys.exit("\n".join(wrong) or 0)
