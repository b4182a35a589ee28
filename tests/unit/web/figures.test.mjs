/* tests/unit/web/figures.test.mjs — real time's latency, and its refusals. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { blank, reckon } from "../../../web/js/figures.js";
import { Refusal, judged } from "../../../web/js/webrtc.js";

const NTP = 2208988800000;

test("the latency is the median of stamps, else what surely passes", () => {
    const f = blank();
    reckon(f, undefined, 1000);
    assert.equal(f.latency, null);
    f.rtt = 0.1;
    f.buffer = 0.02;
    reckon(f, undefined, 1000);
    assert.equal(f.stamped, false);
    assert.ok(Math.abs(f.latency - 0.07) < 1e-9);
    for (const age of [300, 100, 9000, 100, 100]) reckon(f, NTP + 50000 - age, 50000);
    assert.equal(f.stamped, true);
    assert.ok(Math.abs(f.latency - 0.1) < 1e-9);
    /* A clock that is off says less than can be. */
    for (let i = 0; i < 20; i++) reckon(f, NTP + 50010, 50000);
    assert.ok(Math.abs(f.latency - 0.07) < 1e-9);
    assert.ok(f.ages.length <= 8);
});

test("a refusal: why, and whether to ask again", () => {
    const of = (status) => judged(new Refusal(status, ""));
    assert.equal(of(409).why, "absent");
    assert.deepEqual(of(401), { why: "denied", final: true });
    assert.deepEqual(of(403), { why: "denied", final: true });
    assert.deepEqual(of(406), { why: "codec", final: true });
    assert.deepEqual(of(404), { why: "server", final: true });
    assert.deepEqual(of(503), { why: "busy", final: false });
    assert.deepEqual(of(0), { why: "busy", final: false });
    assert.deepEqual(judged(new TypeError()), { why: "codec", final: true });
});
