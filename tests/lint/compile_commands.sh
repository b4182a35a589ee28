#!/bin/sh
# Writes compile_commands.json for clangd and clang-tidy: the compiler command
# first, then the sources.
command=$(printf '%s' "$1" | sed 's/\\/\\\\/g; s/"/\\"/g')
shift
echo '['
sep=''
for file; do
    printf '%s{"directory":"%s","file":"%s","command":"%s -c %s"}' \
        "$sep" "$PWD" "$file" "$command" "$file"
    sep=',
'
done
printf '\n]\n'
