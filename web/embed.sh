#!/bin/sh
# Prints the C file that carries every page inside the program: one .incbin
# per file under web/ and a table of names (see app/assets.h).
set -eu
files=$(find web -type f ! -name embed.sh ! -name '*.md' | LC_ALL=C sort)
echo '#include "app/assets.h"'
i=0
for file in $files; do
    cat <<EOF
__asm__(".section .rodata\n.balign 16\nasset_$i:\n.incbin \"$file\"\n"
        "asset_${i}_end:\n.byte 0\n.previous\n");
extern const unsigned char asset_$i[], asset_${i}_end[];
EOF
    i=$((i + 1))
done
echo 'const struct asset web_assets[] = {'
i=0
for file in $files; do
    echo "    {\"${file#web}\", asset_$i, asset_${i}_end},"
    i=$((i + 1))
done
echo '    {0, 0, 0}};'
