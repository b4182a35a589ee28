/* tests/e2e/lib/encoder.mjs — an encoder as it stands in a hall: somebody
 * pressed "start" once, and whenever its connection ends it connects anew. */
import { Program } from "./process.mjs";

/** Between the end of one try and the next, ms. */
const REST = 500;

/** 320x180 at 30 fps, a keyframe each second, AAC. */
export const PICTURE = ["-re", "-f", "lavfi", "-i", "testsrc2=s=320x180:r=30",
    "-re", "-f", "lavfi", "-i", "sine=sample_rate=48000", "-c:v", "libx264",
    "-preset", "ultrafast", "-tune", "zerolatency", "-g", "30", "-b:v", "600k",
    "-maxrate", "600k", "-bufsize", "600k", "-pix_fmt", "yuv420p",
    "-threads", "1", "-c:a", "aac", "-b:a", "96k"];

/** @param {string} url rtmp: or srt: */
export const ffmpeg = (url) => ["ffmpeg", "-nostdin", "-v", "error",
    ...PICTURE, "-f", url.startsWith("srt:") ? "mpegts" : "flv", url];

export const gstreamer = (url) => ["gst-launch-1.0", "-q",
    "videotestsrc", "is-live=true", "pattern=ball", "!",
    "video/x-raw,width=320,height=180,framerate=30/1", "!",
    "x264enc", "tune=zerolatency", "speed-preset=ultrafast", "bitrate=600",
    "key-int-max=30", "threads=1", "!", "h264parse", "!",
    "mpegtsmux", "name=mux", "alignment=7", "!", "srtsink", `uri=${url}`,
    "audiotestsrc", "is-live=true", "!", "audioconvert", "!", "voaacenc", "!",
    "aacparse", "!", "mux."];

export class Encoder {
    /** How often it began. */
    starts = 0;
    #stopped = false;

    /**
     * @param {string[]} words the command
     * @param {import("./netns.mjs").Net} [net] where it stands: the viewer's
     *        end of the wire
     */
    constructor(words, net) {
        this.words = net ? net.inside("viewer", ...words) : words;
        this.#begin();
    }

    #begin() {
        this.starts++;
        this.program = new Program(this.words[0], this.words.slice(1));
        this.program.gone.then(() => setTimeout(() => {
            if (!this.#stopped) this.#begin();
        }, REST).unref());
    }

    /** Its power fails, and is back. */
    kill() {
        this.program.signal("SIGKILL");
    }

    /** For good. */
    async stop() {
        this.#stopped = true;
        await this.program.stop("SIGKILL");
    }
}
