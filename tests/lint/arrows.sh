#!/bin/sh
# The house's arrows: which room may include which (docs/architecture.md).
# Rooms: each stage, control and cluster see core; edge also sees the
# packager's store.h and playlist.h; app sees every room. Inside core:
# base < loop < media < net < rtc. Only transcode/worker sees libav*, and
# nobody includes transcode/worker but itself.
set -u
find core ingest transcode packager edge control cluster app \
    -name '*.[ch]' 2>/dev/null | sort | xargs grep -n '^ *# *include' |
    awk -F: '
function fail(why) { print "  arrow " $1 ":" $2 ": " why ": " inc; bad = 1 }
BEGIN { split("base loop media net rtc", s, " "); for (i in s) storey[s[i]] = i }
{
    line = $3; for (i = 4; i <= NF; i++) line = line ":" $i
    split($1, from, "/")
    room = from[1]; worker = (room == "transcode" && from[2] == "worker")
    if (match(line, /<[^>]*>/)) {
        inc = substr(line, RSTART + 1, RLENGTH - 2)
        if (inc ~ /^libav|^libsw/ && !worker) fail("libav* is for transcode/worker only")
        next
    }
    if (!match(line, /"[^"]*"/)) next
    inc = substr(line, RSTART + 1, RLENGTH - 2)
    split(inc, to, "/")
    if (inc !~ /\//) { if (inc !~ /^web_assets/) fail("write includes from the root"); next }
    if (room == "core") {
        if (to[1] != "core") { fail("core sees no stage"); next }
        if (storey[to[2]] > storey[from[2]]) fail("core/" from[2] " is below core/" to[2])
        next
    }
    if (to[1] == "core") next
    if (to[1] == "transcode" && to[2] == "worker" && !worker) { fail("the worker is another program"); next }
    if (worker && to[1] == "transcode" && to[2] != "worker") { fail("the worker sees core only"); next }
    if (to[1] == room || room == "app") next
    if (room == "edge" && (inc == "packager/store.h" || inc == "packager/playlist.h")) next
    fail(room " may not see " to[1])
}
END { if (bad) exit 1; print "  ok    include arrows" }'
