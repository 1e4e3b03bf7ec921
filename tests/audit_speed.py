#!/usr/bin/env python3
"""How many events a second `paidan audit verify` goes through, and whether it finds what was done to a log.
usage: audit_speed.py BUILD; exit code 1 when something was not found."""
import os, shutil, sqlite3, subprocess, sys, tempfile, time

import powercut

directory = tempfile.mkdtemp(prefix="paidan-audit.")
os.mkdir(os.path.join(directory, "data"))
server = powercut.Paidan(sys.argv[1], directory, None)
process = powercut.start(server, dict(os.environ))
for number in range(1, 60001):
    server.put(number)
    if number > 200:
        server.answer()
for _ in range(200):
    server.answer()
process.terminate()
process.wait()
DATABASE, HEADS = (os.path.join(directory, "data", name) for name in ("paidan.db", "heads.log"))
# What somebody with the database's file may do; the last two know how heads are made, or forge one.
ATTACKS = {
    "edited": "UPDATE events SET actor = 'somebody' WHERE seq = 3",
    "deleted": "DELETE FROM events WHERE seq = 3",
    "reordered": "UPDATE events SET seq = -seq WHERE seq IN (3, 4); "
                 "UPDATE events SET seq = CASE seq WHEN -3 THEN 4 ELSE 3 END WHERE seq < 0",
    "cut_off": "DELETE FROM events WHERE seq = (SELECT max(seq) FROM events)",
    "head_forged": "UPDATE counters SET head = zeroblob(32)",
    "base_moved": "DELETE FROM events WHERE seq <= 3; UPDATE counters SET base_seq = 3, base_head = zeroblob(32)",
    "invented": "DELETE FROM events; UPDATE counters SET base_seq = 1000000, base_head = head, next_event = 1000001",
    "cut_and_made_to_fit": "DELETE FROM events WHERE seq > 2; UPDATE counters SET next_event = 3, row_check = 0"}


def verify(database, heads):
    return subprocess.run([os.path.join(sys.argv[1], "paidan"), "--json", "audit", "verify", database, heads],
                          capture_output=True, text=True)


def is_found(name, deed):
    copy, heads = os.path.join(directory, "copy.db"), os.path.join(directory, "copy.heads")
    shutil.copy(DATABASE, copy)
    shutil.copy(HEADS, heads)
    db = sqlite3.connect(copy)
    db.executescript(deed)
    db.close()
    return verify(copy, heads).returncode != 0


began = time.monotonic()
said = verify(DATABASE, HEADS)
took = time.monotonic() - began
events = int(said.stdout.split('"events": ')[1].split(",")[0])
assert said.returncode == 0, said.stdout
found = {name: is_found(name, deed) for name, deed in ATTACKS.items()}
open(HEADS, "w").close()
found["heads_emptied"] = verify(DATABASE, HEADS).returncode != 0
print("events=%d thousand_per_second=%d attacks=%d not_found=%d %s" % (
    events, events / took / 1000, len(found), list(found.values()).count(False),
    " ".join("%s=%s" % (name, "found" if was else "NOT_FOUND") for name, was in found.items())))
shutil.rmtree(directory)
sys.exit(0 if all(found.values()) else 1)
