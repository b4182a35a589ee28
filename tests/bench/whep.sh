#!/bin/sh
# What a viewer in real time costs the server: processor time per packet beside
# the floor (copied, sealed, sent, nothing else), memory, and how long joins
# take, alone and in a crowd. 1080p30 at 2.5 Mbit/s, passed
# through. Prints the load's JSON as it is.
# usage: tests/bench/whep.sh [VIEWERS...]   (BUILD=build, BENCH_PORT=24180)
set -eu
[ $# -gt 0 ] || set -- 50 100 200
build=${BUILD:-build}
port=${BENCH_PORT:-24180} # HTTP; +1 RTMP; +2 and on WebRTC
seconds=${BENCH_SECONDS:-10}
work=$(mktemp -d)
server='' publisher=''
finish() {
    [ -n "$publisher" ] && kill "$publisher" 2>/dev/null
    [ -n "$server" ] && kill "$server" 2>/dev/null
    wait 2>/dev/null || true
    rm -rf "$work"
}
trap finish EXIT INT TERM

ffmpeg -nostdin -v error -f lavfi -i testsrc2=s=1920x1080:r=30 \
    -f lavfi -i sine=r=48000 -t 20 -c:v libx264 -preset superfast \
    -tune zerolatency -g 60 -b:v 2500k -maxrate 2500k -bufsize 1000k \
    -x264-params nal-hrd=cbr -pix_fmt yuv420p -c:a aac "$work/lecture.flv"
cat >"$work/conf.yaml" <<CONF
data_dir: $work/data
http: { listen: 127.0.0.1:$port }
https: { listen: "" }
rtmp: { listen: 127.0.0.1:$((port + 1)) }
rtmps: { listen: "" }
srt: { listen: "" }
webrtc: { listen: 127.0.0.1:$((port + 2)) }
channels:
  - { name: bench, stream_key: bench-key, type: BASIC }
CONF
"$build/lectern" serve --config "$work/conf.yaml" 2>"$work/log" &
server=$!
until grep -q event=ready "$work/log"; do
    kill -0 "$server" 2>/dev/null || { cat "$work/log" >&2; exit 1; }
    sleep 0.1
done
ffmpeg -nostdin -v error -re -stream_loop -1 -i "$work/lecture.flv" -c copy \
    -f flv "rtmp://127.0.0.1:$((port + 1))/live/bench-key" &
publisher=$!
until curl -fsS -o /dev/null \
    "http://127.0.0.1:$port/live/bench/index.m3u8" 2>/dev/null; do sleep 0.2; done
sleep 3

echo "floor: $("$build/tests/bench/whep_floor" 200 10 2)"
for viewers; do
    "$build/tests/bench/whep_load" "http://127.0.0.1:$port/whep/bench" \
        "$viewers" "$seconds" 50 "$server" || echo "  (not all were served)"
    sleep 2
done

# A crowd of 500 within two seconds, and 50 who watch already.
load() { "$build/tests/bench/whep_load" \
    "http://127.0.0.1:$port/whep/bench" "$@" "$server"; }
load 50 14 50 >"$work/watching.json" &
watching=$!
sleep 4
echo "crowd:    $(load 500 6 250)"
wait $watching
echo "watching: $(cat "$work/watching.json")"
