#!/bin/sh
# Planted bugs: each patch of tests/mutants is built into a program of its own, which must be noticed.
# Prints one line a mutant, with the number of seeds it took, and fails when one is not noticed.
# usage: mutants.sh BUILD [SEEDS [NAME…]]
# The patch says `by: run` (hunted with simulated runs), `by: trespass` (with generated callers), `by: rot`
# (flipped bits must pass silently), or, for what the simulator does not run, `by: suite NAME[:CASE]` or
# `by: script COMMAND…` (BUILD in it stands for the mutant's), which must hold with a daemon that lies in
# such a place and has no bug, and fail with the one that has.
# `debug: FILE` builds that file with PAIDAN_DEBUG.
set -u
build=$1
seeds=${2:-1000}
[ $# -gt 2 ] && shift 2 || { shift $#; set -- $(cd tests/mutants && ls ./*.patch | sed 's|^./||; s|.patch$||'); }
flags="-std=c11 -O2 -fPIE -pthread -I. -D_GNU_SOURCE -DPAIDAN_VERSION=\"0.1.0\""
libs="$(pkg-config --libs libevent_core libevent_extra libevent_pthreads libevent_openssl libssl libcrypto sqlite3 msgpack hiredis jansson) -lcsv -lm"
missed=0
# daemon DIR: the other things of a build that suites and scripts want, as they are
daemon() {
    mkdir -p "$1/tests"
    ln -sf "$PWD/$build/paidan" "$PWD/$build/paidan-bench" "$1/"
    ln -sf "$PWD/$build/tests/forget.so" "$1/tests/"
}
# hunt DIR: the suite or the script over the programs there; what it says, and whether it holds
hunt() {
    case $by in
    suite*)
        suite=${by#suite }
        case $suite in *:*) export CK_RUN_CASE="${suite#*:}" ;; *) unset CK_RUN_CASE ;; esac
        BUILD=$1 CK_RUN_SUITE=${suite%%:*} timeout 300 "$build/tests/run" 2>&1 ;;
    *) timeout 300 $(echo "${by#script }" | sed "s|BUILD|$1|g") 2>&1 ;;
    esac
}
for name in "$@"; do
    patch=tests/mutants/$name.patch
    [ -f "$patch" ] || { echo "there is no $patch" >&2; exit 2; }
    dir=$build/mutants/$name
    rm -rf "$dir" && mkdir -p "$dir"
    by=$(sed -n 's/^by: //p' "$patch")
    case $by in
    suite*|script*) program=paidand sources="proto/main_paidand.c" ;;
    *) program=sim sources="tests/rig/*.c" ;;
    esac
    objects=$(ls $sources proto/*.c store/*.c engine/*.c | grep -vE 'proto/main_paidan\.|rig/forget' | sort -u)
    [ $program = paidand ] || objects=$(echo "$objects" | grep -v proto/main_)
    objects=$(echo "$objects" | sed "s|^|$build/|; s|c\$|o|")
    for file in $(sed -n 's|^+++ b/||p' "$patch") $(sed -n 's/^debug: //p' "$patch"); do
        mkdir -p "$dir/$(dirname "$file")" && cp "$file" "$dir/$file"
    done
    if ! patch -s -p1 -d "$dir" <"$patch"; then
        echo "mutant $name: the patch does not apply any more"; missed=$((missed + 1)); continue
    fi
    for file in $(cd "$dir" && find . -name '*.c' | sed 's|^./||'); do
        debug=$(sed -n "s|^debug: $file$|-DPAIDAN_DEBUG|p" "$patch")
        ${CC:-cc} $flags $debug -iquote "$(dirname "$file")" -c "$dir/$file" -o "$dir/$(basename "$file" .c).o" || exit 2
        objects=$(echo "$objects" | grep -v "/$(echo "$file" | sed 's/\.c$/.o/')\$")
    done
    ${CC:-cc} -pie -pthread "$dir"/*.o $objects -o "$dir/$program" $libs || exit 2
    took=
    case $by in
    trespass)
        said=$(timeout 120 "$dir/sim" trespass 1 $((seeds * 100)) 2>&1)
        took=$(echo "$said" | sed -nE 's/.* after ([0-9]+) cases.*/after \1 cases/p') ;;
    rot)
        said=$(timeout 300 "$dir/sim" rot 1 3 37 2>&1) || took=$(echo "$said" | sed -nE 's/.* (silent=[1-9][0-9]*).*/by \1/p') ;;
    suite* | script*)
        # The control: the same place and no planted bug. What fails there as well has caught nothing.
        daemon "$dir/control" && cp "$build/paidand" "$dir/control/"
        if ! said=$(hunt "$dir/control"); then
            echo "mutant $name: FAILED without its bug too: $(echo "$said" | tail -1)"; missed=$((missed + 1)); continue
        fi
        daemon "$dir"
        said=$(hunt "$dir") || took="by $(echo "${by#* }" | grep -oE '[a-z]+\.py|^[a-z]+:?[a-z]*$')"
        said=$(echo "$said" | grep -E ':[FE]:|DID NOT HOLD|not 74' | sed -E 's/.*(:[FE]:|DID NOT HOLD: )//') ;;
    *)
        said=$(timeout 300 "$dir/sim" hunt 1 "$seeds" 2>&1)
        took=$(echo "$said" | sed -nE 's/^seed ([0-9]+):.*/after \1 seeds/p' | head -1) ;;
    esac
    if [ -n "$took" ]; then
        printf 'mutant %-24s caught %-18s %s\n' "$name" "$took" "$(echo "$said" | head -1 | cut -c1-110)"
    else
        printf 'mutant %-24s NOT CAUGHT in %s\n' "$name" "$seeds"; missed=$((missed + 1))
    fi
done
echo "mutants=$# missed=$missed"
[ "$missed" = 0 ]
