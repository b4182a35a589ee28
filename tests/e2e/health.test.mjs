/* tests/e2e/health.test.mjs — what a lecturer is told about the source. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Publisher } from "./lib/ffmpeg.mjs";
import { Program } from "./lib/process.mjs";
import { KEY, Lectern } from "./lib/server.mjs";
import { until } from "./lib/wait.mjs";

const YAML = "channels:\n" +
    `  - { name: demo, stream_key: ${KEY}, type: BASIC }\n` +
    "  - { name: other, stream_key: other-key, type: BASIC }\n";
let server, lecturer;

before(async () => {
    server = await Lectern.start({ yaml: YAML, srt: true });
});
after(async () => {
    await lecturer?.stop();
    const ended = await server?.stop();
    assert.equal(ended?.code, 0, server.log.slice(-20).join("\n"));
});

const ask = (channel, key) => fetch(
    `${server.url}/api/channels/${channel}/health`,
    key ? { headers: { authorization: `Bearer ${key}` } } : {});
const health = async () => (await ask("demo", KEY)).json();
const metrics = async () => (await fetch(`${server.url}/metrics`)).text();

test("only the channel's stream key opens it", async () => {
    for (const key of [undefined, "nonsense", "other-key"]) {
        const answer = await ask("demo", key);
        assert.equal(answer.status, 401);
        assert.equal(answer.headers.get("www-authenticate"), "Bearer");
    }
    assert.equal((await ask("nobody", KEY)).status, 401);
    assert.equal((await fetch(`${server.url}/api/channels/demo`)).status, 404);
    assert.deepEqual(await health(), { channel: "demo", state: "offline" });
});

test("keyframes far apart: figures, advice, log and gauge", async () => {
    lecturer = new Publisher(server.rtmp(), { keyframes: 5 });
    const said = await until("the warning", async () => {
        const now = await health();
        return now.source?.warnings.some((w) => w.warning === "keyframes") &&
            now.source.video.keyframe_interval_s > 4.9 && now;
    }, 60000);
    assert.equal(said.state, "live");
    assert.equal(said.protocol, "rtmp");
    assert.match(said.peer, /^127\.0\.0\.1:\d+$/);
    const { video, audio } = said.source;
    assert.equal(video.codec, "h264");
    assert.deepEqual([video.width, video.height], [640, 360]);
    assert.equal(video.b_frames, false);
    assert.ok(video.fps > 10 && video.bps > 1e5, JSON.stringify(video));
    assert.equal(audio.sample_rate, 48000);
    assert.match(said.source.warnings.find((w) =>
        w.warning === "keyframes").advice, /set it to 2 s in OBS/);
    assert.ok(server.log.some((line) =>
        /event=source_warning .*warning=keyframes/.test(line)));
    assert.match(await metrics(),
        /source_warning\{channel="demo",warning="keyframes"\} 1/);
});

test("another encoder takes over by SRT: judged anew", async () => {
    const first = lecturer;
    lecturer = new Publisher(server.srt());
    await first.gone;
    const said = await until("its figures", async () => {
        const now = await health();
        return now.protocol === "srt" && now.source?.uptime_s > 6 && now;
    }, 60000);
    assert.ok(!said.source.warnings.some((w) => w.warning === "keyframes"),
        JSON.stringify(said));
    await lecturer.stop();
    await until("it is gone", async () =>
        (await health()).state === "reconnecting");
    assert.doesNotMatch(await metrics(), /lectern_source_/);
});

/* --- what is in picture and sound ------------------------------------------ */

/** Sound that is cut off where it is too loud, as a microphone's is. */
const tone = (gain) => `aevalsrc=exprs=${gain}*sin(2764*t)|` +
    `${gain}*sin(2764*t):s=48000:c=stereo,aformat=sample_fmts=s16`;
const LECTURE = "testsrc2=size=320x180:rate=15";

/** One who films, or shows, or says just that. */
const publish = (url, input, picture, sound) => new Program("ffmpeg", [
    "-hide_banner", "-nostdin", "-loglevel", "info", ...input,
    "-re", "-f", "lavfi", "-i", sound,
    "-filter_complex", `[0:v]${picture},format=yuv420p[v]`,
    "-map", "[v]", "-map", "1:a", "-c:v", "libx264", "-preset", "ultrafast",
    "-tune", "zerolatency", "-g", "30", "-keyint_min", "30",
    "-sc_threshold", "0", "-b:v", "600k", "-maxrate", "600k",
    "-bufsize", "600k", "-threads", "1", "-r", "15",
    "-c:a", "aac", "-ac", "2", "-b:a", "96k", "-f", "flv", url]);
const filmed = (film) => ["-re", "-f", "lavfi", "-i", film];

