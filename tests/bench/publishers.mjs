/* tests/bench/publishers.mjs — what publishers cost: CPU of one at 6 Mbit/s by
 * RTMP and by SRT, passed through, beside nginx-rtmp and srt-live-transmit;
 * two hundred at once; and the time from publishing to the first part.
 *   SPAN=20 ROUNDS=3 node tests/bench/publishers.mjs [cost|crowd|start ...]
 * CPU is that of /proc/PID/stat; rounds alternate, the least of each counts.
 * Senders (publishers.c) are a process of their own. */
import { execFileSync, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync }
    from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePorts } from "../e2e/lib/ports.mjs";
import { Program } from "../e2e/lib/process.mjs";
import { Lectern } from "../e2e/lib/server.mjs";
import { until } from "../e2e/lib/wait.mjs";
import { build, cpuSeconds, memoryMiB, pause } from "./lectures.mjs";

const SPAN_S = Number(process.env.SPAN ?? 20);
const ROUNDS = Number(process.env.ROUNDS ?? 3);
const EACH = 4; /* publishers at once, where the cost of one is asked */
const CROWD = Number(process.env.CROWD ?? 200);
const CLIP_S = 10;
const GOP_S = 2;

const dir = mkdtempSync(join(tmpdir(), "lectern-publishers-"));
const percent = (x) => `${(100 * x).toFixed(2)} %`;

/** One lecture, encoded once, as FLV and as TS, for `seconds`. */
function makeClips(name, size, kbps, seconds) {
    const clip = join(dir, `${name}.mp4`);
    execFileSync("ffmpeg", ["-nostdin", "-v", "error", "-f", "lavfi", "-i",
        `mandelbrot=s=${size}:r=30:start_scale=0.4:end_scale=0.0005`,
        "-f", "lavfi", "-i", "sine=sample_rate=48000", "-t", `${CLIP_S}`,
        "-vf", "noise=alls=12:allf=t+u,format=yuv420p", "-c:v", "libx264",
        "-preset", "ultrafast", "-tune", "zerolatency", "-g", `${30 * GOP_S}`,
        "-keyint_min", `${30 * GOP_S}`, "-sc_threshold", "0",
        "-b:v", `${kbps}k`, "-maxrate", `${kbps}k`, "-bufsize", `${kbps}k`,
        "-c:a", "aac", "-b:a", "128k", clip]);
    const made = {};
    for (const [kind, format] of [["rtmp", "flv"], ["srt", "mpegts"]]) {
        made[kind] = join(dir, `${name}.${format}`);
        execFileSync("ffmpeg", ["-nostdin", "-v", "error", "-stream_loop",
            `${Math.ceil(seconds / CLIP_S)}`, "-i", clip, "-c", "copy",
            ...(format === "flv" ? ["-flvflags", "no_duration_filesize"] : []),
            "-f", format, made[kind]]);
    }
    return made;
}

const send = (kind, port, key, count, file, seconds) => new Program(
    `${build}/tests/bench/publishers`,
    [kind, port, key, count, file, seconds].map(String));

/** Cores that a process used while it took what comes. */
async function cores(pid) {
    const from = cpuSeconds(pid), start = performance.now();
    await pause(SPAN_S * 1000);
    return (cpuSeconds(pid) - from) / ((performance.now() - start) / 1000);
}

function lectern(names, type = "BASIC") {
    return Lectern.start({
        srt: true,
        set: { "log.level": "warn" },
        yaml: "channels:\n" + names.map((name) =>
            `  - { name: ${name}, stream_key: key-${name}, type: ${type} }\n`)
            .join(""),
    });
}
const numbered = (count) => Array.from({ length: count }, (_, i) => `c${i}`);
const portOf = (server, kind) =>
    kind === "rtmp" ? server.rtmpPort : server.srtPort;

/* --- what one costs ------------------------------------------------------- */

async function oursCosts(kind, clips) {
    const names = numbered(EACH);
    const server = await lectern(names);
    const sender = send(kind, portOf(server, kind), "key-c%", EACH,
        clips[kind.replace("-even", "")], SPAN_S + 15);
    try {
        for (const name of names) await server.isLive(name);
        await pause(3000);
        return await cores(server.program.pid) / EACH;
    } finally {
        await sender.stop();
        await server.stop();
    }
}

