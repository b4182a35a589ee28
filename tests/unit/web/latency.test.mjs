/* tests/unit/web/latency.test.mjs — the control of js/latency.js against a
 * simulated stream and player: time is counted, not waited for. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { LatencyControl } from "../../../web/js/latency.js";

const PART = 0.2;
const HOLD_BACK = 0.6;
const STEP = 0.02;

/** A small generator of repeatable noise in [0, 1). */
function noise(seed) {
    let x = seed;
    return () => {
        x = (x * 1103515245 + 12345) & 0x7fffffff;
        return x / 0x80000000;
    };
}

/**
 * Plays a stream. Media time t is captured at t, its part is published at the
 * part's end plus `lag`, and delivered `trip(n)` later.
 */
class Room {
    now = 0;
    position = 0;
    bufferEnd = 0;
    rate = 1;
    jumps = 0;
    stalled = 0;
    /** changes of direction: faster, slower, faster … */
    turns = 0;
    #turn = 0;
    #queue = [];
    #part = 0;
    #shift = 0;
    control = new LatencyControl();

    constructor({ start = 10, behind = 1.2, trip = () => 0.02, lag = 0.1 } = {}) {
        this.now = start;
        this.position = start - behind;
        this.bufferEnd = this.position;
        this.trip = trip;
        this.lag = lag;
        this.#part = Math.floor((this.position) / PART);
        this.control.configure({ holdBack: HOLD_BACK, part: PART });
    }

    /** The source falls back by `s` for good: its clock stood still. */
    shift(s) {
        this.#shift += s;
    }

    /** @param {number} seconds @param {(room: Room) => void} [look] */
    run(seconds, look = () => {}, frozen = false) {
        const until = this.now + seconds;
        let nextTick = this.now;
        while (this.now < until) {
            this.now += STEP;
            if (!frozen) this.#publish();
            this.#deliver();
            const want = this.position + STEP * this.rate;
            if (want > this.bufferEnd) {
                this.stalled += STEP;
                this.control.stalled();
            }
            this.position = Math.min(want, this.bufferEnd);
            if (this.now >= nextTick) {
                nextTick += 0.1;
                this.#tick();
                look(this);
            }
        }
    }

