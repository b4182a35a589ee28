/* tests/tools/multitrack.mjs — an encoder with a ladder of its own, like OBS
 * with Enhanced Broadcasting: several H.264 pictures in one connection. Tests
 * use encode() and MultitrackPublisher; by hand:
 *
 *     node tests/tools/multitrack.mjs --help
 *
 * Bytes as OBS writes them: picture and sound 0 as legacy tags, further ones
 * with the extended header and OneTrack, CodedFramesX where nothing is
 * reordered, SequenceEnd for those at the end, 4096-byte chunks, no word of
 * what the client can, the key with its query. Times are whole ms, cut. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { RawRtmp, amf, chunk, message } from "../e2e/lib/rtmp.mjs";

const CHUNK = 4096, AUDIO_RATE = 48000, AAC_SAMPLES = 1024;
/* Sound repeats without a seam after 8 s (375 AAC frames), pictures after as
 * many frames as fit best. */
const LOOP_S = 8;
const loopOf = (fps) => Math.round(LOOP_S * fps);
/** 29.97 is short for 30000/1001. */
const exact = (fps) => (fps % 1 ? Math.round(fps * 1.001) / 1.001 : fps);
/* Nothing is sent before: room for B-frames, whose decoding time is early. */
const FIRST_MS = 200;

/* --- encoding ------------------------------------------------------------- */

/** "1280x720@2500" and options such as ":gop=4,half,bframes=2". */
export function parseTrack(text) {
    const m = text.match(/^(\d+)x(\d+)(?:@(\d+))?(?::(.*))?$/);
    if (!m) throw new Error(`no track: ${text}`);
    const [, width, height, kbps = "1500", more = ""] = m;
    const track = { width: Number(width), height: Number(height),
        kbps: Number(kbps) };
    for (const option of more.split(",").filter(Boolean)) {
        const [key, value = "1"] = option.split("=");
        if (!["gop", "half", "bframes", "misalign", "stop", "late"]
            .includes(key)) throw new Error(`no option of a track: ${key}`);
        track[key] = Number(value);
    }
    return track;
}

async function ffmpeg(args, fds) {
    const child = spawn("ffmpeg", ["-hide_banner", "-nostdin", "-v", "error",
        ...args], { stdio: ["ignore", "ignore", "inherit",
        ...Array(fds).fill("pipe")] });
    const bytes = Array.from({ length: fds }, async (_, i) => {
        const parts = [];
        for await (const part of child.stdio[3 + i]) parts.push(part);
        return Buffer.concat(parts);
    });
    const [code] = await once(child, "close");
    if (code) throw new Error(`ffmpeg ended with ${code}`);
    return Promise.all(bytes);
}

/** Audio and video tags of an FLV file. */
function* tags(flv) {
    for (let i = 13; i + 11 <= flv.length;) {
        const length = flv.readUIntBE(i + 1, 3);
        yield { type: flv[i], body: flv.subarray(i + 11, i + 11 + length) };
        i += 11 + length + 4;
    }
}

function videoOf(flv, track, fps) {
    const all = [...tags(flv)].filter((t) => t.type === 9).map((t) => t.body);
    const config = all.find((b) => b[1] === 0).subarray(5);
    const frames = all.filter((b) => b[1] === 1).map((b) => ({
        key: b[0] >> 4 === 1, cts: b.readIntBE(2, 3), data: b.subarray(5) }));
    return { ...track, fps: fps / (track.half ? 2 : 1), config, frames };
}

function audioOf(flv) {
    const all = [...tags(flv)].filter((t) => t.type === 8).map((t) => t.body);
    return { config: all.find((b) => b[1] === 0).subarray(2),
        frames: all.filter((b) => b[1] === 1).map((b) => b.subarray(2)) };
}

/**
 * LOOP_S seconds of every track, from one source.
 * @param {{tracks: ReturnType<typeof parseTrack>[], fps?: number,
 *     gop?: number, bframes?: number, sounds?: number}} what gop in seconds;
 *     sounds: how many
 */
