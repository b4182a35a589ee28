#!/bin/sh
# Runs cmocka programs, as many at once as there are cores; prints a line each,
# the output of those that failed, and "NAME: N passed, N failed" (tests, not
# programs).
# usage: tests/run.sh NAME PROGRAM...
set -u

if [ "$1" = --one ]; then
    log=$(mktemp "$2/XXXXXX")
    timeout "${TEST_TIMEOUT:-60}" "$3" >"$log" 2>&1
    code=$?
    p=$(grep -c '^\[       OK \]' "$log")
    f=$(grep '^\[  FAILED  \]' "$log" | grep -vc 'test(s)')
    [ $code = 0 ] || [ "$f" -gt 0 ] || f=1
    echo "$p $f" >"$log.sum"
    # At once, so that those of two programs do not mix.
    said="  ok    $3 ($p)"
    [ "$f" = 0 ] || said=$(echo "  FAIL  $3"; cat "$log")
    printf '%s\n' "$said"
    exit 0
fi

name=$1
shift
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT
[ $# = 0 ] || printf '%s\n' "$@" |
    xargs -n 1 -P "$(nproc)" sh "$0" --one "$logs"
set -- $(cat "$logs"/*.sum 2>/dev/null |
    awk '{ p += $1; f += $2 } END { print p + 0, f + 0 }')
echo "$name: $1 passed, $2 failed"
[ "$2" = 0 ]
