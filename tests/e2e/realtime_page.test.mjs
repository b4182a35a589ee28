/* tests/e2e/realtime_page.test.mjs — the learner's page in real time and the
 * studio, over wires that can be cut. The page's own account (window.lectern)
 * is asked; what is painted is read from the picture.
 * Runs alone: latency and gaps are measured. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { after, before, describe, test } from "node:test";
import puppeteer from "puppeteer-core";
import { Viewer } from "./lib/browser.mjs";
import { Publisher } from "./lib/ffmpeg.mjs";
import { Net, SERVER, hasNamespaces } from "./lib/netns.mjs";
import { launchRtc } from "./lib/rtc.mjs";
import { KEY, Lectern } from "./lib/server.mjs";
import { until } from "./lib/wait.mjs";

const SHOTS = "build/tests/e2e";
/** A channel, and its key, on which nobody has spoken yet. */
const LATER = "later";

describe("the pages in real time",
    { skip: !hasNamespaces && "needs namespaces" }, () => {
        let net, server, browser, base;

        before(async () => {
            await mkdir(SHOTS, { recursive: true });
            net = await Net.create();
            server = await Lectern.start({ net, tls: true,
                yaml: "channels:\n" + [["demo", KEY], [LATER, LATER]]
                    .map(([name, key]) => `  - { name: ${name}, ` +
                        `stream_key: ${key}, type: STANDARD, latency: LOW }\n`)
                    .join("") });
            browser = await launchRtc({
                net, flags: ["--auto-select-desktop-capture-source=Entire"],
            });
            base = `https://${SERVER}:${new URL(server.httpsUrl).port}`;
        });

        after(async () => {
            await browser?.close();
            await server?.stop();
            await net?.free();
        });

        const open = (path) => Viewer.open(browser, `${base}${path}`,
            { ignoreHTTPSErrors: true });
        const watch = (query = "", channel = "demo") =>
            open(`/watch/${channel}${query}`);

        async function lecture(channel = "demo", key = KEY) {
            const lecturer = new Publisher(server.rtmp(key));
            await lecturer.isSending();
            await server.isLive(channel);
            return lecturer;
        }

        /** The page's account fits, within `bound` ms. */
        const is = (learner, what, fits, bound = 60000) =>
            until(what, async () => {
                const player = await learner.player;
                return player && fits(player) && player;
            }, bound);
        const inRealTime = (learner, protocol) =>
            is(learner, `real time over ${protocol}`, (player) =>
                player.mode === "realtime" && player.media === "playing" &&
                player.protocol === protocol);
        const says = (learner, text) => learner.page.getByText(text).waitFor();

        /** From now on, notes how often nothing was in the picture. */
        const watchForGaps = (learner) => learner.page.evaluate(() => {
            window.gaps = { looks: 0, empty: 0 };
            const look = () => {
                const video = document.querySelector("video");
                window.gaps.looks++;
                /* While it seeks, the frame before stays painted. */
                const has = video.readyState >= 2 || video.seeking;
                if (!has || video.videoWidth === 0) window.gaps.empty++;
                requestAnimationFrame(look);
            };
            look();
        });
        const hadNoGap = async (learner) => {
            const { looks, empty } = await learner.page.evaluate(() =>
                window.gaps);
            assert.ok(looks > 0);
            assert.equal(empty, 0, "a picture at each look");
        };

        test("real time when the address asks; nearer than standard", async () => {
            const lecturer = await lecture();
            const learner = await watch("?mode=realtime&stats=1");
            await inRealTime(learner, "udp");
            await says(learner, "Real time over UDP");
            await learner.sees(90);
            const player = await is(learner, "a latency is shown",
                ({ latency }) => latency !== null);
            assert.ok(player.latency < 0.6, `${player.latency} s`);
            assert.equal(player.stalls, 0);
            assert.deepEqual(learner.errors, []);
            await learner.page.screenshot(
                { path: `${SHOTS}/realtime.png` });
            await learner.close();
            await lecturer.kill();
        });

        test("the learner goes from one to the other without a gap", async () => {
            const lecturer = await lecture();
            const learner = await watch();
            await learner.becomes("live");
            await learner.sees(15);
            await watchForGaps(learner);
            await learner.page.getByRole("radio", { name: "Real time" }).check();
            await inRealTime(learner, "udp");
            await learner.sees(30);
            await learner.page.keyboard.press("r");
            await is(learner, "standard", ({ shown, mode }) =>
                shown === "standard" && mode === "standard");
            await learner.sees(30);
            await hadNoGap(learner);
            const chosen = await learner.page.evaluate(() =>
                localStorage.getItem("lectern.mode"));
            assert.equal(chosen, "standard", "remembered");
            await learner.close();
            await lecturer.kill();
        });

        test("the chosen quality and volume go along", async () => {
            const lecturer = await lecture();
            const learner = await watch("?mode=realtime");
            const { page } = learner;
            await inRealTime(learner, "udp");
            await until("renditions are listed", () => page.evaluate(() =>
                document.getElementById("quality").options.length > 2));
            await page.locator("#quality").selectOption({ label: "160p" });
            await is(learner, "160p", ({ level }) => level === 160);
            await page.keyboard.press("ArrowDown");
            await page.keyboard.press("m");
            await page.keyboard.press("r");
            await is(learner, "160p in standard too", (player) =>
                player.mode === "standard" && player.level === 160);
            const sound = await page.evaluate(() => {
                const { volume, muted } = document.querySelector("video");
                return { volume, muted };
            });
            assert.deepEqual(sound, { volume: 0.9, muted: true });
            await learner.close();
            await lecturer.kill();
        });

        test("without UDP it is real time over TCP, and says so", async () => {
            const lecturer = await lecture();
            net.block("udp");
            try {
                const learner = await watch("?mode=realtime");
                await inRealTime(learner, "tcp");
                await says(learner, "Real time over TCP");
                await learner.sees(30);
                await learner.close();
            } finally {
                net.unblock();
            }
            await lecturer.kill();
        });

        test("UDP dies in mid-lecture: TCP, and no gap", async () => {
            const lecturer = await lecture();
            const learner = await watch("?mode=realtime");
            await inRealTime(learner, "udp");
            await learner.sees(30);
            await watchForGaps(learner);
            net.block("udp");
            try {
                await inRealTime(learner, "tcp");
                await learner.sees(30);
                await hadNoGap(learner);
            } finally {
                net.unblock();
            }
            await learner.close();
            await lecturer.kill();
        });

        test("neither UDP nor TCP: standard, and back when it can be", async () => {
            const lecturer = await lecture();
            net.block("udp");
            net.block("8189");
            const learner = await watch("?mode=realtime");
            try {
                const player = await is(learner, "standard plays", (it) =>
                    it.mode === "standard" && it.media === "playing");
                assert.equal(player.state, "live");
                await says(learner, "Real time is tried again by itself");
            } finally {
                net.unblock();
            }
            await inRealTime(learner, "udp");
            await learner.close();
            await lecturer.kill();
        });

        test("a lecturer who stands still moves nobody", async () => {
            const lecturer = await lecture();
            const learner = await watch("?mode=realtime");
            await inRealTime(learner, "udp");
            lecturer.freeze();
            await is(learner, "a stall", ({ media }) => media === "stalled");
            lecturer.thaw();
            const player = await inRealTime(learner, "udp");
            assert.equal(player.shown, "realtime");
            await learner.close();
            await lecturer.kill();
        });

        test("before the lecture it waits, and begins by itself", async () => {
            const learner = await watch("?mode=realtime", LATER);
            await learner.becomes("waiting");
            const lecturer = await lecture(LATER, LATER);
            await inRealTime(learner, "udp");
            await learner.close();
            await lecturer.stop();
        });

        const studio = async () => {
            const lecturer = await open("/studio?channel=demo");
            await lecturer.page.locator("#look").click();
            await until("a preview", () => lecturer.page.evaluate(() =>
                document.getElementById("preview").videoWidth > 0));
            return lecturer;
        };
        const goLive = (lecturer) =>
            lecturer.page.getByRole("button", { name: "Go live" }).click();
        const isLive = (lecturer) => lecturer.page.locator("#state",
            { hasText: "Live" }).waitFor();

        test("live from the studio, and off again", async () => {
            const lecturer = await studio();
            const { page } = lecturer;
            await page.getByLabel("Stream key").fill("not-the-key");
            await goLive(lecturer);
            await page.getByRole("alert")
                .filter({ hasText: "The stream key is not that of" }).waitFor();
            await page.getByLabel("Stream key").fill(KEY);
            await goLive(lecturer);
            await isLive(lecturer);
            assert.ok(!page.url().includes(KEY), "no key in the address");
            const learner = await watch("?mode=realtime");
            await inRealTime(learner, "udp");
            await learner.sees(30);
            await until("figures", async () => /Mbit/.test(
                await page.locator("#f-rate").textContent()));
            await page.getByText("All is well.").waitFor();
            await until("what the server hears and sees", async () =>
                /^−?\d+ dB$/.test(await page.locator("#f-hears")
                    .textContent()) &&
                /^\d+ s$/.test(await page.locator("#f-still").textContent()));
            await page.screenshot({ path: `${SHOTS}/studio-live.png` });
            await page.getByLabel("Microphone").selectOption("none");
            await page.getByRole("listitem")
                .filter({ hasText: "microphone" }).waitFor();
            assert.equal(await page.getByText("All is well.").count(), 0);
            await page.screenshot({ path: `${SHOTS}/studio-mute.png` });
            await page.getByRole("button", { name: "Stop" }).click();
            await page.locator("#state", { hasText: "Off air" }).waitFor();
            await page.locator("#stream").waitFor({ state: "hidden" });
            await until("the server knows", async () =>
                (await server.channel()).state !== "live");
            assert.deepEqual(lecturer.errors, []);
            await learner.close();
            await lecturer.close();
        });

        test("the studio comes back from a dead path", async () => {
            const lecturer = await studio();
            await lecturer.page.getByLabel("Stream key").fill(KEY);
            await goLive(lecturer);
            await isLive(lecturer);
            net.block("udp");
            net.block("8189");
            try {
                await lecturer.page.locator("#state",
                    { hasText: "Reconnecting" }).waitFor();
            } finally {
                net.unblock();
            }
            await isLive(lecturer);
            await server.isLive();
            await lecturer.page.getByRole("button", { name: "Stop" }).click();
            await lecturer.close();
        });

        test("on a page that is not secure the studio says where to go",
            async () => {
                const lecturer = await Viewer.open(browser,
                    `${server.viewerUrl}/studio`);
                await lecturer.page.getByText(
                    `Open https://${SERVER}:8443/studio instead`).waitFor();
                await lecturer.close();
            });
    });

