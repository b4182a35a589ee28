/* tests/unit/web/clock.test.mjs — the bounds of js/clock.js. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ServerClock } from "../../../web/js/clock.js";

const START = 1_700_000_000_000;

/** An answer of a server whose clock is `offset` ahead of ours. */
function answer(clock, ours, offset, trip = 20) {
    const date = Math.floor((ours + trip / 2 + offset) / 1000) * 1000;
    clock.observe({ date, sent: ours, received: ours + trip });
}

test("an unknown server keeps our time", () => {
    assert.equal(new ServerClock().offset, 0);
});

test("clocks that may agree are taken to agree", () => {
    const clock = new ServerClock();
    for (let i = 0; i < 50; i++) answer(clock, START + i * 173, 3);
    assert.equal(clock.offset, 0);
    assert.ok(clock.doubt < 60, `${clock.doubt}`);
});

test("a wrong clock is found to within the trip", () => {
    for (const offset of [-7_345, -420, 640, 3_600_123]) {
        const clock = new ServerClock();
        for (let i = 0; i < 60; i++) answer(clock, START + i * 173, offset);
        assert.ok(Math.abs(clock.offset - offset) < 30,
            `${offset}: ${clock.offset}`);
    }
});

test("media cannot come from the future", () => {
    const clock = new ServerClock();
    clock.published(START + 250, START);
    assert.equal(clock.offset, 250);
});

test("a clock that is set is found again", () => {
    const clock = new ServerClock();
    for (let i = 0; i < 60; i++) answer(clock, START + i * 173, 0);
    for (let i = 60; i < 120; i++) answer(clock, START + i * 173, 5000);
    assert.ok(Math.abs(clock.offset - 5000) < 30, `${clock.offset}`);
});

test("answers without a date say nothing", () => {
    const clock = new ServerClock();
    clock.observe({ date: NaN, sent: START, received: START + 5 });
    clock.observe({ date: START, sent: START, received: START - 5 });
    assert.equal(clock.doubt, Infinity);
});
