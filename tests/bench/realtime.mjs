/* tests/bench/realtime.mjs — glass to glass over WebRTC: a filmed clock goes
 * through encoder, server, network and browser, and is read from the painted
 * picture.
 *
 *   node tests/bench/realtime.mjs [--frames N] [--joins N] [--rtmp|--whip]
 *
 * Prints the ages of frames at their painting: RTMP 1280x720 at 30 fps passed
 * through and as a transcoded rung, WHIP from a browser; and for joins the time
 * from the question to the first picture, and the frames of the first second
 * after it. Goals: p50 110 (p95 150), 150, 90 ms; first picture 300 ms. */
import { loadavg } from "node:os";
import { Publisher } from "../e2e/lib/ffmpeg.mjs";
import {
    barePage, launchRtc, paints, play, publish, seen,
} from "../e2e/lib/rtc.mjs";
import { KEY, Lectern } from "../e2e/lib/server.mjs";
import { until } from "../e2e/lib/wait.mjs";

const option = (name, otherwise) => {
    const at = process.argv.indexOf(name);
    return at < 0 ? otherwise : Number(process.argv[at + 1]);
};
const has = (name) => process.argv.includes(name);
const FRAMES = option("--frames", 600);
const JOINS = option("--joins", 10);
const WIDTH = 1280;

const at = (sorted, q) =>
    sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))];

function report(name, values, unit = "ms") {
    const sorted = values.filter((v) => v != null).sort((a, b) => a - b);
    const cell = (q) => `${Math.round(at(sorted, q))} ${unit}`;
    console.log(`${name.padEnd(38)} p50 ${cell(0.5).padStart(8)}   ` +
        `p95 ${cell(0.95).padStart(8)}   n ${sorted.length}   ` +
        `load ${loadavg()[0].toFixed(1)}`);
}

const server = await Lectern.start({
    realtime: true, type: has("--basic") ? "BASIC" : "STANDARD",
});
const browser = await launchRtc();
const whep = (query = "") => `${server.url}/whep/demo${query}`;

async function ages(name, query, height) {
    const viewer = await barePage(browser, server.url);
    const answer = await play(viewer.page, whep(query));
    if (answer.status !== 201) throw new Error(answer.text);
    if (height)
        await until(`${name}: ${height} lines`, async () =>
            (await seen(viewer.page)).height === height, 15000);
    await paints(viewer.page, 60);
    report(name, await viewer.ages(FRAMES, WIDTH, 120000));
    await viewer.close();
}

async function joins(name) {
    const first = [], second = [];
    for (let i = 0; i < JOINS; i++) {
        const viewer = await barePage(browser, server.url);
        const answer = await play(viewer.page, whep());
        first.push(answer.firstFrameMs);
        await seen(viewer.page);
        await new Promise((resolve) => setTimeout(resolve, 1000));
        second.push((await seen(viewer.page)).painted);
        await viewer.close();
    }
    report(`${name}: first picture`, first);
    report(`${name}: frames in the next second`, second, "");
}

try {
    console.log(`${new Date().toISOString()} Chromium ${browser.version()}`);
    if (!has("--whip")) {
        const lecturer = new Publisher(server.rtmp(),
            { width: WIDTH, height: 720 });
        await lecturer.isSending();
        await server.isLive();
        await ages("RTMP 720p30 -> WHEP, passed through",
            "?rendition=720p", 720);
        if (!has("--basic"))
            await ages("RTMP 720p30 -> WHEP, 480p rung",
                "?rendition=480p", 480);
        await joins("RTMP -> WHEP");
        await lecturer.stop();
    }
    if (!has("--rtmp")) {
        const lecturer = await barePage(browser, server.url);
        const answer = await publish(lecturer.page,
            `${server.url}/whip/demo`, { token: KEY });
        if (answer.status !== 201) throw new Error(answer.text);
        await server.isLive();
        await ages("WHIP -> WHEP", "");
        await lecturer.close();
    }
} finally {
    await browser.close();
    await server.stop();
}
