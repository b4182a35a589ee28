/* tests/e2e/realtime.test.mjs — WHIP and WHEP with a real browser over wires
 * with faults. Bounds are those of docs/latency.md; a slow machine makes
 * frames late, not lost, so what is counted is frames, never speed.
 * Runs alone: how long a picture stands is measured. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { after, before, describe, test } from "node:test";
import { join } from "node:path";
import { Publisher, timebars } from "./lib/ffmpeg.mjs";
import { Net, hasNamespaces } from "./lib/netns.mjs";
import {
    barePage, launchRtc, paints, play, publish, seen, stats,
} from "./lib/rtc.mjs";
import { KEY, Lectern } from "./lib/server.mjs";
import { until } from "./lib/wait.mjs";

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

describe("real time", { skip: !hasNamespaces && "needs namespaces" }, () => {
    let net, server, browser;

    before(async () => {
        net = await Net.create();
        server = await Lectern.start({ net });
        browser = await launchRtc({ net });
    });

    after(async () => {
        await browser?.close();
        await server?.stop();
        await net?.free();
    });

    const whep = (query = "") => `${server.viewerUrl}/whep/demo${query}`;

    async function viewer(query) {
        const it = await barePage(browser, server.viewerUrl);
        const answer = await play(it.page, whep(query));
        assert.equal(answer.status, 201, answer.text);
        assert.ok(answer.firstFrameMs, "a picture came");
        /* As our page does: else the server sends for as long as consent
         * lasts, and the next test's narrow wire is full already. */
        const close = it.close.bind(it);
        it.close = async () => {
            await it.page.evaluate((url) => fetch(url, { method: "DELETE" }),
                answer.location);
            await close();
        };
        return it;
    }

    /** A lecture by ffmpeg, and the ladder up. */
    async function lecture(picture) {
        const lecturer = new Publisher(server.rtmp(), picture);
        await lecturer.isSending();
        await server.isLive();
        return lecturer;
    }

    test("a browser publishes, a browser watches", async () => {
        const lecturer = await barePage(browser, server.viewerUrl);
        const answer = await publish(lecturer.page,
            `${server.viewerUrl}/whip/demo`, { token: KEY, height: 360,
                width: 640 });
        assert.equal(answer.status, 201, answer.text);
        await server.isLive();
        const it = await viewer();
        await paints(it.page, 90);
        const { video, audio } = await stats(it.page);
        assert.ok(video.framesDecoded > 60);
        assert.ok(audio.packetsReceived > 50, "with sound");
        await it.close();
        await lecturer.page.evaluate((url) => fetch(url, {
            method: "DELETE", headers: { authorization: "Bearer demo-key" },
        }), answer.location);
        await lecturer.close();
    });

    test("a camera that films a clock: every frame can be read", async () => {
        const film = join(net.dir, "clock.y4m");
        execFileSync("sh", ["-c", `${timebars()} 640 360 30 3 | ffmpeg ` +
            "-loglevel error -f rawvideo -pixel_format yuv420p -video_size " +
            `640x360 -framerate 30 -i - -f yuv4mpegpipe ${film}`]);
        const stage = await launchRtc({
            net, secure: server.viewerUrl,
            flags: [`--use-file-for-fake-video-capture=${film}`],
        });
        try {
            const lecturer = await barePage(stage, server.viewerUrl);
            const answer = await publish(lecturer.page,
                `${server.viewerUrl}/whip/demo`, { token: KEY, device: true });
            assert.equal(answer.status, 201, answer.text);
            await server.isLive();
            const it = await viewer();
            assert.equal((await it.ages(60, 640)).length, 60);
            await it.close();
        } finally {
            await stage.close();
        }
    });

    test("5 % loss and 40 ms: the picture goes on", async () => {
        const lecturer = await lecture();
        const it = await viewer();
        await net.fault("delay", 20);
        await net.fault("loss", 5);
        await paints(it.page, 60);
        const before = await stats(it.page);
        await seen(it.page);
        await paints(it.page, 300, 60000);
        const { gapMs } = await seen(it.page);
        const now = await stats(it.page);
        const shown = now.video.framesDecoded - before.video.framesDecoded;
        const dropped = now.video.framesDropped - before.video.framesDropped;
        assert.ok(now.video.nackCount > before.video.nackCount, "lost some");
        assert.ok(shown / (shown + dropped) > 0.95, `${shown} of ${dropped}`);
        assert.ok(gapMs < 500, `no freeze: ${gapMs} ms`);
        await net.fault("loss", 0);
        await net.fault("delay", 0);
        await it.close();
        await lecturer.stop();
    });

    test("two seconds of darkness, then the picture is back", async () => {
        const lecturer = await lecture();
        const it = await viewer();
        await paints(it.page, 60);
        await net.fault("drop", "all");
        await pause(2000);
        await net.fault("drop", "none");
        await paints(it.page, 30, 3000);
        await it.close();
        await lecturer.stop();
    });

    test("a NAT that forgets keeps the session", async () => {
        const lecturer = await lecture();
        const it = await viewer();
        await paints(it.page, 30);
        await net.fault("rebind", 1000);
        await paints(it.page, 1);
        await pause(500);
        await paints(it.page, 60, 20000);
        assert.equal((await stats(it.page)).state, "connected");
        await net.fault("rebind", 0);
        await it.close();
        await lecturer.stop();
    });

    const figure = async (name) => Number((await (await fetch(
        `${server.url}/metrics`)).text()).match(
        new RegExp(`^${name} (\\d+)$`, "m"))?.[1] ?? NaN);

    test("nothing is sent to who vanished, until it is back", async () => {
        const lecturer = await lecture();
        const it = await viewer();
        await paints(it.page, 30);
        assert.equal(await figure("lectern_whep_away_total"), 0);
        net.block("udp");
        try {
            await until("the server has noticed", async () =>
                await figure("lectern_whep_away_total") === 1);
            const sent = await figure("lectern_whep_packets_total");
            const from = await figure("lectern_ingest_frames_total" +
                '\\{protocol="rtmp"\\}');
            await until("the lecture went on for two seconds", async () =>
                await figure("lectern_ingest_frames_total" +
                    '\\{protocol="rtmp"\\}') > from + 120);
            assert.equal(await figure("lectern_whep_packets_total"), sent);
        } finally {
            net.unblock();
        }
        await paints(it.page, 60, 20000);
        await it.close();
        await lecturer.stop();
    });

    test("no UDP: over TCP", async () => {
        const lecturer = await lecture();
        net.block("udp");
        const it = await viewer();
        await paints(it.page, 60);
        const { local, pair } = await stats(it.page);
        assert.equal(local.find((c) => c.id === pair.localCandidateId).protocol,
            "tcp");
        net.unblock();
        await it.close();
        await lecturer.stop();
    });

    /** What the server complained of belongs to a failure's story. */
    const told = (run) => async () => {
        try {
            await run();
        } catch (error) {
            const said = server.log.filter((line) => /level=(warn|error)/
                .test(line)).slice(-6);
            error.message += `\nserver: ${said.join("\n")}`;
            throw error;
        }
    };

    test("a narrow wire: the rendition follows down and up", told(async () => {
        const lecturer = await lecture({ width: 1280, height: 720 });
        /* The top is 3 Mbit/s with keyframes of 200 KB: 4 are no room. */
        net.rate(8000);
        const it = await viewer();
        await until("the top is shown", async () =>
            (await seen(it.page)).height === 720, 20000);
        net.rate(600);
        await until("a small rendition is shown", async () =>
            (await seen(it.page)).height < 360, 10000);
        await seen(it.page);
        await paints(it.page, 90);
        const { gapMs } = await seen(it.page);
        assert.ok(gapMs < 1000, `no freeze: ${gapMs} ms`);
        net.rate(4000);
        await until("the picture grows", async () =>
            (await seen(it.page)).height >= 480, 40000);
        net.unlimit();
        await it.close();
        await lecturer.stop();
    }));
});
