/* tests/unit/web/mode.test.mjs — js/mode.js with time as a number: every way
 * into and out of real time. */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
    GIVE_UP, HELD, LOSS, PATIENCE, SETTLE, TRIAL, begin, nextAt, sentence,
    step,
} from "../../../web/js/mode.js";

/** A mode that is told events at instants, with the ticks that are due. */
class Story {
    now = 1000;
    seen = [];

    constructor(wish = "realtime", known = {}) {
        this.mode = begin(wish, this.now, known);
        this.seen.push(this.mode.name);
    }

    /** Lets time pass, ticking whenever it is due. */
    wait(ms) {
        const until = this.now + ms;
        while (nextAt(this.mode) <= until) {
            this.now = Math.max(this.now, nextAt(this.mode));
            this.#take({ type: "tick" });
        }
        this.now = until;
        return this;
    }

    tell(type, more = {}) {
        this.#take({ type, ...more });
        return this;
    }

    is(name, runs) {
        assert.equal(this.mode.name, name);
        assert.deepEqual([
            ...(this.mode.realtime ? ["realtime"] : []),
            ...(this.mode.standard ? ["standard"] : []),
        ], runs);
        return this;
    }

    #take(event) {
        const next = step(this.mode, event, this.now);
        if (next.name !== this.mode.name) this.seen.push(next.name);
        this.mode = next;
    }
}

const BOTH = ["realtime", "standard"];
const fallen = () => new Story().wait(PATIENCE).tell("standard-playing");

test("real time that comes up is alone", () => {
    new Story().is("connecting", ["realtime"]).wait(300)
        .tell("realtime-playing").is("realtime", ["realtime"])
        .wait(1e7).is("realtime", ["realtime"]);
});

test("nothing after two seconds: standard is loaded beside it, and wins", () => {
    const it = new Story().wait(PATIENCE - 1).is("connecting", ["realtime"])
        .wait(1).is("falling-back", BOTH);
    assert.equal(it.mode.front, "realtime");
    it.wait(600).tell("standard-playing").is("standard", ["standard"]);
    assert.equal(it.mode.front, "standard");
    assert.ok(it.now - 1000 <= 4000);
});

test("the first that plays wins: it may be real time after all", () => {
    new Story().wait(PATIENCE + 100).tell("realtime-playing")
        .is("realtime", ["realtime"]).tell("standard-playing")
        .is("realtime", ["realtime"]);
});

test("a refusal goes to standard at once", () => {
    const it = new Story().tell("realtime-refused",
        { why: "busy", final: false }).is("standard", ["standard"]);
    it.wait(9999).is("standard", ["standard"]).wait(1).is("retrying", BOTH);
});

test("a final refusal is never tried again", () => {
    const it = new Story().tell("realtime-refused",
        { why: "server", final: true });
    it.tell("network").wait(1e7).is("standard", ["standard"]);
    assert.match(sentence(it.mode, ""), /no real time/);
});

test("a browser without H.264 starts in standard", () => {
    const it = new Story("realtime", { refused: "codec" })
        .is("standard", ["standard"]).wait(1e7).is("standard", ["standard"]);
    assert.match(sentence(it.mode, ""), /H\.264/);
});

test("retries after 10 s, 30 s, then each minute", () => {
    const it = fallen();
    for (const rest of [10000, 30000, 60000, 60000]) {
        it.wait(rest - 1).is("standard", ["standard"])
            .wait(1).is("retrying", BOTH);
        assert.equal(it.mode.front, "standard", "the old picture stays");
        assert.equal(it.mode.quiet, true);
        it.wait(TRIAL).is("standard", ["standard"]);
    }
});

test("a retry that plays is real time again", () => {
    const it = fallen().wait(10000).wait(500).tell("realtime-playing")
        .is("realtime", ["realtime"]);
    assert.equal(it.mode.front, "realtime");
});

test("a new network is tried after a moment", () => {
    fallen().wait(10000).wait(TRIAL).wait(20).tell("network")
        .wait(SETTLE).is("retrying", BOTH);
});

