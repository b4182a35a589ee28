/* tests/e2e/matrix/run.mjs — one case: an encoder publishes to a channel of
 * its own, and what came of it is told in the words of cases.mjs. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { Obs } from "../lib/obs.mjs";
import { Program } from "../lib/process.mjs";
import { hasSegments } from "../lib/server.mjs";
import { until } from "../lib/wait.mjs";
import { ffmpegCopies, ffmpegDefaults, ffmpegEncodes, gstreamer, isSrt,
    obsDoor, obsSettings } from "./encoders.mjs";

const BUILD = process.env.LECTERN_BUILD ?? "build";
/** Of stream, looked at by each judge. */
const LOOKED_AT_S = 4;
/** Against hanging, ms: an OBS on a loaded machine takes half a minute. */
const BOUND = 90000;

/** Runs a command whose /etc/ssl/certs is `folder`; needs root. */
const trusting = (folder) => ["unshare", "-m", "sh", "-c",
    'mount --bind "$0" /etc/ssl/certs && exec "$@"', folder];

const ffmpegWords = (c) => c.defaults ? ffmpegDefaults
    : c.encodes ? ffmpegEncodes : ffmpegCopies;

/**
 * @param {import("./cases.mjs").Case} c
 * @param {{ports: Record<string, number>,
 *          fixtures: import("./fixtures.mjs").Fixtures}} world
 */
async function start(c, world) {
    const door = {
        way: c.way, host: c.way === "rtmps" ? "localhost" : "127.0.0.1",
        port: world.ports[isSrt(c.way) ? "srt" : c.way],
        key: c.key, passphrase: c.passphrase,
    };
    const wrap = c.trusts
        ? trusting((await world.fixtures.certificates()).trusted) : [];
    if (c.encoder === "obs")
        return Obs.start(obsDoor(door), await world.fixtures.file(c.lecture),
            { ...obsSettings(c.lecture, c.defaults), wrap });
    const words = c.encoder === "gstreamer"
        ? gstreamer(door, c.lecture,
            { kbps: 300, sink: c.sink, defaults: c.defaults })
        : ffmpegWords(c)(door,
            await world.fixtures.file(c.lecture),
            { kbps: 300, changes: Boolean(c.lecture.then) });
    if (c.encoder === "ffmpeg")
        words.splice(1, 0, "-hide_banner", "-nostdin");
    const [command, ...rest] = [...wrap, ...words];
    return new Program(command, rest);
}

/* --- who is refused ------------------------------------------------------- */

/**
 * Waits until the encoder and the server have said why, and nothing was
 * published.
 */
export async function refusal(c, { server, ...world }) {
    const before = server.log.length;
    const encoder = await start(c, world);
    const program = encoder.program ?? encoder;
    const said = (text) => until(`${c.encoder} says ${text}`, () =>
        program.lines.some((line) => line.includes(text)) ||
        (program.ended && assert.fail(program.lines.join("\n"))), BOUND);
    const log = () => server.log.slice(before);
    try {
        await said(c.expect.told);
        if (c.expect.again) await said("Reconnecting in");
        await until(`the server's log says ${c.expect.log}`, () =>
            log().some((line) => line.includes(c.expect.log)), BOUND);
        if (!encoder.program) await program.gone;
    } finally {
        await encoder.stop();
    }
    assert.equal((await server.channel(c.channel)).state, "offline");
    assert.ok(!log().some((line) => /event=publish /.test(line)),
        log().join("\n"));
}

/* --- who plays ------------------------------------------------------------ */

/** The multivariant playlist in a case's words; `asSent`: names of renditions
 * that pass through. */
function renditions(text, asSent) {
    const lines = text.split("\n");
    const value = (line, name) =>
        line.match(new RegExp(`[:,]${name}="?([^",]*)`))?.[1] ?? null;
    return lines.flatMap((line, i) => {
        if (!line.startsWith("#EXT-X-STREAM-INF:")) return [];
        const name = lines[i + 1].split("/").at(-2);
        const fps = value(line, "FRAME-RATE");
        const codecs = line.match(/CODECS="([^"]*)"/)[1]
            .replace(/(avc1|hvc1)\.[^,]*/, "$1");
        return [{ name, size: value(line, "RESOLUTION"),
            fps: fps && Number(fps), codecs, asSent: asSent.has(name) }];
    });
}

/** The log's word on which renditions are the source's own bytes. */
function passedThrough(log, channel) {
    const line = log.filter((text) => text.includes("event=ladder") &&
        text.includes(`channel=${channel} `)).at(-1);
    return new Set(line.match(/renditions="?([^" ]*)/)[1].split(",")
        .filter((name) => name.endsWith("*"))
        .map((name) => name.slice(0, -1)));
}

