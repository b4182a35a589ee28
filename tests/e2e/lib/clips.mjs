/* tests/e2e/lib/clips.mjs — an encoder that changes its mind: plays clips over
 * one RTMP connection, pictures and sound each on their own, with times that
 * go on whatever is played, or are bent on purpose. */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync } from "node:fs";
import { RawRtmp, chunk, connectCommand, publishCommands, recorded }
    from "./rtmp.mjs";

const FOLDER = "build/tests/clips";
/** Whole frames of 25 fps and of AAC at 48 kHz, in ms. */
const SPAN = 8000;
/** Between two messages of a kind at most, where nothing is late, ms. */
const FLOWS = 100;
export const VIDEO = 9, AUDIO = 8;

/**
 * Made once: a counter on a pattern and a tone.
 * @param {{width?: number, height?: number, fps?: number, rate?: number,
 *          channels?: number, bframes?: number, keyframes?: number}} [how]
 *     keyframes: s between them
 */
export function clip(how = {}) {
    const { width = 640, height = 360, fps = 25, rate = 48000, channels = 2,
        bframes = 0, keyframes = 2 } = how;
    const args = [
        "-f", "lavfi", "-i", `testsrc2=size=${width}x${height}:rate=${fps}`,
        "-f", "lavfi", "-i", `sine=frequency=440:sample_rate=${rate}`,
        "-t", `${SPAN / 1000}`, "-c:v", "libx264", "-preset", "ultrafast",
        "-g", `${keyframes * fps}`, "-keyint_min", `${keyframes * fps}`,
        "-sc_threshold", "0", "-bf", `${bframes}`, "-b:v", "800k", "-threads", "1",
        "-pix_fmt", "yuv420p", "-c:a", "aac", "-b:a", "64k",
        "-ac", `${channels}`, "-flvflags", "no_duration_filesize", "-f", "flv",
    ];
    const name = createHash("sha1").update(args.join(" ")).digest("hex");
    const path = `${FOLDER}/${name.slice(0, 16)}.flv`;
    if (!existsSync(path)) {
        mkdirSync(FOLDER, { recursive: true });
        execFileSync("ffmpeg", ["-hide_banner", "-nostdin", "-loglevel",
            "error", "-y", ...args, `${path}.${process.pid}`]);
        renameSync(`${path}.${process.pid}`, path);
    }
    return new Clip([...tags(readFileSync(path))], SPAN);
}

/** Messages as lib/rtmp.mjs's EnhancedPublisher has them. */
export function messages(path, span) {
    return new Clip([...recorded(readFileSync(path))], span);
}

function* tags(bytes) {
    for (let i = 13; i + 11 <= bytes.length;) {
        const length = bytes.readUIntBE(i + 1, 3);
        const at = bytes.readUIntBE(i + 4, 3) + (bytes[i + 7] << 24);
        yield { type: bytes[i], at,
            body: bytes.subarray(i + 11, i + 11 + length) };
        i += 15 + length;
    }
}

/** Config and what is repeated, of each kind. */
class Clip {
    constructor(all, span) {
        this.span = span;
        this.tracks = {};
        for (const type of [VIDEO, AUDIO]) {
            const own = all.filter((m) => m.type === type);
            this.tracks[type] = {
                heads: own.filter((m) => kindOf(m) === 0),
                media: own.filter((m) => kindOf(m) === 1 && m.at < span),
            };
        }
    }
}

/** 0: a config, 1: media, other: an end or metadata. */
function kindOf({ type, body }) {
    if (type === VIDEO && body[0] & 128) {
        const packet = body[0] & 15;
        return packet === 3 ? 1 : packet;
    }
    if (type === AUDIO && body[0] >> 4 === 9) return body[0] & 15;
    return body[1];
}

export class ClipPublisher {
    /** Played now, by type: {clip, next, from}; absent: nothing is. */
    #playing = {};
    #held = {};
    #sent = {};
    #leap = null;
    #timer;
    #raw;
    /** What a kind's stamps are ahead of the truth, ms, and its clock's
     *  rate. */
    ahead = { [VIDEO]: 0, [AUDIO]: 0 };
    rate = { [VIDEO]: 1, [AUDIO]: 1 };

    /**
     * @param {number} port
     * @param {string} key
     * @param {{start?: number, host?: string}} [how] start: the first stamp,
     *     ms
     */
    static async open(port, key, { start = 0, host } = {}) {
        const it = new ClipPublisher();
        it.start = start;
        it.#raw = await RawRtmp.open(port, host);
        await it.#raw.shakeHands();
        it.#raw.send(connectCommand(), chunk(2, 1, [0, 1, 0, 0]),
            publishCommands(key));
        it.began = performance.now();
        it.#timer = setInterval(() => it.#send(), 5);
        return it;
    }

    get closed() {
        return this.#raw.closed;
    }

    get now() {
        return performance.now() - this.began;
    }

    play(of) {
        this.video(of);
        this.sound(of);
    }

    /** From here on; null: none. */
    video(of) {
        this.#play(VIDEO, of);
    }

    sound(of) {
        this.#play(AUDIO, of);
    }

    /** Nothing of a kind is sent, though its time goes on. */
    hold(type, held) {
        this.#held[type] = held;
    }

    /** Clocks are ahead by so much from the next moment on in which nothing is
     *  late: a jump beside a pause would be another story. */
    leap(ahead) {
        this.#leap = ahead;
    }

    /** Goes on where the last clip of this kind would have. */
    #play(type, of) {
        const was = this.#playing[type];
        const due = was && this.#due(was, type);
        delete this.#playing[type];
        if (!of) return;
        const from = due && due > this.now - 100 ? due : this.now;
        this.#playing[type] = { clip: of, next: 0, from };
        for (const head of of.tracks[type].heads)
            this.#message(type, head.body, from);
    }

    #due({ clip: of, next, from }, type) {
        const { media } = of.tracks[type];
        return from + media[next % media.length].at - media[0].at +
            Math.floor(next / media.length) * of.span;
    }

    #message(type, body, at) {
        const stamp = Math.round(this.start + at * this.rate[type] +
            this.ahead[type]);
        this.#raw.send(chunk(type === VIDEO ? 6 : 4, type, body,
            { stream: 1, at: stamp >>> 0 }));
    }

    #leaps(now) {
        const flows = Object.keys(this.#playing).every((type) =>
            now - this.#sent[type] < FLOWS);
        if (!this.#leap || !flows) return;
        Object.assign(this.ahead, this.#leap);
        this.#leap = null;
    }

    #send() {
        const now = this.now;
        this.#leaps(now);
        const due = [];
        for (const type of [VIDEO, AUDIO]) {
            const playing = this.#playing[type];
            if (!playing) continue;
            const { media } = playing.clip.tracks[type];
            for (;;) {
                const at = this.#due(playing, type);
                if (at > now) break;
                if (!this.#held[type])
                    due.push({ type, at,
                        body: media[playing.next % media.length].body });
                playing.next++;
            }
        }
        due.sort((a, b) => a.at - b.at);
        for (const { type, at, body } of due) {
            this.#message(type, body, at);
            this.#sent[type] = now;
        }
    }

    end() {
        clearInterval(this.#timer);
        this.#raw.end();
    }
}
