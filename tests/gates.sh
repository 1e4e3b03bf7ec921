#!/bin/sh
# The gates themselves: each is shown a failure that was planted, and must not let it pass.
# usage: gates.sh BUILD
build=$1
python=/usr/bin/python3
work=$(mktemp -d /tmp/paidan-gates.XXXXXX) || exit 1
trap 'rm -rf "$work"' EXIT
bad=0
# gate WANTED-EXIT-CODE WHAT COMMAND…
gate() {
    wanted=$1 what=$2
    shift 2
    "$@" >"$work/said" 2>&1
    code=$?
    [ "$code" = "$wanted" ] || { echo "gate: $what: exit code $code, not $wanted: $(tail -1 "$work/said")"; bad=$((bad + 1)); }
}
# result WANTED-EXIT-CODE LINE: what judge.py says of it
result() {
    echo "$2" >"$work/result"
    gate "$1" "judge.py '$2'" $python tests/judge.py "$work/result"
}
result 0 "paidan cycles=3 acknowledged=9 lost=0 unexpected=0 duplicated=0 recovered=1 would_not_start=0"
result 1 "paidan cycles=3 acknowledged=9 lost=5 unexpected=0 duplicated=0 recovered=1 would_not_start=0"
result 1 "paidan cycles=3 acknowledged=9 lost=0 unexpected=1 duplicated=0 recovered=1 would_not_start=0"
result 1 "paidan-eio cycles=3 acknowledged=9 lost=0 unexpected=0 duplicated=1 recovered=1 would_not_start=0"
result 1 "vm cycles=3 acknowledged=9 lost=0 unexpected=0 duplicated=0 recovered=1 would_not_start=1"
result 1 "vm cycles=3 acknowledged=0 lost=0 unexpected=0 duplicated=0 recovered=1 would_not_start=0"
result 0 "paidan-unsynced cycles=3 acknowledged=9 lost=9 unexpected=0 duplicated=0 recovered=0 would_not_start=0"
result 1 "paidan-unsynced cycles=3 acknowledged=9 lost=0 unexpected=0 duplicated=0 recovered=0 would_not_start=0"
result 0 "beanstalkd-f50 cycles=3 acknowledged=9 lost=9 unexpected=0 duplicated=0 recovered=0 would_not_start=0"
result 1 "redis-always cycles=3 acknowledged=0 lost=0 unexpected=0 duplicated=0 recovered=0 would_not_start=1"
result 0 "rot seed=1 flips=9 found=4 harmless=5 silent=0 seconds=1.0"
result 1 "rot seed=1 flips=9 found=0 harmless=0 silent=9 seconds=1.0"
result 1 "rot seed=1 flips=0 found=0 harmless=0 silent=0 seconds=1.0"
result 1 "abcdef0 slice=1 crashes seed=1 points=9 second_crashes=0 operations=9 failed=3 seconds=1.0"
result 1 "failures: 3"
result 1 "crashes seed=1 points=9 failures: 3"
result 1 "abcdef0 slice=1 trespass seed=1 cases=9 allowed=9 orders=9 leaks=1 seconds=1.0"
result 0 "afl frame executions=9 per_second=9 edges=9 crashes=0 hangs=0 clean"
result 1 "afl frame executions=9 per_second=9 edges=9 crashes=1 hangs=0 clean"
result 1 "fuzz frame executions=0 per_second=0 edges=0 clean"
result 1 "fault kill_9 skipped: needs the right to mount"
result 1 "fault kill_9 DID NOT HOLD: lost 5 of 9"
result 1 "fault kill_9 held: kills=2 acknowledged=0 restart_p50_ms=31"
result 1 "fuzz frame executions=9 per_second=9 edges=9 crashes=4 clean"
result 0 "abcdef0 slice=1 sim seed=1 seeds=3 virtual_hours=9 crashes=4 failed=0"
result 1 "x seeds=3 corrupt=1"
result 1 "x seeds=3 lost=1.5"
result 1 "x seeds=3 AddressSanitizer: heap-use-after-free"
result 1 "Segmentation fault seeds=3"
result 1 "redis-of-ours cycles=3 acknowledged=9 lost=1"
result 1 "mutants=9 missed=1"
result 1 "not run: no clang"
result 1 ""
gate 1 "judge.py without a file" $python tests/judge.py
gate 1 "judge.py with a file that is not there" $python tests/judge.py "$work/none"
gate 64 "faults.py and an unknown fault" $python tests/faults.py "$build" 1 no_such_fault
gate 1 "powercut.py and an unknown target" $python tests/powercut.py "$build" 1 no_such_target
mkdir -p "$work/tests" && printf '#!/bin/sh\nexit 78\n' >"$work/paidand" && chmod +x "$work/paidand"
cp "$build/tests/forget.so" "$work/tests/" 2>/dev/null
gate 1 "powercut.py and a daemon that never starts" $python tests/powercut.py "$work" 1 paidan
gate 1 "faults.py and a daemon that never starts" $python tests/faults.py "$work" 1 kill_9
gate 2 "mutants.sh and an unknown mutant" sh tests/mutants.sh "$build" 1 no_such_mutant
if command -v clang >/dev/null && command -v cppcheck >/dev/null; then
    printf 'int planted(int *p);\nint planted(int *p)\n{\n    if (p == 0)\n        return *p;\n    return 0;\n}\n' >"$work/planted.c"
    gate 1 "lint.sh and a null pointer" sh tests/lint.sh "$work/planted.c"
fi
gate 0 "counts, latencies, refusals" $python - <<'PLANTED'
import sys
sys.argv = ["faults.py", "build"]
sys.path.insert(0, "tests")
import faults, judge
assert judge.unequal((0, 0, 0)) and judge.unequal((3, 3, 2)) and not judge.unequal((3, 3, 3))
assert not judge.disturbed((40, 300), (20, 100))
assert judge.disturbed((30e3, 300), (20, 100)) and judge.disturbed((40, 2e6), (20, 100))

class Held:
    def __init__(self, held):
        self.numbers = held
    def holds(self):
        return self.numbers

def checked(held, acknowledged, refused):
    d = faults.Daemon.__new__(faults.Daemon)
    d.paidan, d.acknowledged, d.refused, d.may_refuse = Held(held), acknowledged, refused, False
    try:
        d.check()
    except AssertionError as why:
        return str(why)

assert checked([], set(), 0) == "nothing was acknowledged"
assert checked([1], {1}, 9) == "9 orders were refused"
assert checked([], {1}, 0) == "lost 1 of 1"
assert checked([1, 1], {1}, 0) == "duplicated"
PLANTED
echo "gates: $bad let something pass"
[ "$bad" = 0 ]
