#!/usr/bin/env python3
"""Power cuts, alike for paidan and its peers.

A server runs over a directory of which forget.so keeps the synced part aside. Under load it is killed,
the synced part takes the directory's place, it starts again, and what it holds is compared with what it
had acknowledged (Jepsen's total-queue: lost = acknowledged and gone, unexpected = there and never sent).

usage: powercut.py BUILD CYCLES [TARGET…]; targets: paidan, paidan-unsynced (the positive control: its
syncs do nothing), beanstalkd-f0, beanstalkd-f50, redis-always, redis-everysec; and paidan-eio,
beanstalkd-eio, redis-eio, whose syncs begin to fail in the middle of the load: an acknowledgement after
that is a lie, and paidan must end with code 74
Prints one line a target. Exit code 1 when judge.py says that one does not hold."""
import os, random, shutil, signal, socket, subprocess, sys, tempfile, time

import msgpack

import judge

WINDOW = 64


class Line:
    """A connection that is read by lines and counted bytes."""

    def __init__(self, address):
        kind = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        self.socket = socket.socket(kind, socket.SOCK_STREAM)
        self.socket.settimeout(20)
        self.socket.connect(address)
        self.bytes = b""

    def send(self, data):
        self.socket.sendall(data)

    def more(self):
        got = self.socket.recv(65536)
        if not got:
            raise ConnectionError
        self.bytes += got

    def line(self):
        while b"\r\n" not in self.bytes:
            self.more()
        line, self.bytes = self.bytes.split(b"\r\n", 1)
        return line

    def take(self, count):
        while len(self.bytes) < count:
            self.more()
        data, self.bytes = self.bytes[:count], self.bytes[count:]
        return data


class Paidan:
    def __init__(self, build, directory, preload, synced=True):
        self.socket = os.path.join(directory, "sock")
        self.command = [os.path.join(build, "paidand"), "--data", os.path.join(directory, "data"), "--listen",
                        "unix:" + self.socket, "--regions", "conf/huizhou/regions.csv", "--codes", "conf/huizhou",
                        "--disk-reserve-mib", "0", "--log-level", "error",
                        "--master-key", os.path.join(directory, "key")]
        with open(os.path.join(directory, "key"), "w") as file:
            file.write("ab" * 32)

    def open(self):
        self.line = Line(self.socket)
        self.unpacker = msgpack.Unpacker()

    def put(self, number):
        self.line.send(msgpack.packb([0, number, "order.place", [{
            "ref": "r%d" % number, "region": 441302001001, "category": "legal_aid", "external_id": str(number)}]]))

    def answer(self):
        for message in self.unpacker:
            if message[2] is not None:
                raise RuntimeError(message[2])
            return message[1]
        self.unpacker.feed(self.line.socket.recv(65536) or self.gone())
        return self.answer()

    def gone(self):
        raise ConnectionError

    def holds(self):
        held, after = [], 0
        while after is not None:
            self.line.send(msgpack.packb([0, 0, "order.list", [{"after": after, "limit": 1000}]]))
            message = None
            while message is None:
                for message in self.unpacker:
                    break
                else:
                    self.unpacker.feed(self.line.socket.recv(1 << 20) or self.gone())
            held += [int(item["external_id"]) for item in message[3]["items"]]
            after = message[3]["next"]
        return held


class Beanstalkd:
    def __init__(self, build, directory, sync_ms):
        self.socket = os.path.join(directory, "sock")
        self.command = ["beanstalkd", "-l", "unix:" + self.socket, "-b", os.path.join(directory, "data"), "-f", str(sync_ms)]

    def open(self):
        self.line = Line(self.socket)
        self.sent = []

    def put(self, number):
        body = str(number).encode()
        self.sent.append(number)
        self.line.send(b"put 1 0 60 %d\r\n%s\r\n" % (len(body), body))

    def answer(self):
        line = self.line.line()
        if not line.startswith(b"INSERTED"):
            raise RuntimeError(line)
        return self.sent.pop(0)

    def holds(self):
        held = []
        while True:
            self.line.send(b"reserve-with-timeout 0\r\n")
            words = self.line.line().split()
            if words[0] != b"RESERVED":
                return held
            body = self.line.take(int(words[2]) + 2).strip()
            held.append(int(body) if body.isdigit() else -1) # a body that nobody sent


