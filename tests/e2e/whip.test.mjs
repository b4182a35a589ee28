/* tests/e2e/whip.test.mjs — a lecturer's Chromium over a wire with faults: what
 * is lost is asked for, layers come and go, who takes over stays alone. What
 * is counted is frames and packets, never speed.
 * Runs alone: what is lost on the way is counted. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, afterEach, before, describe, test } from "node:test";
import { Net, hasNamespaces } from "./lib/netns.mjs";
import { barePage, launchRtc, publish } from "./lib/rtc.mjs";
import { KEY, Lectern } from "./lib/server.mjs";
import { until } from "./lib/wait.mjs";

/* Of a picture this small Chromium makes two at most. */
const LAYERS = [
    { rid: "h", scaleResolutionDownBy: 2, maxBitrate: 100e3 },
    { rid: "f", maxBitrate: 400e3 },
];

describe("WHIP", { skip: !hasNamespaces && "needs namespaces" }, () => {
    let net, server, browser, lecturers = [];

    before(async () => {
        net = await Net.create();
        server = await Lectern.start({ net, type: "BASIC" });
        browser = await launchRtc({ net });
    });

    afterEach(async () => {
        for (const it of lecturers) await leave(it);
        lecturers = [];
    });

    after(async () => {
        await browser?.close();
        await server?.stop();
        await net?.free();
    });

    async function lecturer(how = {}) {
        const it = await barePage(browser, server.viewerUrl);
        it.answer = await publish(it.page, `${server.viewerUrl}/whip/demo`,
            { token: KEY, width: 640, height: 360, bps: 6e5, ...how });
        assert.equal(it.answer.status, 201, it.answer.text);
        lecturers.push(it);
        return it;
    }

    async function leave(it) {
        await it.page.evaluate((url) => fetch(url, {
            method: "DELETE", headers: { authorization: "Bearer demo-key" },
        }), it.answer.location);
        await it.close();
    }

    /** A counter of the server's, summed over its labels. */
    async function figure(name) {
        const text = await (await fetch(`${server.url}/metrics`)).text();
        return text.split("\n").filter((line) =>
            line.startsWith(`${name} `) || line.startsWith(`${name}{`))
            .reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);
    }

    const frames = () => figure("lectern_ingest_frames_total");

    async function brings(count) {
        const from = await frames();
        await until(`${count} frames come in`, async () =>
            await frames() >= from + count, 60000);
    }

    /** The rid of the layer that goes on. */
    const layer = () => server.log.findLast((line) =>
        line.includes("event=layer "))?.match(/rid="?(\w*)/)[1];

    test("5 % loss and 40 ms: what is lost is sent again", async () => {
        await lecturer();
        await brings(200);
        const before = {
            out: await figure("lectern_whip_left_out_frames_total"),
            lost: await figure("lectern_whip_lost_total"),
        };
        await net.fault("delay", 20);
        await net.fault("loss", 5);
        await brings(1200); /* of video and sound */
        await net.fault("loss", 0);
        await net.fault("delay", 0);
        const recovered = await figure("lectern_whip_recovered_total");
        const out = await figure("lectern_whip_left_out_frames_total") -
            before.out;
        assert.ok(recovered > 5, `${recovered} recovered`);
        assert.ok(out < 100, `${out} frames left out`);
    });

    test("simulcast: the best layer that flows", async () => {
        const it = await lecturer({ encodings: LAYERS });
        const turn = (on) => it.page.evaluate(async (active) => {
            const sender = window.rtc.pc.getSenders()
                .find((one) => one.track.kind === "video");
            const how = sender.getParameters();
            how.encodings[1].active = active;
            await sender.setParameters(how);
        }, on);
        const repairs = () => figure("lectern_ingest_repairs_total");
        const before = await repairs();
        await until("the full layer goes on", () => layer() === "f", 40000);
        await turn(false);
        await until("the half layer goes on", () => layer() === "h", 20000);
        await brings(50);
        await turn(true);
        await until("the full layer is back", () => layer() === "f", 40000);
        assert.equal(await repairs() - before, 0, "times go on smoothly");
    });

    test("a second lecturer shows the first one out", async () => {
        const first = await lecturer();
        await brings(100);
        await lecturer();
        await until("the first one is disconnected", () =>
            first.page.evaluate(() =>
                ["closed", "failed", "disconnected"].includes(
                    window.rtc.pc.connectionState) ||
                window.rtc.pc.getSenders().every((sender) =>
                    sender.transport?.state === "closed")), 20000);
        await brings(200);
    });

    test("an offer whose media never comes shows nobody out", async () => {
        const first = await lecturer();
        await brings(100);
        const offer = await readFile("tests/data/sdp/chromium_publish.sdp",
            "utf8");
        const headers = {
            "content-type": "application/sdp", authorization: `Bearer ${KEY}`,
        };
        const answers = await Promise.all([1, 2, 3, 4, 5].map(() =>
            fetch(`${server.url}/whip/demo`,
                { method: "POST", headers, body: offer })));
        assert.deepEqual(answers.map((it) => it.status),
            answers.map(() => 201));
        await brings(300);
        assert.equal(await first.page.evaluate(() =>
            window.rtc.pc.connectionState), "connected");
        for (const answer of answers) {
            const gone = await fetch(
                new URL(answer.headers.get("location"), server.url),
                { method: "DELETE", headers });
            assert.equal(gone.status, 200);
        }
        await brings(50);
        const wrong = await fetch(`${server.url}/whip/demo`, {
            method: "POST", body: offer,
            headers: { ...headers, authorization: "Bearer wrong" },
        });
        assert.equal(wrong.status, 401);
    });

    test("a wrong key is told so", async () => {
        const it = await barePage(browser, server.viewerUrl);
        const answer = await publish(it.page, `${server.viewerUrl}/whip/demo`,
            { token: "wrong", width: 640, height: 360 });
        assert.equal(answer.status, 401);
        assert.match(answer.text, /key/);
        await it.close();
    });
});
