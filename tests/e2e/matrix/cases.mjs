/* tests/e2e/matrix/cases.mjs — which encoder, which way, in which trouble, and
 * what comes of it. docs/publishers.md has its table from here. */

/** @typedef {import("./fixtures.mjs").Lecture} Lecture */

/**
 * @typedef {object} Case
 * @property {string} name also its channel's, its stream key's
 * @property {"ffmpeg" | "gstreamer" | "obs"} encoder
 * @property {"rtmp" | "rtmps" | "srt" | "srts"} way
 * @property {string} trouble
 * @property {Lecture} lecture
 * @property {string} key what the encoder presents
 * @property {string} [passphrase] likewise
 * @property {string} [secret] the channel's passphrase
 * @property {boolean} [selfSigned] to the server with such a certificate
 * @property {boolean} [trusts] the authority of fixtures.mjs
 * @property {boolean} [encodes] FFmpeg encodes, as documented; else it copies
 * @property {boolean} [defaults] nothing is said of the encoding
 * @property {string[]} [sink] more for GStreamer's sink
 * @property {Expected} expect
 * @property {string} [note] why, for the document
 * @property {string} [impossible] this encoder cannot: why; nothing is run
 */

/**
 * Either refused: the encoder's `told`, the server's `log`, `again` if the
 * encoder keeps trying. Or played: renditions, sound, warnings.
 * @typedef {{told: string, log?: string, again?: boolean} |
 *           {renditions: object[], sound: object | null, warns: string[],
 *            logs: string[], sizes?: Record<string, string[]>}}
 *     Expected sizes: before a change and after
 */

export const ENCODERS = { ffmpeg: "FFmpeg", gstreamer: "GStreamer", obs: "OBS" };
export const WAYS = {
    rtmp: "RTMP", rtmps: "RTMPS", srt: "SRT", srts: "encrypted SRT",
};
const PASSPHRASE = "correct-horse-battery";
const isSrt = (way) => way.startsWith("srt");

/** @type {Lecture} */
const GOOD = {
    width: 320, height: 180, fps: 30, keyframes: 2, bFrames: 0, rate: 48000,
    channels: 2, video: true, audio: true, codec: "h264", colour: "4:2:0",
    sound: "aac",
};

/* --- what plays ----------------------------------------------------------- */

/**
 * What a channel of type STANDARD makes of a lecture.
 * @param {Lecture} l
 * @param {{warns?: string[], logs?: string[], made?: boolean}} [how] made: the
 *     top rendition is encoded here
 */
function plays(l, { warns = [], logs = [], made = false } = {}) {
    const sound = l.audio && l.sound === "aac"
        ? { rate: l.channels > 2 ? 48000 : l.rate,
            channels: Math.min(l.channels, 2), asSent: l.channels <= 2 }
        : null;
    const codecs = (video) => sound ? `${video},mp4a.40.2` : video;
    const hevc = l.codec === "hevc";
    const slow = l.fps > 35 ? l.fps / 2 : l.fps;
    return {
        renditions: l.video ? [
            { name: hevc ? "source" : "180p", size: `${l.width}x${l.height}`,
                fps: l.fps, codecs: codecs(hevc ? "hvc1" : "avc1"),
                asSent: !made },
            { name: "160p", size: l.width > l.height ? "284x160" : "160x284",
                fps: slow, codecs: codecs("avc1"), asSent: false },
        ] : [{ name: "audio", size: null, fps: null, codecs: "mp4a.40.2",
            asSent: true }],
        sound, warns, logs,
    };
}

const lecture = (more, how) => () => {
    const l = { ...GOOD, ...more };
    return { lecture: l, expect: plays(l, how) };
};

/** The size changes: a discontinuity everywhere, a new init where it must. */
function resized() {
    const then = { width: 480, height: 270, at: 4 };
    const expect = plays(GOOD);
    expect.renditions[0].size = "480x270";
    expect.sizes = { "180p": ["320x180", "480x270"],
        "160p": ["284x160", "284x160"] };
    return { lecture: { ...GOOD, then }, expect };
}

/** Sound and picture are gone for a while, as where a line loses too much. */
function lost() {
    const expect = plays(GOOD);
    expect.sizes = { "180p": ["320x180", "320x180"],
        "160p": ["284x160", "284x160"] };
    return { lecture: { ...GOOD, lost: { at: 5.4, for: 1.5 } }, expect };
}

/** No keyframe came when one was expected: the top rendition is the source at
 * first, and is made from then on. */
