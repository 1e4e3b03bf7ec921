#!/bin/sh
# Lines and branches that the suite has gone through, by folder, from a build with --coverage.
# Branches that no test can take (memory that cannot be had, library calls that cannot fail) count against it.
# usage: coverage.sh BUILD
build=$1
for folder in engine store proto; do
    # gcov names objects' counts without the .o
    (cd "$build/$folder" && for data in *.gcda; do gcov -b -n "$data" 2>/dev/null; done) |
        awk -v folder=$folder '
            /^File / {ours = $0 ~ "/usr/" ? 0 : $0 ~ "\\.c"} !ours {next}
            /^Lines executed/ {split($0, a, /[:%]| of /); lines += a[4]; hit += a[2] * a[4] / 100}
            /^Taken at least once/ {split($0, a, /[:%]| of /); branches += a[4]; taken += a[2] * a[4] / 100}
            END {printf "coverage %-7s lines %.1f %% of %d, branches taken %.1f %% of %d\n", folder, 100 * hit / lines, lines, 100 * taken / branches, branches}'
done
