#!/bin/sh
# CPU of the ladder: lectern-transcode against one plain ffmpeg command that
# makes the same renditions with the same encoder settings, decoding once.
# Rounds alternate; prints CPU seconds of each, and the ratio of the least.
# usage: tests/bench/ladder.sh [ROUNDS]   (BUILD=build)
set -eu
rounds=${1:-3}
build=${BUILD:-build}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
seconds=20
rate=30

# Moving detail and grain, as a camera gives.
ffmpeg -nostdin -v error -f lavfi \
    -i "mandelbrot=s=1280x720:r=$rate:start_scale=0.4:end_scale=0.0005:end_pts=900" \
    -t $seconds -vf "noise=alls=6:allf=t+u,format=yuv420p" -c:v libx264 \
    -preset veryfast -b:v 4500k -maxrate 4500k -bufsize 4500k -bf 0 -g 60 \
    -keyint_min 60 -sc_threshold 0 -x264-params aud=1 "$work/source.h264"
"$build/tests/bench/capture" -r 854x480:1200000 -r 640x360:700000 \
    -r 284x160:250000 "$work/source.h264" $rate 1 >"$work/source.wire"

ours() {
    "$build/lectern-transcode" <"$work/source.wire"
}
x264="-c:v libx264 -preset superfast -tune zerolatency -profile:v main \
 -threads 1 -forced-idr 1 -sc_threshold 0 -bf 0 -g 600 \
 -x264-params sliced-threads=0:scenecut=0:open-gop=0:keyint=infinite \
 -force_key_frames expr:gte(t,n_forced*2) -f h264"
theirs() {
    # shellcheck disable=SC2086
    ffmpeg -nostdin -v error -threads 1 -r $rate -i "$work/source.h264" \
        -filter_complex "split=3[a][b][c];[a]scale=854:480[x];[b]scale=640:360[y];[c]scale=284:160[z]" \
        -map "[x]" $x264 -b:v 1200k -maxrate 1200k -bufsize 1200k -y /dev/null \
        -map "[y]" $x264 -b:v 700k -maxrate 700k -bufsize 700k -y /dev/null \
        -map "[z]" $x264 -b:v 250k -maxrate 250k -bufsize 250k -y /dev/null
}
measure() { # NAME: CPU seconds, from bash's times of the function's children
    LC_ALL=C awk -v u0="$1" -v u1="$2" 'BEGIN {printf "%.2f", u1 - u0}'
}
spent() { # CPU seconds of this shell's finished children
    awk -v hz="$(getconf CLK_TCK)" '{sub(/.*\) /, ""); printf "%.2f", ($14 + $15) / hz}' \
        /proc/$$/stat
}

round=0
least_ours=999999 least_theirs=999999
while [ $round -lt "$rounds" ]; do
    round=$((round + 1))
    a=$(spent); ours >/dev/null
    b=$(spent); theirs
    c=$(spent)
    o=$(measure "$a" "$b") t=$(measure "$b" "$c")
    echo "round $round: lectern-transcode $o s, ffmpeg $t s of CPU for $seconds s of 720p30 -> 480p, 360p, 160p"
    least_ours=$(echo "$o $least_ours" | awk '{print ($1 < $2) ? $1 : $2}')
    least_theirs=$(echo "$t $least_theirs" | awk '{print ($1 < $2) ? $1 : $2}')
done
awk -v o="$least_ours" -v t="$least_theirs" -v s=$seconds 'BEGIN {
    printf "ladder: cpu ratio %.3f (lectern %.3f cores, ffmpeg %.3f cores)\n",
        o / t, o / s, t / s}'
