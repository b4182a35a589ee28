#!/bin/sh
# Runs cmocka programs one after the other; prints a line each, the output of
# those that failed, and "NAME: N passed, N failed" (tests, not programs).
# usage: tests/run.sh NAME PROGRAM...
set -u
name=$1
shift
log=$(mktemp)
trap 'rm -f "$log"' EXIT
passed=0 failed=0
for program; do
    if timeout "${TEST_TIMEOUT:-60}" "$program" >"$log" 2>&1; then
        ok=1
    else
        ok=0
    fi
    p=$(grep -c '^\[       OK \]' "$log")
    f=$(grep '^\[  FAILED  \]' "$log" | grep -vc 'test(s)')
    [ $ok = 1 ] || [ "$f" -gt 0 ] || f=1
    passed=$((passed + p)) failed=$((failed + f))
    if [ "$f" -gt 0 ]; then
        echo "  FAIL  $program"
        cat "$log"
    else
        echo "  ok    $program ($p)"
    fi
done
echo "$name: $passed passed, $failed failed"
[ "$failed" = 0 ]