/** Runs a program to its end: what it said; throws if it was not content. */
const ask = (command, words, input = "") => new Promise((resolve, reject) =>
    execFile(command, words, { timeout: BOUND }, (error, out, more) =>
        error ? reject(new Error(`${error.message}\n${out}${more}`))
            : resolve(out + more)).stdin.end(input));

async function check(url, seconds) {
    assert.match(await ask(`${BUILD}/lectern`,
        ["check", url, "--seconds", `${seconds}`]), /: 0 rules broken/);
}

const decoder = (input, ...words) => ["-hide_banner", "-nostdin", "-xerror",
    "-i", input, "-map", "0", ...words, "-f", "null", "-"];

const text = async (url) => (await fetch(url)).text();

/** Every rendition, decoded for a while without an error: what it says of the
 * sound. */
async function decode(url) {
    const said = await ask("ffmpeg", decoder(url, "-t", `${LOOKED_AT_S}`));
    const [, rate, layout] =
        said.match(/Audio: aac.*?, (\d+) Hz, (\w+)/) ?? [];
    return rate && { rate: Number(rate), channels: layout === "mono" ? 1 : 2 };
}

/* --- what changes midway -------------------------------------------------- */

/** The segments before and behind the first discontinuity, with their inits. */
function halves(playlist) {
    const found = [{ segments: [] }];
    let map;
    for (const line of playlist.split("\n")) {
        map = line.match(/^#EXT-X-MAP:URI="([^"]*)/)?.[1] ?? map;
        if (line === "#EXT-X-DISCONTINUITY") found.push({ segments: [] });
        if (!line || line.startsWith("#")) continue;
        found.at(-1).map ??= map;
        found.at(-1).segments.push(line);
    }
    return found;
}

const bytes = async (url) => Buffer.from(await (await fetch(url)).arrayBuffer());

/** Waits for a whole segment behind a discontinuity in every rendition, decodes
 * what is on both sides of it. FFmpeg's own HLS reader does not follow a
 * change of init. */
async function sizes(top) {
    const found = {};
    for (const path of (await text(top)).match(/[^"\n]+\/index\.m3u8/g)) {
        const url = new URL(path, top);
        const parts = await until(`a discontinuity in ${path}`, async () => {
            const now = halves(await text(url));
            return now[1]?.segments.length && now;
        }, BOUND);
        assert.equal(parts.length, 2);
        const seen = [];
        for (const { map, segments } of parts) {
            const media = await Promise.all([map, segments.at(-1)]
                .map((name) => bytes(new URL(name, url))));
            const said = await ask("ffmpeg",
                decoder("pipe:0").filter((word) => word !== "-nostdin"),
                Buffer.concat(media));
            seen.push(said.match(/Video: h264.*?, (\d+x\d+)/)?.[1]);
        }
        if (seen[0]) found[path.split("/").at(-2)] = seen;
    }
    return found;
}

async function looks(c, url) {
    const event = c.lecture.then ?? c.lecture.lost ?? c.lecture.breaks;
    if (!event) {
        const [sound] = await Promise.all(
            [decode(url), check(url, LOOKED_AT_S)]);
        return { sound };
    }
    const seconds = LOOKED_AT_S + Math.ceil(event.at);
    const [found] = await Promise.all([sizes(url), check(url, seconds)]);
    return { sizes: found, sound: await decode(url) };
}

/** @returns {Promise<object>} what came of it, to compare with `expect` */
export async function play(c, { server, ...world }) {
    const url = server.playlist(c.channel);
    const encoder = await start(c, world);
    const program = encoder.program ?? encoder;
    const warned = (warning) => until(`a warning of ${warning}`, () =>
        server.log.some((line) => line.includes("event=source_warning") &&
            line.includes(`channel=${c.channel} `) &&
            line.includes(`warning=${warning} `)), BOUND);
    const logged = (text) => until(`the server's log says ${text}`, () =>
        server.log.some((line) => line.includes(text) &&
            (!line.includes("channel=") ||
                line.includes(`channel=${c.channel} `))), BOUND);
    try {
        await Promise.race([server.isLive(c.channel, BOUND),
            program.gone.then(() =>
                assert.fail(program.lines.slice(-30).join("\n")))]);
        await hasSegments(url, BOUND);
        /* An encoder that is slow to begin may be heard before it is seen. */
        if (c.lecture.video)
            await until("a picture", async () =>
                (await text(url)).includes("RESOLUTION="), BOUND);
        const [{ sound, ...more }] = await Promise.all(
            [looks(c, url), ...c.expect.warns.map(warned),
                ...c.expect.logs.map(logged)]);
        const asSent = passedThrough(server.log, c.channel);
        return { renditions: renditions(await text(url), asSent),
            sound: sound ? { ...sound, asSent: asSent.has("audio") } : null,
            warns: c.expect.warns, logs: c.expect.logs, ...more };
    } finally {
        await encoder.stop();
    }
}
