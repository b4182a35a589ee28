/* tests/e2e/page.test.mjs — the pages themselves: keyboard, accessibility,
 * small screens, shy browsers, and a player that is not ours.
 * Runs alone: keys are pressed while a picture goes on. */
import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import { after, before, test } from "node:test";
import { axe } from "./lib/axe.mjs";
import { SHY, Viewer, launch } from "./lib/browser.mjs";
import { Publisher } from "./lib/ffmpeg.mjs";
import { plainPage } from "./lib/plain.mjs";
import { Lectern } from "./lib/server.mjs";
import { until } from "./lib/wait.mjs";

const SHOTS = "build/tests/e2e";

let server, browser, lecturer;

before(async () => {
    await mkdir(SHOTS, { recursive: true });
    browser = await launch();
    server = await Lectern.start();
    lecturer = new Publisher(server.rtmp());
    await lecturer.isSending();
    await server.isLive();
});
after(async () => {
    await browser?.close();
    await lecturer?.kill();
    await server?.stop();
});

const media = (learner, what) => learner.page.evaluate((name) =>
    document.querySelector("video")[name], what);

test("everything by keyboard", async () => {
    const learner = await Viewer.open(browser, server.watch());
    const { page } = learner;
    await learner.becomes("live");
    const after = async (key, what, value) => {
        await page.keyboard.press(key);
        await until(`${key}: ${what} is ${value}`, async () =>
            (await media(learner, what)) === value);
    };
    await after("k", "paused", true);
    await after(" ", "paused", false);
    await after("m", "muted", true);
    await after("m", "muted", false);
    await after("ArrowDown", "volume", 0.9);
    await after("ArrowUp", "volume", 1);
    await learner.sees(150);
    await page.keyboard.press("ArrowLeft");
    await until("five seconds back", async () =>
        (await learner.player).buffer > 4);
    await page.keyboard.press("l");
    await until("live again", async () =>
        (await learner.player).buffer < 2);
    await page.keyboard.press("?");
    await page.getByRole("dialog").waitFor();
    await page.keyboard.press("Escape");
    await page.getByRole("dialog").waitFor({ state: "hidden" });
    await page.keyboard.press("f");
    await until("full screen", () => page.evaluate(() =>
        document.fullscreenElement?.id === "stage"));
    await page.keyboard.press("f");
    await until("no full screen", () => page.evaluate(() =>
        document.fullscreenElement === null));
    await learner.close();
});

test("tab walks the bar in order, each stop visible", async () => {
    const learner = await Viewer.open(browser, server.watch());
    const { page } = learner;
    await learner.becomes("live");
    const stops = [];
    for (let i = 0; i < 9; i++) {
        await page.keyboard.press("Tab");
        stops.push(await page.evaluate(() => {
            const at = document.activeElement;
            const { outlineStyle } = getComputedStyle(at);
            return [at.id || at.className, outlineStyle];
        }));
    }
    const ids = stops.map(([id]) => id);
    assert.deepEqual(ids.filter((id) =>
        ["play", "mute", "volume", "golive", "quality"].includes(id)),
    ["play", "mute", "volume", "golive", "quality"]);
    for (const [id, outline] of stops)
        assert.notEqual(outline, "none", `focus on ${id} is seen`);
    await learner.close();
});

/** The pages without a player, once their script has run. */
const isDrawn = (page, name) => (name === "studio"
    ? page.getByText("Turn the camera on")
    : page.getByRole("link", { name: "demo" })).waitFor();

for (const colorScheme of ["light", "dark"])
    test(`axe finds nothing, ${colorScheme}`, async () => {
        const pages = {
            live: [server.watch("demo", "?stats=1"), "live"],
            waiting: [server.watch("later"), "waiting"],
            list: [`${server.url}/`, null],
            studio: [`${server.url}/studio`, null],
        };
        for (const [name, [url, state]] of Object.entries(pages)) {
            const learner = await Viewer.open(browser, url, { colorScheme });
            if (state) await learner.becomes(state);
            else await isDrawn(learner.page, name);
            assert.deepEqual(await axe(learner), [], name);
            await learner.page.screenshot({
                path: `${SHOTS}/${name}-${colorScheme}.png`,
            });
            await learner.close();
        }
    });

