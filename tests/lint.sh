#!/bin/sh
# Static analysis of engine, store and proto: clang's analyzer, gcc's, cppcheck. Says nothing but what they find,
# and fails when they find something. What they take for an error and is none is said where it stands: by a claim
# (must), or by `cppcheck-suppress` with its reason; for a whole check, below.
# usage: lint.sh [FILE…]
flags="-std=c11 -O1 -I. -D_GNU_SOURCE -DPAIDAN_VERSION=\"0\" $(pkg-config --cflags msgpack hiredis jansson)"
[ $# -gt 0 ] || set -- engine/*.c store/*.c proto/*.c
said=$(mktemp /tmp/paidan-lint.XXXXXX) || exit 1
trap 'rm -f "$said"' EXIT
# gcc 12 takes an array that is filled through a pointer, or by another file, for one that is not; clang and cppcheck
# look for unset variables as well.
gcc_flags="-fanalyzer -fdiagnostics-plain-output -Wno-analyzer-use-of-uninitialized-value"
each() { # each COMMAND: of each file, on all cores
    printf '%s\n' $files | xargs -P "$(nproc)" -n 1 $1 >>"$said" 2>&1 || broken=1
}
broken=0
files=$*
each "clang --analyze --analyzer-output text $flags"
each "gcc $gcc_flags $flags -c -o /dev/null"
cppcheck -q -j "$(nproc)" --std=c11 --enable=warning,portability --inline-suppr --include=tests/lint.h -I. -D_GNU_SOURCE \
    '-DPAIDAN_VERSION="0"' --template='{file}:{line}: warning: {message} [{id}]' $files >>"$said" 2>&1 || broken=1
[ $broken = 0 ] || { cat "$said"; exit 2; }
grep -E '(warning|error): ' "$said" | sort -u
! grep -qE '(warning|error): ' "$said"
