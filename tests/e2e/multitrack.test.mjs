/* tests/e2e/multitrack.test.mjs — an encoder that brings its own ladder, as
 * OBS with Enhanced Broadcasting does: three pictures in one connection. */
import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, describe, test }
    from "node:test";
import { MultitrackPublisher, encode, parseTrack }
    from "../tools/multitrack.mjs";
import { Viewer, launch } from "./lib/browser.mjs";
import { Net, SERVER, hasNamespaces } from "./lib/netns.mjs";
import { Program } from "./lib/process.mjs";
import { launchRtc } from "./lib/rtc.mjs";
import { KEY, Lectern } from "./lib/server.mjs";
import { until } from "./lib/wait.mjs";

const BUILD = process.env.LECTERN_BUILD ?? "build";
/* As GetClientConfiguration's answer makes OBS write it. */
const OBS_KEY = `${KEY}?clientConfigId=6f0b2d9c-7d3e-4a57-9a55-0c7c1d3f8e21`;

let media, server, publisher;

before(async () => {
    media = await encode({ sounds: 2, tracks: ["640x360@600", "426x240@300",
        "256x144@150"].map(parseTrack) });
});

const open = (to, what = media, how = {}) =>
    MultitrackPublisher.open(to.rtmpPort, OBS_KEY, what,
        { host: to.host, ...how });
const oneSound = () => ({ ...media, sounds: media.sounds.slice(0, 1) });

/** Names in the order of the multivariant playlist. */
async function renditions() {
    const text = await (await fetch(server.playlist())).text();
    return text.split("\n").filter((line) => line && !line.startsWith("#"))
        .map((line) => line.split("/").at(-2));
}

/** Lines of an event, from `from` on. */
const events = (name, from = 0) => server.log.slice(from)
    .filter((line) => line.includes(` event=${name} `));

async function metric(name) {
    const text = await (await fetch(`${server.url}/metrics`)).text();
    return Number(text.split("\n").find((line) => line.startsWith(name))
        ?.split(" ").at(-1) ?? 0);
}