/** nginx with its RTMP module, on `hls` or not: pid of its worker. */
async function startNginx(hls) {
    const [port] = await freePorts(1);
    const work = mkdtempSync(join(dir, "nginx-"));
    mkdirSync(join(work, "hls"));
    writeFileSync(join(work, "nginx.conf"), `
        ${process.getuid() === 0 ? "user root;" : ""}
        load_module /usr/lib/nginx/modules/ngx_rtmp_module.so;
        daemon off; worker_processes 1; pid ${work}/nginx.pid;
        error_log ${work}/error.log;
        events { worker_connections 1024; }
        rtmp { server { listen 127.0.0.1:${port}; chunk_size 4096;
            application live { live on;
                ${hls ? `hls on; hls_path ${work}/hls; hls_fragment 2s;` : ""}
            } } }`);
    const nginx = new Program("/usr/sbin/nginx",
        ["-p", work, "-c", join(work, "nginx.conf")]);
    const children = `/proc/${nginx.pid}/task/${nginx.pid}/children`;
    const pid = await until("nginx has a worker", () => {
        if (nginx.ended) throw new Error(nginx.lines.join("\n"));
        return Number(readFileSync(children, "utf8").split(" ")[0]);
    });
    return { nginx, port, pid };
}

async function nginxCosts(clips, hls) {
    const { nginx, port, pid } = await startNginx(hls);
    const sender = send("rtmp", port, "key-c%", EACH, clips.rtmp, SPAN_S + 15);
    try {
        await sender.said(new RegExp(`^begun ${EACH - 1} `));
        await pause(3000);
        return await cores(pid) / EACH;
    } finally {
        await sender.stop();
        await nginx.stop();
    }
}

/** Takes SRT and lets it fall: libsrt's own share, with no media in it. */
async function transmitCosts(kind, clips) {
    const [port] = await freePorts(1);
    const it = spawn("srt-live-transmit", ["-q",
        `srt://127.0.0.1:${port}?mode=listener`, "file://con"],
    { stdio: ["ignore", "ignore", "ignore"] });
    await pause(1000);
    const sender = send(kind, port, "none", 1, clips.srt, SPAN_S + 15);
    try {
        await sender.said(/^begun 0 /);
        await pause(3000);
        return await cores(it.pid);
    } finally {
        await sender.stop();
        it.kill("SIGKILL");
    }
}

async function cost() {
    const transmit = "srt-live-transmit to nothing, ";
    const clips = makeClips("six", "1280x720", 6000, SPAN_S + 20);
    const least = {};
    for (let round = 0; round < ROUNDS; round++)
        for (const [name, measure] of [
            ["rtmp", () => oursCosts("rtmp", clips)],
            ["nginx-rtmp, relay alone", () => nginxCosts(clips, false)],
            ["nginx-rtmp with HLS", () => nginxCosts(clips, true)],
            ["srt", () => oursCosts("srt", clips)],
            [`${transmit}srt`, () => transmitCosts("srt", clips)],
            ["srt-even", () => oursCosts("srt-even", clips)],
            [`${transmit}srt-even`, () => transmitCosts("srt-even", clips)],
        ])
            least[name] = Math.min(least[name] ?? Infinity, await measure());
    const say = (what, mine, ...others) => console.log(
        `CPU of a publisher, 6 Mbit/s, LL-HLS, ${what.padEnd(18)} ` +
        [`${percent(least[mine])} of a core (goal 1 %)`,
            ...others.map((theirs) =>
                `${(least[mine] / least[theirs]).toFixed(2)} × ` +
                `${theirs.replace(/, srt.*/, "")} ` +
                `(${percent(least[theirs])})`)].join(", "));
    say("RTMP", "rtmp", "nginx-rtmp with HLS", "nginx-rtmp, relay alone");
    say("SRT", "srt", `${transmit}srt`);
    say("SRT, sent evenly", "srt-even", `${transmit}srt-even`);
}

/* --- two hundred ---------------------------------------------------------- */