    /** One playlist at a time, however much it has that is new. */
    #publish() {
        let came = -1;
        for (;;) {
            const end = (this.#part + 1) * PART;
            const at = end + this.lag + this.#shift;
            if (at > this.now) break;
            this.#part++;
            came = Math.max(at, this.now - STEP) + this.trip(this.#part);
            this.#queue.push({ end, at: came });
        }
        if (came >= 0) this.control.published(this.#part * PART, came);
    }

    #deliver() {
        while (this.#queue.length && this.#queue[0].at <= this.now) {
            const { end } = this.#queue.shift();
            this.bufferEnd = Math.max(this.bufferEnd, end);
            this.control.delivered(end, this.now);
        }
    }

    #tick() {
        const d = this.control.tick({
            now: this.now,
            position: this.position,
            bufferEnd: this.bufferEnd,
            moving: true,
        });
        const turn = Math.sign(d.rate - 1);
        if (turn !== 0 && turn !== this.#turn) {
            if (this.#turn !== 0) this.turns++;
            this.#turn = turn;
        }
        if (d.jumpTo !== null) {
            this.position = d.jumpTo;
            this.jumps++;
        }
        this.rate = d.rate;
        this.last = d;
    }

    get error() {
        return this.last.behind - this.last.target;
    }
}

test("comes down to the hold-back and stays there", () => {
    const room = new Room({ behind: 1.6 });
    room.control.tick({ now: 0, position: 0, bufferEnd: 0, moving: false });
    room.run(30);
    let worst = 0;
    room.run(60, (r) => (worst = Math.max(worst, Math.abs(r.error))));
    assert.equal(room.last.target, HOLD_BACK);
    assert.ok(worst < 0.1, `error ${worst}`);
    assert.equal(room.stalled, 0);
    assert.equal(room.turns, 0, "never swings from fast to slow");
});

test("rates stay within 0.95 and 1.08", () => {
    for (const behind of [0.2, 0.5, 1, 1.9, 3]) {
        const room = new Room({ behind });
        room.run(40, (r) => {
            assert.ok(r.rate >= 0.95 && r.rate <= 1.08, `${r.rate}`);
        });
        assert.ok(Math.abs(room.error) < 0.1, `${behind}: ${room.error}`);
    }
});

test("a start that is late jumps once, before anything else", () => {
    const room = new Room({ behind: 2.5 });
    room.run(20);
    assert.equal(room.jumps, 1);
    assert.ok(Math.abs(room.error) < 0.1);
});

test("jitter makes neither flapping nor drift", () => {
    const rand = noise(7);
    const room = new Room({ trip: () => 0.02 + 0.06 * rand() });
    room.run(20);
    let changes = 0;
    let rate = room.rate;
    const before = room.stalled;
    room.run(60, (r) => {
        if (r.rate !== rate) changes++;
        rate = r.rate;
        assert.ok(Math.abs(r.error) < 0.15, `error ${r.error}`);
    });
    assert.ok(changes <= 12, `${changes} changes of rate in a minute`);
    assert.equal(room.stalled, before);
});

test("a stall of the source that is made up for ends at the target", () => {
    const room = new Room();
    room.run(20);
    const jumps = room.jumps;
    room.run(3, () => {}, true);
    room.run(1);
    assert.equal(room.jumps, jumps + 1, "nobody was watching: it jumps");
    room.run(10);
    assert.ok(Math.abs(room.error) < 0.1, `error ${room.error}`);
    assert.equal(room.last.target, HOLD_BACK);
});

test("a source that fell back for good gets a new line", () => {
    const room = new Room();
    room.run(20);
    const jumps = room.jumps;
    room.shift(3);
    room.run(30);
    assert.ok(Math.abs(room.error) < 0.1, `error ${room.error}`);
    assert.equal(room.jumps, jumps);
    const before = room.stalled;
    room.run(60);
    assert.equal(room.stalled, before);
});

test("a timeline that leaps ahead does not look like lateness", () => {
    const room = new Room();
    room.run(20);
    room.shift(-2);
    room.run(3, (r) => assert.equal(r.last.target, HOLD_BACK));
    room.run(10, (r) => assert.equal(r.last.target, HOLD_BACK));
    assert.ok(Math.abs(room.error) < 0.1, `error ${room.error}`);
});

test("late deliveries raise the target, and only while they last", () => {
    let slow = false;
    const room = new Room({ trip: (n) => (slow && n % 4 === 0 ? 0.7 : 0.02) });
    room.run(20);
    slow = true;
    room.run(60);
    assert.ok(room.last.target > HOLD_BACK, `target ${room.last.target}`);
    const before = room.stalled;
    room.run(30);
    assert.equal(room.stalled, before, "no stall once the line is known");
    slow = false;
    room.run(60);
    assert.equal(room.last.target, HOLD_BACK);
    assert.ok(Math.abs(room.error) < 0.1);
});

test("a publisher that stops does not look like a player that lags", () => {
    const room = new Room();
    room.run(20);
    const jumps = room.jumps;
    room.run(30, () => {}, true);
    assert.equal(room.jumps, jumps);
    assert.ok(room.last.behind < HOLD_BACK + 3 * PART);
});

test("far behind, it jumps even where nothing is buffered", () => {
    const control = new LatencyControl();
    control.configure({ holdBack: HOLD_BACK, part: PART });
    for (let i = 0; i < 20; i++) control.published(100 + i * PART, i * PART);
    const d = control.tick({
        now: 4, position: 80, bufferEnd: 80.1, moving: true,
    });
    assert.equal(d.state, "jump");
    assert.ok(d.jumpTo > 103 && d.jumpTo < 104, `${d.jumpTo}`);
});

test("knows nothing, does nothing", () => {
    const control = new LatencyControl();
    const d = control.tick({ now: 1, position: 0, bufferEnd: 5, moving: true });
    assert.deepEqual([d.state, d.rate, d.jumpTo, d.behind],
        ["idle", 1, null, null]);
});

test("leaves a paused or resting viewer alone", () => {
    const control = new LatencyControl();
    control.configure({ holdBack: HOLD_BACK, part: PART });
    control.published(100, 100.1);
    const d = control.tick({
        now: 101, position: 60, bufferEnd: 100, moving: false,
    });
    assert.deepEqual([d.state, d.rate, d.jumpTo], ["idle", 1, null]);
});

test("a hold-back below two parts is not believed", () => {
    const control = new LatencyControl();
    control.configure({ holdBack: 0.1, part: 0.5 });
    assert.equal(control.target, 1);
});