test("360 px wide, nothing sticks out", async () => {
    for (const [name, url, state] of [
        ["live", server.watch("demo", "?stats=1"), "live"],
        ["waiting", server.watch("later"), "waiting"],
        ["list", `${server.url}/`, null],
        ["studio", `${server.url}/studio`, null],
    ]) {
        const learner = await Viewer.open(browser, url, {
            viewport: { width: 360, height: 740 },
            hasTouch: true, isMobile: true, deviceScaleFactor: 2,
        });
        const { page } = learner;
        if (state) await learner.becomes(state);
        else await isDrawn(page, name);
        const wide = await page.evaluate(() =>
            document.documentElement.scrollWidth);
        assert.ok(wide <= 360, `${name} is ${wide} px wide`);
        await page.screenshot({ path: `${SHOTS}/${name}-360.png` });
        await learner.close();
    }
});

test("a browser that forbids sound gets the picture, and a way", async () => {
    const shy = await launch({ flags: SHY });
    try {
        const learner = await Viewer.open(shy, server.watch());
        /* Nobody has touched the page until it plays. */
        await until("the picture, without sound", () => learner.unseen(
            `window.lectern?.state === "live" && window.lectern.muted &&
                !navigator.userActivation.hasBeenActive`), 30000);
        const tap = learner.page.getByRole("button", { name: "Tap for sound" });
        await tap.waitFor();
        assert.equal(await media(learner, "muted"), true);
        await tap.click();
        await until("sound", async () => !(await media(learner, "muted")));
        await learner.sees(15);
        await tap.waitFor({ state: "hidden" });
    } finally {
        await shy.close();
    }
});

test("a browser without Media Source is told so", async () => {
    const learner = await Viewer.open(browser, "about:blank");
    await learner.page.addInitScript(() => {
        delete window.MediaSource;
        delete window.ManagedMediaSource;
        delete window.WebKitMediaSource;
    });
    await learner.page.goto(server.watch());
    await learner.page.getByText("This browser cannot play").waitFor();
    await learner.close();
});

test("who comes again asks for the page alone", async () => {
    const learner = await Viewer.open(browser, server.watch());
    const { page } = learner;
    await learner.becomes("live");
    await page.reload();
    await learner.becomes("live");
    const files = await page.evaluate(() =>
        performance.getEntriesByType("resource")
            .filter(({ name }) => name.includes("/assets/"))
            .map(({ name, transferSize }) => ({ name, transferSize })));
    assert.ok(files.length > 20, `${files.length} files`);
    for (const { name, transferSize } of files)
        assert.equal(transferSize, 0, name);
    await learner.close();
});

test("over TLS it all comes by HTTP/2", async () => {
    const secure = await Lectern.start({ tls: true });
    const other = new Publisher(secure.rtmp());
    try {
        await other.isSending();
        await secure.isLive();
        const learner = await Viewer.open(browser,
            `${secure.httpsUrl}/watch/demo`, { ignoreHTTPSErrors: true });
        await learner.becomes("live");
        await learner.sees(30);
        const protocols = await learner.page.evaluate(() =>
            [...new Set(performance.getEntriesByType("resource")
                .map((entry) => entry.nextHopProtocol))]);
        assert.deepEqual(protocols.filter(Boolean), ["h2"]);
        await learner.close();
    } finally {
        await other.kill();
        await secure.stop();
    }
});

test("plain hls.js with its defaults plays it", async () => {
    const learner = await Viewer.open(browser, `${server.url}/healthz`);
    await plainPage(learner.page, server.playlist());
    await until("the plain player moves", () => learner.page.evaluate(() =>
        window.framesSeen > 60));
    await learner.close();
});
