/* tests/unit/web/wish.test.mjs — who decides between real time and standard. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { rungsOf } from "../../../web/js/figures.js";
import { wish } from "../../../web/js/wish.js";

const store = (value) => ({ getItem: () => value });

test("the address, then the learner's last choice, then standard", () => {
    assert.equal(wish("?mode=realtime", store("standard")), "realtime");
    assert.equal(wish("?mode=standard", store("realtime")), "standard");
    assert.equal(wish("?mode=loud", store("realtime")), "realtime");
    assert.equal(wish("", store("loud")), "standard");
    assert.equal(wish("", store(null)), "standard");
});

test("a closed storage is no obstacle", () => {
    assert.equal(wish("", {
        getItem() {
            throw new Error("SecurityError");
        },
    }), "standard");
});

test("renditions as the server lists them, highest first", () => {
    const said = {
        renditions: [
            { name: "360p", width: 640, height: 360, bps: 7e5 },
            { name: "720p", width: 1280, height: 720, bps: 2e6 },
            { name: 7 }, null,
        ],
    };
    assert.deepEqual(rungsOf(said), [
        { id: 0, name: "720p", height: 720, bitrate: 2e6 },
        { id: 1, name: "360p", height: 360, bitrate: 7e5 },
    ]);
    for (const odd of [null, {}, { renditions: 3 }, "x"])
        assert.deepEqual(rungsOf(odd), []);
});
