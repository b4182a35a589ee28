/* tests/e2e/networks.test.mjs — publishers at the end of a bad line: what is
 * lost is mended, what is cut comes back as the same stream, and a learner's
 * page goes on. The encoder stands in the viewer's namespace of
 * lib/netns.mjs, behind the relay; learners reach the server by the third
 * wire, on which nothing happens.
 * Runs alone: it has several lines at once by itself. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { Viewer, launch } from "./lib/browser.mjs";
import { Encoder, ffmpeg, gstreamer } from "./lib/encoder.mjs";
import { Net, SERVER, hasNamespaces } from "./lib/netns.mjs";
import { Program } from "./lib/process.mjs";
import { KEY, Lectern } from "./lib/server.mjs";
import { until } from "./lib/wait.mjs";

const BUILD = process.env.LECTERN_BUILD ?? "build";
/** How long a line is cut, ms. */
const CUT = 10000;
/** Lines at once, each with namespaces, a server and a learner of its own. */
const AT_ONCE = 3;

let browser;

class Line {
    static async open() {
        const it = new Line();
        it.net = await Net.create();
        it.server = await Lectern.start({ net: it.net, srt: true,
            type: "BASIC", set: { "webrtc.listen": "" } });
        return it;
    }

    async close() {
        if (process.env.SHOW)
            console.log(this.server.log.slice(-80).join("\n"));
        await this.learner?.close();
        await this.encoder?.stop();
        await this.second?.stop();
        await this.server.stop();
        await this.net.free();
    }

    get rtmp() {
        return `rtmp://${SERVER}:${this.server.rtmpPort}/live/${KEY}`;
    }

    /** @param {number} latency ms */
    srt(latency = 500) {
        return `srt://${SERVER}:${this.server.srtPort}` +
            `?streamid=${KEY}&latency=${latency * 1000}&pkt_size=1316`;
    }

    get gstSrt() {
        return `srt://${SERVER}:${this.server.srtPort}?mode=caller` +
            `&streamid=${KEY}&latency=500`;
    }

    async publish(words) {
        this.encoder = new Encoder(words, this.net);
        await this.server.isLive("demo", 60000);
    }

    async watch() {
        this.learner = await Viewer.open(browser, this.server.watch());
        await this.learner.becomes("live", 60000);
        await this.learner.sees(30);
        /* A page that reloads loses this. */
        await this.learner.page.evaluate(() => (window.sameDocument = true));
    }

    async metric(name) {
        const url = `${this.server.url}/metrics`;
        const text = await (await fetch(url)).text();
        const line = text.split("\n").find((row) => row.startsWith(name));
        return line ? Number(line.split(" ").at(-1)) : null;
    }

    srtMetric(name) {
        return this.metric(`lectern_srt_${name}{channel="demo"}`);
    }

    async health() {
        return (await fetch(`${this.server.url}/api/channels/demo/health`,
            { headers: { authorization: `Bearer ${KEY}` } })).json();
    }

    /** The source's own playlist. */
    async playlist() {
        const url = this.server.playlist();
        const top = await (await fetch(url)).text();
        const [first] = top.split("\n")
            .filter((line) => line && !line.startsWith("#"));
        return (await fetch(new URL(first, url))).text();
    }

    /** Discontinuities since the stream began. */
    async breaks() {
        const text = await this.playlist();
        const gone = text.match(/DISCONTINUITY-SEQUENCE:(\d+)/);
        return Number(gone?.[1] ?? 0) +
            text.split("#EXT-X-DISCONTINUITY\n").length - 1;
    }

    /** All of it can be decoded, and no rule is broken. */
    async playsClean() {
        const check = new Program(`${BUILD}/lectern`,
            ["check", this.server.playlist(), "--seconds", "8"]);
        const decode = new Program("ffmpeg", ["-nostdin", "-v", "warning",
            "-xerror", "-i", this.server.playlist(), "-t", "8", "-f", "null",
            "-"]);
        const [checked, decoded] =
            await Promise.all([check.gone, decode.gone]);
        const said = check.lines.join("\n");
        assert.match(said, /: 0 rules broken/);
        assert.equal(checked.code, 0, said);
        assert.equal(decoded.code, 0, decode.lines.join("\n"));
        assert.doesNotMatch(decode.lines.join("\n"),
            /conceal|corrupt|missing|non-existing|invalid/i);
    }

    /** What holds after each fault: same stream, same page, one seam. */
    async goesOn(fault) {
        await this.watch();
        const { generation } = await this.server.channel();
        const seams = await this.breaks();
        await fault(this);
        await until("it is live again", async () =>
            (await this.server.channel()).state === "live", 60000);
        await this.learner.becomes("live", 60000);
        await this.learner.sees(90, 60000);
        assert.equal((await this.server.channel()).generation, generation);
        assert.ok(await this.breaks() - seams <= 1, await this.playlist());
        assert.ok(await this.learner.page.evaluate(() => window.sameDocument));
        assert.deepEqual(this.learner.errors, []);
        await this.playsClean();
    }
}

