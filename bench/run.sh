#!/bin/sh
# Runs the figures of bench/README.md. usage: run.sh BUILD [peers]
# Lines of JSON go to BUILD/figures/figures.jsonl, each with the command that made it; plots beside them.
set -eu
build=$1
with_peers=${2:-}
out=$build/figures
bench=$build/paidan-bench
here=$(dirname "$0")
mkdir -p "$out"
: >"$out/figures.jsonl"
work=$(mktemp -d /tmp/paidan-figures.XXXXXX)
trap 'stop_servers; rm -rf "$work"' EXIT

say() { printf '%s\n' "$*" >&2; }
servers=
stop_servers() { for pid in $servers; do kill "$pid" 2>/dev/null || true; done; servers=; }

# Puts one figure down: the command, then what it printed.
figure() {
    say "$*"
    line=$("$@") || { say "failed: $*"; return 0; }
    line=$(printf "%s" "$line" | tr "\n" " ")
    printf '{"command": "%s", "figure": %s}\n' "$(echo "$*" | sed "s|$build/||g; s|$work|FOLDER|g")" "$line" >>"$out/figures.jsonl"
}

median_of_three() { for _ in 1 2 3; do figure "$@"; done; }

say "machine: $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1), $(nproc) cores; commit $(git rev-parse --short HEAD 2>/dev/null || echo none)"
for rank in distance score; do
    median_of_three "$bench" match --organisations 10000 --orders 1000000 --rank $rank --json
    figure "$bench" match --organisations 30000 --orders 300000 --rank $rank --json
    median_of_three "$bench" match --organisations 100000 --orders 200000 --rank $rank --json
    median_of_three "$bench" match --organisations 1350000 --box national --orders 1000000 --rank $rank --json
    figure "$bench" match --organisations 1350000 --box national --orders 1000000 --hostile rare --rank $rank --json
    figure "$bench" match --organisations 1000000 --box city --orders 20000 --rank $rank --json
    figure "$bench" match --organisations 100000 --orders 100000 --hostile nobody --rank $rank --json
    figure "$bench" match --organisations 1000000 --box city --orders 1000 --hostile nobody --rank $rank --json
done
figure "$bench" match --organisations 10000 --orders 300000 --mixed --json
median_of_three "$bench" lifecycle --organisations 10000 --seconds 15 --connections 8 --pipeline 64 --json
for rate in 5000 10000 15000 20000 25000 30000; do
    figure "$bench" lifecycle --organisations 10000 --seconds 10 --connections 8 --pipeline 512 --rate $rate --json
done
figure "$bench" lifecycle --organisations 10000 --seconds 60 --connections 8 --pipeline 64 --json
figure "$bench" race --json
figure "$bench" wire --seconds 5 --json
figure "$bench" wire --match --seconds 5 --json
figure "$bench" import --json
figure "$bench" start --json
figure "$bench" surge --json
for size in 10000 40000; do
    for kind in even clustered; do
        "$bench" instance --size $size --kind $kind --out "$work/$kind-$size"
        median_of_three "$bench" assign "$work/$kind-$size" --json
    done
done

if [ -n "$with_peers" ]; then
    peers=$build/peers
    for size in 10000 100000 1350000; do
        box=huizhou
        [ $size = 1350000 ] && box=national
        "$bench" world --organisations $size --box $box --orders 100000 --out "$work/world-$size"
        median_of_three "$peers/rtree" "$work/world-$size"
        [ $size = 1350000 ] || figure "$peers/sqlite_rtree" "$work/world-$size"
        if [ $size = 10000 ]; then
            redis-server --port 0 --unixsocket "$work/redis" --save "" >/dev/null & servers="$servers $!"
            sleep 1
            figure "$peers/redis_geo" "$work/world-$size" "$work/redis"
            sh "$here/peers/postgis.sh" "$work/pg" start
            figure "$peers/postgis" "$work/world-$size" "host=$work/pg user=postgres dbname=postgres"
            sh "$here/peers/postgis.sh" "$work/pg" stop
        fi
    done
    for size in 10000 40000; do
        for kind in even clustered; do median_of_three "$peers/assign_lemon" "$work/$kind-$size"; done
    done
    "$bench" lifecycle --organisations 10000 --seconds 8 --pipeline 64 --data "$work" --keep --json >/dev/null 2>&1
    median_of_three "$peers/sqlite_rows" "$(echo "$work"/paidan-bench.*/data)" 256
    mkdir -p "$work/jobs"
    beanstalkd -l 127.0.0.1 -p 11399 -b "$work/jobs" -f0 & servers="$servers $!"
    sleep 1
    figure "$peers/beanstalk" 11399 5 32
fi
stop_servers
python3 "$here/table.py" "$out/figures.jsonl" "$out" >"$out/table.md"
command -v gnuplot >/dev/null && gnuplot -e "folder='$out'" "$here/plots.gp" || say "no gnuplot: no plots"
say "tables: $out/table.md; figures: $out/figures.jsonl"
