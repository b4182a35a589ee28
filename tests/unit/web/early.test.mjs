/* tests/unit/web/early.test.mjs — what a joining viewer will need. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { firstChoice, firstMedia, take } from "../../../web/js/early.js";

const TOP = `#EXTM3U
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="audio",NAME="audio",URI="7/audio/index.m3u8"
#EXT-X-STREAM-INF:BANDWIDTH=9000000,AVERAGE-BANDWIDTH=8000000,AUDIO="audio"
7/1080p/index.m3u8
#EXT-X-STREAM-INF:AVERAGE-BANDWIDTH=3000000,BANDWIDTH=3700000,AUDIO="audio"
7/720p/index.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=400000,AUDIO="audio"
7/160p/index.m3u8
`;

const part = (msn, n, key) =>
    `#EXT-X-PART:DURATION=0.200000,URI="${msn}.${n}.m4s"` +
    (key ? ",INDEPENDENT=YES" : "") + "\n";
const segment = (msn, count) => Array.from({ length: count },
    (_, n) => part(msn, n, n === 0)).join("");
const HEAD = `#EXTM3U
#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=0.6
#EXT-X-MAP:URI="init-1.mp4"
`;

test("the rung that the player will choose, and the sound", () => {
    assert.deepEqual(firstChoice(TOP),
        ["7/720p/index.m3u8", "7/audio/index.m3u8"]);
});

test("the language that was chosen last is asked for early", () => {
    const german = TOP.replace("#EXT-X-STREAM", "#EXT-X-MEDIA:TYPE=AUDIO," +
        'GROUP-ID="audio",NAME="Deutsch",LANGUAGE="de",' +
        'URI="7/audio-2/index.m3u8"\n#EXT-X-STREAM');
    const uri = (chosen) => firstChoice(german, chosen)[1];
    assert.equal(uri({ lang: "de", name: "Deutsch" }), "7/audio-2/index.m3u8");
    assert.equal(uri({ lang: "fr", name: "Français" }), "7/audio/index.m3u8");
    assert.equal(uri(null), "7/audio/index.m3u8");
});

test("no rung is small enough: the smallest", () => {
    const only = TOP.split("\n").slice(0, 4).join("\n") + "\n";
    assert.deepEqual(firstChoice(only),
        ["7/1080p/index.m3u8", "7/audio/index.m3u8"]);
});

test("parts from the keyframe before the hold-back", () => {
    assert.deepEqual(firstMedia(HEAD + segment(5, 10) + segment(6, 4)),
        ["init-1.mp4", "6.0.m4s", "6.1.m4s", "6.2.m4s", "6.3.m4s"]);
    const early = firstMedia(HEAD + segment(5, 10) + segment(6, 2));
    assert.equal(early[1], "5.0.m4s");
    assert.equal(early.at(-1), "6.1.m4s");
    assert.equal(early.length, 13);
});

test("what is no playlist asks for nothing", () => {
    for (const text of ["", "404", "#EXTM3U\n", "<html>"]) {
        assert.deepEqual(firstChoice(text), []);
        assert.deepEqual(firstMedia(text), []);
    }
});

test("what was not asked for is not there", () => {
    assert.equal(take("http://127.0.0.1/x"), undefined);
});
