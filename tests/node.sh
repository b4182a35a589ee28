#!/bin/sh
# Runs node's test runner over the files, one file at a time, and closes with
# "NAME: N passed, N failed".
# usage: tests/node.sh NAME FILE...
set -u
name=$1
shift
log=$(mktemp)
trap 'rm -f "$log"' EXIT
node --test --test-concurrency=1 --test-reporter=spec "$@" >"$log" 2>&1
code=$?
grep -E '✔|✖|﹣|▶' "$log" | head -200
count() { sed -nE "s/^ℹ $1 ([0-9]+)/\1/p" "$log" | tail -n 1; }
passed=$(count pass) failed=$(count fail)
if [ $code -ne 0 ]; then
    sed -n '/failing tests/,$p' "$log"
    [ "${failed:-0}" = 0 ] && { cat "$log"; failed=1; }
fi
echo "$name: ${passed:-0} passed, ${failed:-0} failed"
exit $code
