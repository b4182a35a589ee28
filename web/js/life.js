/* js/life.js — what the viewer is told of the lecture, found from what its
 * media does and what the API says. Pure; ms.
 *
 *                    channel live                    first frame
 *   connecting ──► waiting ─────────► starting ───────────────► live
 *       │             ▲                   ▲                     │  ▲
 *       │             │ offline           │ media is back       ▼  │
 *   unsupported     ended ◄──────── channel over ──────── reconnecting
 *   foreign (its codecs)
 *
 * The media may run ahead of the API (it is loaded at once, without asking
 * first) and the API ahead of the media; whichever comes first is believed
 * for going live, and only the API for being over. */

/** A pause of the picture shorter than this is not worth a word. */
export const PATIENCE = 1200;
/** The same while one way is left for the other. */
export const CHANGE = 3500;
/** A server that starts again gives the lecturer so long to return. */
export const RETURN = 40000;
/** Between attempts to load what the API says is live. */
export const RETRY = 500;
/** The same where it was in codecs that this browser lacks. */
export const LOOK = 5000;

/** @typedef {import("./api.js").Channel} Channel */
/**
 * @typedef {"connecting" | "waiting" | "starting" | "live" | "reconnecting"
 *     | "ended" | "unsupported" | "foreign"} PlayerState
 *
 * @typedef {object} View
 * @property {PlayerState} state until now
 * @property {string} media its state (js/llhls.js, js/whep.js)
 * @property {Channel | null} said the API's last word
 * @property {boolean} reachable the API answers
 * @property {boolean} seenLive there was a picture
 * @property {boolean} lacking nothing here can play at all
 * @property {boolean} changing one way is left for the other
 * @property {number} gone for so long the API has known of no lecture
 *
 * @typedef {object} Verdict
 * @property {PlayerState} state
 * @property {number} [patience] then it is "reconnecting", unless more is
 *     heard
 * @property {number} [again] then the media is to be loaded again
 * @property {number} [later] then it is to be judged again
 * @property {boolean} [letGo] the media is to be let go of
 */

/** @param {View} view @returns {Verdict} */
export function judge(view) {
    const { media, said } = view;
    const verdict = judgeNow(view, isOn(said));
    if (isOn(said) && media === "absent") verdict.again = RETRY;
    if (isOn(said) && media === "foreign") verdict.again = LOOK;
    return verdict;
}

/** @param {View} view @param {boolean} on @returns {Verdict} */
function judgeNow(view, on) {
    const { state, media, said } = view;
    if (media === "playing") return { state: "live" };
    if (media === "ended") return { state: "ended" };
    if (on && (media === "foreign" ||
        (state === "foreign" && media === "loading")))
        return { state: "foreign" };
    if (view.lacking) return { state: "unsupported" };
    if (said && !on && view.reachable)
        return media === "stalled" ? { state, letGo: true } : gone(view);
    if (state === "live" && view.changing) return { state, patience: CHANGE };
    if (state === "live" && ["stalled", "loading"].includes(media))
        return { state, patience: PATIENCE };
    if (view.seenLive) return { state: "reconnecting" };
    return { state: on ? "starting" : state };
}

/**
 * The API knows of no lecture now. Has there been one, and is it over? A
 * server that has just started does not know, so its "offline" is not believed
 * at once.
 * @param {View} view
 * @returns {Verdict}
 */
function gone({ state, said, seenLive, gone: since }) {
    if (!seenLive) return { state: "waiting" };
    if (state === "ended" || said?.state === "ended" || since >= RETURN)
        return { state: "ended" };
    return { state: "reconnecting", later: RETURN - since };
}

/**
 * Is there something to load that is not loaded yet?
 * @param {Channel | null} was
 * @param {Channel} said
 * @param {string} media its state
 * @param {boolean} asks it asks again by itself, at its own pace
 */
export function isNews(was, said, media, asks) {
    if (!isOn(said)) return false;
    if (was && was.generation !== said.generation && isOn(was)) return true;
    switch (media) {
        case "absent":
            return !asks || !isOn(was);
        case "foreign":
            return !isOn(was);
        case "idle":
            return true;
        case "ended":
            /* The answer may be older than the end that we have seen. */
            return !!was && !isOn(was);
        default:
            return false;
    }
}

/** @param {Channel | null} said */
export function isOn(said) {
    return said !== null &&
        ["live", "starting", "reconnecting"].includes(said.state);
}
