/* tests/e2e/priority.test.mjs — ?priority= on every protocol: a lower one is
 * refused in its protocol's words, the same and a higher one take over. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Publisher } from "./lib/ffmpeg.mjs";
import { KEY, Lectern } from "./lib/server.mjs";
import { until } from "./lib/wait.mjs";
import { offer, post } from "./lib/webrtc.mjs";

let server, live;
before(async () => {
    server = await Lectern.start({ type: "BASIC", srt: true, realtime: true });
});
after(async () => {
    await live?.stop();
    const ended = await server?.stop();
    assert.equal(ended?.code, 0, server.log.slice(-20).join("\n"));
});

/** Who publishes now, as the health answer says. */
const source = async () => (await fetch(
    `${server.url}/api/channels/demo/health`,
    { headers: { authorization: `Bearer ${KEY}` } })).json();
const logs = (pattern) => server.log.filter((line) => pattern.test(line));
const whip = (query) => post(`${server.url}/whip/demo${query}`,
    offer("chromium_publish"), { authorization: `Bearer ${KEY}` });

/** Comes in vain: ends by itself, and the stream is its owner's. */
async function isRefused(url, said) {
    const { peer } = await source();
    const newcomer = new Publisher(url);
    await until("it is refused", () => newcomer.ended, 60000);
    if (said)
        assert.ok(newcomer.lines.some((line) => said.test(line)),
            newcomer.lines.slice(-8).join("\n"));
    assert.equal((await source()).peer, peer);
}

/** Comes and stays: who was there is gone. */
async function takesOver(url, protocol) {
    const before = live;
    live = new Publisher(url);
    await until("it took over", async () => {
        const now = await source();
        return now.protocol === protocol && now.source;
    }, 60000);
    if (before) await until("the other is gone", () => before.ended, 60000);
}

test("the first may have any priority; unknown words are let go", async () => {
    await takesOver(server.rtmp(`${KEY}?clientConfigId=x&priority=5`), "rtmp");
});

test("RTMP: a lower one is refused, and told why", async () => {
    await isRefused(server.rtmp(), /higher priority/);
    await isRefused(server.rtmp(`${KEY}?priority=4`), /higher priority/);
    await isRefused(server.rtmp(`${KEY}?priority=-1`),
        /whole number from 0 to 2147483647/);
});

test("SRT: a lower one is refused in the handshake", async () => {
    await isRefused(server.srt(`${KEY}?priority=4`));
    await isRefused(server.srt(`%23!::u=${KEY},priority=0,m=publish`));
    assert.ok(logs(/room=srt event=refused .*higher priority.* code=1409/)
        .length >= 2, server.log.slice(-10).join("\n"));
    await isRefused(server.srt(`%23!::u=${KEY},priority=x`));
    assert.ok(logs(/event=refused .*from 0 to 2147483647.* code=1406/).length);
});

test("WHIP: a lower one is refused", async () => {
    const lower = await whip("?clientConfigId=x&priority=4");
    assert.equal(lower.status, 409);
    assert.match(lower.text, /higher priority/);
    assert.equal((await whip("")).status, 409);
    const bad = await whip("?priority=2147483648");
    assert.equal(bad.status, 400);
    assert.match(bad.text, /whole number from 0 to 2147483647/);
    assert.equal((await source()).protocol, "rtmp");
});

test("the same priority takes over, on another protocol", async () => {
    await takesOver(server.srt(`%23!::u=${KEY},priority=5,m=publish`), "srt");
    assert.ok(logs(/event=takeover /).length);
});

test("a higher one takes over", async () => {
    await takesOver(server.rtmp(`${KEY}?priority=6`), "rtmp");
    await isRefused(server.srt(`${KEY}?priority=5`));
});

/** Takes over, or not: by turns it is refused after a while. */
async function isLetIn(url) {
    const { peer } = await source();
    const newcomer = new Publisher(url);
    const letIn = await until("it is in, or refused", async () => {
        const now = await source();
        if (now.source && now.peer !== peer) return "in";
        return newcomer.ended && "out";
    }, 60000);
    if (letIn === "out") return false;
    const before = live;
    live = newcomer;
    await until("the other is gone", () => before.ended, 60000);
    return true;
}

test("by turns the same is stopped after a while, a higher one not", async () => {
    let taken = 0;
    while (taken < 10 && await isLetIn(server.rtmp(`${KEY}?priority=6`)))
        taken++;
    assert.ok(taken >= 1 && taken <= 3, `${taken}`);
    const answer = await whip("?priority=6");
    assert.equal(answer.status, 409);
    assert.match(answer.text, /just taken/);
    /* That nobody sends to takes nothing away yet. */
    assert.equal((await whip("?priority=7")).status, 201);
    assert.ok(!live.ended);
    await takesOver(server.srt(`${KEY}?priority=7`), "srt");
});
