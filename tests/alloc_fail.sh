#!/bin/sh
# Runs every unit test program again with its 1st, 2nd, … allocation failing. A test
# may then fail by assertion, but the code under it must not crash, loop or
# break a rule of its own.
# usage: tests/alloc_fail.sh PROGRAM...
set -u
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# The n-th for small n is where paths differ; further out every 7th.
most=${ALLOC_FAIL_MOST:-600}
passed=0 failed=0
for program; do
    n=1 last=1 bad=''
    while [ $n -le "$last" ] && [ $n -le "$most" ]; do
        LECTERN_ALLOC_FAIL=$n timeout 60 "$program" >"$log" 2>&1
        code=$?
        if [ $code -ge 124 ] ||
            grep -qE 'exception|event=invariant|Sanitizer|runtime error' "$log"
        then
            bad=$n
            break
        fi
        seen=$(sed -n 's/^allocations: //p' "$log")
        [ "${seen:-0}" -gt "$last" ] && last=$seen
        if [ $n -lt 40 ]; then n=$((n + 1)); else n=$((n + 7)); fi
    done
    if [ -n "$bad" ]; then
        echo "  FAIL  $program with allocation $bad failing"
        grep -vE '^\[' "$log" | tail -30
        failed=$((failed + 1))
    else
        passed=$((passed + 1))
    fi
done
echo "alloc-fail: $passed passed, $failed failed"
[ "$failed" = 0 ]
