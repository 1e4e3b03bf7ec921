#!/bin/sh
# Runs every suite, JOBS at once, each in a process of its own, and says the sum as the last line.
# usage: check.sh BUILD [JOBS]
build=$1
work=$(mktemp -d /tmp/paidan-check.XXXXXX) || exit 1
trap 'rm -rf "$work"' EXIT
export BUILD="$build" WORK="$work" PAIDAN_SEEN="$work/seen"
: >"$PAIDAN_SEEN"
suites=$(sed -n 's/^SUITE(\(.*\))$/\1/p' tests/suites.def)
# the last of the list take longest, so they begin first
echo "$suites" | tac | xargs -P "${2:-1}" -I {} sh -c 'CK_RUN_SUITE={} "$BUILD/tests/run" >"$WORK/{}.said" 2>&1; cat "$WORK/{}.said"'
"$build/tests/run" seen >"$work/all.said" 2>&1 # every refusal and misfit, by any of them
cat "$work/all.said"
for suite in $suites all; do
    tail -1 "$work/$suite.said" | grep -E '^[0-9]+ passed, [0-9]+ failed$' || { echo "suite $suite ended before its end" >&2; echo "0 passed, 1 failed"; }
done | awk '{passed += $1; failed += $3} END {printf "%d passed, %d failed\n", passed, failed; exit passed == 0 || failed != 0}'
