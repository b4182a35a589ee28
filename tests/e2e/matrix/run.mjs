/* tests/e2e/matrix/run.mjs — one case: an encoder publishes to a channel of
 * its own, and what came of it is told in the words of cases.mjs. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { Obs } from "../lib/obs.mjs";
import { Program } from "../lib/process.mjs";
import { until } from "../lib/wait.mjs";
import { ffmpegCopies, ffmpegEncodes, gstreamer, isSrt, obsDoor, obsSettings }
    from "./encoders.mjs";

const BUILD = process.env.LECTERN_BUILD ?? "build";
/** Of stream, looked at by each judge. */
const LOOKED_AT_S = 4;
/** Against hanging, ms: an OBS on a loaded machine takes half a minute. */
const BOUND = 90000;

/** Runs a command whose /etc/ssl/certs is `folder`; needs root. */
const trusting = (folder) => ["unshare", "-m", "sh", "-c",
    'mount --bind "$0" /etc/ssl/certs && exec "$@"', folder];

/**
 * @param {import("./cases.mjs").Case} c
 * @param {{server: import("../lib/server.mjs").Lectern, ports: object,
 *          fixtures: import("./fixtures.mjs").Fixtures}} world
 */
export async function start(c, world) {
    const door = {
        way: c.way, host: c.way === "rtmps" ? "localhost" : "127.0.0.1",
        port: world.ports[isSrt(c.way) ? "srt" : c.way],
        key: c.key, passphrase: c.passphrase,
    };
    const wrap = c.trusts
        ? trusting((await world.fixtures.certificates()).trusted) : [];
    if (c.encoder === "obs")
        return Obs.start(obsDoor(door), await world.fixtures.file(c.lecture),
            { ...obsSettings(c.lecture), ...c.obs, wrap });
    const words = c.encoder === "gstreamer"
        ? gstreamer(door, c.lecture, { kbps: 300, sink: c.sink })
        : (c.encodes ? ffmpegEncodes : ffmpegCopies)(door,
            await world.fixtures.file(c.lecture), { kbps: 300 });
    if (c.encoder === "ffmpeg")
        words.splice(1, 0, "-hide_banner", "-nostdin");
    const [command, ...rest] = [...wrap, ...words];
    return new Program(command, rest);
}

/* --- who is refused ------------------------------------------------------- */

/**
 * Waits until the encoder has given up or has said so.
 * @returns {Promise<{refused: boolean, log: string[], told: string[]}>}
 */
export async function refusal(c, world) {
    const before = world.server.log.length;
    const encoder = await start(c, world);
    const program = encoder.program ?? encoder;
    const log = () => world.server.log.slice(before);
    try {
        if (c.expect.log)
            await until(`the server's log: ${c.expect.log}`, () =>
                log().some((line) => line.includes(c.expect.log)), BOUND);
        await until(`${c.encoder} says ${c.expect.told}`, () =>
            program.lines.some((line) => line.includes(c.expect.told)) ||
            (program.ended && assert.fail(program.lines.join("\n"))), BOUND);
        if (c.encoder === "ffmpeg") await program.gone;
    } finally {
        await encoder.stop();
    }
    assert.equal((await world.server.channel(c.channel)).state, "offline");
    assert.ok(!log().some((line) => /event=publish /.test(line)),
        log().join("\n"));
}

/* --- who plays ------------------------------------------------------------ */

/** The multivariant playlist's word, in ours; `asSent` is the log's. */
function renditions(text, asSent) {
    const lines = text.split("\n");
    const seen = lines.flatMap((line, i) => {
        if (!line.startsWith("#EXT-X-STREAM-INF:")) return [];
        const name = lines[i + 1].split("/").at(-2);
        const [, size] = line.match(/RESOLUTION=(\d+x\d+)/) ?? [];
        const [, fps] = line.match(/FRAME-RATE=([\d.]+)/) ?? [];
        const [, codecs] = line.match(/CODECS="([^"]*)"/);
        return [{ name, size, fps: fps && Number(fps), codecs,
            asSent: asSent.has(name) }];
    });
    return seen;
}

const ladderOf = (log, channel) => {
    const line = log.findLast((text) => text.includes("event=ladder") &&
        text.includes(`channel=${channel} `));
    return new Set(line.match(/renditions="?([^" ]*)/)[1].split(",")
        .filter((name) => name.endsWith("*"))
        .map((name) => name.slice(0, -1)));
};

async function check(server, channel) {
    const program = new Program(`${BUILD}/lectern`, ["check",
        server.playlist(channel), "--seconds", `${LOOKED_AT_S}`]);
    const { code } = await program.gone;
    const said = program.lines.join("\n");
    assert.equal(code, 0, said);
    assert.match(said, /: 0 rules broken/);
}

/** FFmpeg gives up on a playlist that has only parts so far. */
async function hasSegments(top) {
    const media = (await (await fetch(top)).text())
        .match(/[^"\n]+\/index\.m3u8/g);
    for (const path of media)
        await until(`a segment in ${path}`, async () => {
            const answer = await fetch(new URL(path, top));
            return (await answer.text()).includes("#EXTINF");
        }, BOUND);
}

/** Every rendition, decoded for a while without an error. */
const decode = (url) => new Promise((resolve, reject) => {
    execFile("ffmpeg", ["-hide_banner", "-nostdin", "-xerror", "-i", url,
        "-map", "0", "-t", `${LOOKED_AT_S}`, "-f", "null", "-"],
    { timeout: BOUND }, (error, _, said) =>
        error ? reject(new Error(`ffmpeg: ${error.message}\n${said}`))
            : resolve(said));
});

/** @returns {Promise<object>} in the words of a case's `expect` */
export async function play(c, world) {
    const { server } = world;
    const encoder = await start(c, world);
    const program = encoder.program ?? encoder;
    try {
        await Promise.race([server.isLive(c.channel, BOUND),
            program.gone.then(() => {
                throw new Error(program.lines.slice(-30).join("\n"));
            })]);
        await hasSegments(server.playlist(c.channel));
        const [said] = await Promise.all([
            decode(server.playlist(c.channel)), check(server, c.channel),
            ...(c.expect.warns ?? []).map((warning) =>
                until(`a warning of ${warning}`, () => server.log.some((line) =>
                    line.includes(`channel=${c.channel} `) &&
                    line.includes(`warning=${warning} `)), BOUND)),
        ]);
        const asSent = ladderOf(server.log, c.channel);
        const top = await (await fetch(server.playlist(c.channel))).text();
        const [, rate, sound] =
            said.match(/Audio: aac.*?, (\d+) Hz, (\w+)/) ?? [];
        return { renditions: renditions(top, asSent), asSent, top,
            sound: rate && { rate: Number(rate), channels:
                sound === "mono" ? 1 : 2, asSent: asSent.has("audio") } };
    } finally {
        await encoder.stop();
    }
}
