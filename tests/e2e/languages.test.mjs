/* tests/e2e/languages.test.mjs — a lecture in several languages: over SRT with
 * a tone for each, through playlists and rules to a learner who chooses one
 * and hears it. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir } from "node:fs/promises";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { MultitrackPublisher, encode, parseTrack }
    from "../tools/multitrack.mjs";
import { axe } from "./lib/axe.mjs";
import { Viewer, launch } from "./lib/browser.mjs";
import { hearing, pitch } from "./lib/hearing.mjs";
import { publishSounds } from "./lib/languages.mjs";
import { plainPage } from "./lib/plain.mjs";
import { Program } from "./lib/process.mjs";
import { KEY, Lectern, hasSegments } from "./lib/server.mjs";
import { until } from "./lib/wait.mjs";

const run = promisify(execFile);
const BUILD = process.env.LECTERN_BUILD ?? "build";
const SHOTS = "build/tests/e2e";
const near = (tone) => (heard) => Math.abs(heard - tone) < tone / 20;

let server, browser, lecturer;

before(async () => {
    await mkdir(SHOTS, { recursive: true });
    server = await Lectern.start({ srt: true, realtime: true });
    browser = await launch();
    lecturer = publishSounds(server.srt(), [
        { tone: 1000, language: "eng" },
        { tone: 400, language: "ger" },
        { tone: 2000, language: "fra", codec: "libopus" },
        { tone: 700, language: "deu", channels: 1 },
    ]);
    await server.isLive();
});
after(async () => {
    await browser?.close();
    await lecturer?.stop();
    const ended = await server?.stop();
    assert.equal(ended?.code, 0, server.log.slice(-20).join("\n"));
});

/** The group's members, once the playlist has `count`. */
const group = (count) => until(`${count} languages`, async () => {
    const text = await (await fetch(server.playlist())).text();
    const lines = text.match(/^#EXT-X-MEDIA:.*$/gm) ?? [];
    return lines.length === count && lines;
});

test("every sound is a rendition, by name", async () => {
    const lines = await group(4);
    const said = lines.map((line) => ["NAME", "LANGUAGE", "CHANNELS"].map(
        (name) => line.match(`[,]${name}="([^"]*)"`)?.[1]).join(" "));
    assert.deepEqual(said, ["English en 2", "Deutsch de 2", "Français fr 2",
        "Deutsch 2 de 1"]);
    assert.deepEqual(lines.map((line) => /DEFAULT=YES/.test(line)),
        [true, false, false, false]);
});

test("each rendition has its own tone", async () => {
    const lines = await group(4);
    await hasSegments(server.playlist());
    for (const [i, tone] of [1000, 400, 2000, 700].entries()) {
        const uri = lines[i].match(/URI="([^"]*)"/)[1];
        const heard = await pitch(new URL(uri, server.playlist()).href);
        assert.ok(near(tone)(heard), `${uri}: ${heard} Hz, not ${tone}`);
    }
});

test("the rules hold for all of them", async () => {
    const { stdout } = await run(`${BUILD}/lectern`,
        ["check", server.playlist(), "--seconds", "6"]).catch((e) => e);
    assert.match(stdout, /: 0 rules broken/);
});

/** The learner hears this tone. */
const hears = (page, tone) => until(`${tone} Hz is heard`, async () =>
    near(tone)(await hearing(page)));
const menu = (page) => page.getByRole("combobox", { name: "Language" });

test("a learner chooses a language, hears it, and is remembered", async () => {
    const learner = await Viewer.open(browser, server.watch());
    const { page } = learner;
    await learner.becomes("live");
    await menu(page).waitFor();
    assert.deepEqual(await menu(page).locator("option").allInnerTexts(),
        ["English", "Deutsch", "Français", "Deutsch 2"]);
    await hears(page, 1000);
    for (const [name, tone] of [["Français", 2000], ["Deutsch", 400],
        ["English", 1000], ["Deutsch 2", 700]]) {
        await menu(page).selectOption(name);
        await hears(page, tone);
        await learner.sees(30);
    }
    assert.deepEqual(await axe(learner), []);
    await page.screenshot({ path: `${SHOTS}/languages.png` });
    await page.reload();
    await learner.becomes("live");
    await hears(page, 700);
    assert.equal(await menu(page).locator("option:checked").innerText(),
        "Deutsch 2");
    assert.deepEqual(learner.errors, []);
    await learner.close();
});

test("by keyboard alone", async () => {
    const learner = await Viewer.open(browser, server.watch());
    const { page } = learner;
    await learner.becomes("live");
    await menu(page).waitFor();
    for (let i = 0; i < 20; i++) {
        await page.keyboard.press("Tab");
        if (await menu(page).evaluate((it) => it === document.activeElement))
            break;
    }
    await page.keyboard.press("ArrowDown");
    await hears(page, 400);
    await learner.close();
});

test("360 px wide, the bar holds it", async () => {
    const learner = await Viewer.open(browser, server.watch(), {
        viewport: { width: 360, height: 740 },
        hasTouch: true, isMobile: true, deviceScaleFactor: 2,
    });
    const { page } = learner;
    await learner.becomes("live");
    await menu(page).waitFor();
    const wide = await page.evaluate(() =>
        document.documentElement.scrollWidth);
    await page.screenshot({ path: `${SHOTS}/languages-360.png` });
    assert.ok(wide <= 360, `${wide} px wide`);
    await learner.close();
});

