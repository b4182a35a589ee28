/* tests/e2e/changes.test.mjs — a publisher that changes within one connection:
 * another size, codec, cadence or sound; sound or pictures that stop, come back
 * or come late; clocks that jump. Chromium plays on, with our page and with
 * plain hls.js, and nothing in the playlists is broken.
 * Runs alone: it has several lectures at once by itself. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { Viewer, launch } from "./lib/browser.mjs";
import { AUDIO, ClipPublisher, VIDEO, clip, messages } from "./lib/clips.mjs";
import { plainPage } from "./lib/plain.mjs";
import { Program } from "./lib/process.mjs";
import { KEY, Lectern } from "./lib/server.mjs";
import { until } from "./lib/wait.mjs";

const BUILD = process.env.LECTERN_BUILD ?? "build";
const BOUND = 60000;
/** Lectures at once, each with a server and viewers of its own: most of the
 *  time they are waited for. */
const AT_ONCE = 3;
/** What is painted costs time. */
const SMALL = { viewport: { width: 640, height: 480 } };
/* All are made before the first is played: an encoder holds up the others. */
const lecture = clip();
const larger = clip({ width: 848, height: 480 });
const faster = clip({ fps: 50 });
const rare = clip({ keyframes: 8 });
const slower = clip({ rate: 44100 });
const mono = clip({ channels: 1 });
const hevc = messages("tests/data/rtmp/hevc-opus.messages", 2000);

let browser;
before(async () => {
    browser = await launch();
});
after(() => browser?.close());

const place = (viewer) => viewer.page.evaluate(() => {
    const video = document.querySelector("video");
    return { at: video.currentTime, width: video.videoWidth,
        heard: video.webkitAudioDecodedByteCount,
        painted: video.getVideoPlaybackQuality().totalVideoFrames };
});

const breaksOf = (segments) =>
    segments.filter((s) => s.breaks).map((s) => s.msn);
const maps = (segments) => new Set(segments.map((s) => s.map)).size;
const nothingIsMissing = (found) => {
    for (const [name, segments] of Object.entries(found))
        assert.ok(!segments.some((s) => s.gap), `${name} has a gap`);
};

/** A server, who publishes to it, and who watches: with our page and with
 *  plain hls.js. */
class Room {
    static async open(how = {}) {
        const it = new Room();
        it.server = await Lectern.start(how);
        it.lecturer = await ClipPublisher.open(it.server.rtmpPort, KEY, how);
        return it;
    }

    async close() {
        await this.learner?.close();
        await this.other?.close();
        this.lecturer.end();
        const ended = await this.server.stop();
        assert.equal(ended?.code, 0, this.server.log.slice(-20).join("\n"));
    }

    async learns() {
        await this.server.isLive();
        this.learner = await Viewer.open(browser, this.server.watch(), SMALL);
    }

    async watch() {
        await this.learns();
        this.other = await Viewer.open(browser, `${this.server.url}/healthz`,
            SMALL);
        await plainPage(this.other.page, this.server.playlist());
        await this.goesOn(3);
    }

    /** Both viewers play so many more seconds; gives what they have then. */
    async goesOn(seconds) {
        const viewers = [this.learner, this.other];
        const from = await Promise.all(viewers.map(place));
        return Promise.all(viewers.map((viewer, i) =>
            until(`${i ? "hls.js" : "the page"} plays ${seconds} s more`,
                async () => {
                    const now = await place(viewer);
                    return now.at >= from[i].at + seconds && now;
                }, BOUND)));
    }

    /** Our own checker, from now until `what` is over. */
    async checked(what) {
        const program = new Program(`${BUILD}/lectern`,
            ["check", this.server.playlist(), "--seconds", "14"]);
        await until("the checker reads", async () =>
            (await this.server.channel()).state === "live");
        await what();
        const { code } = await program.gone;
        /* It may have ended before all that it said is read. */
        await until("the checker's sum", () =>
            program.lines.some((line) => /rules broken/.test(line)));
        const said = program.lines.join("\n");
        assert.match(said, /0 rules broken/);
        assert.equal(code, 0, said);
    }

