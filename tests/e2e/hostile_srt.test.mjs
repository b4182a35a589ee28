/* tests/e2e/hostile_srt.test.mjs — strangers at the SRT port of a server at
 * work: nothing they send costs it memory, fills its log, or is noticed by who
 * publishes beside them. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, describe, test } from "node:test";
import { Encoder, ffmpeg } from "./lib/encoder.mjs";
import { Net, SERVER, hasNamespaces } from "./lib/netns.mjs";
import { Program } from "./lib/process.mjs";
import { KEY, Lectern } from "./lib/server.mjs";
import { RawSrt, garbage, handshake } from "./lib/srt_raw.mjs";
import { until } from "./lib/wait.mjs";

const BUILD = process.env.LECTERN_BUILD ?? "build";
const OTHER = "other-key";
const YAML = "channels:\n" +
    `  - { name: demo, stream_key: ${KEY}, type: BASIC }\n` +
    `  - { name: other, stream_key: ${OTHER}, type: BASIC }\n`;
/** What strangers may add to the server's memory, kB. */
const ROOM = 48 << 10;
/** Refusals are logged 20 a second. */
const LINES = 20;

let server;

const counter = async (name, labels = /./) => {
    const text = await (await fetch(`${server.url}/metrics`)).text();
    return text.split("\n").filter((l) => l.startsWith(name) && labels.test(l))
        .reduce((sum, l) => sum + Number(l.split(" ").at(-1)), 0);
};
const memory = async () => Number((await readFile(
    `/proc/${server.program.pid}/status`, "utf8")).match(/VmRSS:\s+(\d+)/)[1]);

/** What it costs while `act` runs, and whether the lecture goes on. Those who
 *  are let in have their lines, too: `more`. */
async function withstands(encoder, act, more = 0, most = ROOM) {
    const room = await memory(), lines = server.log.length;
    const begun = performance.now();
    await act();
    const seconds = Math.ceil((performance.now() - begun) / 1000) + 1;
    const check = new Program(`${BUILD}/lectern`,
        ["check", server.playlist(), "--seconds", "5"]);
    const { code } = await check.gone;
    assert.equal(code, 0, check.lines.join("\n"));
    assert.equal(encoder.starts, 1, "the good publisher is still there");
    assert.ok(await memory() - room < most, `${await memory() - room} kB`);
    assert.ok(server.log.length - lines <=
        (LINES + 5) * seconds + more,
        `${server.log.length - lines} lines in ${seconds} s`);
}

describe("strangers on loopback", () => {
    let encoder;

    before(async () => {
        server = await Lectern.start({ srt: true, yaml: YAML });
        encoder = new Encoder(ffmpeg(server.srt()));
        await server.isLive();
    });
    after(async () => {
        await encoder?.stop();
        const ended = await server?.stop();
        assert.equal(ended?.code, 0, server.log.slice(-20).join("\n"));
    });

    const stranger = () => new RawSrt("127.0.0.1", server.srtPort);

    test("a good publisher's handshake by hand is understood", async () => {
        const one = stranger();
        const cookie = await one.induce();
        assert.ok(cookie);
        assert.equal(await one.conclude(cookie, OTHER), "held");
        one.close();
        const bad = stranger();
        assert.equal(await bad.conclude(await bad.induce(), "nobody's"), 2401);
        bad.close();
    });

    test("20000 datagrams of garbage", () => withstands(encoder, async () => {
        const from = Array.from({ length: 50 }, stranger);
        const data = garbage();
        for (let i = 0; i < 400; i++)
            await Promise.all(from.map((one) => one.send(data.next().value)));
        for (const one of from) one.close();
    }));

    test("200 handshakes that are never concluded", () =>
        withstands(encoder, async () => {
            const from = Array.from({ length: 200 }, stranger);
            for (const one of from) assert.ok(await one.induce());
            /* and again with what is nearly the answer */
            for (const one of from)
                await one.send(handshake({ version: 5, id: one.id,
                    kind: 0xffffffff, cookie: 1 }));
            for (const one of from) one.close();
        }));

    test("a caller with a key and a window of 20 million packets", () =>
        withstands(encoder, async () => {
            const dropped = () => counter("lectern_srt_udp_dropped_total");
            const before = await dropped();
            for (const window of [65537, 20000000, 0x7fffffff, 0xffffffff]) {
                const one = stranger();
                await one.send(handshake({ version: 5, window }));
                assert.equal(await one.conclude(await one.induce(), OTHER,
                    window), null);
                one.close();
            }
            await until("they are counted", async () =>
                await dropped() >= before + 8);
        }));

    test("200 callers with a wrong key: counted, and a few of them logged",
        () => withstands(encoder, async () => {
            const refused = await counter("lectern_srt_refused_total", /1401/);
            const from = Array.from({ length: 200 }, stranger);
            for (let at = 0; at < from.length; at += 20)
                await Promise.all(from.slice(at, at + 20).map(async (one) =>
                    assert.equal(
                        await one.conclude(await one.induce(), "wrong"), 2401)));
            for (const one of from) one.close();
            assert.ok(await counter("lectern_srt_refused_total", /1401/) >=
                refused + 200);
        }));

    test("150 who have a key and nothing to say are sent away", async () => {
        const closed = () => counter("lectern_srt_connections_closed_total");
        const come = async () => {
            const before = await closed();
            const holders = new Program(process.execPath, [
                "tests/e2e/lib/srt_raw.mjs", "127.0.0.1",
                String(server.srtPort), OTHER, "150"]);
            await holders.said(/^held 150 refused 0$/, 60000);
            await until("all are gone", async () =>
                await closed() >= before + 150, 60000);
            await holders.stop();
        };
        /* Each has its place in memory, which is used again, though not before
         * libsrt has buried who had it: there may be two to a place. */
        const before = await memory();
        await come();
        const places = await memory() - before;
        await withstands(encoder, async () => {
            await come();
            await come();
        }, 300 * 5, places + ROOM);
    });
});

describe("one address that holds many connections",
    { skip: !hasNamespaces && "needs namespaces" }, () => {
        let net, encoder;

        before(async () => {
            net = await Net.create();
            server = await Lectern.start({ net, srt: true, yaml: YAML,
                set: { "webrtc.listen": "",
                    "limits.ingest_per_address": 16 } });
            /* From another address than the strangers'. */
            encoder = new Encoder(ffmpeg(server.srt()));
            await server.isLive();
        });
        after(async () => {
            await encoder?.stop();
            await server?.stop();
            await net?.free();
        });

        test("has its share, and the others have theirs", () =>
            withstands(encoder, async () => {
                const over = () => counter("lectern_srt_refused_total",
                    /1402|accept/);
                const before = await over();
                const [command, ...words] = net.inside("viewer",
                    process.execPath, "tests/e2e/lib/srt_raw.mjs", SERVER,
                    String(server.srtPort), OTHER, "100");
                const holders = new Program(command, words);
                await until("the others are refused", async () =>
                    await over() >= before + 100 - 16, 60000);
                const late = new Encoder(ffmpeg(server.srt(OTHER)));
                await server.isLive("other");
                await late.stop();
                await holders.stop();
            }, 500));
    });
