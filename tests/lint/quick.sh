#!/bin/sh
# The parts of `make lint` that take a second, counted like tests.
failed=0
sh tests/lint/arrows.sh || failed=$((failed + 1))
sh tests/lint/format.sh || failed=$((failed + 1))
echo "lint-quick: $((2 - failed)) passed, $failed failed"
[ "$failed" = 0 ]