const CONTENT = "channels:\n" + ["dark", "hangs", "slide"].map((name) =>
    `  - { name: ${name}, stream_key: ${name}-key }\n`).join("");

const content = async (one, channel) => (await fetch(
    `${one.url}/api/channels/${channel}/health`,
    { headers: { authorization: `Bearer ${channel}-key` } })).json();
const named = (said) => said.source?.warnings.map((w) => w.warning) ?? [];
const words = (said, name) =>
    said.source.warnings.find((w) => w.warning === name).advice;
const logged = (one, event, channel, warning) => one.log.filter((line) =>
    line.includes(`event=${event} `) && line.includes(`channel=${channel} `) &&
    line.includes(`warning=${warning}`)).length;

/** A warning that comes, and goes by itself: in the answer, the log, the
 * gauges, and once. */
async function comesAndGoes(one, channel, warning, says) {
    const metric = async (value) => (await (await fetch(`${one.url}/metrics`))
        .text()).includes("lectern_source_warning{" +
            `channel="${channel}",warning="${warning}"} ${value}\n`);
    const said = await until(`${channel}: ${warning}`, async () => {
        const now = await content(one, channel);
        return named(now).includes(warning) && now;
    }, 120000);
    assert.match(words(said, warning), says);
    assert.ok(await metric(1));
    assert.equal(logged(one, "source_warning", channel, warning), 1);
    assert.equal(logged(one, "source_mended", channel, warning), 0);
    await until(`${channel}: no longer ${warning}`, async () => {
        const now = await content(one, channel);
        return now.source && !named(now).includes(warning);
    }, 120000);
    assert.ok(await metric(0));
    assert.equal(logged(one, "source_warning", channel, warning), 1);
    assert.equal(logged(one, "source_mended", channel, warning), 1);
    return said;
}

test("what nobody decodes is not guessed", async () => {
    lecturer = new Publisher(server.rtmp());
    const said = await until("its figures", async () => {
        const now = await health();
        return now.state === "live" && now.source?.uptime_s > 3 && now;
    }, 60000);
    assert.equal(said.source.audio.rms_dbfs, undefined);
    assert.equal(said.source.video.still_s, undefined);
    assert.doesNotMatch(await metrics(),
        /lectern_source_(audio_rms|audio_peak|silent|still|brightness)/);
    await lecturer.stop();
});

test("dark and mute, a camera that hangs, a slide", async (t) => {
    const one = await Lectern.start({ yaml: CONTENT, realtime: true });
    const lecturers = [];
    t.after(async () => {
        for (const it of lecturers) await it.stop("SIGINT");
        assert.equal((await one.stop()).code, 0);
    });
    const url = (name) => one.rtmp(`${name}-key`);
    lecturers.push(
        publish(url("dark"), filmed(LECTURE),
            "drawbox=t=fill:color=black:enable='lt(t,20)'",
            tone("0.3*gte(t\\,20)")),
        publish(url("hangs"), filmed(LECTURE),
            "loop=loop=675:size=1:start=450",
            tone("(0.5+2*lt(t\\,25))")),
        publish(url("slide"),
            ["-re", "-f", "lavfi", "-i", `${LECTURE},loop=loop=-1:size=1`],
            "null", tone("0.1")));
    await Promise.all([
        comesAndGoes(one, "dark", "silent",
            /^no sound for 1\d s: is the microphone muted in OBS/),
        comesAndGoes(one, "dark", "black",
            /^the picture is black for 1\d s: is the camera covered/),
        comesAndGoes(one, "hangs", "clipping", /too loud and distorts/),
        comesAndGoes(one, "hangs", "frozen",
            /^the picture stands still for 3\d s, after it moved/),
        until("the slide stood for a minute", async () => {
            const now = await content(one, "slide");
            assert.deepEqual(named(now), [], JSON.stringify(now));
            return now.source?.video?.still_s > 60;
        }, 120000),
    ]);
    const { source } = await content(one, "slide");
    const { audio, video } = source;
    assert.ok(Math.abs(audio.rms_dbfs + 23) < 1, JSON.stringify(audio));
    assert.ok(Math.abs(audio.peak_dbfs + 20) < 1, JSON.stringify(audio));
    assert.equal(audio.silent_s, 0);
    assert.ok(video.brightness > 0.2 && video.brightness < 0.8);
    assert.equal(video.black_s, 0);
    const gauges = await (await fetch(`${one.url}/metrics`)).text();
    assert.match(gauges,
        /lectern_source_audio_rms_dbfs\{channel="slide"\} -2[234]/);
    assert.match(gauges,
        /lectern_source_still_seconds\{channel="slide"\} ([6-9]|1\d)\d/);
});
