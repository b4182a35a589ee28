/* tests/e2e/networks.test.mjs — publishers at the end of a bad line: what is
 * lost is mended, what is cut comes back as the same stream, and a learner's
 * page goes on. The encoder stands in the viewer's namespace of
 * lib/netns.mjs, behind the relay; learners reach the server by the third
 * wire, on which nothing happens.
 * Runs alone: it has several lines at once by itself. */
import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";
import { Viewer, launch } from "./lib/browser.mjs";
import { Encoder, ffmpeg, gstreamer } from "./lib/encoder.mjs";
import { Net, SERVER, hasNamespaces } from "./lib/netns.mjs";
import { Program } from "./lib/process.mjs";
import { KEY, Lectern } from "./lib/server.mjs";
import { until } from "./lib/wait.mjs";

const BUILD = process.env.LECTERN_BUILD ?? "build";
/** How long a line is cut, ms. */
const CUT = 10000;

describe("publishers at the end of a bad line",
    { skip: !hasNamespaces && "needs namespaces" }, () => {
        let net, server, browser, encoder, second, learner;

        before(async () => {
            net = await Net.create();
            server = await Lectern.start({ net, srt: true, type: "BASIC",
                set: { "webrtc.listen": "" } });
            browser = await launch();
        });
        afterEach(async () => {
            if (process.env.SHOW) console.log(server.log.slice(-80).join("\n"));
            await learner?.close();
            await encoder?.stop();
            await second?.stop();
            learner = encoder = second = null;
            for (const what of ["delay", "loss", "tcploss"])
                await net.fault(what, 0);
            await net.fault("drop", "none");
            /* The next case is another lecture. */
            await server.restart();
        });
        after(async () => {
            await browser?.close();
            await server?.stop();
            await net?.free();
        });

        const rtmp = () => `rtmp://${SERVER}:${server.rtmpPort}/live/${KEY}`;
        /** @param {number} latency ms */
        const srt = (latency = 500) => `srt://${SERVER}:${server.srtPort}` +
            `?streamid=${KEY}&latency=${latency * 1000}&pkt_size=1316`;
        const gstSrt = () => `srt://${SERVER}:${server.srtPort}?mode=caller` +
            `&streamid=${KEY}&latency=500`;

        async function publish(words) {
            const it = new Encoder(words, net);
            await server.isLive("demo", 60000);
            return it;
        }

        async function watch() {
            const it = await Viewer.open(browser, server.watch());
            await it.becomes("live", 60000);
            await it.sees(30);
            /* A page that reloads loses this. */
            await it.page.evaluate(() => (window.sameDocument = true));
            return it;
        }

        const metric = async (name) => {
            const text = await (await fetch(`${server.url}/metrics`)).text();
            const line = text.split("\n").find((row) => row.startsWith(name));
            return line ? Number(line.split(" ").at(-1)) : null;
        };
        const srtMetric = (name) =>
            metric(`lectern_srt_${name}{channel="demo"}`);
        const health = async () => (await fetch(
            `${server.url}/api/channels/demo/health`,
            { headers: { authorization: `Bearer ${KEY}` } })).json();

        /** The source's own playlist. */
        async function playlist() {
            const top = await (await fetch(server.playlist())).text();
            const [first] = top.split("\n")
                .filter((line) => line && !line.startsWith("#"));
            const url = new URL(first, server.playlist());
            return (await fetch(url)).text();
        }

        /** Discontinuities since the stream began. */
        async function breaks() {
            const text = await playlist();
            const gone = text.match(/DISCONTINUITY-SEQUENCE:(\d+)/);
            return Number(gone?.[1] ?? 0) +
                text.split("#EXT-X-DISCONTINUITY\n").length - 1;
        }

        /** All of it can be decoded, and no rule is broken. */
        async function playsClean() {
            const check = new Program(`${BUILD}/lectern`,
                ["check", server.playlist(), "--seconds", "8"]);
            const decode = new Program("ffmpeg", ["-nostdin", "-v", "warning",
                "-xerror", "-i", server.playlist(), "-t", "8", "-f", "null",
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

        test("SRT, 10 % lost and 100 ms each way, latency to fit: clean",
            async () => {
                await net.fault("delay", 100);
                await net.fault("loss", 10);
                encoder = await publish(ffmpeg(srt(2000)));
                await until("hundreds were lost and came", async () =>
                    await srtMetric("retransmitted_packets_total") > 200,
                60000);
                await playsClean();
                assert.equal(await srtMetric("dropped_packets_total"), 0);
                assert.equal(await metric("lectern_mpegts_gaps_total"), 0);
                assert.equal(
                    await metric("lectern_mpegts_lost_units_total"), 0);
                assert.equal(await breaks(), 0);
                const { source } = await until("the loss is told", async () => {
                    const now = await health();
                    return now.source?.warnings.some((w) =>
                        w.warning === "loss") && now;
                });
                const { line } = source;
                assert.ok(line.rtt_s >= 0.2 && line.rtt_s < 1,
                    JSON.stringify(line));
                assert.equal(line.latency_s, 2);
                assert.ok(line.lost_share > 0.05 && line.lost_share < 0.2);
                assert.equal(line.late_packets, 0);
                assert.ok(line.resent_packets > 200);
            });

        test("the same with too short a latency: the cure is said in words",
            async () => {
                await net.fault("delay", 100);
                await net.fault("loss", 10);
                encoder = await publish(ffmpeg(srt(250)));
                const { source } = await until("both warnings", async () => {
                    const now = await health();
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
                assert.ok(server.log.some((line) =>
                    /event=source_warning .*warning=late_packets/.test(line)));
            });

        test("RTMP, 3 % of its segments lost: clean", async () => {
            await net.fault("delay", 20);
            await net.fault("tcploss", 3);
            encoder = await publish(ffmpeg(rtmp()));
            learner = await watch();
            await playsClean();
            await learner.sees(90);
            assert.equal(encoder.starts, 1);
            assert.equal(await breaks(), 0);
            assert.deepEqual(learner.errors, []);
        });

        /** What holds after each fault: same stream, same page, one seam. */
        async function goesOn(fault) {
            learner = await watch();
            const { generation } = await server.channel();
            const seams = await breaks();
            await fault();
            await until("it is live again", async () =>
                (await server.channel()).state === "live", 60000);
            await learner.becomes("live", 60000);
            await learner.sees(90, 60000);
            assert.equal((await server.channel()).generation, generation);
            assert.ok(await breaks() - seams <= 1, await playlist());
            assert.ok(await learner.page.evaluate(() => window.sameDocument));
            assert.deepEqual(learner.errors, []);
            await playsClean();
        }

        const cut = async () => {
            await net.fault("drop", "all");
            await until("the picture has stopped", async () =>
                (await learner.player).media !== "playing");
            await new Promise((resolve) => setTimeout(resolve, CUT));
            await net.fault("drop", "none");
        };
        const powerFails = async () => {
            const before = encoder.starts;
            encoder.kill();
            await until("it began anew", () => encoder.starts > before);
        };

        for (const [who, words] of [
            ["FFmpeg over SRT", () => ffmpeg(srt())],
            ["GStreamer over SRT", () => gstreamer(gstSrt())],
            ["FFmpeg over RTMP", () => ffmpeg(rtmp())],
        ]) {
            test(`${who}: the line is cut for 10 s`, async () => {
                await net.fault("delay", 20);
                encoder = await publish(words());
                await goesOn(cut);
            });

            test(`${who}: the encoder is killed and starts again`, async () => {
                await net.fault("delay", 20);
                encoder = await publish(words());
                await goesOn(powerFails);
            });
        }

        for (const [who, words] of [
            ["SRT", () => ffmpeg(srt())],
            ["RTMP", () => ffmpeg(rtmp())],
        ])
            test(`two encoders with one key, over ${who}`, async () => {
                encoder = await publish(words());
                await goesOn(async () => {
                    /* The first does not come back. */
                    const first = encoder.program.gone;
                    const over = encoder;
                    second = new Encoder(words(), net);
                    await first;
                    await over.stop();
                });
                assert.equal(second.starts, 1);
            });

        test("two encoders that both insist: one stream, and it is bounded",
            async () => {
                encoder = await publish(ffmpeg(rtmp()));
                const { generation } = await server.channel();
                second = new Encoder(ffmpeg(srt()), net);
                await until("the server has had enough of it", () =>
                    server.log.some((line) =>
                        /event=takeover_refused/.test(line)), 60000);
                await second.stop();
                await server.isLive();
                assert.equal((await server.channel()).generation, generation);
                assert.equal(server.program.ended, null);
            });
    });
