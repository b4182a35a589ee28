/* tests/e2e/lib/hearing.mjs — what a tone's pitch is: in a playlist, and in
 * the page. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";

const run = promisify(execFile);
const RATE = 16000;

/**
 * Of a second of sound that ffmpeg decodes, by counting where it crosses zero:
 * the second one, since what is made begins with silence until its child is up.
 * @param {string} url
 * @returns {Promise<number>} Hz
 */
export async function pitch(url) {
    const { stdout } = await run("ffmpeg", ["-v", "error", "-nostdin", "-i",
        url, "-map", "0:a:0", "-ss", "1", "-t", "1", "-ac", "1", "-ar", `${RATE}`, "-f",
        "s16le", "-"], { encoding: "buffer", timeout: 60000 });
    let crossings = 0;
    for (let at = 2; at + 1 < stdout.length; at += 2)
        crossings += stdout.readInt16LE(at) >= 0 &&
            stdout.readInt16LE(at - 2) < 0 ? 1 : 0;
    return crossings / (stdout.length / 2 / RATE);
}

/**
 * Of what the page's picture sounds like now; 0: silence.
 * @param {import("playwright-core").Page} page
 * @returns {Promise<number>} Hz
 */
export function hearing(page) {
    return page.evaluate(() => {
        window.ear ??= (() => {
            const context = new AudioContext();
            const analyser = context.createAnalyser();
            analyser.fftSize = 4096;
            analyser.smoothingTimeConstant = 0;
            context.createMediaElementSource(document.querySelector("video"))
                .connect(analyser).connect(context.destination);
            return analyser;
        })();
        const { frequencyBinCount, fftSize, context } = window.ear;
        const bins = new Float32Array(frequencyBinCount);
        window.ear.getFloatFrequencyData(bins);
        const loudest = bins.indexOf(Math.max(...bins));
        return bins[loudest] > -60 ? loudest * context.sampleRate / fftSize : 0;
    });
}