export async function encode({ tracks, fps: about = 30, gop = 2, bframes = 0,
    sounds = 1 }) {
    const fps = exact(about);
    const rate = about % 1 ? `${Math.round(fps * 1001)}/1001` : `${fps}`;
    const largest = tracks.reduce((a, b) => (a.height > b.height ? a : b));
    const pads = tracks.map((_, i) => `[s${i}]`).join("");
    const graph = [`testsrc2=s=${largest.width}x${largest.height}:r=${rate},` +
        `split=${tracks.length}${pads}`,
    ...tracks.map((t, i) => `[s${i}]${t.half ? `fps=${rate}/2,` : ""}` +
        `scale=${t.width}:${t.height},setsar=1,format=yuv420p[v${i}]`)].join(";");
    const args = [];
    for (let i = 0; i < sounds; i++)
        args.push("-f", "lavfi", "-i",
            `sine=f=${440 * (i + 1)}:r=${AUDIO_RATE}`);
    args.push("-filter_complex", graph);
    tracks.forEach((t, i) => {
        const own = fps / (t.half ? 2 : 1);
        const frames = Math.round((t.gop || gop) * own);
        args.push("-map", `[v${i}]`, "-frames:v", `${loopOf(own)}`, "-c:v", "libx264",
            "-preset", "superfast", "-threads", "1", "-bf",
            `${t.bframes ?? bframes}`, "-g", `${frames}`, "-keyint_min",
            `${frames}`, "-sc_threshold", "0", "-x264-params",
            "open-gop=0:b-adapt=0", "-b:v", `${t.kbps}k`, "-maxrate",
            `${t.kbps}k`, "-bufsize", `${t.kbps}k`, "-f", "flv",
            `pipe:${3 + i}`);
    });
    for (let i = 0; i < sounds; i++)
        args.push("-map", `${i}:a`, "-t", `${LOOP_S + 1}`, "-c:a", "aac",
            "-ac", "2", "-b:a", "128k", "-f", "flv",
            `pipe:${3 + tracks.length + i}`);
    const made = await ffmpeg(args, tracks.length + sounds);
    return {
        fps,
        pictures: tracks.map((t, i) => videoOf(made[i], t, fps)),
        sounds: made.slice(tracks.length).map(audioOf),
    };
}

/* --- bytes ---------------------------------------------------------------- */

const FOURCC_AVC = Buffer.from("avc1"), FOURCC_AAC = Buffer.from("mp4a");
const START = 0, FRAMES = 1, END = 2, FRAMES_X = 3;
const MULTITRACK_VIDEO = 6, MULTITRACK_AUDIO = 5;

function signed24(n) {
    const b = Buffer.alloc(3);
    b.writeIntBE(n, 0, 3);
    return b;
}

function videoBody(index, packet, key, cts, data) {
    const kind = key ? 1 : 2;
    if (index === 0)
        return Buffer.concat([Buffer.from([kind << 4 | 7,
            packet === START ? 0 : packet === END ? 2 : 1]),
        signed24(cts), data]);
    const type = packet === FRAMES && !cts ? FRAMES_X : packet;
    return Buffer.concat([
        Buffer.from([0x80 | kind << 4 | MULTITRACK_VIDEO, type]), FOURCC_AVC,
        Buffer.from([index]), type === FRAMES ? signed24(cts) : Buffer.alloc(0),
        data]);
}

function audioBody(index, packet, data) {
    if (index === 0)
        return Buffer.concat([Buffer.from([0xaf, packet === START ? 0 : 1]),
            data]);
    return Buffer.concat([Buffer.from([0x90 | MULTITRACK_AUDIO, packet]),
        FOURCC_AAC, Buffer.from([index]), data]);
}

function connectMessage(url) {
    return message(3, 20, Buffer.from([...amf.string("connect"),
        ...amf.number(1), ...amf.object({
            app: amf.string("live"), type: amf.string("nonprivate"),
            flashVer: amf.string(
                "FMLE/3.0 (compatible; FMSc/1.0)"),
            swfUrl: amf.string(url), tcUrl: amf.string(url),
        })]), { size: CHUNK });
}

function publishMessages(key) {
    const command = (name, n, ...rest) => Buffer.from([...amf.string(name),
        ...amf.number(n), 5, ...rest.flat()]);
    return Buffer.concat([
        message(3, 20, command("releaseStream", 2, amf.string(key))),
        message(3, 20, command("FCPublish", 3, amf.string(key))),
        message(3, 20, command("createStream", 4)),
        message(4, 20, command("publish", 5, amf.string(key),
            amf.string("live")), { stream: 1 })]);
}

