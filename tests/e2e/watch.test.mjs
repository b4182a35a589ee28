/* tests/e2e/watch.test.mjs — a lecturer publishes, a learner watches. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Viewer, launch } from "./lib/browser.mjs";
import { Publisher } from "./lib/ffmpeg.mjs";
import { Lectern } from "./lib/server.mjs";
import { until } from "./lib/wait.mjs";

let server, browser, lecturer, learner;

before(async () => {
    browser = await launch();
});
after(async () => {
    await learner?.close();
    await browser?.close();
    await lecturer?.kill();
    await server?.stop();
});

test("before the lecture, the page waits and the list is empty", async () => {
    server = await Lectern.start();
    learner = await Viewer.open(browser, server.watch());
    await learner.becomes("waiting");
    const line = learner.page.getByRole("status");
    assert.match(await line.textContent(), /has not started/);
    const list = await Viewer.open(browser, `${server.url}/`);
    await list.page.getByText("Nothing is live right now").waitFor();
    await list.close();
});

test("the lecture begins, and the page plays by itself", async () => {
    lecturer = new Publisher(server.rtmp());
    await lecturer.isSending();
    await learner.becomes("live");
    await learner.sees(30);
});

test("playback comes down to the hold-back and holds it", async () => {
    const player = await learner.settles();
    assert.ok(player.rate >= 0.95 && player.rate <= 1.08);
    const ages = await learner.ages(90, 640);
    assert.equal(ages.length, 90, "the clock in the picture can be read");
    const text = await learner.page.locator("#golive").textContent();
    assert.match(text, /^\d+\.\d s behind$/);
});

test("sound is decoded", async () => {
    const heard = () => learner.page.evaluate(() =>
        document.querySelector("video").webkitAudioDecodedByteCount);
    const from = await heard();
    await until("more sound", async () => (await heard()) > from);
});

test("the quality menu changes the rung and goes back to auto", async () => {
    const { page } = learner;
    const menu = page.getByLabel("Quality");
    const names = await menu.locator("option").allTextContents();
    assert.ok(names.length >= 3, `rungs: ${names}`);
    const height = () => page.evaluate(() =>
        document.querySelector("video").videoHeight);
    const lowest = names.at(-1);
    await menu.selectOption({ label: lowest });
    await until(`the picture is ${lowest}`, async () =>
        `${await height()}p` === lowest);
    await learner.sees(15);
    await menu.selectOption("-1");
    await until("the picture is 360p", async () => (await height()) === 360);
    assert.equal((await learner.player).state, "live");
});

test("the front page lists it and leads to it", async () => {
    const list = await Viewer.open(browser, `${server.url}/`);
    const link = list.page.getByRole("link", { name: "demo" });
    await link.click();
    await list.page.waitForURL("**/watch/demo");
    await list.becomes("live");
    assert.deepEqual(list.strangers, []);
    await list.close();
});

test("nothing was asked of another host, nothing threw", () => {
    assert.deepEqual(learner.strangers, []);
    assert.deepEqual(learner.errors, []);
});

test("the lecturer leaves, and the page says so in the end", async () => {
    await lecturer.stop();
    await until("the page has noticed", async () =>
        ["reconnecting", "ended"].includes((await learner.player)?.state));
    await learner.becomes("ended", 60000);
    assert.match(await learner.page.getByRole("status").textContent(),
        /has ended/);
});

test("the next lecture plays on the page of the last one", async () => {
    lecturer = new Publisher(server.rtmp());
    await lecturer.isSending();
    await learner.becomes("live");
    await learner.sees(30);
    assert.deepEqual(learner.errors, []);
});
