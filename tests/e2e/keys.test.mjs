/* tests/e2e/keys.test.mjs — stream keys changed while a lecture runs: who has
 * the old one is sent away, viewers wait for who has the new one. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { Viewer, launch } from "./lib/browser.mjs";
import { Publisher } from "./lib/ffmpeg.mjs";
import { Program } from "./lib/process.mjs";
import { KEY, Lectern } from "./lib/server.mjs";
import { until } from "./lib/wait.mjs";

const BUILD = process.env.LECTERN_BUILD ?? "build";
const YAML = `channels:\n  - { name: fixed, stream_key: ${KEY} }\n`;

describe("keys", () => {
    let server, browser, learner, lecturer;

    before(async () => {
        server = await Lectern.start({ yaml: YAML, srt: true });
        browser = await launch();
    });
    after(async () => {
        await lecturer?.stop();
        await learner?.close();
        await browser?.close();
        const ended = await server?.stop();
        assert.equal(ended?.code, 0, server.log.slice(-20).join("\n"));
    });

    async function run(...words) {
        const config = server.args.slice(server.args.indexOf("--config"));
        const program = new Program(`${BUILD}/lectern`, [...words, ...config]);
        const { code } = await program.gone;
        return { code, text: program.lines.join("\n") };
    }
    async function json(...words) {
        const { code, text } = await run(...words, "--json");
        assert.equal(code, 0, text);
        return JSON.parse(text);
    }
    const logged = (pattern) => until(`the log has ${pattern}`, () =>
        server.log.some((line) => pattern.test(line)));

    const isWaiting = () => until("the stream waits", async () =>
        (await server.channel("maths")).state !== "live");

    test("a key is replaced while ffmpeg publishes", async () => {
        const made = await json("channel", "create", "maths",
            "--type", "BASIC");
        lecturer = await publishes(server.rtmp(made.stream_key));
        const { generation } = await server.channel("maths");
        learner = await Viewer.open(browser, server.watch("maths"));
        await learner.becomes("live", 60000);

        const { stream_key: fresh } = await json("key", "rotate", "maths");
        assert.match(fresh, /^sk_\w{32}$/);
        assert.notEqual(fresh, made.stream_key);
        await until("who has the old key is sent away", () => lecturer.ended);
        await logged(/event=key_lost .*stream key was replaced/);
        const stranger = new Publisher(server.rtmp(made.stream_key));
        await stranger.gone;

        await isWaiting();
        lecturer = await publishes(server.rtmp(fresh));
        await learner.sees(60);
        assert.equal((await server.channel("maths")).generation, generation);
    });

    test("a revoked key lets nobody in until the next one", async () => {
        assert.equal((await run("key", "revoke", "maths")).code, 0);
        await until("its publisher is sent away", () => lecturer.ended);
        await logged(/event=key_lost .*stream key was revoked/);
        assert.equal((await json("channel", "show", "maths")).key, "revoked");
        const { stream_key: fresh } = await json("key", "rotate", "maths");
        await isWaiting();
        lecturer = await publishes(server.srt(fresh));
        assert.equal((await json("channel", "show", "maths")).key, "set");
    });

    test("a fixed channel's key is the configuration's", async () => {
        for (const verb of ["rotate", "revoke"]) {
            const { code, text } = await run("key", verb, "fixed");
            assert.equal(code, 1);
            assert.match(text, /fixed: its key stands in the configuration/);
        }
        const { code, text } = await run("key", "rotate", "nobody");
        assert.equal(code, 1);
        assert.match(text, /nobody: /);
        assert.equal((await run("key", "burn", "maths")).code, 2);
    });

    /** The server hears of a change within a second: until then, again. */
    async function publishes(url) {
        let now = new Publisher(url);
        await until("the key is known", () => {
            if (now.ended) now = new Publisher(url);
            return server.channel("maths").then((c) => c.state === "live");
        }, 60000);
        return now;
    }
});