test("in real time the others are one choice away", async () => {
    const learner = await Viewer.open(browser,
        server.watch("demo", "?mode=realtime"));
    const { page } = learner;
    await until("real time", async () =>
        (await learner.player)?.shown === "realtime" &&
        (await learner.player).state === "live");
    await menu(page).waitFor();
    assert.deepEqual(await menu(page).locator("option").allInnerTexts(),
        ["English", "Deutsch (standard)", "Français (standard)",
            "Deutsch 2 (standard)"]);
    await page.screenshot({ path: `${SHOTS}/languages-realtime.png` });
    await menu(page).selectOption("Deutsch (standard)");
    await until("standard", async () =>
        (await learner.player).shown === "standard");
    await hears(page, 400);
    await learner.close();
});

test("plain hls.js plays the first, and the others when told", async () => {
    const learner = await Viewer.open(browser, `${server.url}/healthz`);
    const { page } = learner;
    await plainPage(page, server.playlist());
    await hears(page, 1000);
    await page.evaluate(() => { window.hls.audioTrack = 1; });
    await hears(page, 400);
    await learner.close();
});

/** Does a playlist have this tone? Before it has a whole segment ffmpeg finds
 *  none in it. */
const sounds = (url, tone) => pitch(url).then(
    tone ? near(tone) : (heard) => heard === 0, () => false);

/** Another lecture, on a server of its own. */
async function begin(publish) {
    await lecturer?.stop();
    await server.stop();
    server = await Lectern.start({ srt: true });
    lecturer = await publish();
    await server.isLive();
}
const uris = async () => (await group(2)).map((line) =>
    new URL(line.match(/URI="([^"]*)"/)[1], server.playlist()).href);

test("enhanced RTMP's tracks have their languages, too", async () => {
    const media = await encode({ sounds: 2,
        tracks: ["320x180@300"].map(parseTrack) });
    let publisher;
    await begin(async () => {
        publisher = await MultitrackPublisher.open(server.rtmpPort, KEY, media,
            { languages: ["eng", "ger"] });
        return { stop: () => publisher.end() };
    });
    const lines = await group(2);
    assert.match(lines[0], /NAME="English".*LANGUAGE="en"/);
    assert.match(lines[1], /NAME="Deutsch".*LANGUAGE="de"/);
    const [english, german] = await uris();
    await until("English", () => sounds(english, 440));
    await until("German", () => sounds(german, 880));
});

test("a language that ends is silent, and nobody waits for it", async () => {
    await begin(() => publishSounds(server.srt(), [
        { tone: 1000, language: "eng" },
        { tone: 400, language: "deu", seconds: 12 }]));
    const learner = await Viewer.open(browser, server.watch());
    await learner.becomes("live");
    await menu(learner.page).selectOption("Deutsch");
    await hears(learner.page, 400);
    await until("silence", async () => await hearing(learner.page) === 0);
    await learner.sees(90);
    assert.equal((await learner.player).state, "live");
    await menu(learner.page).selectOption("English");
    await hears(learner.page, 1000);
    const [, german] = await uris();
    await until("its playlist is silent", () => sounds(german, 0));
    assert.deepEqual(learner.errors, []);
    await learner.close();
});

test("a child that dies costs one language a moment", async () => {
    await begin(() => publishSounds(server.srt(), [
        { tone: 1000, language: "eng" },
        { tone: 400, language: "deu", codec: "libopus" }]));
    const children = () => server.log.filter((line) =>
        /event=child_up .*makes=sound/.test(line)).length;
    const [, german] = await uris();
    await until("German", () => sounds(german, 400));
    const ups = children();
    const made = server.log.filter((line) => /makes=sound/.test(line)).at(-1);
    process.kill(Number(made.match(/pid=(\d+)/)[1]), "SIGKILL");
    await until("a new one", () => children() > ups);
    await until("German again", () => sounds(german, 400));
    const { stdout } = await run(`${BUILD}/lectern`,
        ["check", server.playlist(), "--seconds", "6"]).catch((e) => e);
    assert.match(stdout, /: 0 rules broken/);
});

test("a publisher that comes back may bring another language", async () => {
    await begin(() => publishSounds(server.srt(),
        [{ tone: 1000, language: "eng" }]));
    const { generation } = await server.channel();
    const learner = await Viewer.open(browser, server.watch());
    await learner.becomes("live");
    await hears(learner.page, 1000);
    await lecturer.stop();
    lecturer = publishSounds(server.srt(), [
        { tone: 1000, language: "eng" }, { tone: 400, language: "deu" }]);
    const [, german] = await uris();
    await until("German", () => sounds(german, 400));
    assert.equal((await server.channel()).generation, generation);
    /* Who was there before is offered it, too. */
    await menu(learner.page).selectOption("Deutsch");
    await hears(learner.page, 400);
    assert.deepEqual(learner.errors, []);
    await learner.close();
});

test("sound alone plays, in each language", async () => {
    await begin(() => publishSounds(server.srt(), [
        { tone: 1000, language: "eng" }, { tone: 400, language: "deu" }],
    { picture: false }));
    await uris();
    const { stdout } = await run(`${BUILD}/lectern`,
        ["check", server.playlist(), "--seconds", "6"]).catch((e) => e);
    assert.match(stdout, /: 0 rules broken/);
    const learner = await Viewer.open(browser, server.watch());
    await learner.becomes("live");
    await hears(learner.page, 1000);
    await menu(learner.page).selectOption("Deutsch");
    await hears(learner.page, 400);
    assert.deepEqual(learner.errors, []);
    await learner.close();
});

test("a lecture in one language has no menu", async () => {
    await begin(() => publishSounds(server.srt(),
        [{ tone: 1000, language: "eng" }]));
    const learner = await Viewer.open(browser, server.watch());
    await learner.becomes("live");
    await learner.sees(30);
    assert.equal(await menu(learner.page).isVisible(), false);
    await learner.close();
});