    /** The segments of each rendition: msn, and whether it breaks or is
     *  missing. */
    async lists() {
        const top = await (await fetch(this.server.playlist())).text();
        const found = {};
        for (const [path] of top.matchAll(/\d+\/[a-z0-9]+\/index\.m3u8/g)) {
            const url = new URL(path, this.server.playlist());
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

    /** The break is in every rendition at the same segment, once. */
    async breaksOnce() {
        const { found } = await until("the break is in all lists", async () => {
            const now = await this.lists();
            return Object.values(now.found).every((s) =>
                breaksOf(s).length) && now;
        }, BOUND);
        const all = Object.values(found).map(breaksOf);
        for (const one of all) assert.deepEqual(one, all[0]);
        assert.equal(all[0].length, 1);
        nothingIsMissing(found);
        return found;
    }

    async nothingShows() {
        const { found } = await this.lists();
        for (const segments of Object.values(found))
            assert.deepEqual(breaksOf(segments), []);
        nothingIsMissing(found);
    }

    logged(pattern) {
        return until(`the log has ${pattern}`, () =>
            this.server.log.find((line) => pattern.test(line)), BOUND);
    }

    /** The connection ends, and another publisher has it. */
    async comesAnew() {
        this.lecturer.end();
        await until("it is away", async () =>
            (await this.server.channel()).state === "reconnecting");
        this.lecturer = await ClipPublisher.open(this.server.rtmpPort, KEY);
    }
}

/** A test in a room of its own, which `how` describes. */
const within = (name, act, how) => test(name, async () => {
    const room = await Room.open(how);
    try {
        await act(room);
    } catch (error) {
        console.log(room.server.log.slice(-60).join("\n"));
        await room.close().catch(() => {});
        throw error;
    }
    await room.close();
});

describe("changes", { concurrency: AT_ONCE }, () => {
    for (const [what, other, width] of [
        ["a larger picture", larger, 848],
        ["twice as many pictures a second", faster, 640],
    ])
        within(`${what}: one break, a new init, players go on`,
            async (room) => {
                room.lecturer.play(lecture);
                await room.watch();
                await room.checked(async () => {
                    room.lecturer.video(other);
                    await room.goesOn(8);
                });
                const found = await room.breaksOnce();
                assert.equal(maps(found["360p"]), 2);
                assert.equal(maps(found.audio), 1);
                const [page] = await room.goesOn(1);
                assert.equal(page.width, width);
            });

    within("H.264 becomes HEVC: the rung stays H.264", async (room) => {
        room.lecturer.play(lecture);
        await room.watch();
        await room.checked(async () => {
            room.lecturer.video(hevc);
            await room.goesOn(8);
        });
        await room.breaksOnce();
        const { top } = await room.lists();
        assert.doesNotMatch(top, /hvc1/);
        assert.match(top, /CODECS="avc1[^\n]*RESOLUTION=320x180[^\n]*\n.*360p/);
    });

    within("HEVC becomes H.264: its rung leaves, the ladder stays",
        async (room) => {
            room.lecturer.video(hevc);
            room.lecturer.sound(lecture);
            await room.watch();
            assert.match((await room.lists()).top, /hvc1/);
            room.lecturer.video(lecture);
            await room.goesOn(8);
            const { top } = await until("the list is new", async () => {
                const now = await room.lists();
                return now.top.includes("360p") && now;
            }, BOUND);
            assert.doesNotMatch(top, /hvc1/);
            assert.match(top, /160p/);
        });

    for (const [what, other] of [["44.1 kHz", slower], ["one channel", mono]])
        within(`sound becomes ${what}: one break in all, sound goes on`,
            async (room) => {
                room.lecturer.play(lecture);
                await room.watch();
                await room.checked(async () => {
                    room.lecturer.sound(other);
                    await room.goesOn(8);
                });
                const found = await room.breaksOnce();
                assert.equal(maps(found.audio), 2);
                assert.equal(maps(found["360p"]), 1);
                const before = await room.goesOn(1);
                const later = await room.goesOn(3);
                for (const i of [0, 1])
                    assert.ok(later[i].heard > before[i].heard);
            });

    for (const [what, kind, event] of [
        ["sound stops and comes back: silence, no break", "sound", "sound"],
        ["pictures stop and come back: the last one stands", "video",
            "picture"],
    ])
        within(what, async (room) => {
            room.lecturer.play(lecture);
            await room.watch();
            await room.checked(async () => {
                room.lecturer[kind](null);
                await room.logged(new RegExp(`event=${event}_lost`));
                await room.goesOn(6);
                room.lecturer[kind](lecture);
                await room.logged(new RegExp(`event=${event}_back`));
                await room.goesOn(4);
            });
            await room.nothingShows();
        });

    /** Pictures fail for so many seconds, and are back. */
    const fail = (room, seconds) => room.checked(async () => {
        room.lecturer.hold(VIDEO, true);
        await room.logged(/event=picture_lost/);
        await room.goesOn(seconds);
        room.lecturer.hold(VIDEO, false);
        await room.logged(/event=picture_back/);
        await room.goesOn(seconds);
    });

    within("pictures stop with parts of half a second", async (room) => {
        room.lecturer.play(lecture);
        await room.watch();
        await fail(room, 5);
    }, { latency: "NORMAL" });

    within("pictures stop where keyframes are rare: any goes on",
        async (room) => {
            room.lecturer.play(rare);
            await room.watch();
            await room.logged(/event=ladder .*marks="every 2 s"/);
            await fail(room, 4);
            await room.nothingShows();
        });

    within("it comes back larger, with another sound: one break",
        async (room) => {
            room.lecturer.play(lecture);
            await room.watch();
            await room.comesAnew();
            room.lecturer.video(larger);
            room.lecturer.sound(slower);
            await room.goesOn(6);
            const found = await room.breaksOnce();
            assert.equal(maps(found["360p"]), 2);
            assert.equal(maps(found.audio), 2);
        });

    within("a publisher comes back without a camera", async (room) => {
        room.lecturer.play(lecture);
        await room.watch();
        await room.comesAnew();
        room.lecturer.sound(lecture);
        await room.logged(/event=picture_lost/);
        await room.goesOn(6);
        const { found } = await room.lists();
        const all = Object.values(found).map(breaksOf);
        for (const one of all) assert.deepEqual(one, all[0]);
    });

    for (const [what, first, late, has] of [
        ["pictures", "sound", "video", (now) => now.width === 640],
        ["sound", "video", "sound", (now) => now.heard > 0],
    ])
        within(`${what} come late: the page meets them`, async (room) => {
            room.lecturer[first](lecture);
            await room.learns();
            const { learner } = room;
            await learner.becomes("live", BOUND);
            const from = (await place(learner)).at;
            await until("it plays", async () =>
                (await place(learner)).at > from + 3, BOUND);
            assert.ok(!has(await place(learner)));
            room.lecturer[late](lecture);
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
        within(`${what} jumps: nobody notices`, async (room) => {
            room.lecturer.play(lecture);
            await room.watch();
            await room.checked(async () => {
                room.lecturer.leap(ahead);
                await room.logged(/event=clock_jump/);
                await room.goesOn(8);
            });
            await room.nothingShows();
        });

    for (const [what, hurt, seen] of [
        ["stands", "SIGSTOP", /event=rendition_(shed|lost)/],
        ["is killed", "SIGKILL", /event=child_lost/],
    ])
        within(`the transcoder ${what}: dates go on over the hole`,
            async (room) => {
                room.lecturer.play(lecture);
                await room.watch();
                const [pid] = await room.server.children();
                const { top } = await room.lists();
                const low = top.match(/\d+\/160p\/index\.m3u8/)[0];
                await room.checked(async () => {
                    process.kill(pid, hurt);
                    await room.logged(seen);
                    await room.goesOn(6);
                });
                const list = await (await fetch(
                    new URL(low, room.server.playlist()))).text();
                for (const [, lasts] of list.matchAll(/EXTINF:(.*),/g))
                    assert.ok(Math.abs(lasts - 2) < 0.25, lasts);
                const { found } = await room.lists();
                assert.ok(!found["360p"].some((s) => s.gap));
            });

    within("32 bits of milliseconds wrap: nobody notices", async (room) => {
        room.lecturer.play(lecture);
        await room.watch();
        await room.checked(() => room.goesOn(10));
        await until("the wrap is behind us", () =>
            room.lecturer.now > 16000, BOUND);
        await room.nothingShows();
        assert.ok(!room.server.log.some((line) =>
            /event=clock_jump/.test(line)));
    }, { start: 2 ** 32 - 12000 });
});
