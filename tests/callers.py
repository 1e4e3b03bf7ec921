#!/usr/bin/env python3
"""callers.py BUILD PART [ATTACK...]: callers that take what they can get from a real daemon, and what is left
for others.

Each line is one attack, of its whole size divided by PART: how much of it was let in, what the daemon grew
by, and whether root and health still got in. Ends with 1 where a bound did not hold."""
import os, re, resource, shutil, socket, struct, subprocess, sys, tempfile, time

MIB = 1 << 20
PART = int(sys.argv[2])
AFTER_MAX = {"subscriptions": 32}  # MiB that it may still be grown by when the callers have gone: it keeps some to use again


def grown(pid, before):
    return int(re.search(r"VmRSS:\s+(\d+)", open(f"/proc/{pid}/status").read()).group(1)) // 1024 - before


def text(s):
    return b"\xd9" + bytes([len(s)]) + s.encode()


def frame(number, method, **params):
    body = bytes([0x80 | len(params)]) + b"".join(text(k) + text(v) for k, v in params.items())
    return b"\x94\x00\xce" + struct.pack(">I", number) + text(method) + b"\x91" + body


def http(port, path=None, token=None, body=None, length=None):
    s = socket.create_connection(("127.0.0.1", port), timeout=10)
    if path is None:
        return s
    head = f"{'POST' if length else 'GET'} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    if token:
        head += f"Authorization: Bearer {token}\r\n"
    if length:
        head += f"Content-Type: application/json\r\nContent-Length: {length}\r\n"
    s.sendall(head.encode() + b"\r\n")
    if body:
        try:
            s.sendall(body)
        except OSError:
            pass
    return s


def first(s):
    try:
        return s.recv(4096)
    except OSError:
        return b""


class Daemon:
    def __init__(self, build):
        self.build, self.directory = build, tempfile.mkdtemp(prefix="callers")
        self.unix = self.directory + "/s"
        self.process = subprocess.Popen([build + "/paidand", "--data", self.directory + "/d", "--listen", "unix:" + self.unix,
                                         "--regions", "conf/huizhou/regions.csv", "--codes", "conf/huizhou",
                                         "--listen", "tcp:127.0.0.1:0", "--listen", "http:127.0.0.1:0", "--live", "memory",
                                         "--connections_max", "2000", "--log", self.directory + "/log"], stdout=subprocess.DEVNULL)
        deadline = time.time() + 60
        while "event=started" not in self.log() and time.time() < deadline and self.process.poll() is None:
            time.sleep(0.05)
        if "event=started" not in self.log():
            sys.exit("paidand did not start: " + self.log())
        self.tcp, self.http = (int(re.search(rf"{kind}:127\.0\.0\.1:(\d+)", self.log()).group(1)) for kind in ("tcp", "http"))
        said = self.cli("token", "add", "greedy", "--roles", "supervisor", "--region", "4413")
        self.token = re.search(r"greedy\.[0-9A-Za-z_-]+", said).group(0)
        self.rss = grown(self.process.pid, 0)

    def log(self):
        return open(self.directory + "/log").read() if os.path.exists(self.directory + "/log") else ""

    def cli(self, *arguments):
        return subprocess.run([self.build + "/paidan", "--server", "unix:" + self.unix, *arguments],
                              capture_output=True, text=True, timeout=30).stdout

    def caller(self):
        s = socket.create_connection(("127.0.0.1", self.tcp), timeout=10)
        s.sendall(frame(1, "session.hello", token=self.token))
        return s, b"principal" in first(s)

    def judge(self, name, held, taken, most, grown_max):
        time.sleep(0.3)
        mib = grown(self.process.pid, self.rss)
        root = "draining" in self.cli("call", "server.info", "{}")
        health = b"200" in first(http(self.http, "/healthz"))
        good = taken <= most and mib <= grown_max and root and health and self.process.poll() is None
        for s in held:
            (s[0] if isinstance(s, tuple) else s).close()
        deadline = time.time() + 6
        after_max = AFTER_MAX.get(name, 16)
        while (after := grown(self.process.pid, self.rss)) > after_max and time.time() < deadline:
            time.sleep(0.1)
        good &= after <= after_max
        print(f"callers {name} taken={taken} of_most={most} grown_mib={mib} of_most_mib={grown_max} after_mib={after} "
              f"root={int(root)} health={int(health)} {'held' if good else 'DID NOT HOLD'}", flush=True)
        return good

    def end(self):
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
        shutil.rmtree(self.directory)


