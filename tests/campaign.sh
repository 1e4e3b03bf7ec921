#!/bin/sh
# A slice of the long campaign: simulated seeds, every crash point of one workload, failing I/O and memory,
# generated trespassers. Each line of tests/campaign.log is one sweep; `make scoreboard` adds them up.
# usage: campaign.sh BUILD FIRST_SLICE [COUNT]
set -u
build=$1
slice=$2
last=$(($2 + ${3:-1}))
commit=$(git rev-parse --short HEAD 2>/dev/null || echo none)
bad=0
note() {
    printf '%s slice=%d %s\n' "$commit" "$slice" "$1"
    case $1 in *failed=0*|*leaks=0*) ;; *) bad=1 ;; esac
}
while [ "$slice" -lt "$last" ]; do
    note "run $("$build/tests/sim" run $((slice * 1000 + 1)) 1000 | tail -1)"
    note "$("$build/tests/sim" crashes "$slice" 0 1 4 | tail -1)"
    note "$("$build/tests/sim" faults "$slice" $((slice % 13 + 1)) 13 | tail -1)"
    note "$("$build/tests/sim" memory "$slice" $((slice % 97 + 1)) 97 | tail -1)"
    note "$("$build/tests/sim" trespass "$slice" 20000 | tail -1)"
    slice=$((slice + 1))
done
exit $bad
