#!/usr/bin/env python3
"""How many events a second `paidan audit verify` goes through. usage: audit_speed.py BUILD"""
import os, shutil, subprocess, sys, tempfile, time

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
began = time.monotonic()
said = subprocess.run([os.path.join(sys.argv[1], "paidan"), "--json", "audit", "verify", os.path.join(directory, "data/paidan.db"),
                       os.path.join(directory, "data/heads.log")], capture_output=True, text=True)
took = time.monotonic() - began
events = int(said.stdout.split('"events": ')[1].split(",")[0])
assert said.returncode == 0, said.stdout
print("%d events, %d thousand a second" % (events, events / took / 1000))
shutil.rmtree(directory)
