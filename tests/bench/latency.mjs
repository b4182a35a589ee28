/* tests/bench/latency.mjs — glass to glass: a filmed clock goes through
 * encoder, server, network and browser, and is read from the painted picture.
 *
 *   node tests/bench/latency.mjs [--frames N] [--joins N] [--basic] [--tls]
 *
 * Prints the ages of frames at their painting for (1) our page and (2) plain
 * hls.js with its defaults, 1280x720 at 30 fps, and the time from navigation
 * to the first painted frame. Goals: (1) p50 0.9 s, p95 1.1 s; (2) p50 1.2 s;
 * first frame 0.4 s. */
import { loadavg } from "node:os";
import { Viewer, launch } from "../e2e/lib/browser.mjs";
import { Publisher } from "../e2e/lib/ffmpeg.mjs";
import { plainPage } from "../e2e/lib/plain.mjs";
import { Lectern } from "../e2e/lib/server.mjs";
import { until } from "../e2e/lib/wait.mjs";

const option = (name, otherwise) => {
    const at = process.argv.indexOf(name);
    return at < 0 ? otherwise : Number(process.argv[at + 1]);
};
const FRAMES = option("--frames", 600);
const JOINS = option("--joins", 10);
const WIDTH = option("--width", 1280);
const HEIGHT = option("--height", 720);
const TYPE = process.argv.includes("--basic") ? "BASIC" : "STANDARD";

const TLS = process.argv.includes("--tls");

const at = (sorted, q) =>
    sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))];

function report(name, values) {
    const sorted = [...values].sort((a, b) => a - b);
    const ms = (q) => `${Math.round(at(sorted, q))} ms`;
    console.log(`${name.padEnd(34)} p50 ${ms(0.5).padStart(8)}   ` +
        `p95 ${ms(0.95).padStart(8)}   n ${sorted.length}   ` +
        `load ${loadavg()[0].toFixed(1)}`);
}

const server = await Lectern.start({ type: TYPE, tls: TLS });
const base = TLS ? server.httpsUrl : server.url;
const open = (path) => Viewer.open(browser, `${base}${path}`,
    { ignoreHTTPSErrors: true });
const lecturer = new Publisher(server.rtmp(), { width: WIDTH, height: HEIGHT });
const browser = await launch();
try {
    await lecturer.isSending();
    await server.isLive();
    console.log(`${new Date().toISOString()} ${WIDTH}x${HEIGHT}, ${TYPE}, ` +
        `${TLS ? "TLS, HTTP/2" : "HTTP/1.1"}, ` +
        `Chromium ${browser.version()}`);

    const ours = await open("/watch/demo");
    await ours.becomes("live");
    await ours.settles(0.1).catch(() => console.log("(did not settle)"));
    report("watch page", await ours.ages(FRAMES, WIDTH, 120000));
    const { behind, target, latency, stalls, dropped, level } =
        await ours.player;
    console.log("  " + JSON.stringify({
        latency, behind, target, stalls, dropped, level,
    }));
    /* The top rung is the source's own bytes: one that was decoded, scaled
     * and encoded again is later by that. */
    const menu = ours.page.getByLabel("Quality");
    const rungs = await menu.locator("option").allTextContents();
    const rung = rungs.find((name) => name === "480p");
    if (rung) {
        await menu.selectOption({ label: rung });
        await until("the rung is shown", () => ours.page.evaluate(() =>
            document.querySelector("video").videoHeight === 480));
        await ours.settles(0.1).catch(() => console.log("(did not settle)"));
        report("watch page, transcoded 480p rung",
            await ours.ages(FRAMES, WIDTH, 120000));
    }
    await ours.close();

    const plain = await open("/healthz");
    await plainPage(plain.page, "/live/demo/index.m3u8");
    await until("the plain player moves", () => plain.page.evaluate(() =>
        window.framesSeen > 150));
    report("plain hls.js, defaults", await plain.ages(FRAMES, WIDTH, 120000));
    await plain.close();

    const first = [], again = [];
    for (let i = 0; i < JOINS; i++) {
        const viewer = await open("/watch/demo");
        await viewer.becomes("live");
        first.push((await viewer.player).firstFrameMs);
        await viewer.page.reload();
        await viewer.becomes("live");
        again.push((await viewer.player).firstFrameMs);
        await viewer.close();
    }
    if (JOINS) {
        report("first frame, nothing cached", first);
        report("first frame, page known", again);
    }
} finally {
    await browser.close();
    await lecturer.kill();
    await server.stop();
}
