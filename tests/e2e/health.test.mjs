/* tests/e2e/health.test.mjs — what a lecturer is told about the source. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Publisher } from "./lib/ffmpeg.mjs";
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
