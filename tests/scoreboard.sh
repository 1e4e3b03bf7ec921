#!/bin/sh
# Writes tests/SCOREBOARD.md: the reliability and security figures, as this machine makes them now, and the
# slices of the long campaign (tests/campaign.log) added up. usage: scoreboard.sh BUILD
set -u
build=$1
out=tests/SCOREBOARD.md
commit=$(git rev-parse --short HEAD 2>/dev/null || echo unknown)
python=/usr/bin/python3
work=$build/scoreboard
say() { echo "scoreboard: $*" >&2; }

bad=0
# step RESULT WHAT COMMAND…: what it prints goes to the file RESULT; a command that fails, or says nothing, is a failure
step() {
    result=$1
    say "$2"
    shift 2
    "$@" >>"$work/$result" || { say "FAILED: $*"; bad=1; }
    [ -s "$work/$result" ] || { say "FAILED: nothing came of: $*"; bad=1; }
}
fuzz() {
    SECONDS_EACH=${FUZZ_SECONDS:-20} make --no-print-directory -s fuzz afl 2>/dev/null | grep executions=
}

rm -rf "$work" && mkdir -p "$work"
sh tests/deps.sh beanstalkd redis-server python3-msgpack faketime strace iproute2 qemu-system-x86 busybox-static socat \
    e2fsprogs cpio clang libclang-rt-14-dev || exit 1
step slice "a slice of the campaign" sh tests/campaign.sh "$build" $((100000 + $(date +%j))) 1
step mutants "planted bugs" sh tests/mutants.sh "$build" 3000
step powercut "power cuts" $python tests/powercut.py "$build" "${CYCLES:-20}"
step vm "power cuts of a whole machine" $python tests/vm.py "$build" "${MACHINE_CYCLES:-10}"
step vm "the same where flushes count for nothing" $python tests/vm.py "$build" 2 control
step faults "faults" $python tests/faults.py "$build" "${ROUNDS:-40}"
step start "a start with a million open orders" "$build/paidan-bench" start --organisations 10000 --orders 1000000 --json
step rot "flipped bits" "$build/tests/sim" rot 1 3 37
step fuzz "fuzzing" fuzz
step callers "callers that take what they can" $python tests/callers.py "$build" 1
step audit "the audit chain" $python tests/audit_speed.py "$build"
$python tests/judge.py tests/campaign.log $(for f in slice mutants powercut vm faults callers rot fuzz audit; do echo "$work/$f"; done) >&2 || bad=1

