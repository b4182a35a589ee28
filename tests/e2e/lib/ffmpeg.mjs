/* tests/e2e/lib/ffmpeg.mjs — publishers: ffmpeg, filming the clock of
 * tests/bench/timebars.c. */
import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, renameSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { Program } from "./process.mjs";

const SOURCE = "tests/bench/timebars.c";
const CAMERA = "build/tests/bench/timebars";

const cameras = new Set();
process.on("exit", () => {
    for (const camera of cameras) camera.kill("SIGKILL");
});

/** Builds the camera where `make bench` would, when it is missing or old. */
export function timebars() {
    if (!existsSync(CAMERA) ||
        statSync(CAMERA).mtimeMs < statSync(SOURCE).mtimeMs) {
        mkdirSync(dirname(CAMERA), { recursive: true });
        /* Several files may want it at once. */
        execFileSync("cc", ["-std=gnu11", "-D_GNU_SOURCE", "-O2", SOURCE,
            "-o", `${CAMERA}.${process.pid}`]);
        renameSync(`${CAMERA}.${process.pid}`, CAMERA);
    }
    return CAMERA;
}

/** H.264 as OBS sends it: no B-frames, a keyframe every two seconds. */
const encode = (fps, kbps, keyframes) => [
    "-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency",
    "-profile:v", "main", "-g", `${keyframes * fps}`,
    "-keyint_min", `${keyframes * fps}`,
    "-sc_threshold", "0", "-b:v", `${kbps}k`, "-maxrate", `${kbps}k`,
    "-bufsize", `${kbps}k`, "-threads", "1",
];

export class Publisher {
    #camera;
    #ffmpeg;

    /**
     * @param {string} url
     * @param {{width?: number, height?: number, fps?: number, kbps?: number,
     *          tone?: number, keyframes?: number}} [picture] keyframes: s
     */
    constructor(url, picture = {}) {
        const { width = 640, height = 360, fps = 30, tone = 440 } = picture;
        const kbps = picture.kbps ?? (height >= 720 ? 3000 : 1200);
        this.#camera = spawn(timebars(), [width, height, fps].map(String), {
            stdio: ["ignore", "pipe", "ignore"],
        });
        /* Wall clock stamps: sound and picture stay together whatever the
         * machine does, and nothing is made up after a pause. */
        this.#ffmpeg = new Program("ffmpeg", [
            "-hide_banner", "-nostdin", "-loglevel", "info", "-stats",
            "-fflags", "nobuffer", "-probesize", "32",
            "-use_wallclock_as_timestamps", "1",
            /* Else the muxer holds each picture until a sound of its time
             * has come out of the encoder: 60 to 200 ms that are ours and
             * not the server's. */
            "-itsoffset", "-0.2",
            "-f", "rawvideo", "-pixel_format", "yuv420p",
            "-video_size", `${width}x${height}`, "-framerate", `${fps}`,
            "-thread_queue_size", "64", "-i", "pipe:0",
            "-re", "-f", "lavfi", "-i",
            `sine=frequency=${tone}:sample_rate=48000:samples_per_frame=1024`,
            "-map", "0:v", "-map", "1:a", "-r", `${fps}`, "-vsync", "cfr",
            ...encode(fps, kbps, picture.keyframes ?? 2), "-pix_fmt", "yuv420p",
            "-c:a", "aac", "-b:a", "96k", "-ac", "2",
            ...(url.startsWith("srt:") ? ["-f", "mpegts", "-muxdelay", "0"]
                : ["-flvflags", "no_duration_filesize", "-f", "flv"]), url,
        ], { stdio: [this.#camera.stdout, "pipe", "pipe"] });
        this.#camera.stdout.destroy();
        this.#camera.on("error", () => {});
        cameras.add(this.#camera);
        this.#ffmpeg.gone.then(() => {
            this.#camera.kill("SIGKILL");
            cameras.delete(this.#camera);
        });
    }

    get lines() {
        return this.#ffmpeg.lines;
    }

    get ended() {
        return this.#ffmpeg.ended;
    }

    get gone() {
        return this.#ffmpeg.gone;
    }

    /** Frames flow. */
    isSending() {
        return this.#ffmpeg.said(/frame=\s*[1-9]/);
    }

    /** As if the machine stood still: nothing is sent, nothing is closed. */
    freeze() {
        this.#ffmpeg.signal("SIGSTOP");
        this.#camera.kill("SIGSTOP");
    }

    /** Connected and silent: no sound either. */
    suspend() {
        this.#ffmpeg.signal("SIGSTOP");
    }

    thaw() {
        this.#camera.kill("SIGCONT");
        this.#ffmpeg.signal("SIGCONT");
    }

    /** Cut off: no FCUnpublish, no deleteStream. */
    async kill() {
        this.#ffmpeg.signal("SIGKILL");
        await this.#ffmpeg.gone;
    }

    /** Says good-bye. */
    stop() {
        return this.#ffmpeg.stop("SIGINT");
    }
}
