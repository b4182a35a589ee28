/* tests/e2e/faults.test.mjs — what breaks behind the learner's page is
 * noticed as little as can be, and never needs a reload. */
import assert from "node:assert/strict";
import { after, before, beforeEach, afterEach, test } from "node:test";
import { Viewer, launch } from "./lib/browser.mjs";
import { Publisher } from "./lib/ffmpeg.mjs";
import { Lectern } from "./lib/server.mjs";
import { until } from "./lib/wait.mjs";

let server, browser, lecturer, learner;

before(async () => {
    browser = await launch();
});
after(() => browser?.close());

beforeEach(async () => {
    server = await Lectern.start();
    lecturer = new Publisher(server.rtmp());
    await lecturer.isSending();
    learner = await Viewer.open(browser, server.watch());
    await learner.becomes("live");
    await learner.sees(30);
    /* A page that reloads loses this. */
    await learner.page.evaluate(() => (window.sameDocument = true));
});
afterEach(async () => {
    await learner?.close();
    await lecturer?.kill();
    await server?.stop();
});

const sameDocument = () => learner.page.evaluate(() => window.sameDocument);

test("a publisher cut off and back: same URLs, no reload", async () => {
    const before = await server.channel();
    await lecturer.kill();
    await learner.becomes("reconnecting");
    lecturer = new Publisher(server.rtmp());
    await learner.becomes("live");
    await learner.sees(60);
    await learner.settles();
    const now = await server.channel();
    assert.equal(now.generation, before.generation);
    assert.ok(await sameDocument());
    assert.deepEqual(learner.errors, []);
});

test("a second publisher of the same key takes over", async () => {
    const first = lecturer;
    lecturer = new Publisher(server.rtmp());
    await first.gone;
    await lecturer.isSending();
    await learner.sees(90);
    await learner.becomes("live");
    assert.equal((await server.channel()).state, "live");
    assert.ok(await sameDocument());
});

test("a source that stood still for three seconds", async () => {
    const before = await learner.settles();
    lecturer.freeze();
    await until("the picture has stopped", async () =>
        (await learner.player).media === "stalled");
    await new Promise((resolve) => setTimeout(resolve, 3000));
    lecturer.thaw();
    await learner.becomes("live");
    const player = await learner.settles();
    assert.ok(player.target <= before.target + 0.5, `${player.target}`);
    assert.ok(await sameDocument());
});

test("the transcoder dies: the picture goes on, a new one comes", async () => {
    const [pid] = await server.children();
    assert.ok(pid, "there is a transcoder");
    process.kill(pid, "SIGKILL");
    await learner.sees(60);
    await until("a new transcoder", async () => {
        const now = await server.children();
        return now.length === 1 && now[0] !== pid;
    });
    await learner.sees(60);
    assert.equal((await learner.player).state, "live");
    assert.ok(await sameDocument());
});

test("the server is killed and starts again", async () => {
    await server.restart("SIGKILL");
    await lecturer.kill();
    await learner.becomes("reconnecting");
    lecturer = new Publisher(server.rtmp());
    await lecturer.isSending();
    await learner.becomes("live");
    await learner.sees(60);
    assert.ok(await sameDocument());
});
