/* tests/unit/web/kinds.test.mjs — what a playlist offers (js/kinds.js). */
import assert from "node:assert/strict";
import { test } from "node:test";
import { grew, kinds } from "../../../web/js/kinds.js";

const line = (codecs) =>
    `#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1,CODECS="${codecs}"\nx.m3u8\n`;

test("pictures, sound, both, nothing", () => {
    assert.deepEqual(kinds(line("avc1.42c01e,mp4a.40.2")),
        { video: true, sound: true });
    assert.deepEqual(kinds(line("mp4a.40.2")), { video: false, sound: true });
    assert.deepEqual(kinds(line("hvc1.1.6.L60.90")),
        { video: true, sound: false });
    assert.deepEqual(kinds(""), { video: false, sound: false });
});

test("only more is news", () => {
    const all = { video: true, sound: true };
    const sound = { video: false, sound: true };
    assert.equal(grew(sound, all), true);
    assert.equal(grew(all, sound), false);
    assert.equal(grew(all, all), false);
});
