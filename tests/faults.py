#!/usr/bin/env python3
"""Faults for the real daemon: kills, a full disk, no descriptors, no memory, a Redis that comes and goes,
hostile clients by the thousand. After each, what it had acknowledged must be there.

usage: faults.py BUILD [ROUNDS [NAME…]]; prints one line a fault; exit code 1 when something did not hold,
and 64 for a fault that there is not.
A fault that needs rights this user lacks says so and counts as skipped, not as passed."""
import contextlib, os, random, resource, shutil, signal, socket, sqlite3, subprocess, sys, tempfile, threading, time

import msgpack

import judge
from powercut import Paidan, hold_port

BUILD = sys.argv[1]
ROUNDS = int(sys.argv[2]) if len(sys.argv) > 2 else 3
TOWN = 441302001001
DAY = 86400


class Skipped(Exception):
    pass


class Daemon:
    """paidand over a directory of its own, with a journal of what it acknowledged."""

    def __init__(self, *options):
        self.directory = tempfile.mkdtemp(prefix="paidan-faults.")
        self.paidan = Paidan(BUILD, self.directory, None)
        self.paidan.command += list(options)
        self.environment = dict(os.environ)
        self.acknowledged, self.number, self.refused = set(), 0, 0
        self.may_refuse = False # no fault may make it refuse orders, but those that say so
        self.process = None

    def start(self, limits=None):
        self.log = open(os.path.join(self.directory, "log"), "ab")
        self.process = subprocess.Popen(self.paidan.command, stdout=self.log, stderr=self.log, env=self.environment,
                                        preexec_fn=limits)
        began = time.monotonic()
        while True:
            try:
                self.paidan.open()
                return time.monotonic() - began
            except OSError:
                time.sleep(0.01)
                if self.process.poll() is not None or time.monotonic() - began > 60:
                    raise RuntimeError("does not start: " + self.tail())

    def port(self):
        """A port for one of its listeners."""
        self.held_port, number = hold_port()
        return number

    def tail(self):
        with open(os.path.join(self.directory, "log"), errors="replace") as file:
            return file.read()[-300:]

    def call(self, method, **params):
        self.paidan.line.send(msgpack.packb([0, 4000000000, method, [params]]))
        while True:
            for message in self.paidan.unpacker:
                if message[0] == 1 and message[1] == 4000000000:
                    return message[2], message[3]
            self.paidan.unpacker.feed(self.paidan.line.socket.recv(1 << 20) or self.paidan.gone())

    def place(self, count, window=64):
        """Places orders until `count` were answered or the daemon is gone; False when it is gone."""
        under_way = 0
        try:
            while count > 0:
                while under_way < min(window, count):
                    self.number += 1
                    self.paidan.put(self.number)
                    under_way += 1
                try:
                    self.acknowledged.add(self.paidan.answer())
                except RuntimeError:
                    self.refused += 1
                under_way -= 1
                count -= 1
            return True
        except OSError:
            return False

    def stop(self, how=signal.SIGKILL):
        if self.process.poll() is None:
            self.process.send_signal(how)
        return self.process.wait(30)

    def check(self):
        """The daemon runs: everything acknowledged is there once, and the log is as it was written."""
        held = self.paidan.holds()
        assert self.acknowledged, "nothing was acknowledged"
        assert self.refused == 0 or self.may_refuse, "%d orders were refused" % self.refused
        lost = self.acknowledged - set(held)
        assert not lost, "lost %d of %d" % (len(lost), len(self.acknowledged))
        assert len(held) == len(set(held)), "duplicated"
        audit = subprocess.run([os.path.join(BUILD, "paidan"), "audit", "verify",
                                os.path.join(self.directory, "data/paidan.db")], capture_output=True, text=True)
        assert audit.returncode == 0, audit.stdout + audit.stderr

    def end(self):
        if self.process is not None:
            self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)


