/* tests/e2e/multitrack_api.test.mjs — what OBS's Multitrack Video asks before
 * it goes live, in OBS's own words (tests/data/multitrack), and a channel that
 * requires it. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { MultitrackPublisher, encode, parseTrack }
    from "../tools/multitrack.mjs";
import { Publisher } from "./lib/ffmpeg.mjs";
import { Program } from "./lib/process.mjs";
import { Lectern } from "./lib/server.mjs";
import { until } from "./lib/wait.mjs";

const BUILD = process.env.LECTERN_BUILD ?? "build";
const KEYS = { demo: "sk_plain_and_secret", strict: "sk_strict_and_secret",
    off: "sk_off_and_secret" };
const YAML = "channels:\n" +
    `  - { name: demo, stream_key: ${KEYS.demo}, type: BASIC }\n` +
    `  - { name: strict, stream_key: ${KEYS.strict}, type: BASIC, ` +
    "multitrack: REQUIRE }\n" +
    `  - { name: off, stream_key: ${KEYS.off}, multitrack: OFF }\n`;
const RATE_BURST = 30;

let server;
before(async () => {
    server = await Lectern.start({ yaml: YAML, set: { loops: 1 } });
});
after(async () => {
    const ended = await server?.stop();
    assert.equal(ended?.code, 0, server.log.slice(-20).join("\n"));
    for (const key of Object.values(KEYS))
        assert.ok(!server.log.some((line) => line.includes(key)),
            "a key is in the log");
});

async function request(name, key, change = () => {}) {
    const asked = JSON.parse(
        await readFile(`tests/data/multitrack/${name}.json`, "utf8"));
    asked.authentication = key;
    change(asked);
    return asked;
}

/** As OBS posts it. */
const post = (body, headers = {}) => fetch(`${server.url}/api/multitrack`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: typeof body === "string" ? body : JSON.stringify(body),
});
async function ask(...how) {
    const answer = await post(await request(...how));
    assert.equal(answer.status, 200);
    assert.equal(answer.headers.get("content-type"), "application/json");
    assert.equal(answer.headers.get("cache-control"), "no-store");
    return answer.json();
}
const metric = async (row) => {
    const text = await (await fetch(`${server.url}/metrics`)).text();
    const line = text.split("\n").find((l) => l.startsWith(row));
    return line ? Number(line.split(" ").at(-1)) : 0;
};

test("a machine with an encoder gets a ladder", async () => {
    const said = await ask("obs-31-windows-nvidia", KEYS.demo);
    assert.deepEqual(said.status, { result: "success" });
    assert.equal(said.meta.service, "IVS");
    assert.equal(said.meta.schema_version, "2025-01-25");
    assert.match(said.meta.config_id, /^[0-9a-f]{24}$/);
    assert.deepEqual(said.ingest_endpoints, [{ protocol: "RTMP",
        url_template:
            `rtmp://127.0.0.1:${server.rtmpPort}/live/{stream_key}` }]);
    const rungs = said.encoder_configurations;
    assert.deepEqual(rungs.map((r) => r.height), [1080, 720, 480, 360, 160]);
    for (const rung of rungs) {
        assert.equal(rung.type, "obs_nvenc_h264_tex");
        assert.equal(rung.canvas_index, 0);
        assert.equal(rung.width % 2, 0);
        const { settings, framerate } = rung;
        assert.deepEqual([settings.keyint_sec, settings.bf,
            settings.rate_control], [2, 0, "CBR"]);
        assert.equal(60 % (framerate.numerator / framerate.denominator), 0);
    }
    assert.equal(said.audio_configurations.live.length, 1);
    assert.equal(said.audio_configurations.live[0].channels, 2);
    assert.ok(server.log.some((line) =>
        /event=multitrack_config channel=demo .*client="obs-studio 31\.1\.2" gpu=0x10de tracks=5/
            .test(line)), server.log.slice(-3).join("\n"));
    assert.equal(
        await metric('lectern_multitrack_configs_total{outcome="ladder"}'), 1);
});

test("what OBS is allowed to send holds", async () => {
    const said = await ask("obs-31-windows-nvidia",
        `${KEYS.demo}?priority=3&x=y`, (asked) => {
            asked.preferences.maximum_aggregate_bitrate = 6000;
            asked.preferences.maximum_video_tracks = 3;
        });
    assert.equal(said.encoder_configurations.length, 3);
    const all = said.encoder_configurations.reduce((sum, r) =>
        sum + r.settings.bitrate, said.audio_configurations.live[0]
        .settings.bitrate);
    assert.ok(all <= 6000, `${all}`);
});

test("who cannot is told why, and may go on with one track", async () => {
    const said = await ask("obs-32-linux-amd", KEYS.demo);
    assert.equal(said.status.result, "warning");
    assert.match(said.status.html_en_us,
        /Radeon &lt;RX&gt; &amp; .*processor cores are too few.*one video track/);
    assert.deepEqual(said.encoder_configurations, []);
    const old = await ask("obs-30-old", KEYS.demo);
    assert.equal(old.status.result, "warning");
    assert.match(old.status.html_en_us, /30\.2\.3\) is too old/);
    const off = await ask("obs-31-windows-nvidia", KEYS.off);
    assert.equal(off.status.result, "warning");
    assert.match(off.status.html_en_us, /off for this channel/);
});

