/* tests/e2e/changes_realtime.test.mjs — who watches by WHEP while a publisher
 * changes within one connection: pictures and sound go on. */
import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { AUDIO, ClipPublisher, VIDEO, clip, messages } from "./lib/clips.mjs";
import { Net, hasNamespaces } from "./lib/netns.mjs";
import { barePage, launchRtc, paints, play, stats } from "./lib/rtc.mjs";
import { KEY, Lectern } from "./lib/server.mjs";
import { until } from "./lib/wait.mjs";

const BOUND = 60000;
const skip = !hasNamespaces && "needs namespaces";
const lecture = clip();
let net, browser, server, lecturer, viewer;

before(async () => {
    if (skip) return;
    net = await Net.create();
    server = await Lectern.start({ net });
    browser = await launchRtc({ net });
});
after(async () => {
    await browser?.close();
    const ended = await server?.stop();
    if (server) assert.equal(ended?.code, 0, server.log.slice(-20).join("\n"));
    await net?.free();
});
beforeEach(async () => {
    if (skip) return;
    lecturer = await ClipPublisher.open(server.rtmpPort, KEY,
        { host: server.host });
    lecturer.play(lecture);
    await server.isLive();
    viewer = await barePage(browser, server.viewerUrl);
    const answer = await play(viewer.page, `${server.viewerUrl}/whep/demo`);
    assert.equal(answer.status, 201, answer.text);
    await paints(viewer.page, 50, BOUND);
});
afterEach(async () => {
    if (skip) return;
    await viewer?.close();
    lecturer?.end();
});

/** More sound comes, and is not only concealed. */
async function hears() {
    const { audio: was } = await stats(viewer.page);
    return until("sound comes", async () => {
        const { audio } = await stats(viewer.page);
        return audio.packetsReceived > was.packetsReceived + 50 && audio;
    }, BOUND);
}

const width = (pixels) => until(`the picture is ${pixels} wide`, async () =>
    (await stats(viewer.page)).video.frameWidth === pixels, BOUND);

test("a larger picture", { skip }, async () => {
    lecturer.video(clip({ width: 848, height: 480 }));
    await width(848);
    await paints(viewer.page, 75, BOUND);
    await hears();
});

test("HEVC in place of H.264", { skip }, async () => {
    lecturer.video(messages("tests/data/rtmp/hevc-opus.messages", 2000));
    await width(320);
    await paints(viewer.page, 75, BOUND);
    await hears();
});

for (const [what, other] of [
    ["44.1 kHz", { rate: 44100 }], ["one channel", { channels: 1 }],
])
    test(`sound of ${what}`, { skip }, async () => {
        lecturer.sound(clip(other));
        await hears();
        await paints(viewer.page, 50, BOUND);
    });

test("pictures stop and come back", { skip }, async () => {
    lecturer.video(null);
    await paints(viewer.page, 20, BOUND); /* the last one again */
    await hears();
    lecturer.video(lecture);
    await paints(viewer.page, 100, BOUND);
});

test("sound stops and comes back", { skip }, async () => {
    lecturer.sound(null);
    await paints(viewer.page, 100, BOUND);
    lecturer.sound(lecture);
    await hears();
});

test("clocks jump", { skip }, async () => {
    lecturer.ahead[AUDIO] = 20000;
    await paints(viewer.page, 75, BOUND);
    await hears();
    lecturer.ahead[VIDEO] = -7000;
    await paints(viewer.page, 75, BOUND);
    await hears();
});