function metadata({ fps, pictures: [first], sounds }, languages) {
    const number = (v) => amf.number(v);
    const fields = {
        duration: number(0), fileSize: number(0), width: number(first.width),
        height: number(first.height), videocodecid: number(7),
        videodatarate: number(first.kbps), framerate: number(fps),
        audiocodecid: number(10), audiodatarate: number(128),
        audiosamplerate: number(AUDIO_RATE), audiosamplesize: number(16),
        audiochannels: number(2), stereo: amf.boolean(true),
        encoder: amf.string("obs-output module (libobs version 31.0.0)"),
    };
    if (languages.length)
        fields.audioTrackIdInfoMap = amf.object(Object.fromEntries(
            sounds.map((_, i) => [`${i}`, amf.object({
                language: amf.string(languages[i] ?? "und") })])));
    return Buffer.from([...amf.string("@setDataFrame"),
        ...amf.string("onMetaData"), ...amf.object(fields)]);
}

/* --- publishing ----------------------------------------------------------- */

/** What is sent of one track, endlessly: {at (ms, cut), body} by number. */
class Lane {
    next = 0;
    ended = false;

    constructor(kind, index, track) {
        Object.assign(this, { kind, index, track });
        const late = track.late ?? 0;
        if (kind === "picture") {
            /* A late one begins with a keyframe, as all do. */
            this.next = Math.ceil(late / LOOP_S) * loopOf(track.fps);
            this.delay = track.frames[0].cts;
        }
    }

    get config() {
        return this.kind === "picture"
            ? videoBody(this.index, START, true, 0, this.track.config)
            : audioBody(this.index, START, this.track.config);
    }

    get at() {
        if (this.kind === "sound")
            return FIRST_MS + Math.floor(
                this.next * AAC_SAMPLES * 1000 / AUDIO_RATE);
        return FIRST_MS - this.delay + (this.track.misalign ?? 0) +
            Math.floor(this.next * 1000 / this.track.fps);
    }

    take() {
        const { frames, fps } = this.track;
        const n = this.kind === "sound" ? LOOP_S * AUDIO_RATE / AAC_SAMPLES
            : loopOf(fps);
        const f = frames[this.next++ % n];
        return this.kind === "sound" ? audioBody(this.index, FRAMES, f)
            : videoBody(this.index, FRAMES, f.key, f.cts, f.data);
    }
}

export class MultitrackPublisher {
    #raw;
    #timer;
    #lanes;
    #jumped = 0;
    said = "";

    /**
     * @param {number} port
     * @param {string} key may end in a query, as OBS's does
     * @param {Awaited<ReturnType<typeof encode>>} media
     * @param {{languages?: string[], host?: string}} [how]
     */
    static async open(port, key, media, { languages = [], host } = {}) {
        const it = new MultitrackPublisher();
        it.#raw = await RawRtmp.open(port, host);
        it.#raw.socket.on("data", (bytes) => {
            it.said = (it.said + bytes.toString("latin1")).slice(-4096);
        });
        await it.#raw.shakeHands();
        it.#raw.send(chunk(2, 1, [0, 0, CHUNK >> 8, CHUNK & 255]),
            connectMessage(`rtmp://127.0.0.1:${port}/live`),
            publishMessages(key));
        it.#begin(media, languages);
        return it;
    }

    #begin(media, languages) {
        this.#lanes = [
            ...media.pictures.map((t, i) => new Lane("picture", i, t)),
            ...media.sounds.map((t, i) => new Lane("sound", i, t))];
        this.#raw.send(message(4, 18, metadata(media, languages),
            { stream: 1 }));
        const early = (l) => !l.track.late;
        for (const lane of this.#lanes.filter(early)) this.#config(lane);
        this.began = performance.now();
        this.#timer = setInterval(() => this.#tick(), 5);
    }

    #write(lane, at, body) {
        this.#raw.send(message(4, lane.kind === "picture" ? 9 : 8, body,
            { stream: 1, at: Math.max(0, at + this.#jumped) }));
    }

    #config(lane) {
        lane.told = true;
        this.#write(lane, 0, lane.config);
    }

    /** All that is due, in the order of its times, as OBS interleaves. */
    #tick() {
        const now = performance.now() - this.began;
        for (;;) {
            const live = this.#lanes.filter((l) => !l.ended);
            const lane = live.reduce((a, b) => (b.at < a.at ? b : a), live[0]);
            if (!lane || lane.at > now + FIRST_MS || this.closed) return;
            const { stop } = lane.track;
            if (stop && lane.at >= stop * 1000 + FIRST_MS) {
                this.stop(lane.index);
                continue;
            }
            if (!lane.told) this.#config(lane);
            this.#write(lane, lane.at, lane.take());
        }
    }

    get closed() {
        return this.#raw.closed;
    }

    /** A picture ends; the others go on. */
    stop(index) {
        const lane = this.#lanes.find((l) =>
            l.kind === "picture" && l.index === index);
        if (!lane || lane.ended) return;
        lane.ended = true;
        this.#write(lane, lane.at,
            videoBody(index, END, true, 0, Buffer.alloc(0)));
    }

    /** The clock of all jumps, ms. */
    jump(ms) {
        this.#jumped += ms;
    }

    /** From now on a picture comes so much later, ms. */
    shift(index, ms) {
        const lane = this.#lanes.find((l) =>
            l.kind === "picture" && l.index === index);
        lane.track = { ...lane.track, misalign: ms };
    }

    async end() {
        clearInterval(this.#timer);
        for (const lane of this.#lanes)
            if (lane.kind === "picture") this.stop(lane.index);
        this.#raw.send(message(3, 20, Buffer.from([
            ...amf.string("FCUnpublish"), ...amf.number(6), 5])));
        this.#raw.socket.end();
        await this.#raw.isClosed();
    }
}

