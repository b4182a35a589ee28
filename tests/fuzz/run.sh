#!/bin/sh
# Runs each libFuzzer target from its committed seeds for a bounded time.
# What it finds is left under BUILD/findings.
# usage: tests/fuzz/run.sh BUILD SECONDS tests/fuzz/NAME.c...
set -u
build=$1 seconds=$2
shift 2
failed=0 passed=0
mkdir -p "$build/findings"
for source; do
    name=$(basename "$source" .c)
    corpus=$build/corpus/$name
    mkdir -p "$corpus"
    if "$build/tests/fuzz/$name" -max_total_time="$seconds" -timeout=5 \
        -rss_limit_mb=2048 -artifact_prefix="$build/findings/$name-" \
        -print_final_stats=1 "$corpus" "tests/fuzz/seeds/$name" \
        >"$build/$name.log" 2>&1
    then
        passed=$((passed + 1))
        echo "  ok    $name: $(sed -n 's/^stat::number_of_executed_units: *//p' \
            "$build/$name.log") runs"
    else
        failed=$((failed + 1))
        echo "  FAIL  $name: see $build/$name.log"
        tail -30 "$build/$name.log"
    fi
done
echo "fuzz: $passed passed, $failed failed"
[ "$failed" = 0 ]
