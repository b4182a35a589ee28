/* tests/e2e/changes.test.mjs — a publisher that changes within one connection:
 * another size, codec, cadence or sound; sound or pictures that stop, come back
 * or come late; clocks that jump. Chromium plays on, with our page and with
 * plain hls.js, and nothing in the playlists is broken. */
import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { Viewer, launch } from "./lib/browser.mjs";
import { AUDIO, ClipPublisher, VIDEO, clip, messages } from "./lib/clips.mjs";
import { plainPage } from "./lib/plain.mjs";
import { Program } from "./lib/process.mjs";
import { KEY, Lectern } from "./lib/server.mjs";
import { until } from "./lib/wait.mjs";

const BUILD = process.env.LECTERN_BUILD ?? "build";
const BOUND = 60000;
const lecture = clip();
let browser, server, lecturer, learner, other;

before(async () => {
    browser = await launch();
});
after(() => browser?.close());
beforeEach(async () => {
    server = await Lectern.start();
    lecturer = await ClipPublisher.open(server.rtmpPort, KEY);
});
afterEach(async () => {
    await learner?.close();
    await other?.close();
    learner = other = undefined;
    lecturer?.end();
    const ended = await server?.stop();
    assert.equal(ended?.code, 0, server.log.slice(-20).join("\n"));
});

async function watch() {
    await server.isLive();
    learner = await Viewer.open(browser, server.watch());
    other = await Viewer.open(browser, server.watch());
    await plainPage(other.page, server.playlist());
    await goesOn(3);
}

const place = (viewer) => viewer.page.evaluate(() => {
    const video = document.querySelector("video");
    return { at: video.currentTime, width: video.videoWidth,
        heard: video.webkitAudioDecodedByteCount,
        painted: video.getVideoPlaybackQuality().totalVideoFrames };
});

/** Both viewers play so many more seconds; gives what they have then. */
async function goesOn(seconds) {
    const from = await Promise.all([learner, other].map(place));
    return Promise.all([learner, other].map((viewer, i) =>
        until(`${i ? "hls.js" : "the page"} plays ${seconds} s more`,
            async () => {
                const now = await place(viewer);
                return now.at >= from[i].at + seconds && now;
            }, BOUND)));
}

/** Our own checker, from now until `what` is over. */
async function checked(what) {
    const program = new Program(`${BUILD}/lectern`,
        ["check", server.playlist(), "--seconds", "14"]);
    await until("the checker reads", async () =>
        (await server.channel()).state === "live");
    await what();
    const { code } = await program.gone;
    const said = program.lines.join("\n");
    assert.match(said, /0 rules broken/);
    assert.equal(code, 0, said);
}

