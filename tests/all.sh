#!/bin/sh
# Runs the named make targets one after the other, all of them whatever fails,
# adds up their "NAME: N passed, N failed" lines and closes with the sum.
# usage: tests/all.sh TARGET...
set -u
log=$(mktemp)
trap 'rm -f "$log"' EXIT
passed=0 failed=0
for target; do
    echo "== $target"
    start=$(date +%s)
    ${MAKE:-make} --no-print-directory $target >"$log" 2>&1
    code=$?
    grep -vE '^  (cc|link) ' "$log"
    sums=$(sed -nE 's/^[a-z0-9-]+: ([0-9]+) passed, ([0-9]+) failed.*/\1 \2/p' \
        "$log" | awk '{ p += $1; f += $2 } END { print p + 0, f + 0 }')
    passed=$((passed + ${sums% *}))
    failed=$((failed + ${sums#* }))
    # A target that died before it could count is one failure.
    [ $code -ne 0 ] && [ "${sums#* }" = 0 ] && failed=$((failed + 1))
    echo "   $target took $(($(date +%s) - start)) s"
done
echo
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