test("a picture that stops is left after its patience", () => {
    const it = new Story().tell("realtime-playing").wait(HELD + 1)
        .tell("realtime-stalled").wait(LOSS - 1).is("realtime", ["realtime"])
        .wait(1).is("falling-back", BOTH);
    assert.equal(it.mode.front, "realtime");
    assert.equal(it.mode.tries, 0);
});

test("a picture that comes back in time is not left", () => {
    new Story().tell("realtime-playing").tell("realtime-stalled")
        .wait(LOSS / 2).tell("realtime-playing").wait(1e6)
        .is("realtime", ["realtime"]);
});

test("the lecturer's own silence is not judged", () => {
    const it = new Story().tell("realtime-playing").tell("realtime-stalled")
        .wait(100).tell("source", { on: false }).wait(1e6)
        .is("realtime", ["realtime"]);
    it.tell("source", { on: true }).wait(LOSS - 1)
        .is("realtime", ["realtime"]).wait(1).is("falling-back", BOTH);
});

test("before the lecture nothing is loaded in vain", () => {
    const it = new Story().tell("source", { on: false }).wait(1e6)
        .is("connecting", ["realtime"]);
    it.tell("source", { on: true }).wait(PATIENCE - 1)
        .is("connecting", ["realtime"]).wait(1).is("falling-back", BOTH);
});

test("real time that does not hold is tried ever later", () => {
    new Story().tell("realtime-playing").wait(3000).tell("realtime-stalled")
        .wait(LOSS).tell("standard-playing")
        .wait(9999).is("standard", ["standard"]).wait(1).is("retrying", BOTH);
    const it = fallen();
    it.wait(10000).tell("realtime-playing").wait(3000)
        .tell("realtime-stalled").wait(LOSS).tell("standard-playing");
    it.wait(29999).is("standard", ["standard"]).wait(1).is("retrying", BOTH);
});

test("neither plays: real time is let go", () => {
    new Story().wait(PATIENCE + GIVE_UP).is("standard", ["standard"]);
});

test("the learner goes to standard: the picture stays until it plays", () => {
    const it = new Story().tell("realtime-playing")
        .tell("wish", { wish: "standard" }).is("falling-back", BOTH);
    assert.equal(it.mode.front, "realtime");
    assert.doesNotMatch(sentence(it.mode, ""), /does not/);
    it.tell("realtime-playing").is("falling-back", BOTH)
        .tell("standard-playing").is("standard", ["standard"])
        .wait(1e7).is("standard", ["standard"]);
});

test("and changes their mind", () => {
    new Story().tell("realtime-playing").tell("wish", { wish: "standard" })
        .tell("wish", { wish: "realtime" }).is("realtime", ["realtime"]);
});

test("the learner goes to real time: the picture stays until it plays", () => {
    const it = new Story("standard").is("standard", ["standard"])
        .tell("wish", { wish: "realtime" }).is("retrying", BOTH);
    assert.equal(it.mode.front, "standard");
    assert.match(sentence(it.mode, ""), /Connecting/);
    it.tell("realtime-playing").is("realtime", ["realtime"]);
});

test("back to standard while it is tried", () => {
    new Story("standard").tell("wish", { wish: "realtime" })
        .tell("wish", { wish: "standard" }).is("standard", ["standard"])
        .wait(1e7).is("standard", ["standard"]);
});

test("a browser that can do only real time gets it", () => {
    new Story("standard").tell("standard-unsupported")
        .is("connecting", ["realtime"]);
    new Story("standard", { refused: "codec" }).tell("standard-unsupported")
        .is("standard", ["standard"]);
});

test("a quiet retry says nothing new", () => {
    const it = fallen();
    const before = sentence(it.mode, "");
    it.wait(10000);
    assert.equal(sentence(it.mode, ""), before);
});

test("TCP is told", () => {
    const { mode } = new Story().tell("realtime-playing");
    assert.equal(sentence(mode, ""), "Real time");
    assert.equal(sentence(mode, "udp"), "Real time over UDP");
    assert.equal(sentence(mode, "tcp"), "Real time over TCP");
});

test("nothing changes: the same object", () => {
    const { mode } = new Story().tell("realtime-playing");
    for (const type of ["tick", "realtime-playing", "standard-playing",
        "network"])
        assert.equal(step(mode, { type }, 5000), mode, type);
});
