/* tests/e2e/hostile.test.mjs — bad input against a server at work: a clear
 * log line, a counter, that one connection closed, everyone else undisturbed.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { connect } from "node:net";
import { once } from "node:events";
import { Publisher } from "./lib/ffmpeg.mjs";
import { Lectern } from "./lib/server.mjs";
import { RawRtmp, amf, chunk, connectCommand, publishCommands }
    from "./lib/rtmp.mjs";
import { until } from "./lib/wait.mjs";

/** @type {Lectern} */
let server;
let publisher;

before(async () => {
    server = await Lectern.start({ type: "BASIC" });
    publisher = new Publisher(server.rtmp());
    await server.isLive();
});

after(async () => {
    await publisher?.stop();
    await server?.stop();
});

/** A counter's value over all its series whose labels match. */
async function counter(name, labels = /./) {
    const metrics = await (await fetch(`${server.url}/metrics`)).text();
    return metrics.split("\n")
        .filter((l) => l.startsWith(name) && labels.test(l))
        .reduce((sum, l) => sum + Number(l.split(" ").at(-1)), 0);
}

/** The lecture goes on: its newest part is another one soon. */
async function lectureGoesOn() {
    assert.equal(publisher.ended, null, "the good publisher is still there");
    const master = await (await fetch(server.playlist())).text();
    const media = new URL(master.split("\n").find((l) => /^[^#].*m3u8/.test(l)),
        server.playlist());
    const newest = async () => /PRELOAD-HINT.*URI="([^"]+)"/
        .exec(await (await fetch(media)).text())[1];
    const first = await newest();
    await until("a new part", async () => await newest() !== first);
}

/** One bad RTMP client: what it does, and what the log must say. */
function rtmpCase(name, says, act) {
    test(`RTMP: ${name}`, async () => {
        const refused = await counter("lectern_rtmp_refused_total");
        const lines = server.log.length;
        const client = await RawRtmp.open(server.rtmpPort);
        await act(client);
        await client.isClosed();
        await until(`a log line like ${says}`, () =>
            server.log.slice(lines).some((line) => says.test(line)));
        assert.ok(await counter("lectern_rtmp_refused_total") > refused,
            "it was counted");
        await lectureGoesOn();
    });
}

rtmpCase("a handshake cut short", /room=rtmp .*reason=/, async (c) => {
    c.send([3], Buffer.alloc(100));
});
rtmpCase("not RTMP at all", /room=rtmp .*reason=/, async (c) => {
    c.send("GET / HTTP/1.1\r\n\r\n");
});
rtmpCase("a message of 16 MB and more", /room=rtmp .*reason=/, async (c) => {
    await c.shakeHands();
    c.send(chunk(2, 1, [0x7f, 0xff, 0xff, 0xff]));
    c.send(chunk(6, 9, Buffer.alloc(64), { length: 0xffffff, stream: 1 }));
    for (let i = 0; i < 300 && !c.closed; i++) {
        c.send(Buffer.alloc(65536));
        await new Promise((resolve) => setImmediate(resolve));
    }
});
rtmpCase("AMF nested without end", /room=rtmp .*nested or spread/, async (c) => {
    await c.shakeHands();
    const bomb = [...amf.string("connect"), ...amf.number(1)];
    for (let i = 0; i < 4000; i++) bomb.push(3, 0, 1, 97);
    c.send(chunk(2, 1, [0, 1, 0, 0]), chunk(3, 20, bomb));
});
rtmpCase("chunks of one byte", /room=rtmp .*chunks/, async (c) => {
    await c.shakeHands();
    c.send(chunk(2, 1, [0, 0, 0, 1]));
    const body = Buffer.alloc(600000);
    c.send(chunk(6, 9, body.subarray(0, 1), { length: body.length, stream: 1 }),
        Buffer.alloc(2 * (body.length - 1), Buffer.from([0xc6, 0])));
});
rtmpCase("a wrong key", /reason="wrong stream key"/, async (c) => {
    await c.shakeHands();
    c.send(connectCommand(), publishCommands("not-the-key"));
});
rtmpCase("media before anything else", /reason="no publish in time"/, async (c) => {
    await c.shakeHands();
    c.send(connectCommand());
    for (let i = 0; i < 2000 && !c.closed; i++)
        c.send(chunk(6, 9, [0x17, 1, 0, 0, 0, 0, 0, 0, 1, 0x65],
            { stream: 1 }));
});

test("no secret is in the log", () => {
    assert.ok(!server.log.some((line) => line.includes("not-the-key")));
    assert.ok(!server.log.some((line) => line.includes("demo-key")));
});

/** Sends bytes by hand and gives what came back before the end. */
async function raw(bytes) {
    const socket = connect(Number(new URL(server.url).port), "127.0.0.1");
    let answer = "";
    socket.on("data", (data) => { answer += data; });
    socket.on("error", () => {});
    socket.end(bytes);
    await once(socket, "close");
    return answer;
}

for (const path of ["/../../etc/passwd", "/assets/../../etc/passwd",
    "/assets/%2e%2e/%2e%2e/etc/passwd", "/assets/..%2f..%2fetc/passwd",
    "/assets/%00", "/live/demo/../../x"])
    test(`HTTP: traversal ${path} is refused`, async () => {
        const answer = await raw(
            `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
        assert.match(answer, /^HTTP\/1\.1 (400|404) /);
        assert.doesNotMatch(answer, /root:/);
    });

test("HTTP: headers of 64 KB", async () => {
    const answer = await raw(
        `GET / HTTP/1.1\r\nHost: x\r\nX: ${"y".repeat(65536)}\r\n\r\n`);
    assert.match(answer, /^HTTP\/1\.1 431 /);
    assert.ok(await counter("lectern_http_refused_total",
        /head-size/) > 0);
    await lectureGoesOn();
});

test("HTTP: directives beyond reason", async () => {
    const master = await (await fetch(server.playlist())).text();
    const media = new URL(master.split("\n").find((l) => /^[^#].*m3u8/.test(l)),
        server.playlist()).href;
    const status = async (query) => (await fetch(media + query)).status;
    assert.equal(await status("?_HLS_msn=99999999999"), 400);
    assert.equal(await status("?_HLS_msn=99999999999999999999999999"), 400);
    assert.equal(await status("?_HLS_part=1"), 400);
    assert.equal(await status("?_HLS_msn=-1"), 400);
    assert.equal(await status("?_HLS_msn=1x"), 400);
    assert.equal(await status("?_HLS_msn=1"), 200);
    await lectureGoesOn();
});

test("200 idle connections disturb nobody", async () => {
    const port = Number(new URL(server.url).port);
    const idle = [];
    for (let i = 0; i < 100; i++) {
        idle.push(connect(port, "127.0.0.1"));
        idle.push(connect(server.rtmpPort, "127.0.0.1"));
    }
    await Promise.all(idle.map((s) => once(s, "connect")));
    await lectureGoesOn();
    for (const s of idle) s.destroy();
});
