/* tests/unit/web/life.test.mjs — what the viewer is told, step by step. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { CHANGE, LOOK, PATIENCE, RETRY, RETURN, isNews, judge }
    from "../../../web/js/life.js";

const said = (state, generation = 1) => ({ state, generation });
const view = (more) => ({
    state: "connecting", media: "loading", said: null, reachable: true,
    seenLive: false, lacking: false, changing: false, gone: 0, ...more });
const is = (more, verdict) => assert.deepEqual(judge(view(more)), verdict);

test("waiting, starting, live", () => {
    is({}, { state: "connecting" });
    is({ media: "absent", said: said("offline") }, { state: "waiting" });
    is({ state: "waiting", said: said("live") }, { state: "starting" });
    is({ state: "waiting", media: "absent", said: said("live") },
        { state: "starting", again: RETRY });
    is({ state: "starting", media: "playing", said: said("live") },
        { state: "live" });
    /* The media is believed before the API has said anything. */
    is({ media: "playing" }, { state: "live" });
});

test("a pause is worth a word after a while only", () => {
    const live = { state: "live", seenLive: true, said: said("live") };
    is({ ...live, media: "stalled" }, { state: "live", patience: PATIENCE });
    is({ ...live, media: "loading" }, { state: "live", patience: PATIENCE });
    is({ ...live, media: "stalled", changing: true },
        { state: "live", patience: CHANGE });
    is({ ...live, state: "reconnecting", media: "stalled" },
        { state: "reconnecting" });
});

test("over is what the API says, and not in its first breath", () => {
    const gone = { state: "live", seenLive: true, said: said("offline") };
    is({ ...gone, media: "stalled" }, { state: "live", letGo: true });
    is({ ...gone, media: "idle", gone: 1000 },
        { state: "reconnecting", later: RETURN - 1000 });
    is({ ...gone, media: "idle", gone: RETURN }, { state: "ended" });
    is({ ...gone, media: "idle", said: said("ended") }, { state: "ended" });
    is({ ...gone, media: "idle", state: "ended" }, { state: "ended" });
    is({ ...gone, media: "ended" }, { state: "ended" });
    /* Nobody answers: what was said last is no word. */
    is({ ...gone, media: "stalled", reachable: false },
        { state: "live", patience: PATIENCE });
});

test("what cannot be played is said, and looked at again", () => {
    is({ media: "foreign", said: said("live") },
        { state: "foreign", again: LOOK });
    is({ state: "foreign", said: said("live") }, { state: "foreign" });
    is({ state: "foreign", media: "idle", said: said("offline") },
        { state: "waiting" });
    is({ lacking: true, media: "idle", said: said("live") },
        { state: "unsupported" });
});

test("news is what there is to load and is not loaded", () => {
    const off = said("offline"), on = said("live");
    assert.equal(isNews(null, on, "loading", false), false);
    assert.equal(isNews(off, on, "idle", false), true);
    assert.equal(isNews(on, off, "idle", false), false);
    assert.equal(isNews(on, said("live", 2), "playing", false), true);
    assert.equal(isNews(on, on, "absent", false), true);
    assert.equal(isNews(on, on, "absent", true), false);
    assert.equal(isNews(off, on, "absent", true), true);
    assert.equal(isNews(on, on, "foreign", false), false);
    assert.equal(isNews(off, on, "foreign", false), true);
    assert.equal(isNews(on, on, "ended", false), false);
    assert.equal(isNews(off, on, "ended", false), true);
});