def kill_9(d):
    """kill -9 in the middle of the load, again and again"""
    times = []
    for _ in range(ROUNDS):
        times.append(d.start())
        threading.Timer(random.uniform(0.02, 0.3), d.process.kill).start()
        while d.place(1000):
            pass
        d.stop()
    d.start()
    d.check()
    times.sort()
    return "kills=%d acknowledged=%d restart_p50_ms=%d restart_max_ms=%d" % (
        ROUNDS, len(d.acknowledged), times[len(times) // 2] * 1000, times[-1] * 1000)


def drain(d):
    """SIGTERM under load, and a second one: exit code 0, nothing lost"""
    d.may_refuse = True # it says that it is draining
    for _ in range(ROUNDS):
        d.start()
        timer = threading.Timer(random.uniform(0.02, 0.2), lambda: [d.process.terminate(), d.process.terminate()])
        timer.start()
        while d.place(1000) and d.refused == 0:
            pass
        d.refused = 0
        timer.join()
        code = d.process.wait(30)
        assert code == 0, "exit code %d" % code
    d.start()
    d.check()
    return "drains=%d acknowledged=%d" % (ROUNDS, len(d.acknowledged))


def full_disk(d):
    """a file system of 40 MiB that fills up: new orders are refused in time, what is there goes on"""
    data = os.path.join(d.directory, "data")
    d.may_refuse = True
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=40m", "tmpfs", data_of(d)], capture_output=True).returncode != 0:
        raise Skipped("needs the right to mount")
    try:
        d.paidan.command += ["--disk-reserve-mib", "6"]
        d.start()
        d.call("org.put", id=7, region=TOWN, lat=23.0861, lon=114.4132, skills=["legal_aid"], capacity=10)
        error, placed = d.call("order.place", ref="first", region=TOWN, category="legal_aid", mode="auto", external_id="0")
        assert error is None, error
        while d.refused == 0 and d.number < 2000000:
            assert d.place(2000), "the daemon is gone: " + d.tail()
        offer = placed["offers"][0]["offer"]
        for method in ("offer.accept", "service.start", "service.complete"):
            error, _ = d.call(method, offer=offer)
            assert error is None, (method, error)
        assert d.place(50) is True and d.process.poll() is None
        d.acknowledged.add(0)
        d.check()
        with open(os.path.join(data, "hog"), "wb") as hog: # somebody else takes the rest
            try:
                while True:
                    hog.write(b"x" * 65536)
            except OSError:
                pass
        d.place(200)
        gone = d.process.poll()
        os.unlink(os.path.join(data, "hog"))
        d.stop()
        d.start()
        d.check()
        return "placed=%d then storage_low; with no byte left: %s; afterwards all there" % (
            len(d.acknowledged), "went on" if gone is None else "ended with code %d" % gone)
    finally:
        d.stop()
        subprocess.run(["umount", data], check=False)


def data_of(d):
    path = os.path.join(d.directory, "data")
    os.makedirs(path, exist_ok=True)
    return path


def no_descriptors(d):
    """descriptors used up by connections: who is in is served, and it does not spin"""
    port = d.port()
    d.paidan.command += ["--listen", "http:127.0.0.1:%d" % port]
    d.start(lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64)))
    def is_up():
        with socket.socket() as s:
            return s.connect_ex(("127.0.0.1", port)) == 0
    until(is_up, "HTTP is not listened to")
    others = []
    for i in range(110):
        s = socket.socket(socket.AF_UNIX if i % 2 else socket.AF_INET)
        s.settimeout(5)
        s.connect(d.paidan.socket if i % 2 else ("127.0.0.1", port))
        others.append(s)
    assert d.place(2000), "who is in is not served"
    before = cpu_of(d.process.pid)
    time.sleep(2)
    spun = (cpu_of(d.process.pid) - before) / 2
    for s in others:
        s.close()
    until(lambda: d.call("server.stats")[1]["connections"] == 1, "the connections are not given back")
    d.paidan.open()
    d.check()
    assert spun < 0.2, "spins: %.2f of a core" % spun
    return "connections=110 descriptors=64 idle_cpu=%.3f acknowledged=%d" % (spun, len(d.acknowledged))