# The sum of a field over lines of a kind, from the campaign and today's slice.
all() { cat tests/campaign.log "$work/slice" 2>/dev/null | grep " $1 "; }
sum() { all "$1" | awk -v field="$2" '{for (i = 1; i <= NF; i++) if (split($i, part, "=") == 2 && part[1] == field) sum += part[2]} END {printf "%d", sum}'; }
count() { all "$1" | wc -l | tr -d ' '; }
# What takes long and was run by hand: lines "note S9 …" of the campaign's log.
notes() { sed -n "s/^note $1 //p" tests/campaign.log | tail -1; }
code=$(cat engine/*.[ch] store/*.[ch] proto/*.[ch] | grep -c .)
tests=$(find tests -name '*.[ch]' -o -name '*.py' -o -name '*.sh' | xargs cat | grep -c .)
claims=$(cat engine/*.c store/*.c proto/*.c | grep -cE '\bmust\(')
cpu=$(awk -F': ' '/model name/ {print $2; exit}' /proc/cpuinfo)

{
cat <<PAGE
# Scoreboard

Written by \`make scoreboard\` on $(date -u +%Y-%m-%d) at commit $commit, on $(nproc) cores of $cpu, Linux $(uname -r). Figures of the campaign are sums over \`tests/campaign.log\` ($(grep -o 'slice=[0-9]*' tests/campaign.log | sort -u | wc -l | tr -d ' ') slices; \`sh tests/campaign.sh build N\` makes slice N again, byte for byte at its commit, and prints lines that can be appended) and one slice of today.

**The fault model.** The process dies at any instant; the power fails at any instant and of what was not synced anything may be lost, torn at 512 bytes, reordered or replaced by noise; any read, write, sync or truncation fails once or for ever, with EIO or ENOSPC, and a failed sync forgets what it was to keep; any allocation of SQLite's fails; connections break at any byte, requests are repeated, split and late; the clock jumps forwards and backwards; Redis flushes, dies, hangs and lies; callers ask for what is not theirs. **Outside it**: a disk that says it has synced and has not (the positive control shows the loss), rot of old events that no audit reads (S16), a log damaged after a power cut whose record was not synced yet (it is at each checkpoint), somebody with the master key or who puts back a whole older directory, heads with it, more than one disk, somebody with root before the next signed head leaves the machine, a Redis that says done and did not do it (orders go on all the same). **What shows all the same**: numbers of orders, events and certificates run through the whole city, so gaps tell roughly how much happens elsewhere; the bound on a volunteer's day holds in the whole city, so whether minutes wait for a review tells that somebody served elsewhere that day; an issuer's record number that is taken says so; the registry of organisations and the region table are public; an order that moved into a region brings its history along; live counts on the map, compared over time, show single orders to those who may list them anyway. **What is the operator's**: backups, snapshots and freed blocks of the file system keep what was erased from the database until they age out; while something reads the database, erased bytes stay in its log until that ends; callers without a token share one place in the budgets for each way in, so one may use up the others' share.

| | figure | command | result |
| --- | --- | --- | --- |
| S1 | crash points tried, second crashes during recovery among them; lost, unexpected, broken | \`build/tests/sim crashes SEED 0 1 4\` | $(sum crashes points) points ($(sum crashes second_crashes) second crashes, $(count crashes) workloads with place, accept, complete, escalation, backup, and migration from an older schema); failures: $(sum crashes failed) |
| S3 | the power of a whole machine cut | \`tests/vm.py build 10\` | below, and by hand: $(notes S3) |
| S4 | restart to serving with 1,000,000 open orders; kill -9 cycles below | \`paidan-bench start --organisations 10000 --orders 1000000\` | $(cat "$work/start") |
| S5 | operations that failed, once and for ever: I/O; allocations | \`sim faults\`, \`sim memory\` | $(sum faults points) and $(sum memory points) runs; failures: $(($(sum faults failed) + $(sum memory failed))) |
| S6 | simulated seeds | \`make sim SEED=1 RUNS=1000\` | $(sum run seeds) seeds, $(sum run virtual_hours) virtual hours, $(sum run crashes) crashes, $(sum run disk_faults) disk faults, $(sum run redis_faults) faults of Redis, $(sum run acknowledged) acknowledged deeds; failures: $(sum run failed). Today: $(sed -n 's/.* run .*seeds_per_minute=\([0-9]*\).*virtual_to_real=\([0-9]*\).*/\1 seeds a minute on one core, virtual to real \2 : 1/p' "$work/slice") |
| S7 | planted bugs caught | \`make mutants\` | $(grep -cE 'caught (after|by)' "$work/mutants") of $(grep -c '^mutant ' "$work/mutants"); median $(sed -nE 's/.*caught after ([0-9]+) seeds.*/\1/p' "$work/mutants" | sort -n | awk '{a[NR]=$1} END {print a[int((NR+1)/2)]}') seeds, $(sed -nE 's/.*caught after ([0-9]+) cases.*/\1/p' "$work/mutants" | sort -n | awk '{a[NR]=$1} END {print a[int((NR+1)/2)]}') trespassing requests; each below |
| S9 | the whole suite under ASan and UBSan, with every match held against a full scan; under TSan | \`make asan\`, \`make tsan\` | $(notes S9) |
| S10 | coverage of the suite | \`make coverage\` | $(notes S10) |
| S11 | lines of tests to lines of code; claims checked in production | | $tests : $code; $claims \`must\` |
| S18 | crash points of migrations | in S1 | from schemas $(all crashes | sed -n 's/.* schema=\([0-9.]*\).*/\1/p' | sort -u | tr '\n' ' ')|
| S19 | generated callers × requests | \`build/tests/sim trespass SEED CASES\` | $(sum trespass cases) requests, $(sum trespass allowed) allowed; foreign orders shown or changed: $(sum trespass leaks) |
| S20 | exposure by \`systemd-analyze security --offline=yes conf/paidand.service\` | | $(systemd-analyze security --offline=yes conf/paidand.service 2>/dev/null | sed -nE 's/.*Overall exposure level for [^:]*: ([0-9.]+).*/\1/p') |
| S21 | the audit chain | \`paidan audit verify\` | $(cat "$work/audit") |

## S2, S15: power cut alike (\`tests/powercut.py build ${CYCLES:-20}\`)

A library keeps the synced part of each file aside; under load the server is killed, the synced part takes the directory's place, it starts again, and what it holds is compared with what it acknowledged. \`-eio\`: syncs begin to fail in the middle. \`paidan-unsynced\` is the control: syncs do nothing, and the rig must see loss.

\`\`\`
$(cat "$work/powercut")
\`\`\`

## S3: power of a whole machine cut (\`tests/vm.py\`)

paidand in a virtual machine, clients outside; its disk's writes and flushes are logged, and after the kill the disk is made of what was flushed and any part of the rest. \`vm-control\`: flushes count for nothing, and loss must be seen.

\`\`\`
$(cat "$work/vm")
\`\`\`

## S4, S12, S13, S14, S17: the real daemon (\`tests/faults.py build ${ROUNDS:-40}\`)

\`\`\`
$(cat "$work/faults")
\`\`\`

## Callers × budgets (\`tests/callers.py build 1\`)

What a caller that takes all it can get was let in, what the daemon grew by, and whether root and health still got in.

\`\`\`
$(cat "$work/callers")
\`\`\`

## S7: planted bugs (\`make mutants\`)

\`\`\`
$(cat "$work/mutants")
\`\`\`

## S8: fuzzing (\`make fuzz MINUTES=…\`, \`make afl MINUTES=…\`)

\`\`\`
$(cat "$work/fuzz")
\`\`\`

## S16: flipped bits, and rows edited in every table (\`build/tests/sim rot 1 3 37\`)

\`\`\`
$(cat "$work/rot")
\`\`\`

Found: the start refuses the database (each row of the state ends with a digest, and all are read), or integrity_check, the audit chain or an invariant does. Harmless: free space, or what the state does not depend on. By hand, more of them: $(notes S16).

Not measured here: 72 hours of soak (S17 above is a slice of it), and a machine whose KVM works for S3: it ran under software emulation.
PAGE
} >"$out"
say "written to $out"
[ "$bad" = 0 ]