function late(more, at, warns = []) {
    const expect = plays(GOOD, { warns,
        logs: ["event=keyframes_late"], made: true });
    expect.sizes = { "180p": ["320x180", "320x180"],
        "160p": ["284x160", "284x160"] };
    return { lecture: { ...GOOD, ...more, breaks: { at } }, expect,
        note: "From the channel's second lecture on its interval is known" };
}

/* --- who is refused ------------------------------------------------------- */

/** What each encoder says, by way and reason. */
const TOLD = {
    key: {
        ffmpeg: { rtmp: "Server error: wrong stream key",
            srt: "Application-defined rejection reason" },
        gstreamer: { rtmp: '"description": "wrong stream key"',
            srt: "Connection does not exist" },
        obs: { rtmp: "NetStream.Publish.BadName (wrong stream key)",
            srt: "Connection rejected, Application-defined rejection reason" },
    },
    wrong: {
        ffmpeg: "Incorrect passphrase",
        gstreamer: "Connection does not exist",
        obs: "Connection rejected, wrong password or invalid URL",
    },
    unexpected: {
        ffmpeg: "Password required or unexpected",
        gstreamer: "Connection does not exist",
        obs: "Connection rejected, wrong password or invalid URL",
    },
};

function wrongKey(encoder, way) {
    const kind = isSrt(way) ? "srt" : "rtmp";
    return {
        key: "nobodys-key",
        expect: { told: TOLD.key[encoder][kind], log: "wrong stream key",
            again: encoder === "obs" && isSrt(way) },
    };
}

function wrongPassphrase(encoder, way) {
    if (!isSrt(way))
        return { secret: PASSPHRASE, expect: plays(GOOD),
            note: "RTMP has no passphrase: the stream key alone opens the " +
                "channel" };
    if (way === "srt")
        return { passphrase: PASSPHRASE, expect: {
            told: TOLD.unexpected[encoder],
            log: "a passphrase where none belongs" } };
    return { passphrase: "wrong-horse-battery", expect: {
        told: TOLD.wrong[encoder], log: "wrong passphrase, or none" } };
}

function noPassphrase(encoder, way) {
    if (way !== "srts") return null;
    return { passphrase: undefined, expect: {
        told: TOLD.unexpected[encoder], log: "wrong passphrase, or none" } };
}

/** The certificate that the server made for itself. */
function selfSigned(encoder, way) {
    if (way !== "rtmps") return null;
    const told = { gstreamer: "Unacceptable TLS certificate",
        obs: "Cert verify failed" }[encoder];
    const log = { gstreamer: "event=closed", obs: "unknown ca" }[encoder];
    return {
        selfSigned: true, trusts: false,
        expect: told ? { told, log } : plays(GOOD),
        note: told ? undefined : "FFmpeg does not look at certificates",
    };
}

function selfSignedWelcome(encoder, way) {
    if (way !== "rtmps" || encoder !== "gstreamer") return null;
    return { selfSigned: true, trusts: false, expect: plays(GOOD),
        sink: ["tls-validation-flags=0"] };
}

/* --- what OBS does not do ------------------------------------------------- */

/** Everything is left as the encoder has it. */
function defaults(encoder, way) {
    if (encoder !== "gstreamer")
        return { defaults: true, expect: plays(GOOD, { made: true,
            warns: ["b_frames", "keyframes"], logs: ["event=keyframes_late"] }),
        note: "It sends a keyframe every 8 s, and B-frames" };
    return { defaults: true, expect: plays(GOOD, { made: true,
        warns: isSrt(way) ? ["b_frames", "keyframes"] : ["keyframes"],
        logs: ["event=picture_format"] }),
    note: isSrt(way) ? "It sends 4:4:4 where the source can, and B-frames"
        : "It sends 4:4:4 where the source can, and its FLV has crooked " +
            "times: the picture jerks. Say `tune=zerolatency`" };
}

function hevc(encoder, way) {
    const why = {
        ffmpeg: !isSrt(way) && "FFmpeg 5.1 has no HEVC in RTMP",
        gstreamer: !isSrt(way) && "GStreamer 1.22 has no HEVC in RTMP",
        obs: "OBS 29 has HEVC on graphics cards only",
    }[encoder];
    return why ? impossible(why)() : lecture({ codec: "hevc" })();
}

function mp3(encoder, way) {
    const l = { ...GOOD, sound: "mp3", rate: 44100 };
    return { lecture: l, expect: plays(l, { logs: [isSrt(way)
        ? "event=stream_left_out" : "what=mp3"] }), note: "Send AAC or Opus" };
}

const except = (encoder, instead, otherwise) => (who, way) =>
    who === encoder ? instead(who, way) : otherwise(who, way);
const impossible = (why) => () => ({ impossible: why, expect: {} });

