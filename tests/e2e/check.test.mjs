/* tests/e2e/check.test.mjs — our own conformance checker on our own streams,
 * over HTTP/1.1 and h2: no rule may be broken. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Publisher } from "./lib/ffmpeg.mjs";
import { Program } from "./lib/process.mjs";
import { Lectern } from "./lib/server.mjs";

const BUILD = process.env.LECTERN_BUILD ?? "build";
/** @type {Lectern} */
let server;
let publisher;

before(async () => {
    server = await Lectern.start({ tls: true });
    publisher = new Publisher(server.rtmp());
    await server.isLive();
});

after(async () => {
    await publisher?.stop();
    await server?.stop();
});

async function check(url, ...options) {
    const program = new Program(`${BUILD}/lectern`,
        ["check", url, "--seconds", "6", ...options]);
    const { code } = await program.gone;
    return { code, said: program.lines.join("\n") };
}

test("over HTTP/1.1", async () => {
    const { code, said } = await check(server.playlist(), "--http1");
    assert.match(said, /over HTTP\/1.*: 0 rules broken/);
    assert.equal(code, 0, said);
});

test("over HTTP/2 with TLS", async () => {
    const url = server.playlist().replace(server.url, server.httpsUrl);
    const { code, said } = await check(url, "--http2");
    assert.match(said, /over HTTP\/2.*: 0 rules broken/);
    assert.equal(code, 0, said);
});

test("a stream that is none is said to be so", async () => {
    const { code, said } = await check(`${server.url}/live/none/index.m3u8`);
    assert.equal(code, 1);
    assert.match(said, /status 404/);
});
