#!/bin/sh
# Every figure of README's table, one after the other on a quiet machine.
# usage: tests/bench/run.sh [latency|realtime|ladder|http|cost|publishers|whep
#        ...]   (none: all)
set -u
[ $# -gt 0 ] || set -- latency realtime ladder http cost publishers whep
echo "machine: $(nproc) cores, $(sed -n 's/^model name.*: //p' /proc/cpuinfo |
    head -n 1), $(date -u +%F)"
failed=0
for part; do
    echo
    echo "== $part"
    case $part in
    latency) node tests/bench/latency.mjs ;;
    realtime) node tests/bench/realtime.mjs ;;
    whep) sh tests/bench/whep.sh ;;
    ladder) sh tests/bench/ladder.sh ;;
    http) sh tests/bench/http.sh ;;
    cost) node tests/bench/cost.mjs ;;
    publishers) node tests/bench/publishers.mjs ;;
    *) echo "no such part: $part"; false ;;
    esac || failed=1
done
exit $failed