def until(holds, what, seconds=30):
    """Looks again and again until it holds."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, what
        time.sleep(0.01)


def cpu_of(pid):
    with open("/proc/%d/stat" % pid) as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_of(pid):
    with open("/proc/%d/status" % pid) as file:
        for line in file:
            if line.startswith("VmRSS"):
                return int(line.split()[1])


def no_memory(d):
    """address space runs out under load: it ends, and has all it acknowledged"""
    d.start()
    with open("/proc/%d/status" % d.process.pid) as file:
        size = next(int(line.split()[1]) for line in file if line.startswith("VmSize"))
    ends = []
    for extra in (1, 2, 4, 8, 16, 32):
        d.stop()
        limit = (size << 10) + (extra << 20)
        try:
            d.start(lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)))
            while d.place(5000) and d.number < 2000000:
                pass
        except RuntimeError:
            pass # not even a start
        try:
            ends.append(str(d.process.wait(5)))
        except subprocess.TimeoutExpired:
            raise AssertionError("did not run out of %d MiB" % extra)
        assert ends[-1] in ("71", "74"), "exit code %s: %s" % (ends[-1], d.tail())
    d.start()
    d.check()
    return "limits=%d exit_codes=%s acknowledged=%d" % (len(ends), ",".join(ends), len(d.acknowledged))


def clock_jumps(d):
    """the clock is set nearly an hour, a day and ten years ahead and back under load; a step is logged and ends no
    term, purges no contact and drops no event, until an operator says that it is right"""
    library = "/usr/lib/%s-linux-gnu/faketime/libfaketime.so.1" % os.uname().machine
    if not os.path.exists(library):
        raise Skipped("needs the package faketime")
    clock = os.path.join(d.directory, "clock")
    d.environment.update(LD_PRELOAD=library, FAKETIME_TIMESTAMP_FILE=clock, FAKETIME_NO_CACHE="1", FAKETIME_DONT_FAKE_MONOTONIC="1")
    d.paidan.command[d.paidan.command.index("--log-level") + 1] = "warn"

    def set_clock(seconds):
        with open(clock + ".new", "w") as file:
            file.write("%+d" % seconds)
        os.rename(clock + ".new", clock)

    set_clock(0)
    d.start()
    offered = offer_all(d, 45)
    jumps = [3500, 0, -3500, 0, 86400, -86400, 0, 315360000, 0, -315360000, 0]
    for seconds in jumps * max(1, ROUNDS // 10):
        set_clock(seconds)
        assert d.place(500), "the daemon is gone: " + d.tail()
        assert d.refused == 0, "refused %d" % d.refused
        began = time.monotonic()
        error, _ = d.call("server.info")
        assert error is None and time.monotonic() - began < 1, "does not answer"
    steps = DAY * 10, DAY * 200, DAY * 3650, -DAY * 3650
    for seconds in steps:
        set_clock(seconds)
        until(lambda: clock_of(d)["doubted"], "a step of %d s is not seen" % seconds)
        rests(d)
        assert abs(clock_of(d)["believed"] - time.time() * 1000) < 4000000, "a step of %d s is believed" % seconds
        assert kept(d, offered) == 45, "a step of %d s changed what was offered" % seconds
        set_clock(0)
        until(lambda: not clock_of(d)["doubted"], "it never came back")
    with open(os.path.join(d.directory, "log")) as file:
        logged = file.read()
    assert logged.count("event=clock_step ") >= len(steps) and logged.count("event=clock_came_back ") >= len(steps), "not logged"
    set_clock(DAY * 10)
    error, answer = d.call("server.trust_clock")
    assert error is None and answer["now"] > (time.time() + 9 * DAY) * 1000, (error, answer)
    until(lambda: kept(d, offered) == 0, "what an operator believes ends no term")
    set_clock(0)
    d.stop()
    d.start()
    until(lambda: clock_of(d)["doubted"], "a clock ten days before the newest event is believed at the start")
    d.check()
    return "jumps=%d steps=%d offered=45 acknowledged=%d" % (len(jumps) * max(1, ROUNDS // 10), len(steps), len(d.acknowledged))


def offer_all(d, count):
    """Orders with a home, each offered to somebody; one of them, refused by its caller, has ended."""
    error, _ = d.call("org.put", id=7, region=TOWN, lat=23.0861, lon=114.4132, skills=["legal_aid"], capacity=1000)
    assert error is None, error
    offered = []
    for i in range(count + 1):
        error, placed = d.call("order.place", region=TOWN, category="legal_aid", mode="auto", external_id=str(10**9 + i), ref="c%d" % i,
                               contact={"name": "Zhang San", "phone": "13800000000", "address": "1 Main Road"})
        assert error is None, error
        offered.append(placed["order"])
    error, _ = d.call("order.cancel", order=offered[count])
    assert error is None, error
    d.acknowledged.update(10**9 + i for i in range(count + 1))
    return offered


def kept(d, offered):
    """How many of them are offered still; every contact and the first event must be there."""
    database = sqlite3.connect("file:%s?mode=ro" % os.path.join(d.directory, "data/paidan.db"), uri=True)
    try:
        assert database.execute("SELECT count(*) FROM contact").fetchone()[0] == len(offered), "a contact is gone"
        assert database.execute("SELECT min(seq) FROM events").fetchone()[0] == 1, "events are gone"
    finally:
        database.close()
    return sum(d.call("order.get", order=order)[1]["state"] == "offered" for order in offered[:-1])


def clock_of(d):
    return d.call("server.stats")[1]["clock"]


def rests(d):
    """A second and a half of turns: what a believed step would do is done by then."""
    end = time.monotonic() + 1.5
    while time.monotonic() < end:
        assert d.place(20), "the daemon is gone: " + d.tail()


def children_of(pid):
    try:
        with open("/proc/%d/task/%d/children" % (pid, pid)) as file:
            return [int(word) for word in file.read().split()]
    except OSError:
        return []


def failing_calls(d):
    """the kernel fails the k-th fdatasync with EIO, the k-th pwrite64 with ENOSPC, once and for ever: it ends
    with a documented code, acknowledges nothing after that, and has all it acknowledged"""
    if shutil.which("strace") is None:
        raise Skipped("needs strace")
    d.may_refuse = True # a disk without room takes no new orders
    command = list(d.paidan.command)
    trace = os.path.join(d.directory, "trace")
    codes = {}
    for i in range(ROUNDS):
        for call, error in (("fdatasync", "EIO"), ("pwrite64", "ENOSPC"), ("pwrite64", "EIO")):
            when = "%d%s" % (random.randrange(40, 400), "+" if i % 2 else "")
            d.paidan.command = ["strace", "-f", "-qq", "-o", trace, "-e", "trace=" + call,
                                "-e", "inject=%s:error=%s:when=%s" % (call, error, when)] + command
            try:
                d.start()
            except RuntimeError:
                pass # it failed at the start already, which is as good
            else:
                while d.place(200) and d.number % 8000 < 7800:
                    pass
            for child in children_of(d.process.pid): # strace itself would not hand it on
                with contextlib.suppress(ProcessLookupError): # it has ended already
                    os.kill(child, signal.SIGTERM)
            code = d.process.wait(30)
            codes[code] = codes.get(code, 0) + 1
            with open(trace, errors="replace") as file:
                may_end_with = (74, 69) if "(INJECTED)" in file.read() else (0,)
            assert code in may_end_with, "exit code %d: %s" % (code, d.tail())
            d.paidan.command = command
            d.start()
            d.check()
            d.stop()
    assert 74 in codes, "no call was made to fail"
    return "runs=%d exit_codes=%s acknowledged=%d" % (
        3 * ROUNDS, ",".join("%d:%d" % pair for pair in sorted(codes.items())), len(d.acknowledged))


def redis_comes_and_goes(d):
    """Redis stopped, flushed, killed and started anew under load: at the end it says what the store says"""
    sock, where = os.path.join(d.directory, "redis"), os.path.join(d.directory, "redis-dir")
    os.mkdir(where)
    command = ["redis-server", "--port", "0", "--unixsocket", sock, "--dir", where, "--save", ""]
    cli = lambda *words: subprocess.run(["redis-cli", "-s", sock, *words], capture_output=True, text=True, timeout=20).stdout
    new = lambda: subprocess.Popen(command, stdout=subprocess.DEVNULL)
    redis = new()
    d.paidan.command += ["--live", "redis+unix:" + sock]
    d.start()
    faults = 0
    try:
        for i in range(ROUNDS * 4):
            assert d.place(300), "orders do not go on"
            faults += 1
            if i % 4 == 0:
                cli("FLUSHALL")
            elif i % 4 == 1:
                redis.kill()
                redis.wait()
                assert d.place(300), "orders do not go on without Redis"
                redis = new()
            elif i % 4 == 2:
                redis.send_signal(signal.SIGSTOP)
                began = time.monotonic()
                assert d.place(300), "orders do not go on while Redis hangs"
                assert time.monotonic() - began < 5, "a hanging Redis slows orders down"
                redis.send_signal(signal.SIGCONT)
            else:
                cli("CLIENT", "KILL", "TYPE", "normal")
        for _ in range(600): # it is told again
            keys = cli("--scan", "--pattern", "paidan:*:order:*").split()
            queue = int(cli("ZCARD", "paidan:{441302}:ready:%d" % TOWN) or 0)
            counts = len(keys), queue, len(d.paidan.holds())
            if not judge.unequal(counts):
                break
            time.sleep(0.1)
        assert not judge.unequal(counts), "orders in Redis, queued there, in the store: %d, %d, %d" % counts
        d.check()
        return "faults=%d orders=%d, Redis equals the store" % (faults, len(keys))
    finally:
        redis.send_signal(signal.SIGCONT)
        redis.kill()
        redis.wait()


def backup_restore(d):
    """a backup under load, restored into a fresh directory: whole, and with all acknowledged before it"""
    d.start()
    d.place(5000)
    before = set(d.acknowledged)
    path = os.path.join(d.directory, "copy.db")
    d.paidan.line.send(msgpack.packb([0, 4000000001, "server.backup", [{"path": path}]]))
    d.place(3000)
    for _ in range(200):
        if os.path.exists(path):
            break
        time.sleep(0.05)
    began = time.monotonic()
    d.stop(signal.SIGTERM)
    out = subprocess.run(d.paidan.command + ["--restore", path], capture_output=True, text=True)
    assert out.returncode == 0, out.stderr
    d.start()
    took = time.monotonic() - began
    held = set(d.paidan.holds())
    assert len(before) >= 5000 and before <= held, "of %d the backup lacks %d" % (len(before), len(before - held))
    return "in it: %d acknowledged before it; stop, restore, serve: %d ms" % (len(before), took * 1000)


def percentiles(d, seconds):
    """An honest client that asks one thing after the other."""
    times = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        began = time.monotonic()
        d.call("server.info")
        times.append(time.monotonic() - began)
    times.sort()
    return times[len(times) // 2] * 1e6, times[len(times) * 99 // 100] * 1e6


def undisturbed(held, calm):
    why = judge.disturbed(held, calm)
    assert not why, "; ".join(why)


def hostile_clients(d):
    """5,000 connections held by clients who send a byte at a time, never read, or lie about lengths"""
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(30000, resource.getrlimit(resource.RLIMIT_NOFILE)[1]),) * 2)
    count = min(5000, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 200)
    d.paidan.command += ["--log-level", "error"]
    d.start()
    calm_p50, calm_p99 = percentiles(d, 3)
    base = memory_of(d.process.pid)
    frames = [b"\x94", b"\x94\x00\x01\xabserver.info", b"\xdd\xff\xff\xff\xff", b"\x94\x00\x01\xaeserver.methods\x90" * 40,
              b"\xc1", b"\xdb\x7f\xff\xff\xff"]
    others = []
    for i in range(count):
        s = socket.socket(socket.AF_UNIX)
        s.setblocking(False)
        try:
            s.connect(d.paidan.socket)
            s.send(frames[i % len(frames)])
        except (BlockingIOError, BrokenPipeError):
            time.sleep(0.001)
        others.append(s)
    stop = threading.Event()

    def drip():
        while not stop.is_set():
            for s in others[:: max(1, count // 500)]:
                try:
                    s.send(b"\x00")
                except OSError:
                    pass
            stop.wait(0.5)

    thread = threading.Thread(target=drip)
    thread.start()
    held_p50, held_p99 = percentiles(d, 5)
    grown = memory_of(d.process.pid) - base
    stop.set()
    thread.join()
    for s in others:
        s.close()
    undisturbed((held_p50, held_p99), (calm_p50, calm_p99))
    assert grown <= 16384 + count * 64, "memory grew by %d KiB for %d connections" % (grown, count)
    assert d.place(500)
    d.check()
    return "held=%d p50_us=%.0f/%.0f p99_us=%.0f/%.0f (with/without) memory_grown_kib=%d" % (
        count, held_p50, calm_p50, held_p99, calm_p99, grown)


def wrong_tokens(d):
    """guesses by the thousand, each connection with three and then a new one: nobody gets in, the honest go on"""
    port = d.port()
    d.paidan.command += ["--listen", "tcp:127.0.0.1:%d" % port, "--log-level", "error"]
    d.start()
    calm_p50, calm_p99 = percentiles(d, 2)
    seconds = 2 + ROUNDS / 5
    guesser = subprocess.Popen([sys.executable, "-c", GUESSER, str(port), str(seconds)], stdout=subprocess.PIPE, text=True)
    held_p50, held_p99 = percentiles(d, seconds)
    guesses, connections, let_in = map(int, guesser.communicate(timeout=60)[0].split())
    assert let_in == 0, "%d were let in" % let_in
    assert guesses > 1000, guesses
    undisturbed((held_p50, held_p99), (calm_p50, calm_p99))
    d.place(500)
    d.check()
    return "guesses=%d connections=%d let_in=0 p50_us=%.0f/%.0f p99_us=%.0f/%.0f (with/without)" % (
        guesses, connections, held_p50, calm_p50, held_p99, calm_p99)


GUESSER = """
import random, socket, sys, time, msgpack
port, end = int(sys.argv[1]), time.monotonic() + float(sys.argv[2])
guesses = connections = let_in = 0
while time.monotonic() < end:
    s = socket.create_connection(("127.0.0.1", port))
    s.settimeout(10)
    unpacker = msgpack.Unpacker()
    connections += 1
    try:
        for i in range(4):
            token = "guess%d.%064x" % (i, random.getrandbits(256))
            s.send(msgpack.packb([0, i, "session.hello", [{"token": token}]]) + msgpack.packb([0, 9, "order.list", [{}]]))
            answers = []
            while len(answers) < 2:
                unpacker.feed(s.recv(65536) or sys.exit)
                answers += list(unpacker)
            guesses += 1
            let_in += sum(a[2] is None for a in answers)
    except (OSError, TypeError): # it was shown the door
        pass
    s.close()