class Redis:
    def __init__(self, build, directory, policy):
        self.socket = os.path.join(directory, "sock")
        self.command = ["redis-server", "--port", "0", "--unixsocket", self.socket, "--dir", os.path.join(directory, "data"),
                        "--appendonly", "yes", "--appendfsync", policy, "--save", "", "--auto-aof-rewrite-percentage", "0"]

    def open(self):
        self.line = Line(self.socket)
        self.sent = []
        self.line.send(b"PING\r\n")
        if self.line.line() != b"+PONG":
            raise ConnectionError # loading

    def put(self, number):
        self.sent.append(number)
        self.line.send(b"RPUSH orders %d\r\n" % number)

    def answer(self):
        line = self.line.line()
        if not line.startswith(b":"):
            raise RuntimeError(line)
        return self.sent.pop(0)

    def holds(self):
        self.line.send(b"LRANGE orders 0 -1\r\n")
        held = []
        for _ in range(int(self.line.line()[1:])):
            held.append(int(self.line.take(int(self.line.line()[1:]) + 2)))
        return held


TARGETS = {
    "paidan": (Paidan, True), "paidan-unsynced": (Paidan, False), "beanstalkd-f0": (Beanstalkd, 0),
    "beanstalkd-f50": (Beanstalkd, 50), "redis-always": (Redis, "always"), "redis-everysec": (Redis, "everysec"),
    "paidan-eio": (Paidan, True), "beanstalkd-eio": (Beanstalkd, 0), "redis-eio": (Redis, "always")}


def hold_port():
    """A port that nobody else is given while the socket lives, and a server that sets SO_REUSEADDR may listen on."""
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("127.0.0.1", 0))
    return s, s.getsockname()[1]


def start(server, environment):
    process = subprocess.Popen(server.command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(400):
        try:
            server.open()
            return process
        except OSError:
            time.sleep(0.02)
            if process.poll() is not None:
                raise RuntimeError("%s ended with %d" % (server.command[0], process.returncode))
    raise RuntimeError("does not start: " + server.command[0])


def load(server, process, number, acknowledged, seconds):
    """Sends and counts answers until the server is killed in the middle of it, or ends by itself."""
    end = time.monotonic() + seconds
    under_way = 0
    try:
        while time.monotonic() < end:
            while under_way < WINDOW:
                number += 1
                server.put(number)
                under_way += 1
            acknowledged.add(server.answer())
            under_way -= 1
        process.send_signal(signal.SIGKILL)
    except OSError:
        pass # it is gone
    code = ended(process)
    try:
        while True: # what it had answered before it died counts as well
            acknowledged.add(server.answer())
    except (OSError, RuntimeError):
        return number, code


def ended(process):
    """How it ended: one that closed its connections and stays is killed."""
    try:
        return process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def cut(directory):
    data, shadow = os.path.join(directory, "data"), os.path.join(directory, "shadow")
    shutil.rmtree(data)
    shutil.copytree(shadow, data)


def run(build, name, cycles):
    """The line of a target, and why it does not hold."""
    kind, argument = TARGETS[name]
    directory = tempfile.mkdtemp(prefix="paidan-powercut.")
    for sub in ("data", "shadow", "shadow/appendonlydir"):
        os.mkdir(os.path.join(directory, sub))
    server = kind(build, directory, argument)
    environment = dict(os.environ, LD_PRELOAD=os.path.abspath(os.path.join(build, "tests/forget.so")),
                       FORGET_DIR=os.path.join(directory, "data"), FORGET_SHADOW=os.path.join(directory, "shadow"))
    if name == "paidan-unsynced":
        environment["FORGET_SYNCS"] = "no"
    acknowledged, held, number, failed, wrong_ends = set(), [], 0, 0, []
    try:
        for _ in range(cycles):
            seconds = random.uniform(0.05, 0.4)
            if name.endswith("-eio"):
                environment["FORGET_FAIL_AFTER"] = str(random.randrange(30, 300))
            if name == "paidan-eio":
                seconds = 60 # until a sync fails, which it must not outlive
            process = start(server, environment)
            number, code = load(server, process, number, acknowledged, seconds)
            if name == "paidan-eio" and code != os.EX_IOERR:
                wrong_ends.append("after a failed sync it ended with %d, not %d" % (code, os.EX_IOERR))
            cut(directory)
            environment.pop("FORGET_FAIL_AFTER", None)
        process = start(server, environment)
        held = server.holds()
        process.kill()
        process.wait()
    except RuntimeError:
        failed = 1
    shutil.rmtree(directory)
    line = judge.power_line("%-16s" % name, cycles, acknowledged, held, number, failed)
    return line, judge.reasons(line) + wrong_ends


def main():
    build, cycles, names = sys.argv[1], int(sys.argv[2]), sys.argv[3:] or list(TARGETS)
    if set(names) - set(TARGETS):
        sys.exit("no such target: " + " ".join(set(names) - set(TARGETS)))
    random.seed(1)
    bad = False
    for name in names:
        line, why = run(build, name, cycles)
        bad |= bool(why)
        print(line + ("  DID NOT HOLD: " + "; ".join(why) if why else ""), flush=True)
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
