/* tests/e2e/realtime_stacks.test.mjs — WHIP and WHEP with stacks that are not
 * libwebrtc: aiortc and libdatachannel, both ways; and OBS watched in real
 * time, with sound in its place.
 * Runs alone: sound and picture are measured apart. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { after, before, describe, test } from "node:test";
import { join } from "node:path";
import { Publisher } from "./lib/ffmpeg.mjs";
import { Net, hasNamespaces } from "./lib/netns.mjs";
import { Obs, hasObs } from "./lib/obs.mjs";
import { Program } from "./lib/process.mjs";
import { barePage, launchRtc, paints, play, stats } from "./lib/rtc.mjs";
import { KEY, Lectern } from "./lib/server.mjs";

const SECONDS = 12;
/** Who publishes is told when it is enough. */
const BOUND = "60";
const LIB = "tests/e2e/lib";

describe("other stacks", { skip: !hasNamespaces && "needs namespaces" }, () => {
    let net, server;

    before(async () => {
        net = await Net.create();
        server = await Lectern.start({ net });
    });

    after(async () => {
        await server?.stop();
        await net?.free();
    });

    const url = (protocol) => `${server.viewerUrl}/${protocol}/demo`;

    /** Runs a client where viewers live. */
    function client(...words) {
        const [command, ...args] = net.inside("viewer", ...words);
        return new Program(command, args);
    }

    async function result(program) {
        const line = await program.said(/^\{.*\}$/, 60000);
        await program.gone;
        return JSON.parse(line);
    }

    const aiortc = (...words) => client("/usr/bin/python3",
        `${LIB}/aiortc_client.py`, ...words);
    const datachannel = (...words) => client("node",
        `${LIB}/datachannel_client.mjs`, ...words);

    test("both watch a lecture that came by RTMP", async () => {
        const lecturer = new Publisher(server.rtmp());
        await lecturer.isSending();
        await server.isLive();
        const [one, other] = await Promise.all([
            result(aiortc("play", url("whep"), `${SECONDS}`)),
            result(datachannel("play", url("whep"), `${SECONDS}`)),
        ]);
        await lecturer.stop();
        assert.equal(one.status, 201, one.text);
        assert.ok(one.video > 60, `aiortc: ${JSON.stringify(one)}`);
        assert.ok(one.audio > 100, `aiortc: ${JSON.stringify(one)}`);
        assert.equal(other.status, 201, other.text);
        assert.ok(other.video > 300, `datachannel: ${JSON.stringify(other)}`);
        assert.ok(other.audio > 100, `datachannel: ${JSON.stringify(other)}`);
    });

    test("aiortc publishes, libdatachannel watches", async () => {
        const lecturer = aiortc("publish", url("whip"), BOUND, KEY);
        await server.isLive();
        const it = await result(datachannel("play", url("whep"), "6"));
        lecturer.signal("SIGTERM");
        const sent = await result(lecturer);
        assert.equal(sent.status, 201, sent.text);
        assert.equal(it.status, 201, it.text);
        assert.ok(it.video > 60, JSON.stringify(it));
        assert.ok(it.audio > 50, JSON.stringify(it));
    });

    test("libdatachannel publishes, aiortc watches", async () => {
        const film = join(net.dir, "film.h264");
        execFileSync("ffmpeg", ["-loglevel", "error", "-f", "lavfi", "-i",
            "testsrc2=size=640x360:rate=30", "-t", "4", "-c:v", "libx264",
            "-preset", "ultrafast", "-tune", "zerolatency", "-g", "30",
            "-x264-params", "aud=1:repeat-headers=1:sliced-threads=0",
            "-pix_fmt", "yuv420p", "-f", "h264", film]);
        const lecturer = datachannel("publish", url("whip"), BOUND, KEY,
            film);
        await server.isLive();
        const it = await result(aiortc("play", url("whep"), "8"));
        lecturer.signal("SIGTERM");
        const sent = await result(lecturer);
        assert.equal(sent.status, 201, sent.text);
        assert.equal(it.status, 201, it.text);
        assert.ok(it.video > 30, JSON.stringify(it));
    });

    test("OBS is watched in real time, flash and beep together",
        { skip: !hasObs && "needs OBS" }, async () => {
        /* A flash and a beep at each second's beginning. */
        const clip = join(net.dir, "flash.mp4");
        execFileSync("ffmpeg", ["-loglevel", "error",
            "-f", "lavfi", "-i", "color=black:size=640x360:rate=30",
            "-f", "lavfi", "-i", "sine=frequency=1000:sample_rate=48000",
            "-filter_complex",
            "[0]drawbox=color=white:t=fill:enable='lt(mod(t,1),0.2)'[v];" +
            "[1]volume='if(lt(mod(t,1),0.2),1,0)':eval=frame[a]",
            "-map", "[v]", "-map", "[a]", "-t", "20", "-c:v", "libx264",
            "-preset", "ultrafast", "-g", "30", "-c:a", "aac", clip]);
        const obs = await Obs.start(
            { server: server.rtmp("").replace(/\/$/, ""), key: KEY }, clip);
        const browser = await launchRtc({
            net, secure: server.viewerUrl,
        });
        try {
            await obs.isStreaming();
            await server.isLive();
            const viewer = await barePage(browser, server.viewerUrl);
            const answer = await play(viewer.page, url("whep"),
                { muted: false });
            assert.equal(answer.status, 201, answer.text);
            await paints(viewer.page, 60);
            const { audio } = await stats(viewer.page);
            assert.ok(audio.packetsReceived > 50);
            /* A busy machine makes the browser hold sound back for a while:
             * in step is what it comes to, not each of its seconds. */
            let apart, median;
            for (let tries = 0; tries < 4; tries++) {
                apart = await viewer.page.evaluate(lipSync, 8);
                apart.sort((one, other) => one - other);
                median = apart[apart.length / 2 | 0];
                if (Math.abs(median) < 80) return;
            }
            assert.fail(
                `sound is ${median} ms after the picture (${apart})`);
        } finally {
            await browser.close();
            await obs.stop();
        }
    });
});