async function cut({ net, learner }) {
    await net.fault("drop", "all");
    await until("the picture has stopped", async () =>
        (await learner.player).media !== "playing");
    await new Promise((resolve) => setTimeout(resolve, CUT));
    await net.fault("drop", "none");
}

async function powerFails({ encoder }) {
    const before = encoder.starts;
    encoder.kill();
    await until("it began anew", () => encoder.starts > before);
}

/** A test at a line of its own. */
const over = (name, act) => test(name, async () => {
    const line = await Line.open();
    try {
        await act(line);
    } finally {
        await line.close();
    }
});

describe("publishers at the end of a bad line", {
    skip: !hasNamespaces && "needs namespaces", concurrency: AT_ONCE,
}, () => {
    before(async () => {
        browser = await launch();
    });
    after(() => browser?.close());

    over("SRT, 10 % lost and 100 ms each way, latency to fit: clean",
        async (line) => {
            await line.net.fault("delay", 100);
            await line.net.fault("loss", 10);
            await line.publish(ffmpeg(line.srt(2000)));
            await until("hundreds were lost and came", async () =>
                await line.srtMetric("retransmitted_packets_total") > 200,
            60000);
            await line.playsClean();
            assert.equal(await line.srtMetric("dropped_packets_total"), 0);
            assert.equal(await line.metric("lectern_mpegts_gaps_total"), 0);
            assert.equal(
                await line.metric("lectern_mpegts_lost_units_total"), 0);
            assert.equal(await line.breaks(), 0);
            const { source } = await until("the loss is told", async () => {
                const now = await line.health();
                return now.source?.warnings.some((w) =>
                    w.warning === "loss") && now;
            });
            const it = source.line;
            assert.ok(it.rtt_s >= 0.2 && it.rtt_s < 1, JSON.stringify(it));
            assert.equal(it.latency_s, 2);
            assert.ok(it.lost_share > 0.05 && it.lost_share < 0.2);
            assert.equal(it.late_packets, 0);
            assert.ok(it.resent_packets > 200);
        });

    over("the same with too short a latency: the cure is said in words",
        async (line) => {
            await line.net.fault("delay", 100);
            await line.net.fault("loss", 10);
            await line.publish(ffmpeg(line.srt(250)));
            const { source } = await until("both warnings", async () => {
                const now = await line.health();
                const has = (name) => now.source?.warnings.some((w) =>
                    w.warning === name);
                return has("late_packets") && has("latency") && now;
            }, 60000);
            const advice = (name) => source.warnings.find((w) =>
                w.warning === name).advice;
            const [, wanted] = advice("late_packets").match(
                /raise the latency of 250 ms to 4 × RTT = (\d+) ms/);
            assert.ok(Number(wanted) >= 800, advice("late_packets"));
            assert.match(advice("latency"), /250 ms is too short/);
            assert.ok(source.line.late_packets > 0);
            assert.ok(line.server.log.some((said) =>
                /event=source_warning .*warning=late_packets/.test(said)));
        });

    over("RTMP, 3 % of its segments lost: clean", async (line) => {
        await line.net.fault("delay", 20);
        await line.net.fault("tcploss", 3);
        await line.publish(ffmpeg(line.rtmp));
        await line.watch();
        await line.playsClean();
        await line.learner.sees(90);
        assert.equal(line.encoder.starts, 1);
        assert.equal(await line.breaks(), 0);
        assert.deepEqual(line.learner.errors, []);
    });

    for (const [who, words] of [
        ["FFmpeg over SRT", (line) => ffmpeg(line.srt())],
        ["GStreamer over SRT", (line) => gstreamer(line.gstSrt)],
        ["FFmpeg over RTMP", (line) => ffmpeg(line.rtmp)],
    ])
        for (const [what, fault] of [
            ["the line is cut for 10 s", cut],
            ["the encoder is killed and starts again", powerFails],
        ])
            over(`${who}: ${what}`, async (line) => {
                await line.net.fault("delay", 20);
                await line.publish(words(line));
                await line.goesOn(fault);
            });

    for (const [who, words] of [
        ["SRT", (line) => ffmpeg(line.srt())],
        ["RTMP", (line) => ffmpeg(line.rtmp)],
    ])
        over(`two encoders with one key, over ${who}`, async (line) => {
            await line.publish(words(line));
            await line.goesOn(async () => {
                /* The first does not come back. */
                const first = line.encoder.program.gone;
                line.second = new Encoder(words(line), line.net);
                await first;
                await line.encoder.stop();
            });
            assert.equal(line.second.starts, 1);
        });

    over("two encoders that both insist: one stream, and it is bounded",
        async (line) => {
            const { server } = line;
            await line.publish(ffmpeg(line.rtmp));
            const { generation } = await server.channel();
            line.second = new Encoder(ffmpeg(line.srt()), line.net);
            await until("the server has had enough of it", () =>
                server.log.some((said) =>
                    /event=takeover_refused/.test(said)), 60000);
            await line.second.stop();
            await server.isLive();
            assert.equal((await server.channel()).generation, generation);
            assert.equal(server.program.ended, null);
        });
});
