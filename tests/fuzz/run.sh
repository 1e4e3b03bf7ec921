#!/bin/sh
# Runs each fuzzer for some minutes over its corpus and one that grows in build-fuzz; one line a target.
# usage: run.sh MINUTES TARGET…
minutes=$1
shift
bad=0
for name in "$@"; do
    mkdir -p "build-fuzz/found/$name" "build-fuzz/crashes"
    if ASAN_OPTIONS=detect_leaks=1:allocator_may_return_null=1 "build-fuzz/$name" -max_total_time=${SECONDS_EACH:-$((minutes * 60))} \
        -max_len=4096 -rss_limit_mb=1024 -malloc_limit_mb=256 -timeout=10 -print_final_stats=1 \
        -artifact_prefix="build-fuzz/crashes/$name-" "build-fuzz/found/$name" "tests/fuzz/corpus/$name" \
        >"build-fuzz/$name.log" 2>&1; then verdict=clean; else verdict=FAILED; bad=1; fi
    awk -v name="$name" -v verdict=$verdict '
        /number_of_executed_units/ {runs=$2} /average_exec_per_sec/ {rate=$2} / cov: / {for (i=1;i<NF;i++) if ($i=="cov:") cov=$(i+1)}
        END {printf "fuzz %-10s executions=%d per_second=%d edges=%d %s\n", name, runs, rate, cov, verdict}' "build-fuzz/$name.log"
done
exit $bad