/** In the page: how much later each beep is heard than its flash is seen. */
async function lipSync(count) {
    const { video } = window.rtc;
    const context = new AudioContext();
    const source = context.createMediaStreamSource(video.srcObject);
    const code = `registerProcessor("beeps", class extends AudioWorkletProcessor {
        process([input]) {
            const [samples] = input;
            if (!samples) return true;
            let peak = 0;
            for (const s of samples) peak = Math.max(peak, Math.abs(s));
            const loud = peak > 0.03;
            if (loud && !this.loud && currentTime - (this.at ?? 0) > 0.4) {
                this.at = currentTime;
                this.port.postMessage(Date.now());
            }
            if (loud) this.at = currentTime;
            this.loud = loud;
            return true;
        }
    })`;
    await context.audioWorklet.addModule(
        URL.createObjectURL(new Blob([code], { type: "text/javascript" })));
    const worklet = new AudioWorkletNode(context, "beeps");
    source.connect(worklet).connect(context.destination);
    await context.resume();
    const beeps = [], flashes = [];
    worklet.port.onmessage = ({ data }) =>
        beeps.push(data - performance.timeOrigin);
    const canvas = new OffscreenCanvas(16, 16);
    const pen = canvas.getContext("2d", { willReadFrequently: true });
    let bright = false;
    const look = (now, frame) => {
        pen.drawImage(video, 0, 0, 16, 16);
        const [, green] = pen.getImageData(2, 2, 1, 1).data;
        if (green > 128 && !bright) flashes.push(frame.expectedDisplayTime);
        bright = green > 128;
        video.requestVideoFrameCallback(look);
    };
    video.requestVideoFrameCallback(look);
    for (let i = 0; i < 300 && flashes.length < count + 2; i++)
        await new Promise((resolve) => setTimeout(resolve, 100));
    return flashes.slice(1, count + 1).map((flash) => {
        const near = beeps.map((beep) => beep - flash)
            .sort((a, b) => Math.abs(a) - Math.abs(b));
        return near[0] ?? Infinity;
    });
}
