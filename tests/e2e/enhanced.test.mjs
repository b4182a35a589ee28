/* tests/e2e/enhanced.test.mjs — an encoder that sends HEVC and Opus by
 * enhanced RTMP, and one that sends AV1: what passes through, and what is made
 * for everyone else.
 * tests/data/rtmp/hevc-opus.messages: x265 with two B-frames, 320x180, one
 * keyframe in 2 s, and libopus, 20 ms. av1.messages: SVT-AV1, 320x180. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { Viewer, launch } from "./lib/browser.mjs";
import { Publisher } from "./lib/ffmpeg.mjs";
import {
    EnhancedPublisher, RawRtmp, amf, connectCommand, publishCommands,
} from "./lib/rtmp.mjs";
import { KEY, Lectern, hasSegments } from "./lib/server.mjs";
import { until } from "./lib/wait.mjs";

const run = promisify(execFile);
let server, browser, encoder;

before(async () => {
    browser = await launch();
    server = await Lectern.start();
    encoder = await EnhancedPublisher.open(server.rtmpPort, KEY,
        await readFile("tests/data/rtmp/hevc-opus.messages"), 2000);
});
after(async () => {
    await browser?.close();
    encoder?.end();
    const ended = await server?.stop();
    assert.equal(ended?.code, 0, server.log.slice(-20).join("\n"));
});

/** What ffmpeg finds in 2 s of a playlist, decoded without an error. */
async function decoded(url, what) {
    await hasSegments(url);
    const { stderr } = await run("ffmpeg", ["-hide_banner", "-nostdin",
        "-xerror", "-i", url, "-map", `0:${what}:0`, "-t", "2", "-f", "null",
        "-"], { timeout: 60000 });
    return stderr;
}

let variants;

test("HEVC is on top, H.264 below it, and CODECS says so", async () => {
    await server.isLive();
    const top = await (await fetch(server.playlist())).text();
    const lines = top.split("\n");
    variants = lines.flatMap((line, i) =>
        line.startsWith("#EXT-X-STREAM-INF")
            ? [{ codecs: line.match(/CODECS="([^"]*)"/)[1],
                url: new URL(lines[i + 1], server.playlist()).href }] : []);
    assert.deepEqual(variants.map((v) => v.codecs.split(".")[0]),
        ["hvc1", "avc1"], top);
    assert.equal(variants[0].codecs, "hvc1.1.6.L60.90,mp4a.40.2");
    assert.match(top, /TYPE=AUDIO/);
});

test("the encoder's bytes pass through as hvc1", async () => {
    const said = await decoded(variants[0].url, "v");
    assert.match(said, /Video: hevc \(Main\) \(hvc1 .*320x180/);
});

test("the ladder decodes it and makes H.264", async () => {
    const said = await decoded(variants[1].url, "v");
    assert.match(said, /Video: h264 \(Main\) .*284x160/);
});

test("Opus becomes AAC for HLS", async () => {
    const said = await decoded(server.playlist(), "a");
    assert.match(said, /Audio: aac \(LC\).* 48000 Hz/);
});

const quality = (learner) => learner.page.getByLabel("Quality");
const rungs = async (learner) =>
    (await quality(learner).locator("option").allTextContents()).slice(1);

test("a browser without HEVC is offered the H.264 alone", async () => {
    const learner = await Viewer.open(browser, server.watch());
    assert.equal(await learner.page.evaluate(() =>
        MediaSource.isTypeSupported('video/mp4; codecs="hvc1.1.6.L60.90"')),
    false, "this Chromium has HEVC: the test has nothing to say");
    await learner.becomes("live");
    await learner.sees(60);
    assert.deepEqual(await rungs(learner), ["160p"]);
    assert.equal((await learner.player).level, 160);
    assert.deepEqual(learner.errors, []);
    await learner.close();
});

test("nothing was repaired, dropped or refused", async () => {
    const text = await (await fetch(`${server.url}/metrics`)).text();
    const value = (name) => Number(text.split("\n")
        .find((line) => line.startsWith(`${name} `))?.split(" ")[1]);
    assert.equal(value("lectern_rtmp_dropped_messages_total"), 0);
    assert.equal(value("lectern_rtmp_unsupported_messages_total"), 0);
    assert.equal(value("lectern_rtmp_skipped_messages_total"), 0);
    assert.equal(encoder.closed, false);
});

test("AV1 passes through, too, with H.264 below it", async () => {
    encoder.end();
    await server.stop();
    server = await Lectern.start();
    encoder = await EnhancedPublisher.open(server.rtmpPort, KEY,
        await readFile("tests/data/rtmp/av1.messages"), 2000);
    await server.isLive();
    const top = await (await fetch(server.playlist())).text();
    const lines = top.split("\n").filter((line) => line);
    assert.match(top, /CODECS="av01\.0\.00M\.08"[^]*CODECS="avc1/);
    const urls = lines.filter((line) => !line.startsWith("#"))
        .map((line) => new URL(line, server.playlist()).href);
    assert.match(await decoded(urls[0], "v"), /Video: av1 .*320x18\d/);
    assert.match(await decoded(urls[1], "v"), /Video: h264 \(Main\)/);
});

test("a browser with AV1 plays the encoder's bytes, and changes", async () => {
    const learner = await Viewer.open(browser, server.watch());
    await learner.becomes("live");
    const [source, made] = await rungs(learner);
    assert.deepEqual([source, made], ["180p", "160p"]);
    for (const name of [source, made, source]) {
        await quality(learner).selectOption(name);
        await until(`the picture is ${name}`, async () =>
            `${await learner.page.evaluate(() =>
                document.querySelector("video").videoHeight)}p` === name);
        await learner.sees(60);
    }
    assert.equal((await learner.player).state, "live");
    assert.deepEqual(learner.errors, []);
    await learner.close();
});

test("a lecture in HEVC alone says so to a browser without it", async () => {
    encoder.end();
    await server.stop();
    server = await Lectern.start({ type: "BASIC" });
    encoder = await EnhancedPublisher.open(server.rtmpPort, KEY,
        await readFile("tests/data/rtmp/hevc-opus.messages"), 2000);
    await server.isLive();
    const learner = await Viewer.open(browser, server.watch());
    await learner.becomes("foreign");
    await learner.page.getByText("in a way that this browser lacks").waitFor();
    assert.deepEqual(learner.errors, []);
    /* The next one is encoded for everybody. */
    encoder.end();
    const other = new Publisher(server.rtmp());
    await learner.becomes("live", 90000);
    await learner.sees(30);
    await learner.close();
    await other.kill();
});

test("on drain who knows the word is asked to reconnect", async () => {
    const one = await Lectern.start({ yaml: "channels:\n" +
        ["modern", "plain"].map((key) => `  - { name: ${key}, stream_key: ${key} }\n`)
            .join("") });
    const live = async (key, caps) => {
        const raw = await RawRtmp.open(one.rtmpPort);
        await raw.shakeHands();
        raw.send(connectCommand(caps), publishCommands(key));
        await until(`${key} may publish`, () =>
            raw.heard.includes("NetStream.Publish.Start"));
        return raw;
    };
    const modern = await live("modern", { capsEx: amf.number(15) });
    const plain = await live("plain");
    assert.equal((await one.stop()).code, 0);
    await Promise.all([modern.isClosed(), plain.isClosed()]);
    assert.match(modern.heard, /NetConnection\.Connect\.ReconnectRequest/);
    assert.doesNotMatch(plain.heard, /ReconnectRequest/);
});
