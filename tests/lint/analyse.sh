#!/bin/sh
# clang-tidy and cppcheck over the program's sources.
set -u
make -s compile_commands.json || exit 1
sources=$(find core ingest transcode packager edge control cluster app \
    -name "*.c" 2>/dev/null | sort)
echo $sources | tr ' ' '\n' | xargs -P "$(nproc)" -n 4 \
    clang-tidy -p . --quiet --extra-arg=-Wno-unknown-warning-option \
    2>/dev/null || exit 1
echo "  ok    clang-tidy"
cppcheck --quiet --error-exitcode=1 --inline-suppr -j "$(nproc)" \
    --enable=warning,performance,portability --std=c11 -D_GNU_SOURCE \
    --suppress=missingIncludeSystem --suppressions-list=tests/lint/cppcheck.txt \
    -I. $sources || exit 1
echo "  ok    cppcheck"
