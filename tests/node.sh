#!/bin/sh
# Runs node's test runner over the files: as many at once as there are cores,
# and then, one at a time, those whose first comment says "Runs alone". Closes
# with "NAME: N passed, N failed".
# usage: tests/node.sh NAME FILE...
set -u

if [ "$1" = --one ]; then
    log=$(mktemp "$2/XXXXXX")
    from=$(date +%s)
    node --test --test-reporter=spec "$3" >"$log" 2>&1
    code=$?
    # At once, so that those of two files do not mix.
    said=$(printf '%s: %s s\n' "$3" $(($(date +%s) - from))
        grep -E '✔|✖|﹣|▶' "$log" | head -250)
    printf '%s\n' "$said"
    [ $code = 0 ] || mv "$log" "$log.failed"
    exit 0
fi

name=$1
shift
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT
lonely() { sed '/\*\//q' "$1" | grep -q 'Runs alone'; }
for file; do lonely "$file" || echo "$file"; done |
    xargs -r -n 1 -P "$(nproc)" sh "$0" --one "$logs"
for file; do lonely "$file" && sh "$0" --one "$logs" "$file"; done
count() { cat "$logs"/* | sed -nE "s/^ℹ $1 ([0-9]+)/\1/p" |
    awk '{ n += $1 } END { print n + 0 }'; }
passed=$(count pass) failed=$(count fail)
for log in "$logs"/*.failed; do
    [ -e "$log" ] || continue
    sed -n '/failing tests/,$p' "$log" | grep . || cat "$log"
    # One that could not count, or was cancelled.
    [ "$failed" != 0 ] || failed=1
done
echo "$name: $passed passed, $failed failed"
[ "$failed" = 0 ]
