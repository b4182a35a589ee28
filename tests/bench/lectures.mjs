/* tests/bench/lectures.mjs — what the figures of cost and soak share: a clip
 * that is published as it is, viewers by the hundred, a process's use. */
import { execFileSync, spawn } from "node:child_process";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";

export const build = process.env.LECTERN_BUILD ?? "build";
const children = [];

/** 720p30 at 2.5 Mbit/s with a tone, encoded once: its publishing costs
 * nearly nothing. */
export function makeClip(dir, seconds) {
    const clip = join(dir, "clip.mp4");
    execFileSync("ffmpeg", ["-nostdin", "-loglevel", "error",
        "-f", "lavfi", "-i", "testsrc2=size=1280x720:rate=30",
        "-f", "lavfi", "-i", "sine=sample_rate=48000", "-t", `${seconds}`,
        "-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency",
        "-g", "60", "-b:v", "2500k", "-maxrate", "2500k", "-bufsize", "2500k",
        "-c:a", "aac", clip]);
    return clip;
}

export function publish(clip, url) {
    children.push(spawn("ffmpeg", ["-nostdin", "-loglevel", "fatal", "-re",
        "-stream_loop", "-1", "-i", clip, "-c", "copy", "-f", "flv", url],
    { stdio: "ignore" }));
}

/** The C viewers; `report` is their closing line once they ended. */
export function watch(url, channel, viewers, seconds) {
    const program = spawn(`${build}/tests/bench/hlsload`,
        [new URL(url).port, channel, viewers, seconds].map(String),
        { stdio: ["ignore", "pipe", "inherit"] });
    let report = "";
    program.stdout.on("data", (text) => { report += text; });
    children.push(program);
    return {
        program,
        ended: new Promise((resolve) => program.on("exit", () =>
            resolve(report.trim()))),
    };
}

export function endAll() {
    for (const child of children) child.kill("SIGTERM");
}

const pss = (pid) => Number(/^Pss:\s+(\d+)/m.exec(
    readFileSync(`/proc/${pid}/smaps_rollup`, "utf8"))[1]) / 1024;
const fields = (pid) =>
    readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1).split(" ");

/** Proportional memory of a process and its children, MiB. */
export function memoryMiB(pid) {
    let sum = 0;
    for (const p of readdirSync("/proc").filter((name) => /^\d+$/.test(name)))
        try {
            if (Number(p) === pid || Number(fields(p)[1]) === pid) sum += pss(p);
        } catch { /* it ended meanwhile */ }
    return sum;
}

/** CPU seconds of a process so far. */
export function cpuSeconds(pid) {
    const f = fields(pid);
    return (Number(f[11]) + Number(f[12])) / 100;
}

export const pause = (ms) =>
    new Promise((resolve) => setTimeout(resolve, ms));
