/* tests/e2e/matrix/encoders.mjs — how each encoder is told to publish. The
 * command lines are those of docs/publishers.md, which is made from them. */

/**
 * Where to.
 * @typedef {object} Door
 * @property {"rtmp" | "rtmps" | "srt" | "srts"} way
 * @property {string} host
 * @property {string | number} port
 * @property {string} key
 * @property {string} [passphrase]
 */

export const isSrt = (way) => way.startsWith("srt");

/** @param {Door} d */
export function address(d) {
    return isSrt(d.way)
        ? `srt://${d.host}:${d.port}?streamid=${d.key}` + secret(d)
        : `${d.way}://${d.host}:${d.port}/live/${d.key}`;
}

const secret = (d) =>
    d.passphrase ? `&passphrase=${d.passphrase}&pbkeylen=16` : "";

/* --- FFmpeg --------------------------------------------------------------- */

const container = (d) => isSrt(d.way)
    ? ["-f", "mpegts", `${address(d)}&latency=200000&pkt_size=1316`]
    : ["-f", "flv", address(d)];

/** As the documentation has it: a file is encoded and sent in real time. */
export function ffmpegEncodes(d, file, { fps = 30, kbps = 2500 } = {}) {
    return ["ffmpeg", "-re", "-stream_loop", "-1", "-i", file,
        "-c:v", "libx264", "-preset", "veryfast", "-tune", "zerolatency",
        "-profile:v", "main", "-pix_fmt", "yuv420p",
        "-g", `${2 * fps}`, "-sc_threshold", "0",
        "-b:v", `${kbps}k`, "-maxrate", `${kbps}k`, "-bufsize", `${kbps}k`,
        "-c:a", "aac", "-b:a", "128k", "-ar", "48000",
        ...container(d)];
}

/** As who does not know better has it. */
export function ffmpegDefaults(d, file) {
    return ["ffmpeg", "-re", "-stream_loop", "-1", "-i", file,
        "-c:v", "libx264", "-c:a", "aac", ...container(d)];
}

/** What is in the file already, untouched. `changes`: its parameter sets do.
 * RTMP's are told anew, of RTMPS nothing is said beside the pictures. */
export function ffmpegCopies(d, file, { changes = false } = {}) {
    return ["ffmpeg", "-re", "-stream_loop", "-1", "-i", file, "-c", "copy",
        ...(changes && d.way === "rtmp" ? ["-bsf:v", "extract_extradata"] : []),
        ...container(d)];
}

/* --- GStreamer ------------------------------------------------------------ */

const caps = (l) => `video/x-raw,width=${l.width},height=${l.height},` +
    `framerate=${l.fps}/1` + (l.colour === "4:4:4" ? ",format=Y444" : "");

/** One source behind the other, in real time. */
const inTurn = (l) => ["videotestsrc", `num-buffers=${l.then.at * l.fps}`, "!",
    caps(l), "!", "both.", "videotestsrc", "!", caps({ ...l, ...l.then }), "!",
    "both.", "concat", "name=both", "!", "identity", "sync=true", "!"];

const camera = (l) => [
    ...(l.then ? inTurn(l) : ["videotestsrc", "is-live=true", "!", caps(l),
        "!"]),
    ...(l.uneven ? ["identity", "drop-probability=0.2", "!"] : [])];

function gstreamerVideo(l, kbps, defaults) {
    if (defaults) return [...camera(l), "x264enc", "!", "h264parse", "!"];
    if (l.codec === "hevc")
        return [...camera(l), "x265enc", "speed-preset=ultrafast",
            "tune=zerolatency", `bitrate=${kbps}`, "log-level=error",
            `key-int-max=${l.keyframes * l.fps}`, "!", "h265parse", "!"];
    return [...camera(l), "x264enc",
        ...(l.bFrames ? [`bframes=${l.bFrames}`, "b-adapt=false",
            "rc-lookahead=2", "sync-lookahead=0", "threads=1"]
            : ["tune=zerolatency"]),
        "speed-preset=veryfast", `bitrate=${kbps}`,
        `key-int-max=${l.keyframes * l.fps}`, "!",
        ...(l.colour === "4:4:4" ? [] : ["video/x-h264,profile=main", "!"]),
        "h264parse", "!"];
}

const gstreamerAudio = (l) => ["audiotestsrc", "is-live=true", "!",
    `audio/x-raw,rate=${l.rate},channels=${l.channels}`, "!",
    ...(l.sound === "mp3" ? ["lamemp3enc", "!", "mpegaudioparse", "!"]
        : ["voaacenc", "bitrate=128000", "!", "aacparse", "!"])];

/**
 * @param {Door} d
 * @param {import("./fixtures.mjs").Lecture} l
 * @param {{kbps?: number, sink?: string[], defaults?: boolean}} [how]
 */
export function gstreamer(d, l, { kbps = 2500, sink = [], defaults } = {}) {
    const mux = isSrt(d.way)
        ? ["mpegtsmux", "name=mux", "alignment=7", "!", "srtsink",
            `uri=${address(d)}&mode=caller`, ...sink]
        : ["flvmux", "name=mux", "streamable=true", "!", "rtmp2sink",
            `location=${address(d)}`, ...sink];
    if (!l.video) return ["gst-launch-1.0", ...gstreamerAudio(l), ...mux];
    return ["gst-launch-1.0", ...gstreamerVideo(l, kbps, defaults), ...mux,
        ...(l.audio ? [...gstreamerAudio(l), "mux."] : [])];
}

/* --- OBS Studio ----------------------------------------------------------- */

/** What stands in Settings → Stream, Service "Custom…". */
export function obsDoor(d) {
    return isSrt(d.way)
        ? { server: `${address(d)}&mode=caller&latency=200000`, key: "" }
        : { server: `${d.way}://${d.host}:${d.port}/live`, key: d.key };
}

/** What differs from lib/obs.mjs's usual settings. */
export function obsSettings(l, defaults) {
    const more = {
        width: l.width, height: l.height, fps: l.fps, rate: l.rate,
        channels: l.channels, silent: !l.audio, clip: false,
        colour: l.colour === "4:4:4" ? "I444" : "NV12",
    };
    if (defaults) return { ...more, usual: false };
    return {
        ...more,
        encoder: {
            keyint_sec: l.keyframes, bf: l.bFrames, bitrate: 500,
            ...(l.bFrames
                ? { profile: "main", tune: "", x264opts: "b-adapt=0" } : {}),
            ...(l.colour === "4:4:4" ? { profile: "" } : {}),
        },
    };
}