print(guesses, connections, let_in)
"""


def reconnect_storm(d):
    """after a restart all come back at once, again and again; who was in is served"""
    d.paidan.command += ["--log-level", "error"]
    d.start()
    made = waited = 0
    for _ in range(max(1, ROUNDS // 5)):
        d.stop()
        d.start()
        others = []
        began = time.monotonic()
        for _ in range(5000):
            s = socket.socket(socket.AF_UNIX)
            s.settimeout(10)
            while True:
                try:
                    s.connect(d.paidan.socket)
                    break
                except BlockingIOError: # the line of those who wait to be let in is full
                    waited += 1
                    time.sleep(0.001)
            s.send(msgpack.packb([0, 1, "server.info", [{}]]))
            made += 1
            others.append(s)
        assert d.place(500), "who is in is not served"
        for s in others:
            assert s.recv(1000), "no answer"
            s.close()
        rate = 5000 / (time.monotonic() - began)
    d.check()
    return "connections=%d had_to_wait=%d per_second=%d" % (made, waited, rate)


def half_open(d):
    """peers that vanish without a word, behind a link that goes down: noticed, their connections given back"""
    if subprocess.run(["unshare", "-n", "true"], capture_output=True).returncode != 0 or shutil.which("ip") is None:
        raise Skipped("needs the right to make a network namespace")
    port, count = 7441, 200
    d.paidan.command += ["--listen", "tcp:127.0.0.1:%d" % port, "--open-roles", "auditor"] # else strangers, let go soon
    d.paidan.command = ["unshare", "-n", "sh", "-c", "ip link set lo up; exec \"$@\"", "sh"] + d.paidan.command
    d.start()
    inside = lambda *words: subprocess.run(["nsenter", "-t", str(d.process.pid), "-n", *words], check=True)
    peers = subprocess.Popen(["nsenter", "-t", str(d.process.pid), "-n", sys.executable, "-c", """
