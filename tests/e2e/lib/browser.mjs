/* tests/e2e/lib/browser.mjs — the real Chromium, and what a viewer sees in
 * it: the blocks of tests/bench/timebars.c, read from the picture. */
import { chromium } from "playwright-core";
import { until } from "./wait.mjs";

const FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--autoplay-policy=no-user-gesture-required",
];

/** @param {{flags?: string[], path?: string}} [how] */
export function launch({ flags = FLAGS, path } = {}) {
    return chromium.launch({
        executablePath: path ?? process.env.CHROMIUM ?? "/usr/bin/chromium",
        args: flags,
    });
}

/** Pages may not start with sound before somebody touched them. Playwright's
 *  evaluate() and its locators are a touch: see Viewer.unseen(). */
export const SHY = FLAGS.map((flag) => (flag.includes("autoplay")
    ? "--autoplay-policy=document-user-activation-required" : flag));

export class Viewer {
    /** Requests to hosts other than the server's. */
    strangers = [];
    /** What the page wrote as an error. */
    errors = [];

    /**
     * @param {import("playwright-core").Browser} browser
     * @param {string} url
     * @param {import("playwright-core").BrowserContextOptions} [options]
     */
    static async open(browser, url, options = {}) {
        const it = new Viewer();
        it.context = await browser.newContext({
            viewport: { width: 1100, height: 800 },
            ...options,
        });
        it.page = await it.context.newPage();
        const host = new URL(url).host;
        it.page.on("request", (request) => {
            const to = new URL(request.url());
            if (to.protocol.startsWith("http") && to.host !== host)
                it.strangers.push(request.url());
        });
        it.page.on("pageerror", (error) => it.errors.push(String(error)));
        await it.page.addInitScript(readBars);
        await it.page.goto(url, { waitUntil: "domcontentloaded" });
        return it;
    }

    /** The player's own account (window.lectern). */
    get player() {
        return this.page.evaluate(() => window.lectern ?? null);
    }

    /**
     * Evaluates without touching: page.evaluate(), and all that waits for
     * elements by it, counts as a user's gesture, after which Chromium lets a
     * page play with sound.
     * @param {string} expression
     */
    async unseen(expression) {
        this.devtools ??= await this.context.newCDPSession(this.page);
        const { result } = await this.devtools.send("Runtime.evaluate",
            { expression, returnByValue: true, userGesture: false });
        return result.value;
    }

    /** @param {string} state */
    becomes(state, bound = 30000) {
        return until(`the page is ${state}`, async () => {
            const player = await this.player;
            return player?.state === state && player;
        }, bound);
    }

    /** Waits until `count` more frames have been painted. */
    async sees(count, bound = 30000) {
        const from = (await this.player)?.frames ?? 0;
        return until(`${count} more frames`, async () => {
            const player = await this.player;
            return player?.frames >= from + count && player;
        }, bound);
    }

    /** The latency that the page shows comes within `slack` of its target. */
    settles(slack = 0.15, bound = 40000) {
        let since = 0;
        return until("playback settles at its target", async () => {
            const player = await this.player;
            const near = player?.behind != null &&
                Math.abs(player.behind - player.target) < slack;
            if (!near) since = 0;
            else since ||= player.frames;
            return near && player.frames > since + 60 && player;
        }, bound);
    }

    /**
     * Reads `count` stamps from the picture as it is painted.
     * @returns {Promise<number[]>} ages of frames at their painting, ms
     */
    ages(count, source, bound = 60000) {
        return Promise.race([
            this.page.evaluate(
                ([n, width]) => window.readBars(n, width),
                [count, source],
            ),
            new Promise((_, fail) => setTimeout(() =>
                fail(new Error(`in vain: ${count} stamps`)), bound).unref()),
        ]);
    }

    close() {
        return this.context.close();
    }
}

/** Runs in the page: window.readBars(count, sourceWidth) -> ages, ms. */
function readBars() {
    const BITS = 20;
    window.readBars = (count, source) => new Promise((resolve) => {
        const video = document.querySelector("video");
        const canvas = new OffscreenCanvas(source, 64);
        const pen = canvas.getContext("2d", { willReadFrequently: true });
        const block = Math.min(32, Math.floor(source / BITS));
        const ages = [];
        const bits = (row) => {
            let value = 0;
            for (let bit = 0; bit < BITS; bit++) {
                const x = Math.floor((bit + 0.5) * block);
                value = value * 2 + (row[4 * x + 1] > 126 ? 1 : 0);
            }
            return value;
        };
        const seen = (now, frame) => {
            /* The two rows of blocks, whatever rung they come in. */
            const scale = video.videoWidth / source;
            pen.drawImage(video, 0, 0, video.videoWidth, 2 * block * scale,
                0, 0, source, 2 * block);
            const row = (y) => pen.getImageData(0, y, source, 1).data;
            const stamp = bits(row(Math.floor(block / 2)));
            const check = bits(row(Math.floor(block * 1.5)));
            const mask = 2 ** BITS - 1;
            if (stamp === mask - check) {
                const shown = performance.timeOrigin +
                    (frame.expectedDisplayTime ?? now);
                const at = Math.floor(shown) % 2 ** BITS;
                const age = (at - stamp + 2 ** BITS) % 2 ** BITS;
                ages.push(age);
            }
            if (ages.length >= count) resolve(ages);
            else video.requestVideoFrameCallback(seen);
        };
        video.requestVideoFrameCallback(seen);
    });
}
