#!/bin/sh
# Runs each fuzz target over its committed seeds (tests/seeds.c).
# usage: tests/seeds.sh build/tests/seeds/NAME...
set -u
passed=0 failed=0
for program; do
    name=$(basename "$program")
    if timeout 60 "$program" "tests/fuzz/seeds/$name"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "  FAIL  $name over tests/fuzz/seeds/$name"
    fi
done
echo "seeds: $passed passed, $failed failed"
[ "$failed" = 0 ]