describe("a ladder that comes as it is", () => {
    let browser, learner;

    before(async () => {
        server = await Lectern.start();
        browser = await launch();
        publisher = await open(server, oneSound());
        await server.isLive();
    });
    after(async () => {
        await learner?.close();
        await browser?.close();
        await publisher?.end();
        const ended = await server?.stop();
        assert.equal(ended?.code, 0, server.log.slice(-20).join("\n"));
    });

    test("three pictures are three renditions, none is made", async () => {
        await until("all are listed", async () =>
            (await renditions()).join() === "360p,240p,144p");
        assert.deepEqual(await server.children(), []);
        assert.deepEqual(events("child_up"), []);
        assert.deepEqual(events("tracks_misaligned"), []);
        assert.equal(events("track_joined").length, 2);
        assert.equal(await metric("lectern_rtmp_skipped_messages_total"), 0);
        assert.equal(await metric("lectern_rtmp_dropped_messages_total"), 0);
        assert.equal(publisher.closed, false);
    });

    test("no rule of LL-HLS is broken", async () => {
        const program = new Program(`${BUILD}/lectern`,
            ["check", server.playlist(), "--seconds", "8"]);
        const { code } = await program.gone;
        const said = program.lines.join("\n");
        assert.match(said, /^4 renditions.*: 0 rules broken/m);
        assert.equal(code, 0, said);
    });

    test("Chromium plays, and changes among them", async () => {
        learner = await Viewer.open(browser, server.watch());
        await learner.becomes("live");
        await learner.sees(15);
        const menu = learner.page.getByLabel("Quality");
        const names = await menu.locator("option").allTextContents();
        assert.deepEqual(names.slice(1), ["360p", "240p", "144p"]);
        const height = () => learner.page.evaluate(() =>
            document.querySelector("video").videoHeight);
        for (const lines of [144, 240, 360]) {
            await menu.selectOption({ label: `${lines}p` });
            await until(`the picture is ${lines}p`, async () =>
                (await height()) === lines);
            await learner.sees(15);
        }
        await menu.selectOption("-1");
        assert.deepEqual(learner.errors, []);
    });

    test("its clock jumps, and all stay together", async () => {
        publisher.jump(10000);
        await until("it is noticed", () => events("clock_jump").length);
        await learner.sees(90);
        assert.deepEqual(await renditions(), ["360p", "240p", "144p"]);
        assert.deepEqual(events("tracks_misaligned"), []);
        assert.deepEqual(events("track_stopped"), []);
    });

    test("one that stops leaves the others alone", async () => {
        publisher.stop(2);
        await until("it is noticed", () => events("track_stopped").length);
        await until("it is not listed", async () =>
            (await renditions()).join() === "360p,240p");
        assert.deepEqual(await server.children(), []);
        await learner.sees(30);
    });

    test("one that goes astray is not offered, and it is said", async () => {
        publisher.shift(1, 40);
        await until("it is noticed", () => events("tracks_misaligned").length);
        const [line] = events("tracks_misaligned");
        assert.match(line, /channel=demo track=3 offset_ms=/);
        assert.match(line, /advice=".*one keyframe interval/);
        assert.equal(await metric(
            "lectern_transcode_tracks_misaligned_total{channel=\"demo\"}"), 1);
        /* One is left: a source like any other. */
        await until("the usual ladder", async () =>
            (await renditions()).join() === "360p,160p");
        assert.equal((await server.children()).length, 1);
        await learner.sees(30);
        assert.deepEqual(learner.errors, []);
    });
});

test("misaligned from the beginning, and sound in two languages", async () => {
    server = await Lectern.start();
    const [first, second, third] = media.pictures;
    publisher = await open(server, { ...media, pictures: [first, second,
        { ...third, misalign: 40 }] }, { languages: ["en", "de"] });
    await server.isLive();
    await until("two are listed", async () =>
        (await renditions()).join() === "360p,240p");
    await until("it is said", () => events("tracks_misaligned").length);
    assert.match(events("tracks_misaligned")[0], / offset_ms=40\.000 /);
    const top = await (await fetch(server.playlist())).text();
    assert.match(top, /TYPE=AUDIO.*LANGUAGE="en"/);
    assert.match(top, /TYPE=AUDIO.*LANGUAGE="de"/);
    assert.deepEqual(await server.children(), []);
    await publisher.end();
    await server.stop();
});

describe("in real time", { skip: !hasNamespaces && "needs namespaces" }, () => {
    let net, browser;

    before(async () => {
        net = await Net.create();
        browser = await launchRtc({ net });
    });
    beforeEach(async () => {
        server = await Lectern.start({ net, tls: true });
    });
    afterEach(async () => {
        await publisher?.end();
        await server?.stop();
    });
    after(async () => {
        await browser?.close();
        await net?.free();
    });

    /** Who watches in real time. */
    async function watch() {
        const learner = await Viewer.open(browser, `https://${SERVER}:` +
            `${new URL(server.httpsUrl).port}/watch/demo?mode=realtime`,
        { ignoreHTTPSErrors: true });
        await is(learner, "real time", ({ mode, media: state }) =>
            mode === "realtime" && state === "playing");
        return learner;
    }
    const is = (learner, what, fits) => until(what, async () => {
        const player = await learner.player;
        return player && fits(player) && player;
    });
    const makesPictures = () => events("child_up").some((line) =>
        line.includes("makes=pictures"));

    test("a viewer changes among them as among rungs", async () => {
        publisher = await open(server, oneSound());
        await server.isLive();
        const learner = await watch();
        const menu = learner.page.locator("#quality");
        await until("all are listed", async () =>
            (await menu.locator("option").count()) === 4);
        for (const lines of [144, 240, 360]) {
            await menu.selectOption({ label: `${lines}p` });
            await is(learner, `${lines}p`, ({ level, mode }) =>
                level === lines && mode === "realtime");
            await learner.sees(15);
        }
        assert.ok(!makesPictures(), "no picture was made");
        assert.deepEqual(learner.errors, []);
        await learner.close();
    });

    test("with B-frames the size of the first is made while somebody watches",
        async () => {
            publisher = await open(server, await encode({ bframes: 2, tracks: [
                "640x360@600", "426x240@300"].map(parseTrack) }));
            await server.isLive();
            await until("both are listed", async () =>
                (await renditions()).join() === "360p,240p");
            assert.equal(makesPictures(), false);
            const learner = await watch();
            await learner.sees(30);
            assert.equal(makesPictures(), true);
            await learner.close();
        });
});