def connections(d):
    held = [d.caller() for _ in range(max(2000 // PART, 750))] # more than its share in any case
    return held, sum(ok for _, ok in held), 500, 64


def frames(d):
    held, taken = [], 0
    for _ in range(3000 // PART):
        s, _ = d.caller()
        try:
            s.sendall(b"\x94\x00\x01\xc6" + struct.pack(">I", MIB - 100) + b"x" * (MIB - 2000))
            s.settimeout(0.02)
            taken += first(s) == b""
        except OSError:
            pass
        held.append(s)
    return held, taken, 64, 64


def bodies(d, token=None):
    held = [http(d.http, "/rpc/order.list", token, b"x" * (MIB - 1000), MIB) for _ in range(1990 // PART)]
    return held, 0, 0, 160


def own_bodies(d):
    return bodies(d, d.token)


def streams(d):
    held = [http(d.http, "/events", d.token) for _ in range(2000 // PART)]
    return held, sum(b" 200 " in first(s) for s in held), 250, 64


def idle(d):
    """connections of HTTP that send nothing, twice as many as there are places"""
    return [http(d.http) for _ in range(4000 // PART)], 0, 0, 64


def subscriptions(d):
    s, _ = d.caller()
    s.setblocking(True)
    s.settimeout(60)
    said = b""
    for i in range(30000 // PART):
        s.sendall(frame(i, "event.subscribe"))
        if i % 500 == 499:  # what is not read is not answered
            s.settimeout(0.3)
            while (data := first(s)) != b"":
                said += data
            s.settimeout(60)
    taken = said.count(b"\xacsubscription")
    return [s], taken, 2048, 64


def cells(d):
    held = [d.caller()[0] for _ in range(30)]
    for s in held:
        s.settimeout(2)
        try:
            for i in range(1000):
                s.sendall(frame(i, "map.cells"))
        except OSError:
            pass
    return held, 0, 0, 64


def wrong_tokens(d):
    """Two requests with a wrong token each time: the second is never answered, and all are counted."""
    began, more, count = time.time(), 0, 500 // PART
    for _ in range(count):
        s = http(d.http, "/rpc/order.list", "greedy.wrong", b"{}", 2)
        try:
            s.sendall(b"POST /rpc/order.list HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer greedy.wrong\r\n\r\n")
        except OSError:
            pass
        said = b""
        while (data := first(s)) != b"":
            said += data
        more += said.count(b"HTTP/1.1 ") - 1
        s.close()
    counted = int(re.search(r'"wrong_tokens": (\d+)', d.cli("call", "server.stats", "{}")).group(1))
    named = d.log().count("event=wrong_token")
    print(f"callers wrong_tokens sent={count} counted={counted} log_lines={named}")
    return [], more + (counted != count) + (not 0 < named <= 2 + time.time() - began), 0, 16


def pages(d, path="/openapi.json", token=None):
    """thousands of requests in each connection, and no answer is read"""
    held = []
    head = f"{'POST' if token else 'GET'} {path} HTTP/1.1\r\nHost: a\r\n"
    head += f"Authorization: Bearer {token}\r\nContent-Length: 0\r\n" if token else ""
    for _ in range(1500 // PART):
        s = http(d.http)
        s.setblocking(False)
        try:
            s.send((head + "\r\n").encode() * 3000)
        except OSError:
            pass
        held.append(s)
    began = time.time()
    d.cli("call", "server.info", "{}")
    return held, int(time.time() - began), 10, 96  # taken: seconds that root waited


def small_pages(d):
    return pages(d, "/healthz")


def own_answers(d):
    return (*pages(d, "/rpc/server.methods", d.token)[:3], 160)


def main():
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    attacks = (connections, frames, bodies, own_bodies, streams, idle, subscriptions, cells, wrong_tokens, pages, small_pages,
               own_answers)
    chosen = [a for a in attacks if len(sys.argv) < 4 or a.__name__ in sys.argv[3:]]
    if not chosen:
        sys.exit("callers.py BUILD PART [" + "|".join(a.__name__ for a in attacks) + "]...")
    good = True
    for attack in chosen:
        d = Daemon(sys.argv[1])
        held, taken, most, grown_max = attack(d)
        good &= d.judge(attack.__name__, held, taken, most, grown_max)
        d.end()
    sys.exit(0 if good else 1)


main()