/* --- the table ------------------------------------------------------------ */

/** In the order of the document: title, and what is different. */
export const TROUBLES = {
    good: ["nothing: 30 fps, keyframes every 2 s, 48 kHz stereo", (encoder) =>
        ({ encodes: encoder === "ffmpeg" })],
    defaults: ["the encoder's own defaults", defaults],
    fps25: ["25 fps", lecture({ fps: 25 })],
    fps50: ["50 fps", lecture({ fps: 50 })],
    fps60: ["60 fps", lecture({ fps: 60 })],
    uneven: ["a variable frame rate", except("obs",
        impossible("OBS sends a constant rate"),
        () => late({ uneven: true }, 4.8))],
    portrait: ["portrait", lecture({ width: 180, height: 320 })],
    bframes: ["B-frames", lecture({ bFrames: 2 }, { warns: ["b_frames"] })],
    keyframes: ["keyframes every 8 s", lecture({ keyframes: 8 },
        { warns: ["keyframes"], logs: ["event=keyframes_late"],
            made: true })],
    unsaid: ["the same, from an encoder that says nothing of it", (encoder) =>
        encoder === "ffmpeg" ? late({ keyframes: 8, unsaid: true }, 2.4,
            ["keyframes"]) : null],
    mono: ["44.1 kHz, mono", lecture({ rate: 44100, channels: 1 })],
    surround: ["5.1 sound", except("gstreamer",
        impossible("its `voaacenc` has two channels at most"),
        lecture({ channels: 6 }))],
    mp3: ["MP3 sound", except("obs", impossible("OBS sends AAC"), mp3)],
    silent: ["no sound", except("obs",
        () => ({ lecture: { ...GOOD, audio: false }, expect: plays(GOOD),
            note: "OBS always sends sound: it is silence" }),
        lecture({ audio: false }))],
    blind: ["no picture", except("obs",
        impossible("OBS always sends a picture"),
        lecture({ video: false }))],
    colour: ["4:4:4 colour", except("obs", () => ({
        lecture: { ...GOOD, colour: "4:4:4" }, expect: plays(GOOD),
        note: "Whatever OBS's Color Format is, its x264 sends 4:2:0" }),
    lecture({ colour: "4:4:4" },
        { made: true, logs: ["event=picture_format"] }))],
    hevc: ["HEVC", hevc],
    resized: ["another size midway", except("obs",
        impossible("OBS does not change its size while it streams"), resized)],
    lost: ["1.5 s lost midway", (encoder) =>
        encoder === "ffmpeg" ? lost() : null],
    key: ["a wrong stream key", wrongKey],
    passphrase: ["a wrong passphrase, or one where none belongs",
        wrongPassphrase],
    nopassphrase: ["no passphrase where one is needed", noPassphrase],
    selfsigned: ["a self-signed certificate", selfSigned],
    unchecked: ["the same, `tls-validation-flags=0`", selfSignedWelcome],
};

/** @returns {Case} */
function make(encoder, way, trouble) {
    const how = TROUBLES[trouble][1](encoder, way);
    if (!how) return [];
    const name = `${encoder}-${way}-${trouble}`;
    const secret = way === "srts" ? PASSPHRASE : undefined;
    return [{
        name, encoder, way, trouble, channel: name, key: `key-${name}`,
        lecture: GOOD, secret, passphrase: secret, expect: plays(GOOD),
        trusts: way === "rtmps" && encoder !== "ffmpeg", ...how,
    }];
}

/** @type {Case[]} */
export const cases = Object.keys(TROUBLES).flatMap((trouble) =>
    Object.keys(ENCODERS).flatMap((encoder) =>
        Object.keys(WAYS).flatMap((way) => make(encoder, way, trouble))));

/* Where time is short two ways stand for four, and OBS, which costs a third of
 * a core each time, has these; `make matrix` runs all. */
const WAYS_OF = { ffmpeg: ["rtmp", "srts"], gstreamer: ["rtmps", "srt"] };
const REPRESENTATIVE = new Set([
    "obs-rtmp-good", "obs-rtmps-good", "obs-srts-good", "obs-rtmp-key",
    "obs-srt-bframes", "obs-rtmp-keyframes", "obs-rtmps-mono",
    "obs-srts-portrait", "obs-srt-fps60", "obs-rtmp-silent",
    "obs-rtmp-defaults", "obs-rtmp-surround",
]);
export const isRefused = (c) => Boolean(c.expect.told);
export const isRepresentative = (c) =>
    WAYS_OF[c.encoder]?.includes(c.way) || REPRESENTATIVE.has(c.name) ||
    (c.encoder !== "obs" && isRefused(c));
