#!/bin/sh
# Starts paidand on Huizhou with generated organisations and walks one order through its life.
# usage: demo.sh BUILD [serve]     serve: keep serving until Ctrl-C
set -eu
build=$1
serve=${2:-}
dir=$(mktemp -d /tmp/paidan-demo.XXXXXX)
sock=$dir/paidan.sock
pid=
stop() {
    [ -n "$pid" ] && kill "$pid" 2>/dev/null && wait "$pid" 2>/dev/null || true
    rm -rf "$dir"
}
trap stop EXIT
trap 'exit 0' INT TERM
say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
[ -t 1 ] || say() { printf '\n== %s\n' "$*"; }
p() { printf '$ paidan %s\n' "$*"; "$build/paidan" --server "unix:$sock" "$@"; }
number() { sed -E "s/.*\"$1\": ?([0-9]+).*/\\1/"; }

say "Starting paidand: SQLite in $dir/data, live queues in memory; a Unix socket, loopback TCP, and HTTP with the console"
"$build/paidand" --data "$dir/data" --listen "unix:$sock" --listen tcp:127.0.0.1:0 --listen http:127.0.0.1:0 \
    --regions conf/huizhou/regions.csv --codes conf/huizhou --log "$dir/log" &
pid=$!
for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    [ -S "$sock" ] && break
    kill -0 "$pid" 2>/dev/null || { cat "$dir/log"; exit 1; }
    sleep 0.25
done
port=$(sed -nE 's/.*address=(tcp:127\.0\.0\.1:[0-9]+).*/\1/p' "$dir/log")

say "Huizhou: 1,457 real regions; 7,123 organisations, GENERATED DATA 生成数据 (names say so)"
"$build/paidan-bench" generate orgs >"$dir/orgs.csv"
p import orgs "$dir/orgs.csv"

say "点单 A resident of 惠城区桥东街道 asks for company for an elder alone at home"
order=$("$build/paidan" --server "unix:$sock" --json order place --region 441302001001 \
    --category empty_nest_elder --groups elder --minutes 60 --contact_name 示例 --contact_phone 000 |
    number order)
p order show "$order"

say "匹配 Who could help? The best five, with the parts of the score one request away"
p candidates "$order" --limit 5
best=$("$build/paidan" --server "unix:$sock" --json candidates "$order" --limit 1 | number org)

say "派单 The community's dispatcher takes the order and puts it before organisation $best"
p claim "$order"
p explain "$order" "$best"
p dispatch "$order" "$best"
offer=$("$build/paidan" --server "unix:$sock" --json inbox "$best" | number offer)

say "接单 The organisation looks into its inbox and accepts"
p inbox "$best"
p accept "$offer"

say "服务 Service begins; two volunteers serve an hour each"
p start "$offer"
p complete "$offer" 9001:60 9002:60

say "评单 The resident gives five stars, and the order is closed"
p order rate "$order" 5
p order history "$order"

say "A day's orders of Huizhou, GENERATED DATA 生成数据, wait for their dispatchers"
"$build/paidan-bench" generate orders --count 400 >"$dir/orders.csv"
p import orders "$dir/orders.csv"

token() { "$build/paidan" --server "unix:$sock" --json token add "$@" | sed -E 's/.*"token": ?"([^"]+)".*/\1/'; }
http=$(sed -nE 's/.*address=(http:)(127\.0\.0\.1:[0-9]+).*/\1\/\/\2/p' "$dir/log")

say "控制台 The console: open $http and enter with one of these tokens"
cat <<EOF
  点单 to place and rate         $(token resident --roles platform --region 4413)
  派单员 dispatcher of 惠城区    $(token desk --roles dispatcher --region 441302)
  组织 organisation $best       $(token team --roles org --org "$best")
  督导 supervisor of 惠州市      $(token board --roles supervisor --region 4413)
EOF

say "What to try next"
cat <<EOF
  export PAIDAN_SERVER=unix:$sock        (or $port, which wants a token: paidan token add NAME --roles platform --everywhere true)
  $build/paidan order place --region 441302001001 --category legal_aid --mode auto
  $build/paidan queue 4413
  $build/paidan watch
  curl $http/openapi.json
  $build/paidan --help; proto/PROTOCOL.md has every method
EOF
[ "$serve" = serve ] || exit 0
say "Serving until Ctrl-C; the log is $dir/log"
wait "$pid"
