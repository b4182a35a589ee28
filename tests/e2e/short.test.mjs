/* tests/e2e/short.test.mjs — the line from end to end without a browser, so
 * short that it also runs under sanitizers. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Publisher } from "./lib/ffmpeg.mjs";
import { Lectern } from "./lib/server.mjs";
import { until } from "./lib/wait.mjs";

let server, lecturer;

before(async () => {
    server = await Lectern.start();
});
after(async () => {
    await lecturer?.kill();
    const ended = await server?.stop();
    assert.equal(ended?.code, 0, server.log.slice(-20).join("\n"));
});

const text = async (url) => {
    const answer = await fetch(url);
    assert.equal(answer.status, 200, url);
    return answer.text();
};

test("a wrong key is refused, and told why", async () => {
    const stranger = new Publisher(server.rtmp("not-the-key"));
    await stranger.gone;
    assert.ok(stranger.lines.some((line) => /wrong stream key/.test(line)),
        stranger.lines.slice(-10).join("\n"));
    assert.equal((await server.channel()).state, "offline");
});

test("a lecture gets its playlists, and they advance", async () => {
    lecturer = new Publisher(server.rtmp());
    await lecturer.isSending();
    await server.isLive();
    const top = await text(server.playlist());
    assert.match(top, /#EXT-X-STREAM-INF:.*CODECS="avc1\.[^"]*mp4a\.40\.2"/);
    assert.match(top, /#EXT-X-MEDIA:TYPE=AUDIO/);
    const rung = top.split("\n").find((line) => line && !line.startsWith("#"));
    const url = new URL(rung, server.playlist()).href;
    const first = await text(url);
    assert.match(first, /#EXT-X-SERVER-CONTROL:.*CAN-BLOCK-RELOAD=YES/);
    const hint = /PRELOAD-HINT:TYPE=PART,URI="(\d+)\.(\d+)\.m4s"/;
    const [, msn, part] = first.match(hint);
    const next = await text(`${url}?_HLS_msn=${msn}&_HLS_part=${part}`);
    assert.ok(next.includes(`"${msn}.${part}.m4s"`), "the hinted part came");
    const media = await fetch(new URL(`${msn}.${part}.m4s`, url));
    assert.equal(media.status, 200);
    assert.ok((await media.arrayBuffer()).byteLength > 1000);
});

test("a second publisher takes the lecture over", async () => {
    const first = lecturer;
    lecturer = new Publisher(server.rtmp());
    await first.gone;
    const { generation } = await server.isLive()
        .then(() => server.channel());
    assert.ok(generation > 0);
    await lecturer.isSending();
});

test("the lecturer says good-bye", async () => {
    await lecturer.stop();
    await until("the channel is over or waits", async () =>
        (await server.channel()).state !== "live");
});
