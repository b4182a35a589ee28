/* tests/e2e/matrix/fixtures.mjs — lectures that are encoded once and sent by
 * many, and a certificate authority that encoders may be told to trust. */
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const exec = promisify(execFile);

/** Longer than any case lasts; they are sent in a loop all the same. */
const SECONDS = 48;

/**
 * @typedef {object} Lecture
 * @property {number} width
 * @property {number} height
 * @property {number} fps
 * @property {number} keyframes s between two
 * @property {number} bFrames
 * @property {boolean} [uneven] frames are missing here and there
 * @property {{width: number, height: number, at: number}} [then] another size
 *     from `at` on, s; a keyframe's time
 * @property {{at: number, for: number}} [lost] a piece that is missing, s
 * @property {boolean} [unsaid] what x264 writes of its settings is left out
 * @property {{at: number}} [breaks] what is made of it is different from `at`
 *     on, s
 * @property {"h264" | "hevc"} codec
 * @property {"4:2:0" | "4:4:4"} colour
 * @property {"aac" | "mp3"} sound
 * @property {number} rate of the sound, Hz
 * @property {number} channels
 * @property {boolean} video
 * @property {boolean} audio
 */

const picture = (l) => {
    const source = `testsrc2=s=${l.width}x${l.height}:r=${l.fps}`;
    /* Two of three, three of five, all: as a screen recorder does. */
    return l.uneven
        ? `${source},select='gt(mod(n\\,3)+mod(floor(n/7)\\,2)\\,0)'`
        : source;
};

const encoder = (l) => l.codec === "hevc"
    ? ["-c:v", "libx265", "-x265-params", "log-level=error:bframes=0:" +
        `scenecut=0:keyint=${l.fps * l.keyframes}:min-keyint=${l.fps}`]
    : ["-c:v", "libx264", "-profile:v",
        l.colour === "4:4:4" ? "high444" : "main", "-bf", l.bFrames,
        "-g", l.fps * l.keyframes, "-keyint_min", l.fps * l.keyframes,
        "-sc_threshold", "0"];

/** @param {Lecture} l */
function filmed(l, seconds = SECONDS) {
    const words = ["-v", "error", "-nostdin"];
    if (l.video) words.push("-f", "lavfi", "-i", picture(l));
    if (l.audio)
        words.push("-f", "lavfi", "-i", `sine=f=440:r=${l.rate}`);
    if (l.video)
        words.push(...encoder(l), "-preset", "ultrafast", "-b:v", "300k",
            "-pix_fmt", l.colour === "4:4:4" ? "yuv444p" : "yuv420p",
            "-threads", "1", "-vsync", l.uneven ? "vfr" : "cfr");
    if (l.unsaid) words.push("-bsf:v", "filter_units=remove_types=6");
    if (l.audio)
        words.push("-c:a", l.sound === "mp3" ? "libmp3lame" : "aac",
            "-b:a", "96k", "-ac", l.channels);
    return [...words, "-t", seconds].map(String);
}

export class Fixtures {
    #made = new Map();

    static async create() {
        const it = new Fixtures();
        it.dir = await mkdtemp(join(tmpdir(), "lectern-matrix-"));
        return it;
    }

    /**
     * The file of a lecture, encoded when it is first asked for.
     * @param {Lecture} lecture
     * @returns {Promise<string>}
     */
    file(lecture) {
        const name = JSON.stringify(lecture);
        if (!this.#made.has(name))
            this.#made.set(name, this.#encode(lecture, this.#made.size));
        return this.#made.get(name);
    }

    async #encode(lecture, number) {
        if (lecture.then) return this.#splice(lecture, number);
        if (lecture.lost) return this.#tear(lecture, number);
        const path = join(this.dir, `${number}.mp4`);
        await exec("ffmpeg", [...filmed(lecture), path]);
        return path;
    }

    /** Two sizes in one transport stream: parameter sets before each keyframe.
     */
    async #splice({ then, ...lecture }, number) {
        const at = (name) => join(this.dir, `${number}-${name}`);
        await exec("ffmpeg", [...filmed(lecture, then.at), at("1.ts")]);
        await exec("ffmpeg", [...filmed({ ...lecture, ...then }), at("2.ts")]);
        await writeFile(at("list"), `file '${at("1.ts")}'\n` +
            `file '${at("2.ts")}'\n`);
        await exec("ffmpeg", ["-v", "error", "-nostdin", "-f", "concat",
            "-safe", "0", "-i", at("list"), "-c", "copy", at("all.ts")]);
        return at("all.ts");
    }

    /** Two pieces, the clock going on between them. */
    async #tear({ lost, ...lecture }, number) {
        const at = (name) => join(this.dir, `${number}-${name}.ts`);
        const pieces = [[0, lost.at], [lost.at + lost.for, SECONDS]];
        for (const [i, [from, seconds]] of pieces.entries())
            await exec("ffmpeg", [...filmed(lecture, seconds), "-muxdelay",
                "0", "-output_ts_offset", `${from}`, at(i)]);
        await writeFile(at("all"), Buffer.concat(await Promise.all(
            pieces.map((_, i) => readFile(at(i))))));
        return at("all");
    }

    /**
     * A certificate of `localhost`, and the folder of the authority that made
     * it, as /etc/ssl/certs would look.
     */
    certificates() {
        this.#made.certificates ??= this.#certify();
        return this.#made.certificates;
    }

    async #certify() {
        const at = (name) => join(this.dir, name);
        const openssl = (...words) => exec("openssl", words);
        await mkdir(at("trusted"));
        await openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes",
            "-keyout", at("ca.key"), "-out", at("trusted/ca-certificates.crt"),
            "-subj", "/CN=matrix authority", "-days", "2", "-addext",
            "basicConstraints=critical,CA:TRUE");
        await openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout",
            at("host.key"), "-out", at("host.csr"), "-subj", "/CN=localhost");
        await writeFile(at("host.ext"),
            "subjectAltName=DNS:localhost,IP:127.0.0.1\n");
        await openssl("x509", "-req", "-in", at("host.csr"), "-CA",
            at("trusted/ca-certificates.crt"), "-CAkey", at("ca.key"),
            "-CAcreateserial", "-days", "2", "-extfile", at("host.ext"),
            "-out", at("host.crt"));
        return { cert: at("host.crt"), key: at("host.key"),
            trusted: at("trusted") };
    }

    free() {
        return rm(this.dir, { recursive: true, force: true });
    }
}
