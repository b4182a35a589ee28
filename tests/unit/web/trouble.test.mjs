/* tests/unit/web/trouble.test.mjs — sentences that say what to do, and the
 * pure parts of the studio. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { merge } from "../../../web/js/health.js";
import { loudness } from "../../../web/js/meter.js";
import {
    captureTrouble, insecure, limit, passes, pause, publishTrouble,
    sourceTrouble,
} from "../../../web/js/trouble.js";

const named = (name) => ({ name });

test("a forbidden, absent, busy or lost device each has its own words", () => {
    const words = {
        NotAllowedError: /Allow it in the address bar/,
        NotFoundError: /No camera was found/,
        NotReadableError: /in use by another program/,
        AbortError: /in use by another program/,
        OverconstrainedError: /not there any more/,
        TypeError: /could not be started \(TypeError\)/,
    };
    for (const [name, pattern] of Object.entries(words))
        assert.match(captureTrouble(named(name), "camera"), pattern, name);
    assert.match(captureTrouble(named("NotAllowedError"), "screen"),
        /Choose again/);
    assert.match(captureTrouble({}, "microphone"), /could not be started\.$/);
});

test("each refusal of the server says whose turn it is", () => {
    const at = { channel: "physics" };
    const words = {
        0: /out of reach/, 401: /stream key is not that of “physics”/,
        403: /stream key/, 404: /no channel “physics”/,
        405: /switched off/, 409: /Somebody else is live/,
        429: /too much to do/, 501: /switched off/, 503: /too much to do/,
        418: /refused \(418\)\.$/,
    };
    for (const [status, pattern] of Object.entries(words))
        assert.match(publishTrouble({ status: Number(status) }, at), pattern);
    assert.match(publishTrouble({ status: 404 },
        { channel: "physics", offered: false }), /switched off/);
    assert.match(publishTrouble({ status: 422, message: "two videos." }, at),
        /sends: two videos\.$/);
});

test("what passes is tried again, ever slower", () => {
    for (const status of [0, 429, 500, 502, 503]) assert.ok(passes(status));
    for (const status of [400, 401, 403, 404, 409, 422, 501])
        assert.ok(!passes(status));
    assert.deepEqual([0, 1, 2, 3, 4, 40].map(pause),
        [1000, 2000, 4000, 8000, 10000, 10000]);
});

test("a page without devices names the one that has them", () => {
    assert.match(insecure("X"), /Open X instead/);
});

test("what limits the picture, in words", () => {
    assert.equal(limit("bandwidth"), "the line");
    assert.equal(limit("none"), "nothing");
    assert.equal(limit(undefined), "–");
});

test("loudness: silence, full scale, and decibels between", () => {
    assert.equal(loudness([0, 0]), 0);
    assert.equal(loudness([0.2, -1]), 1);
    assert.ok(Math.abs(loudness([0.0316]) - 0.5) < 0.01);
    assert.equal(loudness([1e-9]), 0);
});

test("what the server finds is said for who has no OBS", () => {
    assert.match(sourceTrouble({ warning: "silent", advice: "in OBS" }),
        /^The server hears no sound: is the microphone muted\?$/);
    assert.equal(sourceTrouble({ warning: "novel", advice: "do this" }),
        "Do this.");
});

test("a warning keeps its place and its words while it lasts", () => {
    const say = (warning, advice) => ({ warning, advice });
    let now = merge([], [say("odd", "for 3 s"), say("black", "")]);
    now = merge(now, [say("black", ""), say("other", ""), say("odd", "for 5 s")]);
    assert.deepEqual(now.map((one) => one.warning), ["odd", "black", "other"]);
    assert.equal(now[0].text, "For 3 s.");
    now = merge(now, [say("other", "")]);
    assert.deepEqual(now.map((one) => one.warning), ["other"]);
    assert.deepEqual(merge(now, []), []);
});
