#!/usr/bin/env python3
"""The one judge of results: of the lines `what field=number …` that the sweeps, the campaign, the mutants,
the fuzzers, powercut.py, vm.py and faults.py print.

usage: judge.py FILE…; prints why a result does not hold; exit code 1 when one does not, when a file has
none, or when nothing was tried: a figure that comes from nothing is no figure."""
import re, sys

# Wherever one of these is counted it must be nothing, …
NOTHING = {"lost", "unexpected", "duplicated", "would_not_start", "failed", "failures", "leaks", "silent", "missed", "hangs", "let_in",
           "unanswered", "not_found"}
# … and of these something.
SOMETHING = {"acknowledged", "cycles", "seeds", "points", "cases", "allowed", "flips", "found", "executions", "runs", "kills",
             "drains", "jumps", "limits", "faults", "orders", "guesses", "connections", "held", "lives", "attacks", "mutants"}
# These are told and judge nothing; a counter that is in no list is one that nobody thought about.
TOLD = {"seed", "slice", "seconds", "second_crashes", "operations", "virtual_to_real", "virtual_hours", "seeds_per_minute", "repeated",
        "refused", "disk_faults", "redis_faults", "crashes", "answered", "jumps", "trace", "schema", "edits", "harmless", "edges",
        "per_second", "thousand_per_second", "events", "recovered", "disk_writes", "dropped", "placed", "restart_p50_ms",
        "restart_max_ms", "p50_us", "p99_us", "p90_us_a_request", "memory_grown_kib", "descriptors", "idle_cpu", "had_to_wait", "kib_each",
        "tried", "served_again_after_s", "rss_kib", "log_kib_max", "exit_codes", "taken", "of_most", "grown_mib", "of_most_mib", "sent",
        "counted", "log_lines"}
WORDS = re.compile(r"DID NOT HOLD|NOT CAUGHT|FAILED|not apply|skipped|not run|Traceback|usage:|Sanitizer|runtime error|"
                   r"Segmentation fault|Aborted|Killed")
COUNTER = re.compile(r"(?<!\S)(\w+)=(-?\d+(?:\.\d+)?)|(failures): (\d+)")
CONTROLS = ("paidan-unsynced", "vm-control") # syncs that do nothing: loss must be seen
PEERS = {"beanstalkd-f0", "beanstalkd-f50", "beanstalkd-eio", "redis-always", "redis-everysec", "redis-eio"} # lose what they lose


def reasons(line):
    """Why a result does not hold; nothing when it does."""
    found = ["it says %r" % word for word in WORDS.findall(line)]
    fields = {name or other: float(number or count) for name, number, other, count in COUNTER.findall(line)}
    who = line.split(" ", 1)[0]
    found += ["nobody knows what %s counts" % name for name in fields if name not in NOTHING | SOMETHING | TOLD]
    if who in CONTROLS:
        found += ["the control lost nothing"] if fields.get("lost", 0) == 0 else []
    elif who not in PEERS:
        found += ["%s=%g" % (name, fields[name]) for name in fields if name in NOTHING and fields[name] != 0]
        found += ["crashes=%g" % fields["crashes"]] if fields.get("crashes") and fields.get("virtual_hours") is None else []
    return found + ["%s=0" % name for name in fields if name in SOMETHING and fields[name] == 0]


def judge(lines):
    """Why the results of a file do not hold; notes made by hand are no results."""
    lines = [line.strip() for line in lines if line.strip() and not line.startswith("note ")]
    found = ["%s: %s" % (line, "; ".join(reasons(line))) for line in lines if reasons(line)]
    return found + ([] if any(COUNTER.search(line) for line in lines) else ["nothing was tried"])


def power_line(name, cycles, acknowledged, held, sent, would_not_start, more=""):
    """The result of cut power: lost = acknowledged and gone, unexpected = there and never sent."""
    return "%s cycles=%d acknowledged=%d lost=%d unexpected=%d duplicated=%d recovered=%d would_not_start=%d%s" % (
        name, cycles, len(acknowledged), len(acknowledged - set(held)), sum(n < 1 or n > sent for n in held),
        len(held) - len(set(held)), len(set(held) - acknowledged), would_not_start, more)


def disturbed(with_us, without_us):
    """Why honest callers were disturbed: (median, 99th percentile) in µs with hostile ones about, and without.
    The bounds are wide; they are for a daemon that stands still, not for a machine that is slow."""
    return ["%s of %.0f µs, %.0f µs without them" % (what, held, calm)
            for what, held, calm, least in zip(("a median", "a 99th percentile"), with_us, without_us, (20e3, 500e3))
            if held > max(20 * calm, least)]


def unequal(counts):
    """Whether counts that must be the same are not, or all are nothing."""
    return len(set(counts)) != 1 or counts[0] == 0


def main():
    found = []
    for path in sys.argv[1:]:
        with open(path, errors="replace") as file:
            found += ["%s: %s" % (path, why) for why in judge(file)]
    print("".join("does not hold: %s\n" % why for why in found), end="")
    sys.exit(1 if found or len(sys.argv) < 2 else 0)


if __name__ == "__main__":
    main()