/** The segments of each rendition: msn, and whether it breaks or is missing. */
async function lists() {
    const top = await (await fetch(server.playlist())).text();
    const found = {};
    for (const [path] of top.matchAll(/\d+\/[a-z0-9]+\/index\.m3u8/g)) {
        const url = new URL(path, server.playlist());
        const text = await (await fetch(url)).text();
        const segments = [];
        let breaks = false, gap = false, map = "";
        for (const line of text.split("\n")) {
            if (line === "#EXT-X-DISCONTINUITY") breaks = true;
            if (line === "#EXT-X-GAP") gap = true;
            map = line.match(/^#EXT-X-MAP:URI="([^"]*)"/)?.[1] ?? map;
            if (!/^\d+\.m4s$/.test(line)) continue;
            segments.push({ msn: parseInt(line, 10), breaks, gap, map });
            breaks = gap = false;
        }
        found[path.split("/")[1]] = segments;
    }
    return { top, found };
}

const breaksOf = (segments) =>
    segments.filter((s) => s.breaks).map((s) => s.msn);
const nothingIsMissing = (found) => {
    for (const [name, segments] of Object.entries(found))
        assert.ok(!segments.some((s) => s.gap), `${name} has a gap`);
};

/** The break is in every rendition at the same segment, once. */
async function breaksOnce() {
    const { found } = await until("the break is in all lists", async () => {
        const now = await lists();
        return Object.values(now.found).every((s) => breaksOf(s).length) && now;
    }, BOUND);
    const all = Object.values(found).map(breaksOf);
    for (const one of all) assert.deepEqual(one, all[0]);
    assert.equal(all[0].length, 1);
    nothingIsMissing(found);
    return found;
}

const maps = (segments) => new Set(segments.map((s) => s.map)).size;
const logged = (pattern) => until(`the log has ${pattern}`, () =>
    server.log.find((line) => pattern.test(line)), BOUND);

for (const [what, other, width] of [
    ["a larger picture", { width: 848, height: 480 }, 848],
    ["twice as many pictures a second", { fps: 50 }, 640],
])
    test(`${what}: one break, a new init, players go on`, async () => {
        lecturer.play(lecture);
        await watch();
        await checked(async () => {
            lecturer.video(clip(other));
            await goesOn(8);
        });
        const found = await breaksOnce();
        assert.equal(maps(found["360p"]), 2);
        assert.equal(maps(found.audio), 1);
        const [page] = await goesOn(1);
        assert.equal(page.width, width);
    });

test("H.264 becomes HEVC: the rung stays H.264", async () => {
    lecturer.play(lecture);
    await watch();
    await checked(async () => {
        lecturer.video(messages("tests/data/rtmp/hevc-opus.messages", 2000));
        await goesOn(8);
    });
    await breaksOnce();
    const { top } = await lists();
    assert.doesNotMatch(top, /hvc1/);
    assert.match(top, /CODECS="avc1[^\n]*RESOLUTION=320x180[^\n]*\n.*360p/);
});

test("HEVC becomes H.264: its rung leaves, the ladder stays", async () => {
    lecturer.video(messages("tests/data/rtmp/hevc-opus.messages", 2000));
    lecturer.sound(lecture);
    await watch();
    assert.match((await lists()).top, /hvc1/);
    lecturer.video(lecture);
    await goesOn(8);
    const { top } = await until("the list is new", async () => {
        const now = await lists();
        return now.top.includes("360p") && now;
    }, BOUND);
    assert.doesNotMatch(top, /hvc1/);
    assert.match(top, /160p/);
});

for (const [what, other] of [
    ["44.1 kHz", { rate: 44100 }], ["one channel", { channels: 1 }],
])
    test(`sound becomes ${what}: one break in all, sound goes on`, async () => {
        lecturer.play(lecture);
        await watch();
        await checked(async () => {
            lecturer.sound(clip(other));
            await goesOn(8);
        });
        const found = await breaksOnce();
        assert.equal(maps(found.audio), 2);
        assert.equal(maps(found["360p"]), 1);
        const before = await goesOn(1), later = await goesOn(3);
        for (const i of [0, 1]) assert.ok(later[i].heard > before[i].heard);
    });

test("sound stops and comes back: silence, no break", async () => {
    lecturer.play(lecture);
    await watch();
    await checked(async () => {
        lecturer.sound(null);
        await logged(/event=sound_lost/);
        await goesOn(6);
        lecturer.sound(lecture);
        await logged(/event=sound_back/);
        await goesOn(4);
    });
    const { found } = await lists();
    for (const segments of Object.values(found))
        assert.deepEqual(breaksOf(segments), []);
    nothingIsMissing(found);
});

test("pictures stop and come back: the last one stands", async () => {
    lecturer.play(lecture);
    await watch();
    await checked(async () => {
        lecturer.video(null);
        await logged(/event=picture_lost/);
        await goesOn(6);
        lecturer.video(lecture);
        await logged(/event=picture_back/);
        await goesOn(4);
    });
    const { found } = await lists();
    for (const segments of Object.values(found))
        assert.deepEqual(breaksOf(segments), []);
    nothingIsMissing(found);
});

test("pictures stop with parts of half a second", async () => {
    lecturer.end();
    await server.stop();
    server = await Lectern.start({ latency: "NORMAL" });
    lecturer = await ClipPublisher.open(server.rtmpPort, KEY);
    lecturer.play(lecture);
    await watch();
    await checked(async () => {
        lecturer.hold(VIDEO, true);
        await logged(/event=picture_lost/);
        await goesOn(5);
        lecturer.hold(VIDEO, false);
        await logged(/event=picture_back/);
        await goesOn(5);
    });
});

test("pictures stop where keyframes are rare: any goes on", async () => {
    const rare = clip({ keyframes: 8 });
    lecturer.play(rare);
    await watch();
    await logged(/event=ladder .*marks="every 2 s"/);
    await checked(async () => {
        lecturer.hold(VIDEO, true);
        await logged(/event=picture_lost/);
        await goesOn(4);
        lecturer.hold(VIDEO, false);
        await logged(/event=picture_back/);
        await goesOn(4);
    });
    const { found } = await lists();
    for (const segments of Object.values(found))
        assert.deepEqual(breaksOf(segments), []);
    nothingIsMissing(found);
});

test("it comes back larger, with another sound: one break", async () => {
    lecturer.play(lecture);
    await watch();
    lecturer.end();
    await until("it is away", async () =>
        (await server.channel()).state === "reconnecting");
    lecturer = await ClipPublisher.open(server.rtmpPort, KEY);
    lecturer.video(clip({ width: 848, height: 480 }));
    lecturer.sound(clip({ rate: 44100 }));
    await goesOn(6);
    const found = await breaksOnce();
    assert.equal(maps(found["360p"]), 2);
    assert.equal(maps(found.audio), 2);
});

test("a publisher comes back without a camera", async () => {
    lecturer.play(lecture);
    await watch();
    lecturer.end();
    await until("it is away", async () =>
        (await server.channel()).state === "reconnecting");
    lecturer = await ClipPublisher.open(server.rtmpPort, KEY);
    lecturer.sound(lecture);
    await logged(/event=picture_lost/);
    await goesOn(6);
    const { found } = await lists();
    const all = Object.values(found).map(breaksOf);
    for (const one of all) assert.deepEqual(one, all[0]);
});

for (const [what, first, late, has] of [
    ["pictures", "sound", "video", (now) => now.width === 640],
    ["sound", "video", "sound", (now) => now.heard > 0],
])
    test(`${what} come late: the page meets them`, async () => {
        lecturer[first](lecture);
        await server.isLive();
        learner = await Viewer.open(browser, server.watch());
        await learner.becomes("live", BOUND);
        const from = (await place(learner)).at;
        await until("it plays", async () =>
            (await place(learner)).at > from + 3, BOUND);
        assert.ok(!has(await place(learner)));
        lecturer[late](lecture);
        await until(`the page has ${what}`, async () =>
            has(await place(learner)), BOUND);
        await learner.becomes("live", BOUND);
        assert.deepEqual(learner.errors, []);
    });

for (const [what, ahead] of [
    ["sound's clock", { [AUDIO]: 20000 }],
    ["the pictures' clock", { [VIDEO]: -5000 }],
    ["the whole clock", { [AUDIO]: 3600000, [VIDEO]: 3600000 }],
])
    test(`${what} jumps: nobody notices`, async () => {
        lecturer.play(lecture);
        await watch();
        await checked(async () => {
            Object.assign(lecturer.ahead, ahead);
            await logged(/event=clock_jump/);
            await goesOn(8);
        });
        const { found } = await lists();
        for (const segments of Object.values(found))
            assert.deepEqual(breaksOf(segments), []);
        nothingIsMissing(found);
    });

test("32 bits of milliseconds wrap: nobody notices", async () => {
    lecturer.end();
    lecturer = await ClipPublisher.open(server.rtmpPort, KEY,
        { start: 2 ** 32 - 12000 });
    lecturer.play(lecture);
    await watch();
    await checked(() => goesOn(10));
    await until("the wrap is behind us", () => lecturer.now > 16000, BOUND);
    const { found } = await lists();
    for (const segments of Object.values(found))
        assert.deepEqual(breaksOf(segments), []);
    nothingIsMissing(found);
    assert.ok(!server.log.some((line) => /event=clock_jump/.test(line)));
});