const FIREFOX = process.env.FIREFOX ?? "/usr/bin/firefox-esr";

test("Firefox, without H.264 in WebRTC: standard at once, and the reason",
    { skip: !existsSync(FIREFOX) && "needs Firefox" }, async () => {
        const server = await Lectern.start({ realtime: true });
        const lecturer = new Publisher(server.rtmp());
        const browser = await puppeteer.launch({
            browser: "firefox",
            executablePath: FIREFOX,
            headless: true,
            extraPrefsFirefox: { "media.autoplay.default": 0 },
        });
        try {
            await lecturer.isSending();
            await server.isLive();
            const page = await browser.newPage();
            await page.goto(server.watch("demo", "?mode=realtime"));
            const player = await until("standard plays", async () => {
                const it = await page.evaluate(() => ({ ...window.lectern }));
                return it.state === "live" && it;
            });
            assert.equal(player.mode, "standard");
            assert.equal(player.reason, "codec");
            assert.match(await page.$eval("#mode-line", (it) =>
                it.textContent), /no H\.264 in real time/);
            await page.goto(`${server.url}/studio`);
            await page.waitForFunction(() =>
                /cannot send H\.264/.test(document.body.textContent));
        } finally {
            await browser.close();
            await lecturer.kill();
            await server.stop();
        }
    });