import socket, sys
held = [socket.create_connection(("127.0.0.1", %d)) for _ in range(%d)]
for s in held: s.send(b"\\x94\\x00\\x01\\xabserver.info\\x91\\x80")
for s in held: s.recv(1000)
print("held", flush=True)
sys.stdin.read()
""" % (port, count)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert peers.stdout.readline() == "held\n"
        _, stats = d.call("server.stats")
        before = stats["connections"]
        inside("ip", "link", "set", "lo", "down")
        began = time.monotonic()
        while stats["connections"] > 1 and time.monotonic() - began < 180:
            time.sleep(1)
            _, stats = d.call("server.stats")
        assert stats["connections"] == 1, "%d are still held" % (stats["connections"] - 1)
        assert before == count + 1, before
        assert d.place(500), "who is in is not served"
        d.check()
        return "held=%d noticed after %d s" % (before - 1, time.monotonic() - began)
    finally:
        peers.kill()
        peers.wait()


def idle_connections(d):
    """20,000 connections that say nothing"""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    count = min(20000, limit - 300)
    d.paidan.command += ["--connections-max", "30000"]
    d.start()
    base = memory_of(d.process.pid)
    others = []
    for _ in range(count):
        s = socket.socket(socket.AF_UNIX)
        s.connect(d.paidan.socket)
        others.append(s)
    until(lambda: d.call("server.stats")[1]["connections"] == count + 1, "not all are held")
    grown = memory_of(d.process.pid) - base
    assert grown < count * 16, "%.2f KiB each" % (grown / count)
    assert d.place(500), "who is in is not served"
    d.check()
    for s in others:
        s.close()
    return "held=%d kib_each=%.2f" % (count, grown / count)


def many(d, requests):
    """Requests at once: their answers by msgid."""
    d.paidan.line.send(b"".join(msgpack.packb([0, i, method, [params]]) for i, (method, params) in enumerate(requests)))
    answers = {}
    while len(answers) < len(requests):
        for message in d.paidan.unpacker:
            answers[message[1]] = message[2:]
        if len(answers) < len(requests):
            d.paidan.unpacker.feed(d.paidan.line.socket.recv(1 << 20) or d.paidan.gone())
    return [answers[i] for i in range(len(requests))]


CANARY = "金丝雀canary"


def find_canary(d):
    """Personal data in the log, the numbers, the events or an answer that does not ask for them."""
    with open(os.path.join(d.directory, "log"), errors="replace") as file:
        assert CANARY not in file.read(), "a name in the log"
    for method, params in (("server.stats", {}), ("event.read", {"limit": 1000}), ("order.list", {"limit": 1000}),
                           ("order.get", {"order": 1}), ("order.place", {"ref": "x", "contact": {"name": CANARY}})):
        answer = repr(many(d, [(method, params)])[0])
        assert CANARY not in answer, "a name in the answer of " + method
    for name in os.listdir(os.path.join(d.directory, "data")):
        with open(os.path.join(d.directory, "data", name), "rb") as file:
            assert CANARY.encode() not in file.read(), "a name at rest in " + name


def soak(d):
    """lives that begin and end, for ROUNDS times six seconds: nothing grows but what is kept on purpose"""
    d.start()
    seconds, lives, looks = max(20, ROUNDS * 6), 0, []
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        times = []
        for _ in range(50):
            at = time.monotonic()
            placed = many(d, [("order.place", {"ref": "s%d" % (lives + i), "region": TOWN, "category": "legal_aid",
                                               "contact": {"name": CANARY, "phone": "13800001111"}}) for i in range(64)])
            many(d, [("order.cancel", {"order": result["order"], "reason": "other"}) for _, result in placed])
            times.append(time.monotonic() - at)
            lives += 64
        _, stats = d.call("server.stats")
        looks.append((memory_of(d.process.pid), len(os.listdir("/proc/%d/fd" % d.process.pid)),
                      stats["store"]["log_bytes"], sorted(times)[len(times) * 9 // 10] * 1e6 / 128))
        assert stats["orders_open"] == 0, stats["orders_open"]
    find_canary(d)
    assert d.place(500)
    d.check()
    first, last = looks[len(looks) // 3], looks[-1]
    assert last[1] == first[1], "descriptors: %d, then %d" % (first[1], last[1])
    assert max(look[2] for look in looks) < 64 << 20, "the log grows"
    return "seconds=%d lives=%d rss_kib=%d..%d descriptors=%d..%d log_kib_max=%d p90_us_a_request=%.0f..%.0f" % (
        seconds, lives, first[0], last[0], first[1], last[1], max(look[2] for look in looks) >> 10, first[3], last[3])


def http_dawdlers(d):
    """more connections of HTTP than are taken, none of which sends a whole request: they are let go, and the
    socket's callers notice nothing"""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    port = d.port()
    d.paidan.command += ["--listen", "http:127.0.0.1:%d" % port, "--log-level", "error"]
    d.start()
    calm_p50, calm_p99 = percentiles(d, 2)
    others = []
    for _ in range(2300):
        s = socket.create_connection(("127.0.0.1", port))
        s.send(b"GET /heal")
        others.append(s)
    held_p50, held_p99 = percentiles(d, 3)
    _, stats = d.call("server.stats")
    held = stats["http_connections"]
    assert 0 < held <= 2000, "%d connections are held" % held
    undisturbed((held_p50, held_p99), (calm_p50, calm_p99))
    began = time.monotonic()
    answered = b""
    while b" 200 " not in answered and time.monotonic() - began < 90:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=5) as s:
                s.send(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                answered = s.recv(1000)
        except OSError:
            time.sleep(0.5)
    waited = time.monotonic() - began
    for s in others:
        s.close()
    assert b" 200 " in answered, "HTTP does not come back"
    assert d.place(500)
    d.check()
    return "tried=2300 held=%d served_again_after_s=%.0f p50_us=%.0f/%.0f p99_us=%.0f/%.0f (with/without)" % (
        held, waited, held_p50, calm_p50, held_p99, calm_p99)


FAULTS = [kill_9, drain, full_disk, failing_calls, clock_jumps, no_descriptors, no_memory, redis_comes_and_goes,
          backup_restore, hostile_clients, wrong_tokens, reconnect_storm, half_open, idle_connections, http_dawdlers, soak]


def main():
    random.seed(1)
    names = sys.argv[3:]
    unknown = set(names) - {fault.__name__ for fault in FAULTS}
    if unknown:
        print("no such fault: " + " ".join(sorted(unknown)), file=sys.stderr)
        sys.exit(os.EX_USAGE)
    bad = 0
    for fault in FAULTS:
        if names and fault.__name__ not in names:
            continue
        d = Daemon()
        try:
            line = "fault %-20s held: %s" % (fault.__name__, fault(d))
            assert d.acknowledged, "nothing was acknowledged"
            assert not judge.reasons(line), "; ".join(judge.reasons(line))
            print(line, flush=True)
        except Skipped as why:
            print("fault %-20s skipped: %s" % (fault.__name__, why), flush=True)
        except (AssertionError, RuntimeError, OSError) as why:
            bad += 1
            print("fault %-20s DID NOT HOLD: %s" % (fault.__name__, why), flush=True)
        finally:
            d.end()
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
