#!/bin/sh
# Planted bugs: each patch of tests/mutants is built into a simulator of its own, which must notice it.
# Prints one line a mutant, with the number of seeds it took, and fails when one is not noticed.
# usage: mutants.sh BUILD [SEEDS [NAME…]]; `by: run` hunts with simulated runs, `by: trespass` with
# generated callers; `debug: FILE` builds that file with PAIDAN_DEBUG.
set -u
build=$1
seeds=${2:-1000}
[ $# -gt 2 ] && shift 2 || { shift $#; set -- $(cd tests/mutants && ls ./*.patch | sed 's|^./||; s|.patch$||'); }
flags="-std=c11 -O2 -fPIE -pthread -I. -D_GNU_SOURCE -DPAIDAN_VERSION=\"0.1.0\""
libs="$(pkg-config --libs libevent_core libevent_extra libevent_pthreads libevent_openssl libssl libcrypto sqlite3 msgpack hiredis jansson) -lcsv -lm"
missed=0
for name in "$@"; do
    patch=tests/mutants/$name.patch
    dir=$build/mutants/$name
    rm -rf "$dir" && mkdir -p "$dir"
    by=$(sed -n 's/^by: //p' "$patch")
    objects=$(ls tests/rig/*.c proto/*.c store/*.c engine/*.c | grep -vE 'proto/main_|rig/forget' | sed "s|^|$build/|; s|c\$|o|")
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
    ${CC:-cc} -pie -pthread "$dir"/*.o $objects -o "$dir/sim" $libs || exit 2
    if [ "$by" = trespass ]; then
        said=$(timeout 120 "$dir/sim" trespass 1 $((seeds * 100)) 2>&1)
        took=$(echo "$said" | sed -nE 's/.* after ([0-9]+) cases.*/\1 cases/p')
    else
        said=$(timeout 300 "$dir/sim" hunt 1 "$seeds" 2>&1)
        took=$(echo "$said" | sed -nE 's/^seed ([0-9]+):.*/\1 seeds/p' | head -1)
    fi
    if [ -n "$took" ]; then
        printf 'mutant %-24s caught after %-12s %s\n' "$name" "$took" "$(echo "$said" | head -1 | cut -c1-110)"
    else
        printf 'mutant %-24s NOT CAUGHT in %s\n' "$name" "$seeds"; missed=$((missed + 1))
    fi
done
echo "mutants=$# missed=$missed"
[ "$missed" = 0 ]
