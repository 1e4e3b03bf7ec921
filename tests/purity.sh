#!/bin/sh
# Proves the engine pure and the arrows one-way. usage: purity.sh BUILD
set -u
build=$1
bad=0
say() { echo "purity: $*" >&2; bad=1; }

# The engine's objects may want nothing from outside but libc's pure part (and the hooks of sanitizers and coverage).
allowed='^(malloc|calloc|realloc|free|abort|memcpy|memmove|memset|memcmp|strlen|strcmp|llabs|labs|aligned_alloc|qsort|__cpu_model|__cpu_indicator_init|__popcountdi2|bcmp|__stack_chk_fail|__mem(cpy|move|set)_chk|_GLOBAL_OFFSET_TABLE_|__(asan|ubsan|tsan|sanitizer|gcov)_.*|__tls_get_addr)$'
defined=$(nm --defined-only -A "$build"/engine/*.o | awk '{print $NF}' | sort -u)
wanted=$(nm -u "$build"/engine/*.o | awk 'NF==2 && $1=="U" {print $2}' | sort -u)
for name in $wanted; do
    echo "$defined" | grep -qx -- "$name" && continue
    echo "$name" | grep -qE "$allowed" || say "the engine wants $name"
done
# No static state that can change.
case $build in *san* | *cov*) ;; *)
    state=$(objdump -t "$build"/engine/*.o | awk '($4 == ".data" || $4 == ".bss") && $NF !~ /^\./ {print $NF}')
    [ -z "$state" ] || say "the engine has state outside its objects: $state" ;;
esac

# proto -> store -> engine, never back; each library is seen in its own room only.
grep -nE '#include "(store|proto|tests|bench)/' engine/*.[ch] && say "engine looks up"
grep -nE '#include "(proto|tests|bench)/' store/*.[ch] && say "store looks up"
grep -nE '#include "(tests|bench)/' proto/*.[ch] && say "proto looks up"
grep -nE '#include <(sqlite3|hiredis/)' engine/*.[ch] proto/*.[ch] bench/*.[ch] && say "SQLite or hiredis outside store"
grep -lE '#include <msgpack' engine/*.[ch] store/*.[ch] proto/*.[ch] bench/*.[ch] | grep -vx proto/codec.c && say "msgpack outside the codec"
grep -lE "#include <openssl/" engine/*.[ch] store/*.[ch] proto/*.[ch] bench/*.[ch] | grep -vxE "store/vault.c|proto/(server|client)_tls.c" && say "OpenSSL outside the vault and TLS"
grep -lE '#include <event2/' engine/*.[ch] store/*.[ch] proto/*.[ch] bench/*.[ch] | grep -v '^proto/server' && say "libevent outside the server"
grep -nE '\b(float|double)\b' engine/*.[ch] | grep -v '/\*' && say "floating point in the engine"

# The console makes nodes of text; what would take text as HTML or as a script is not used at all.
sinks='innerHTML|outerHTML|insertAdjacentHTML|createContextualFragment|DOMParser|srcdoc|document\.write|\beval\(|new Function|\bFunction\(|setTimeout\([^(]*[`"'"'"']|bindPopup|setContent|setTooltipContent|divIcon|javascript:|bindTooltip\(([^s]|s[^a])|location *=|location\.(href|assign|replace)|window\.open|\bhref:'
grep -nE "$sinks" ${CONSOLE:-proto/console}/*.js && say "the console takes text as HTML or as an address"

# Every test file stands in suites.def; no function is over 70 lines, no file over 800.
for file in tests/test_*.c; do
    name=$(basename "$file" .c); grep -q "SUITE(${name#test_})" tests/suites.def || say "$file is in no suite"
done
for file in engine/*.[ch] store/*.[ch] proto/*.[ch] bench/*.[ch]; do
    [ "$(wc -l <"$file")" -le 800 ] || say "$file is over 800 lines"
    awk -v file="$file" '/^\{/ {start=NR} /^\}/ {if (start && NR-start > 70) {print "purity: " file ":" start ": a function of " NR-start " lines"; bad=1} start=0} END {exit bad}' "$file" || bad=1
done
[ $bad = 0 ] && echo "purity: the engine is pure, the arrows go one way"
exit $bad
