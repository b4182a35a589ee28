#!/bin/sh
# clang-format over every C file; --fix rewrites them.
set -u
files=$(find core ingest transcode packager edge control cluster app tests \
    -name '*.[ch]' 2>/dev/null | sort)
if [ "${1:-}" = --fix ]; then
    clang-format -i $files
    exit
fi
clang-format --dry-run --Werror $files || exit 1
echo "  ok    format"