/* --- by hand -------------------------------------------------------------- */

const HELP = `usage: node tests/tools/multitrack.mjs [options] URL

URL is rtmp://HOST:PORT/live/KEY. Publishes until interrupted.

  --track WxH[@KBPS][:OPTION,…]  a picture; again for more. Without any:
                     1920x1080@5000 1280x720@2800 854x480@1200
      gop=SECONDS    its own keyframe interval
      half           half the frame rate
      bframes=N      its own B-frames
      misalign=MS    its pictures so much later
      stop=SECONDS   it ends then, and the others go on
      late=SECONDS   it begins then (at the next multiple of ${LOOP_S})
  --fps N            30; 29.97 and its like, too
  --gop SECONDS      2
  --bframes N        0
  --language TAG     a sound in that language; again for more
  --seconds N        ends after that
  --help
`;

async function main() {
    const { values: v, positionals: [url] } = parseArgs({
        allowPositionals: true, options: {
            track: { type: "string", multiple: true },
            fps: { type: "string", default: "30" },
            gop: { type: "string", default: "2" },
            bframes: { type: "string", default: "0" },
            language: { type: "string", multiple: true, default: [] },
            seconds: { type: "string" },
            help: { type: "boolean" },
        } });
    if (v.help || !url) {
        process.stdout.write(HELP);
        process.exit(v.help ? 0 : 1);
    }
    const to = new URL(url);
    const tracks = (v.track ?? ["1920x1080@5000", "1280x720@2800",
        "854x480@1200"]).map(parseTrack);
    console.log("encoding …");
    const media = await encode({ tracks, fps: Number(v.fps),
        gop: Number(v.gop), bframes: Number(v.bframes),
        sounds: Math.max(1, v.language.length) });
    const key = to.pathname.split("/").pop() + (to.search ||
        "?clientConfigId=00000000-0000-4000-8000-000000000000");
    const publisher = await MultitrackPublisher.open(Number(to.port || 1935),
        key, media, { languages: v.language, host: to.hostname });
    console.log(`publishing ${tracks.length} pictures to ${to.host}`);
    let leaving = false;
    const leave = async (why) => {
        if (leaving) return;
        leaving = true;
        console.log(why);
        await publisher.end().catch(() => {});
        process.exit(why === "done" ? 0 : 1);
    };
    process.on("SIGINT", () => leave("done"));
    process.on("SIGTERM", () => leave("done"));
    if (v.seconds) setTimeout(() => leave("done"), Number(v.seconds) * 1000);
    setInterval(() => publisher.closed &&
        leave("the server closed the connection: " +
            (publisher.said.match(/NetStream\.\w+\.\w+/g)?.at(-1) ?? "")), 200);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href)
    main().catch((error) => {
        console.error(error.message);
        process.exit(1);
    });
