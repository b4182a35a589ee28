/* tests/e2e/pids.test.mjs — a transport stream whose tables change while it is
 * on the air: sound that leaves and comes back, a program with another number,
 * a map that is missing for seconds. The encoder is ffmpeg's, cut together
 * here; srt-live-transmit carries it at its own pace. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Program } from "./lib/process.mjs";
import { KEY, Lectern } from "./lib/server.mjs";
import { until } from "./lib/wait.mjs";

const BUILD = process.env.LECTERN_BUILD ?? "build";
const PACKET = 188;
const MESSAGE = 7 * PACKET;
const PMT = 0x1000;

let server, dir, carrier, over = false;

before(async () => {
    dir = mkdtempSync(join(tmpdir(), "lectern-pids-"));
    server = await Lectern.start({ srt: true, type: "BASIC" });
});
after(async () => {
    over = true;
    await carrier?.stop("SIGKILL");
    const ended = await server?.stop();
    rmSync(dir, { recursive: true, force: true });
    assert.equal(ended?.code, 0, server.log.slice(-20).join("\n"));
});

/** `seconds` of a lecture that begins at `from` s, as packets. */
function piece(from, seconds, more = []) {
    const file = join(dir, `${from}.ts`);
    const sound = !more.includes("-an");
    execFileSync("ffmpeg", ["-nostdin", "-v", "error", "-f", "lavfi", "-i",
        "testsrc2=s=320x180:r=30", ...(sound ? ["-f", "lavfi", "-i",
            "sine=sample_rate=48000"] : []), "-t", `${seconds}`,
        "-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency",
        "-g", "30", "-b:v", "400k", "-pix_fmt", "yuv420p", "-c:a", "aac",
        "-output_ts_offset", `${from}`, "-muxdelay", "0", ...more,
        "-f", "mpegts", file]);
    const bytes = readFileSync(file);
    return Array.from({ length: bytes.length / PACKET }, (_, i) =>
        bytes.subarray(i * PACKET, (i + 1) * PACKET));
}

const pid = (packet) => packet.readUInt16BE(1) & 0x1fff;

/** The clock reference in a packet, s; null without one. */
function clock(packet) {
    if (!(packet[3] & 0x20) || packet[4] < 7 || !(packet[5] & 0x10))
        return null;
    return packet.readUInt32BE(6) * 2 / 90000;
}

/** One stream of all pieces: counters go on, as of one encoder. */
function spliced(pieces) {
    const counters = new Map();
    return pieces.flat().map((packet) => {
        const made = Buffer.from(packet), id = pid(made);
        if (made[3] & 0x10) {
            const next = ((counters.get(id) ?? -1) + 1) & 15;
            counters.set(id, next);
            made[3] = made[3] & 0xf0 | next;
        }
        return made;
    });
}

/** Sends it as its own clock says. */
async function play(packets) {
    carrier = new Program("srt-live-transmit", ["-q", "-chunk", `${MESSAGE}`,
        "file://con", server.srt()], { stdio: ["pipe", "pipe", "pipe"] });
    carrier.stdin.on("error", () => {});
    const start = performance.now() / 1000;
    let first = null, held = [];
    for (const packet of packets) {
        const at = clock(packet);
        first ??= at;
        const wait = at === null ? 0
            : at - first - (performance.now() / 1000 - start);
        if (wait > 0)
            await new Promise((resolve) => setTimeout(resolve, wait * 1000));
        if (over) return;
        held.push(packet);
        if (held.length < 7) continue;
        carrier.stdin.write(Buffer.concat(held));
        held = [];
    }
}

const health = async () => (await fetch(
    `${server.url}/api/channels/demo/health`,
    { headers: { authorization: `Bearer ${KEY}` } })).json();
const metric = async (name) => {
    const text = await (await fetch(`${server.url}/metrics`)).text();
    return Number(text.split("\n").find((row) => row.startsWith(`${name} `))
        ?.split(" ").at(-1));
};

/** How often the log says that the source's sound began. */
const sounds = () => server.log.filter((line) =>
    /event=track .*codec=aac/.test(line)).length;

test("sound leaves, returns; program and map change: one stream", async () => {
    /* The tables of the second piece are left out for four seconds. */
    const silent = piece(6, 10, ["-an", "-mpegts_service_id", "7"]);
    const begin = silent.findIndex((p) => clock(p) > 8);
    const end = silent.findIndex((p) => clock(p) > 12);
    const packets = spliced([
        piece(0, 6),
        silent.filter((p, i) => i < begin || i > end ||
            (pid(p) !== 0 && pid(p) !== PMT)),
        piece(16, 30, ["-mpegts_pmt_start_pid", "0x1100",
            "-mpegts_service_id", "9"]),
    ]);
    const played = play(packets);
    await server.isLive();
    assert.ok((await until("sound is told", async () => {
        const { source } = await health();
        return source?.audio && source;
    })).video);
    await until("sound has left", () => server.log.some((line) =>
        /event=track_gone .*codec=aac/.test(line)));
    const { generation } = await server.channel();
    const dropped = await metric("lectern_mpegts_dropped_frames_total");

    await until("and is told no more", async () =>
        !(await health()).source.audio);
    assert.ok((await health()).source.video.fps > 10);
    assert.equal((await server.channel()).state, "live");

    await until("sound is back", () => sounds() === 2);
    await until("and is told", async () =>
        (await health()).source.audio?.codec === "aac");
    const check = new Program(`${BUILD}/lectern`,
        ["check", server.playlist(), "--seconds", "6"]);
    const { code } = await check.gone;
    assert.equal(code, 0, check.lines.join("\n"));
    assert.equal((await server.channel()).generation, generation);
    /* The picture never knew of it. (srt-live-transmit throws away what it
     * reads before it is connected: the first keyframe.) */
    assert.equal((await health()).source.missing_frames, 0);
    assert.equal(server.log.filter((line) =>
        /event=track .*codec=h264/.test(line)).length, 1);
    assert.equal(await metric("lectern_mpegts_gaps_total"), 0);
    assert.equal(await metric("lectern_mpegts_lost_units_total"), 0);
    assert.equal(await metric("lectern_mpegts_dropped_frames_total"),
        dropped);
    over = true;
    await played;
});