test("a channel that requires it refuses who cannot", async () => {
    const said = await ask("obs-32-linux-amd", KEYS.strict);
    assert.equal(said.status.result, "error");
    assert.match(said.status.html_en_us, /takes no stream without it/);
    assert.equal((await ask("obs-31-windows-nvidia", KEYS.strict)).status
        .result, "success");
});

test("a wrong key is said in the words that OBS shows", async () => {
    const said = await ask("obs-31-windows-nvidia", "sk_wrong_but_secret");
    assert.equal(said.status.result, "error");
    assert.match(said.status.html_en_us, /stream key is not known/);
    assert.deepEqual(said.encoder_configurations, []);
    assert.deepEqual(said.ingest_endpoints, []);
    assert.ok(!server.log.some((line) => line.includes("sk_wr")));
});

test("bad requests: the field, and its bound", async () => {
    const bad = await post(await request("obs-31-windows-nvidia", KEYS.demo,
        (asked) => { asked.preferences.canvases[0].width = 1e6; }));
    assert.equal(bad.status, 400);
    assert.match((await bad.json()).status.html_en_us,
        /canvases\[0\]\.width: must be a whole number from 16 to 16384/);
    for (const body of ["", "{", "[".repeat(5000), `"${KEYS.demo}"`, "null"])
        assert.equal((await post(body)).status, 400, body.slice(0, 20));
    const big = JSON.stringify(await request("obs-31-windows-nvidia",
        KEYS.demo, (asked) => { asked.more = "x".repeat(65536); }));
    assert.equal((await post(big)).status, 413);
    assert.equal((await fetch(`${server.url}/api/multitrack`)).status, 405);
});

test("a stranger may not ask for ever", async () => {
    const body = await request("obs-31-windows-nvidia", "guess");
    const asks = (from) => post(body, { "x-forwarded-for": from });
    let answered = 0, limited;
    while (!limited && answered < 20 * RATE_BURST) {
        const answer = await asks("203.0.113.9");
        if (answer.status === 200) answered++;
        else limited = answer;
    }
    assert.ok(answered >= RATE_BURST, `${answered}`);
    assert.equal(limited.status, 429);
    assert.match((await limited.json()).status.html_en_us, /Too many requests/);
    assert.equal((await asks("203.0.113.10")).status, 200);
});

test("the command line prints the address for OBS", async () => {
    const config = server.args.slice(server.args.indexOf("--config"));
    const show = async (...more) => {
        const program = new Program(`${BUILD}/lectern`,
            ["channel", "show", "strict", ...more, ...config]);
        assert.equal((await program.gone).code, 0, program.lines.join("\n"));
        return program.lines.join("\n");
    };
    assert.match(await show(), /OBS config  http:.*\/api\/multitrack/);
    assert.match(await show(), /multitrack  REQUIRE/);
    const { ingest, multitrack } = JSON.parse(await show("--json"));
    assert.equal(multitrack, "REQUIRE");
    assert.equal(ingest.multitrack, `${server.url}/api/multitrack`);
});

test("the ladder that is asked for is the ladder that is played", async () => {
    const said = await ask("obs-31-windows-nvidia", KEYS.strict, (asked) => {
        Object.assign(asked.preferences.canvases[0], { width: 640,
            height: 360, framerate: { numerator: 30, denominator: 1 } });
    });
    const rungs = said.encoder_configurations;
    assert.deepEqual(rungs.map((r) => `${r.width}x${r.height}`),
        ["640x360", "284x160"]);
    const media = await encode({ sounds: 1, tracks: rungs.map((r) =>
        parseTrack(`${r.width}x${r.height}@${r.settings.bitrate}`)) });
    const to = new URL(said.ingest_endpoints[0].url_template);
    const lecturer = await MultitrackPublisher.open(Number(to.port),
        `${KEYS.strict}?clientConfigId=${said.meta.config_id}`, media,
        { host: to.hostname });
    await server.isLive("strict", 60000);
    /* Longer than one track alone is let go on for. */
    await until("it goes on", async () => {
        const answer = await fetch(`${server.url}/api/channels/strict/health`,
            { headers: { authorization: `Bearer ${KEYS.strict}` } });
        return (await answer.json()).source?.uptime_s > 7;
    }, 60000);
    assert.equal(lecturer.closed, false);
    const text = await (await fetch(server.playlist("strict"))).text();
    assert.deepEqual(text.split("\n").filter((line) =>
        line && !line.startsWith("#")).map((line) => line.split("/").at(-2)),
        ["360p", "160p"]);
    assert.deepEqual(await server.children(), []);
    await lecturer.end();
});

test("one track to a channel that requires more: sent away", async () => {
    const lecturer = new Publisher(server.rtmp(KEYS.strict));
    await until("it is sent away", () => lecturer.ended, 60000);
    assert.ok(server.log.some((line) =>
        /event=single_track channel=strict .*turn on Multitrack Video/
            .test(line)), server.log.slice(-10).join("\n"));
    assert.equal(await metric("lectern_ingest_single_track_total"), 1);
});

test("one track to a channel that allows more, as OBS names it", async () => {
    const { meta } = await ask("obs-31-windows-nvidia", KEYS.demo);
    const lecturer = new Publisher(
        server.rtmp(`${KEYS.demo}?clientConfigId=${meta.config_id}`));
    await server.isLive("demo", 60000);
    await lecturer.stop();
});
