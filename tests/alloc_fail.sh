#!/bin/sh
# Runs every unit test program again with one allocation failing: each of them
# where that is quick, else as many, evenly spread, as ALLOC_FAIL_SECONDS (5)
# allow. A test may then fail by assertion, but the code under it must not
# crash, loop or break a rule of its own. As many programs at once as there
# are cores.
# usage: tests/alloc_fail.sh PROGRAM...
set -u
log=$(mktemp)
trap 'rm -f "$log"' EXIT
budget_ms=$((${ALLOC_FAIL_SECONDS:-5} * 1000))
now_ms() { echo $(($(date +%s%N) / 1000000)); }

walk() {
    program=$1
    from=$(now_ms)
    LECTERN_ALLOC_FAIL=999999999 timeout 60 "$program" >"$log" 2>&1
    span=$(($(now_ms) - from + 1))
    total=$(sed -n 's/^allocations: //p' "$log")
    if [ -z "$total" ]; then
        echo "  FAIL  $program does not run"
        return
    fi
    runs=$((budget_ms / span + 1))
    stride=$(((total + runs - 1) / runs))
    [ "$stride" -gt 0 ] || stride=1
    n=1
    while [ $n -le "$total" ]; do
        LECTERN_ALLOC_FAIL=$n timeout 60 "$program" >"$log" 2>&1
        code=$?
        # 255: cmocka's way out of an assertion in a fixture or callback.
        if [ $code -ge 124 -a $code -ne 255 ] || grep -aqE \
            'exception|event=invariant|Sanitizer|runtime error' "$log"
        then
            echo "  FAIL  $program with allocation $n of $total failing"
            grep -avE '^\[' "$log" | tail -30
            return
        fi
        [ $(($(now_ms) - from)) -lt $((budget_ms * 4)) ] || break
        n=$((n + stride))
    done
    echo "  ok    $program"
}

if [ "${1:-}" = --one ]; then
    walk "$2"
    exit
fi
said=$(mktemp)
trap 'rm -f "$log" "$said"' EXIT
printf '%s\n' "$@" | xargs -n 1 -P "$(nproc)" sh "$0" --one >"$said"
grep -v '^  ok' "$said"
passed=$(grep -c '^  ok' "$said") failed=$(($# - passed))
echo "alloc-fail: $passed passed, $failed failed"
[ "$failed" = 0 ]
