#!/bin/sh
# CPU per request of our server against nginx serving the same bytes as static
# files, set up as Debian does (sendfile, tcp_nopush; rounds interleaved, medians), and the release of many blocked
# requests. One core serves, the other asks.
# usage: tests/bench/http.sh [ROUNDS]
set -u
rounds=${1:-5}
bin=${BUILD:-build}/tests/bench
port=${BENCH_PORT:-24080} # ours; +1 TLS; nginx +2, +3
waiters=${BENCH_WAITERS:-10000}
work=$(mktemp -d)
ours='' nginx=''
finish() {
    [ -n "$ours" ] && kill "$ours" 2>/dev/null
    [ -n "$nginx" ] && kill "$nginx" 2>/dev/null
    wait 2>/dev/null
    rm -rf "$work"
}
trap finish EXIT INT TERM
ulimit -n "$(ulimit -H -n)"

mkdir -p "$work/www" "$work/data" "$work/tmp"
awk 'BEGIN { for (i = 0; i < 1200; i++) printf "%c", 35 + i % 60 }' \
    >"$work/www/playlist.m3u8"
head -c 51200 /dev/urandom >"$work/www/part.m4s"

taskset -c 0 "$bin/httpserver" "$work/www" "$port" $((port + 1)) &
ours=$!
until [ -s "$work/data/tls/cert.pem" ]; do
    kill -0 "$ours" 2>/dev/null || { echo "httpserver did not start" >&2; exit 1; }
    sleep 0.05
done

cat >"$work/nginx.conf" <<CONF
daemon off; worker_processes 1; pid $work/nginx.pid; error_log $work/err.log;
worker_rlimit_nofile 20000;
events { worker_connections 19000; }
http {
    access_log off; sendfile on; tcp_nopush on; ssl_prefer_server_ciphers on; keepalive_requests 100000000;
    types { application/vnd.apple.mpegurl m3u8; video/mp4 m4s; }
    expires 60;
    add_header access-control-allow-origin "*";
    client_body_temp_path $work/tmp/1; proxy_temp_path $work/tmp/2;
    fastcgi_temp_path $work/tmp/3; uwsgi_temp_path $work/tmp/4;
    scgi_temp_path $work/tmp/5;
    ssl_certificate $work/data/tls/cert.pem;
    ssl_certificate_key $work/data/tls/key.pem;
    server { listen 127.0.0.1:$((port + 2)); listen 127.0.0.1:$((port + 3)) ssl http2;
        root $work/www; }
}
CONF
chmod 755 "$work" "$work/www"
[ "$(id -u)" = 0 ] && sed -i '1s/^/user root; /' "$work/nginx.conf"
taskset -c 0 /usr/sbin/nginx -p "$work" -c "$work/nginx.conf" 2>/dev/null &
nginx=$!
sleep 1
worker=$(cat "/proc/$nginx/task/$nginx/children")
worker=${worker%% *}

median() { sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }
one() { # PROTOCOL PORT PATH REQUESTS PID
    taskset -c 1 "$bin/httpload" rate "$1" "$2" "$3" 64 "$4" "$5" |
        sed -n 's/.*cpu_us_per_request=\([0-9.]*\).*/\1/p'
}
printf '%-22s %10s %10s %8s %6s\n' "CPU us per request" ours nginx ratio goal
for path in playlist.m3u8 part.m4s; do
    for protocol in h1 tls h2; do
        offset=1 requests=30000
        [ $protocol = h1 ] && offset=0
        [ $path = part.m4s ] && requests=10000
        : >"$work/a"
        : >"$work/b"
        i=0
        while [ $i -lt "$rounds" ]; do
            one $protocol $((port + offset)) /$path $requests "$ours" >>"$work/a"
            one $protocol $((port + 2 + offset)) /$path $requests "$worker" >>"$work/b"
            i=$((i + 1))
        done
        a=$(median <"$work/a")
        b=$(median <"$work/b")
        awk -v n="$path $protocol" -v a="$a" -v b="$b" 'BEGIN {
            printf "%-22s %10.1f %10.1f %8.2f %6s\n", n, a, b, a / b,
                (a / b <= 0.75 ? "met" : "MISSED") }'
    done
done
echo
# "server" is the CPU time the release took: what remains on a busy machine.
printf '%-22s %10s %10s %10s %12s\n' "$waiters waiters" "last reply" server "each bytes" goals
for protocol in ${BENCH_WAIT:-h1 tls h2}; do
    offset=1
    [ $protocol = h1 ] && offset=0
    kill "$ours"
    wait "$ours" 2>/dev/null
    taskset -c 0 "$bin/httpserver" "$work/www" "$port" $((port + 1)) &
    ours=$!
    sleep 0.5
    taskset -c 1 "$bin/httpload" wait $protocol $((port + offset)) "$waiters" "$ours" |
        awk -v n=$protocol '{ for (i = 1; i <= NF; i++) { split($i, p, "="); v[p[1]] = p[2] }
            each = (v["rss"] - v["rss_before"]) / v["waiters"]
            s = n == "h1" ? 0.2 : 0.4; m = n == "h1" ? 1024 : 16384
            printf "%-22s %9.3fs %9.3fs %10.0f %12s\n", n, v["last_reply_s"],
                v["server_cpu_s"], each,
                (v["last_reply_s"] <= s ? "met" : "MISSED") "/" (each <= m ? "met" : "MISSED") }'
done
