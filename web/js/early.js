/* js/early.js — asks for what a joining viewer needs while the player itself
 * is still being compiled: playlists, init segments, the parts from the last
 * keyframe on. Runs by itself, first of all scripts, and knows no player; the
 * player's loader takes by URL what is there, so a wrong guess costs a few
 * requests and nothing else. In real time it is the session that is asked
 * for. */
import { listed, nearest, recall } from "./language.js";
import { wish } from "./wish.js";

/** A rung of at most this many bits a second is the likely first choice. */
export const START_BPS = 3_800_000;
/** After this nothing asked for early is of use, ms. */
const FRESH = 3000;
/** No join needs more parts of one track. */
const PARTS_MAX = 12;

/**
 * @typedef {object} Early
 * @property {string | ArrayBuffer} data
 * @property {number} start when it was asked for (performance.now())
 * @property {number} end when it was there
 */

/** @type {Map<string, Promise<Early>>} */
const asked = new Map();

/**
 * Gives what was asked for, once; undefined if it was not, or is stale.
 * @param {string} url absolute
 * @returns {Promise<Early> | undefined}
 */
export function take(url) {
    const found = asked.get(url);
    asked.delete(url);
    return found;
}

/**
 * @param {URL} url
 * @param {"text" | "arrayBuffer"} kind
 */
function ask(url, kind) {
    const start = performance.now();
    const early = fetch(url).then(async (answer) => {
        if (!answer.ok) throw new Error(`${answer.status}`);
        const data = await answer[kind]();
        return { data, start, end: performance.now() };
    });
    early.catch(() => {});
    asked.set(url.href, early);
    return early;
}

/**
 * The rung and the sound of a multivariant playlist.
 * @param {string} text
 * @param {import("./language.js").Chosen | null} [chosen] the language
 * @returns {string[]} URIs
 */
export function firstChoice(text, chosen = null) {
    const rungs = [...text.matchAll(
        /#EXT-X-STREAM-INF:(?:.*[,:])?BANDWIDTH=(\d+).*\n(?!#)(.+)/g)]
        .map(([, bps, uri]) => ({ bps: Number(bps), uri: uri.trim() }))
        .sort((a, b) => b.bps - a.bps);
    const rung = rungs.find(({ bps }) => bps <= START_BPS) ?? rungs.at(-1);
    const sounds = listed(text);
    const sound = nearest(sounds, chosen) ??
        sounds.find(({ isDefault }) => isDefault) ?? sounds[0];
    return [rung?.uri, sound?.uri].filter((uri) => uri);
}

/**
 * What to load of a media playlist to start at its hold-back: the init
 * segment and the parts from the keyframe before that point.
 * @param {string} text
 * @returns {string[]} URIs
 */
export function firstMedia(text) {
    const hold = Number(text.match(/PART-HOLD-BACK=([\d.]+)/)?.[1] ?? 0);
    const init = [...text.matchAll(/#EXT-X-MAP:URI="([^"]+)"/g)].at(-1);
    const parts = [...text.matchAll(
        /#EXT-X-PART:DURATION=([\d.]+),URI="([^"]+)"(.*)/g)];
    let from = parts.length, span = 0;
    while (from > 0) {
        const [, duration, , rest] = parts[--from];
        span += Number(duration);
        if (span >= hold && /INDEPENDENT=YES/.test(rest)) break;
    }
    const wanted = parts.slice(from).slice(-PARTS_MAX).map(([, , uri]) => uri);
    return init ? [init[1], ...wanted] : [];
}

/** @param {URL} url */
async function join(url) {
    const text = /** @type {string} */ ((await ask(url, "text")).data);
    await Promise.all(firstChoice(text, recall()).map(async (uri) => {
        const playlist = new URL(uri, url);
        const media = await ask(playlist, "text");
        for (const part of firstMedia(/** @type {string} */ (media.data)))
            ask(new URL(part, playlist), "arrayBuffer");
    }));
}

/** @type {Promise<import("./join.js").Joining | null> | null} */
let joining = null;

/** Gives the session that was asked for, once; null if none was. */
export function takeJoining() {
    const found = joining;
    joining = null;
    return found;
}

/** @param {string} name */
async function joinNow(name) {
    const { canJoin, join: ask, pageToken, whepUrl } =
        await import("./join.js");
    return canJoin() ? ask(whepUrl(name), { token: pageToken() }) : null;
}

/** Nobody came for it: the page is not what we took it for. */
async function dropJoining() {
    const found = await takeJoining()?.catch(() => null);
    found?.pc.close();
    found?.done.then((late) => late.remove(), () => {});
}

const channel = globalThis.location?.pathname.match(/^\/watch\/([^/]+)/)?.[1];
if (channel && wish(location.search) === "realtime") {
    joining = joinNow(decodeURIComponent(channel));
    joining.catch(() => {});
    setTimeout(dropJoining, FRESH);
} else if (channel) {
    join(new URL(`/live/${channel}/index.m3u8`, location.href)).catch(() => {});
    setTimeout(() => asked.clear(), FRESH);
}
