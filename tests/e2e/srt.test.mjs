/* tests/e2e/srt.test.mjs — lectures over SRT: real encoders, plain and
 * encrypted, and those who are refused. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { after, afterEach, before, describe, test } from "node:test";
import { Viewer, launch } from "./lib/browser.mjs";
import { Publisher } from "./lib/ffmpeg.mjs";
import { Net, SERVER, hasNamespaces } from "./lib/netns.mjs";
import { Obs, hasObs } from "./lib/obs.mjs";
import { Program } from "./lib/process.mjs";
import { KEY, Lectern, hasSegments } from "./lib/server.mjs";
import { until } from "./lib/wait.mjs";

const BUILD = process.env.LECTERN_BUILD ?? "build";
const SECRET = "secret-key";
const HEVC = "hevc-key";
const PASSPHRASE = "correct-horse-battery";
const YAML = "channels:\n" +
    `  - { name: demo, stream_key: ${KEY} }\n` +
    `  - { name: hevc, stream_key: ${HEVC} }\n` +
    `  - { name: secret, stream_key: ${SECRET}, type: BASIC, ` +
    `srt_passphrase: "${PASSPHRASE}" }\n`;
const encrypted = (text) => `&passphrase=${text}&pbkeylen=16`;

let server, browser, lecturer, learner;

before(async () => {
    server = await Lectern.start({ srt: true, yaml: YAML });
    browser = await launch();
});
afterEach(async () => {
    await learner?.close();
    await lecturer?.stop();
    learner = lecturer = null;
});
after(async () => {
    await browser?.close();
    const ended = await server?.stop();
    assert.equal(ended?.code, 0, server.log.slice(-20).join("\n"));
});

async function check(channel) {
    const program = new Program(`${BUILD}/lectern`,
        ["check", server.playlist(channel), "--seconds", "6"]);
    const { code } = await program.gone;
    const said = program.lines.join("\n");
    assert.match(said, /: 0 rules broken/);
    assert.equal(code, 0, said);
}

const metric = async (name, of = server) => {
    const text = await (await fetch(`${of.url}/metrics`)).text();
    const line = text.split("\n").find((row) => row.startsWith(name));
    return line ? Number(line.split(" ").at(-1)) : null;
};

test("ffmpeg publishes, a browser watches, the rules hold", async () => {
    lecturer = new Publisher(server.srt());
    await lecturer.isSending();
    await server.isLive();
    learner = await Viewer.open(browser, server.watch());
    await learner.becomes("live", 60000);
    await learner.sees(60);
    await check("demo");
    await until("the link's figures are told", async () =>
        await metric('lectern_srt_packets_total{channel="demo"}') > 100);
    assert.ok(await metric('lectern_srt_latency_seconds{channel="demo"}') >=
        0.12);
    assert.equal(
        await metric('lectern_srt_dropped_packets_total{channel="demo"}'), 0);
    assert.equal(await metric("lectern_mpegts_gaps_total"), 0);
    assert.deepEqual(learner.errors, []);
});

test("access control's own form, and taking over from RTMP", async () => {
    const first = new Publisher(server.rtmp());
    await first.isSending();
    await server.isLive();
    const { generation } = await server.channel();
    lecturer = new Publisher(
        server.srt(`%23!::m=publish,r=demo,u=${KEY}`));
    await lecturer.isSending();
    await until("RTMP gives way", () => first.ended);
    await server.isLive();
    assert.equal((await server.channel()).generation, generation);
});

test("an encrypted channel plays", async () => {
    lecturer = new Publisher(server.srt(SECRET, encrypted(PASSPHRASE)));
    await lecturer.isSending();
    await server.isLive("secret");
    await check("secret");
});

for (const [who, url, code] of [
    ["a wrong key", () => server.srt("not-the-key"), 1401],
    ["another channel's key",
        () => server.srt(`%23!::r=secret,u=${KEY}`), 1403],
    ["who wants to play", () => server.srt(`play:${KEY}`), 1405],
    ["a malformed stream id", () => server.srt("%23!::nonsense"), 1400],
])
    test(`${who} is refused`, async () => {
        const stranger = new Publisher(url());
        await stranger.gone;
        await until("the log says why", () => server.log.some((line) =>
            line.includes(`code=${code}`)));
    });

for (const [who, url] of [
    ["a wrong passphrase",
        () => server.srt(SECRET, encrypted("wrong-horse-battery"))],
    ["no passphrase", () => server.srt(SECRET)],
    ["a passphrase where none belongs",
        () => server.srt(KEY, encrypted(PASSPHRASE))],
])
    test(`${who} is refused`, async () => {
        const publishing = () => server.log.filter((line) =>
            /event=publish .*protocol=srt/.test(line)).length;
        const before = publishing();
        const stranger = new Publisher(url());
        await stranger.gone;
        assert.equal(publishing(), before);
    });

test("GStreamer publishes", async () => {
    lecturer = new Program("gst-launch-1.0", ["-q",
        "videotestsrc", "is-live=true", "pattern=ball", "!",
        "video/x-raw,width=320,height=180,framerate=30/1", "!",
        "x264enc", "tune=zerolatency", "speed-preset=ultrafast",
        "bitrate=500", "key-int-max=60", "!", "h264parse", "!",
        "mpegtsmux", "name=mux", "alignment=7", "!",
        "srtsink", `uri=srt://127.0.0.1:${server.srtPort}?mode=caller` +
        `&streamid=${SECRET}&passphrase=${PASSPHRASE}` +
        "&pbkeylen=16",
        "audiotestsrc", "is-live=true", "!", "audioconvert", "!",
        "voaacenc", "!", "aacparse", "!", "mux."]);
    await server.isLive("secret");
    await check("secret");
});

test("HEVC passes through on top of an H.264 ladder", async () => {
    lecturer = new Program("ffmpeg", ["-nostdin", "-v", "error", "-re",
        "-f", "lavfi", "-i", "testsrc2=s=320x180:r=30", "-re",
        "-f", "lavfi", "-i", "sine", "-c:v", "libx265", "-preset",
        "ultrafast", "-x265-params", "keyint=60:open-gop=1:bframes=2:" +
        "pools=1:frame-threads=1:log-level=error", "-pix_fmt", "yuv420p",
        "-c:a", "aac", "-f", "mpegts", server.srt(HEVC)]);
    await server.isLive("hevc");
    const urls = await until("the ladder is listed", async () => {
        const top = await (await fetch(server.playlist("hevc"))).text();
        return /CODECS="hvc1[^]*CODECS="avc1/.test(top) && top.split("\n")
            .filter((line) => line && !line.startsWith("#"))
            .map((line) => new URL(line, server.playlist("hevc")).href);
    });
    const decoded = async (url) => {
        await hasSegments(url);
        const program = new Program("ffmpeg", ["-hide_banner", "-nostdin",
            "-xerror", "-i", url, "-map", "0:v:0", "-t", "2", "-f", "null",
            "-"]);
        const { code } = await program.gone;
        const said = program.lines.join("\n");
        assert.equal(code, 0, said);
        return said;
    };
    assert.match(await decoded(urls[0]), /Video: hevc .*\(hvc1 .*320x180/);
    assert.match(await decoded(urls[1]), /Video: h264 /);
    await check("hevc");
    assert.equal(await metric("lectern_mpegts_lost_units_total"), 0);
});

test("OBS streams, encrypted", { skip: !hasObs }, async () => {
    const clip = join(server.dir, "clip.mp4");
    execFileSync("ffmpeg", ["-v", "error", "-f", "lavfi", "-i",
        "testsrc2=s=320x180:r=15", "-f", "lavfi", "-i", "sine=f=440",
        "-t", "8", "-c:v", "libx264", "-preset", "ultrafast",
        "-c:a", "aac", clip]);
    lecturer = await Obs.start({
        server: `srt://127.0.0.1:${server.srtPort}?mode=caller` +
            `&streamid=publish:${SECRET}&latency=200000` +
            `&pbkeylen=16&passphrase=${PASSPHRASE}`,
        key: "",
    }, clip);
    await lecturer.isStreaming();
    await server.isLive("secret");
    learner = await Viewer.open(browser, server.watch("secret"));
    await learner.becomes("live", 60000);
    await learner.sees(60);
    await check("secret");
});

describe("over a wire that loses", { skip: !hasNamespaces && "needs namespaces" },
    () => {
        let net, far, sender;

        before(async () => {
            net = await Net.create();
            far = await Lectern.start({ net, srt: true, type: "BASIC" });
        });
        after(async () => {
            await sender?.stop();
            await far?.stop();
            await net?.free();
        });

        const send = () => {
            const [command, ...words] = net.inside("viewer", "ffmpeg",
                "-nostdin", "-v", "error", "-re", "-f", "lavfi", "-i",
                "testsrc2=s=320x180:r=30", "-re", "-f", "lavfi", "-i", "sine",
                "-c:v", "libx264", "-preset", "ultrafast", "-tune",
                "zerolatency", "-g", "60", "-b:v", "1M", "-pix_fmt", "yuv420p",
                "-c:a", "aac", "-f", "mpegts",
                `srt://${SERVER}:${far.srtPort}?streamid=${KEY}` +
                "&latency=500000&pkt_size=1316");
            return new Program(command, words);
        };
        const srt = (name) => metric(`lectern_srt_${name}{channel="demo"}`, far);

        test("what is lost is sent again in time", async () => {
            await net.fault("loss", 3);
            await net.fault("delay", 30);
            sender = send();
            await far.isLive();
            await until("packets were lost and came", async () =>
                await srt("retransmitted_packets_total") > 20, 60000);
            assert.ok(await srt("rtt_seconds") > 0.05);
            assert.equal(await srt("latency_seconds"), 0.5);
            assert.equal(await srt("dropped_packets_total"), 0);
            assert.equal(await metric("lectern_mpegts_gaps_total", far), 0);
        });

        test("a wire that is cut is noticed, and the sender comes back",
            async () => {
                const { generation } = await far.channel();
                await net.fault("loss", 100);
                await until("the server gives it up", () => far.log.some(
                    (line) => /event=unpublish/.test(line)));
                await sender.stop("SIGKILL");
                await net.fault("loss", 0);
                sender = send();
                await far.isLive();
                assert.equal((await far.channel()).generation, generation);
            });
    });
