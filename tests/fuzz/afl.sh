#!/bin/sh
# Runs AFL++ on each target for some minutes, from the same corpora as libFuzzer; one line a target.
# usage: afl.sh MINUTES TARGET…
minutes=$1
shift
bad=0
export AFL_NO_UI=1 AFL_SKIP_CPUFREQ=1 AFL_I_DONT_CARE_ABOUT_MISSING_CRASHES=1 AFL_NO_AFFINITY=1 AFL_BENCH_UNTIL_CRASH=0
for name in "$@"; do
    out=build-afl/out/$name
    rm -rf "$out" && mkdir -p "$out"
    afl-fuzz -V "${SECONDS_EACH:-$((minutes * 60))}" -G 4096 -i "tests/fuzz/corpus/$name" -o "$out" -- "build-afl/$name" >"build-afl/$name.log" 2>&1
    stats=$out/default/fuzzer_stats
    value() { sed -n "s/^$1 *: *//p" "$stats" 2>/dev/null; }
    crashes=$(value saved_crashes)
    hangs=$(value saved_hangs)
    verdict=clean
    [ "${crashes:-1}" = 0 ] && [ "${hangs:-1}" = 0 ] || { verdict=FAILED; bad=1; }
    printf 'afl %-10s executions=%s per_second=%.0f edges=%s crashes=%s hangs=%s %s\n' "$name" "$(value execs_done)" \
        "$(value execs_per_sec)" "$(value edges_found)" "${crashes:--}" "${hangs:--}" $verdict
done
exit $bad