/** How far its newest part lies behind the clock, s. */
async function behind(server, name) {
    const media = new URL(await firstRendition(server, name),
        server.playlist(name));
    const text = await (await fetch(media)).text();
    let at = null;
    for (const line of text.split("\n")) {
        const date = line.match(/^#EXT-X-PROGRAM-DATE-TIME:(.*)/);
        const part = line.match(/^#EXT-X-PART:.*?DURATION=([\d.]+)/);
        if (date) at = Date.parse(date[1]) / 1000;
        if (part && at !== null) at += Number(part[1]);
    }
    return Date.now() / 1000 - at;
}

async function firstRendition(server, name) {
    const top = await (await fetch(server.playlist(name))).text();
    return top.split("\n").find((line) => line && !line.startsWith("#"));
}

async function counters(server, names) {
    const text = await (await fetch(`${server.url}/metrics`)).text();
    return Object.fromEntries(names.map((name) => [name, text.split("\n")
        .filter((row) => row.startsWith(name))
        .reduce((sum, row) => sum + Number(row.split(" ").at(-1)), 0)]));
}

async function crowd() {
    const clips = makeClips("one", "640x360", 900, SPAN_S + 60);
    const names = numbered(CROWD);
    for (const kind of ["rtmp", "srt"]) {
        const server = await lectern(names);
        const sender = send(kind, portOf(server, kind), "key-c%", CROWD,
            clips[kind], SPAN_S + 50);
        try {
            for (const name of names) await server.isLive(name, 60000);
            await pause(5000);
            const used = await cores(server.program.pid);
            const memory = memoryMiB(server.program.pid);
            let live = 0, starving = 0, late = 0;
            for (const name of names) {
                const now = await server.channel(name);
                live += now.state === "live";
                starving += Boolean(now.starving);
                late = Math.max(late, await behind(server, name));
            }
            const lost = await counters(server, [
                "lectern_ingest_lost_frames_total",
                "lectern_srt_queue_dropped_bytes_total",
                "lectern_srt_dropped_packets_total",
                "lectern_mpegts_gaps_total"]);
            console.log(`${CROWD} publishers, 1 Mbit/s, ` +
                `${kind.toUpperCase().padEnd(4)}             ` +
                `${live} live, ${starving} starving (goal 0), ` +
                `${used.toFixed(2)} cores (goal 2), ${memory.toFixed(0)} MiB, ` +
                `newest part at most ${late.toFixed(2)} s old; ` +
                `${Object.entries(lost).filter(([, n]) => n)
                    .map(([name, n]) => `${name} ${n}`).join(", ") ||
                    "nothing lost"}`);
            console.log(`  senders: ${sender.ended ? sender.lines.at(-1)
                : "all there"}`);
        } finally {
            await sender.stop();
            await server.stop();
        }
    }
}

/* --- the first part ------------------------------------------------------- */

/** From the encoder's first byte to a part that can be fetched, s. */
async function firstPart(server, kind, name, file) {
    const { generation } = await server.channel(name); /* of who was here */
    const sender = send(kind, portOf(server, kind), `key-${name}`, 1, file, 60);
    const begun = await sender.said(/^begun 0 /);
    const from = Number(begun.split(" ")[2]);
    let at = 0;
    await until("a part", async () => {
        if ((await server.channel(name)).generation === generation)
            return false;
        const top = await fetch(server.playlist(name));
        if (!top.ok) return false;
        const line = (await top.text()).split("\n")
            .find((row) => row && !row.startsWith("#"));
        if (!line) return false;
        const media = new URL(line, server.playlist(name));
        const list = await fetch(media);
        if (!list.ok) return false;
        const part = (await list.text()).match(/^#EXT-X-PART:.*?URI="([^"]+)"/m);
        if (!part) return false;
        const got = await fetch(new URL(part[1], media));
        await got.arrayBuffer();
        at = Date.now();
        return got.ok;
    });
    await sender.stop("SIGKILL");
    return (at - from) / 1000;
}

const median = (all) => all.sort((a, b) => a - b)[all.length >> 1];

async function start() {
    const clips = makeClips("start", "1280x720", 2500, 60);
    for (const type of ["BASIC", "STANDARD"])
        for (const kind of ["rtmp", "srt"]) {
            const first = [], again = [];
            for (let round = 0; round < ROUNDS; round++) {
                const server = await lectern(["a"], type);
                first.push(await firstPart(server, kind, "a", clips[kind]));
                /* A channel that was there before: its keyframe interval is
                 * known, as of every lecture after the first. */
                await until("it ended", async () => {
                    const { state } = await server.channel("a");
                    return state === "ended" || state === "offline";
                }, 60000);
                again.push(await firstPart(server, kind, "a", clips[kind]));
                await server.stop();
            }
            const goal = type === "BASIC"
                ? `goal ${(1.5 * GOP_S).toFixed(1)} s, 1.5 GOPs`
                : "goal 1.0 s, the ladder";
            console.log(`publish to first part, ${type.padEnd(8)} ` +
                `${kind.toUpperCase().padEnd(4)}       ` +
                `${median(first).toFixed(2)} s; a known channel ` +
                `${median(again).toFixed(2)} s (${goal})`);
        }
}

const parts = { cost, crowd, start };
const wanted = process.argv.slice(2);
try {
    for (const name of wanted.length ? wanted : Object.keys(parts))
        await parts[name]();
} finally {
    rmSync(dir, { recursive: true, force: true });
}
