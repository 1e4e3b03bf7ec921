#!/bin/sh
# A slice of the long campaign: simulated seeds, every crash point of one workload, failing I/O and memory,
# generated trespassers. Each line of tests/campaign.log is one sweep; `make scoreboard` adds them up.
# usage: campaign.sh BUILD FIRST_SLICE [COUNT [KIND…]], kinds: run crashes faults memory trespass
set -u
build=$1
slice=$2
last=$(($2 + ${3:-1}))
kinds=run\ crashes\ faults\ memory\ trespass
[ $# -gt 3 ] && shift 3 && kinds=$*
commit=$(git rev-parse --short HEAD 2>/dev/null || echo none)
bad=0
note() {
    printf '%s slice=%d %s\n' "$commit" "$slice" "$1"
    case $1 in *failed=0*|*leaks=0*) ;; *) bad=1 ;; esac
}
while [ "$slice" -lt "$last" ]; do
    for kind in $kinds; do
        case $kind in
        run) numbers="$((slice * 1000 + 1)) 1000" ;;
        crashes) numbers="$slice 0 1 4" ;;
        faults) numbers="$slice $((slice % 13 + 1)) 13" ;;
        memory) numbers="$slice $((slice % 97 + 1)) 97" ;;
        trespass) numbers="$slice 20000" ;;
        esac
        said=$("$build/tests/sim" "$kind" $numbers | tail -1)
        note "$kind ${said#"$kind "}"
    done
    slice=$((slice + 1))
done
exit $bad
