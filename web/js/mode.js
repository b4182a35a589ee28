/* js/mode.js — which of the two ways the lecture comes, and what to do when
 * one does not come up. Pure: step(mode, event, now) gives the next mode; ms.
 *
 *   realtime: WebRTC, the browser itself goes from UDP to TCP. standard: LL-HLS.
 *
 *                     realtime plays
 *   connecting ──────────────────────────► realtime ◄───────────┐
 *       │ PATIENCE                            │ LOSS             │ plays
 *       ▼                                     ▼                  │
 *   falling-back  (both run, the first that plays is shown)      │
 *       │ standard plays, or real time is refused                │
 *       ▼                 10 s, 30 s, each minute, new network   │
 *   standard ──────────────────────────────────────────► retrying
 *       ▲                                TRIAL over          │
 *       └────────────────────────────────────────────────────┘
 *
 * While the lecturer's side is off (source false) nothing is judged: no way
 * could bring a picture then. */

/** Real time has so long to show a picture before standard is loaded too. */
export const PATIENCE = 2000;
/** So long after its path was found lost (js/whep.js: 1.3 s without a packet)
 *  standard is loaded too; meanwhile real time makes itself another path. */
export const LOSS = 700;
/** Both are tried; after this real time is let go. */
export const GIVE_UP = 8000;
/** A trial in the background. */
export const TRIAL = 4000;
/** Real time that held this long was no false start. */
export const HELD = 30000;
/** A new network: a moment until it carries. */
export const SETTLE = 1000;
const RETRIES = [10000, 30000, 60000];

/**
 * @typedef {"connecting" | "realtime" | "falling-back" | "standard"
 *     | "retrying"} ModeName
 * @typedef {import("./wish.js").Wish} Wish
 *
 * @typedef {object} Mode
 * @property {ModeName} name
 * @property {Wish} wish what the learner wants
 * @property {Wish} front whose picture is to be seen
 * @property {boolean} realtime it shall run
 * @property {boolean} standard it shall run
 * @property {string} reason why real time is not there: "", "slow", "lost",
 *     or what refused() said
 * @property {boolean} final no sense in trying again
 * @property {boolean | null} source the lecturer's side is on; null: unknown
 * @property {number} since of this name
 * @property {number} stalledAt Infinity: it plays
 * @property {number} retryAt Infinity: never
 * @property {number} tries
 * @property {boolean} quiet nobody asked for this retry
 *
 * @typedef {{type: "realtime-playing"} | {type: "realtime-stalled"}
 *     | {type: "realtime-refused", why: string, final: boolean}
 *     | {type: "standard-playing"}
 *     | {type: "standard-unsupported"}
 *     | {type: "wish", wish: Wish} | {type: "source", on: boolean | null}
 *     | {type: "network"} | {type: "tick"}} ModeEvent
 */

/**
 * @param {Wish} wish
 * @param {number} now
 * @param {{refused?: string, source?: boolean | null}} [known] refused: real
 *     time cannot be, and why
 * @returns {Mode}
 */
export function begin(wish, now, { refused = "", source = null } = {}) {
    const realtime = wish === "realtime" && !refused;
    return {
        name: realtime ? "connecting" : "standard",
        wish,
        front: realtime ? "realtime" : "standard",
        realtime,
        standard: !realtime,
        reason: refused,
        final: refused !== "",
        source,
        since: now,
        stalledAt: Infinity,
        retryAt: Infinity,
        tries: 0,
        quiet: false,
    };
}

/**
 * @param {Mode} mode
 * @param {ModeEvent} event
 * @param {number} now
 * @returns {Mode} the same object when nothing changed
 */
export function step(mode, event, now) {
    switch (event.type) {
        case "realtime-playing":
            return onRealtime(mode, now);
        case "realtime-stalled":
            return mode.name !== "realtime" || mode.stalledAt !== Infinity
                ? mode : { ...mode, stalledAt: now };
        case "realtime-refused":
            return onRefused(mode, event, now);
        case "standard-playing":
            return mode.name === "falling-back" ? toStandard(mode, now) : mode;
        case "standard-unsupported":
            return mode.name === "standard" && !mode.final &&
                mode.wish === "standard"
                ? begin("realtime", now, mode) : mode;
        case "wish":
            return onWish(mode, event.wish, now);
        case "source":
            return onSource(mode, event.on, now);
        case "network":
            return mode.name === "standard" && mode.retryAt < Infinity
                ? { ...mode, tries: 0, retryAt: now + SETTLE } : mode;
        case "tick":
            return onTick(mode, now);
    }
}

/**
 * When the next tick is due; Infinity: no need.
 * @param {Mode} mode
 */
export function nextAt(mode) {
    if (mode.source === false) return Infinity;
    switch (mode.name) {
        case "connecting":
            return mode.since + PATIENCE;
        case "realtime":
            return mode.stalledAt + LOSS;
        case "falling-back":
            return mode.since + GIVE_UP;
        case "standard":
            return mode.retryAt;
        case "retrying":
            return mode.since + TRIAL;
    }
}

/** @param {Mode} mode @param {number} now @returns {Mode} */
function onTick(mode, now) {
    if (now < nextAt(mode)) return mode;
    switch (mode.name) {
        case "connecting":
            return fallBack(mode, "slow", now);
        case "realtime":
            return fallBack({
                ...mode,
                tries: now - mode.since > HELD ? 0 : mode.tries,
            }, "lost", now);
        case "falling-back":
            return toStandard(mode, now);
        case "standard":
            return retry(mode, true, now);
        case "retrying":
            return toStandard({ ...mode, tries: mode.tries + 1 }, now);
    }
}

/** @param {Mode} mode @param {number} now @returns {Mode} */
function onRealtime(mode, now) {
    if (mode.name === "realtime")
        return mode.stalledAt === Infinity ? mode
            : { ...mode, stalledAt: Infinity };
    if (!mode.realtime || mode.wish !== "realtime") return mode;
    return {
        ...mode,
        name: "realtime",
        front: "realtime",
        standard: false,
        reason: "",
        since: now,
        stalledAt: Infinity,
        retryAt: Infinity,
        tries: mode.name === "retrying" ? mode.tries + 1 : mode.tries,
    };
}

/**
 * @param {Mode} mode
 * @param {{why: string, final: boolean}} event
 * @param {number} now
 * @returns {Mode}
 */
function onRefused(mode, { why, final }, now) {
    if (!mode.realtime) return mode;
    const tries = mode.name === "retrying" ? mode.tries + 1 : mode.tries;
    return toStandard({ ...mode, reason: why, final, tries }, now);
}

/** @param {Mode} mode @param {Wish} wish @param {number} now @returns {Mode} */
function onWish(mode, wish, now) {
    if (wish === mode.wish) return mode;
    const next = { ...mode, wish, tries: 0, quiet: false };
    if (wish === "realtime") {
        if (mode.name === "falling-back" && mode.reason === "")
            return { ...next, name: "realtime", standard: false, since: now };
        return mode.name === "standard" && !mode.final
            ? retry(next, false, now) : next;
    }
    /* What plays goes on until the other does. */
    if (mode.name === "realtime") return fallBack(next, "", now);
    if (mode.name === "falling-back") return next;
    return toStandard({ ...next, reason: mode.final ? mode.reason : "" }, now);
}

/**
 * @param {Mode} mode
 * @param {boolean | null} on
 * @param {number} now
 * @returns {Mode}
 */
function onSource(mode, on, now) {
    if (on === mode.source) return mode;
    const next = { ...mode, source: on };
    /* What was not judged has its full time from here. */
    if (mode.source === false) {
        if (mode.name === "connecting" || mode.name === "retrying")
            next.since = now;
        if (mode.stalledAt < Infinity) next.stalledAt = now;
    }
    return next;
}

/** @param {Mode} mode @param {string} reason @param {number} now @returns {Mode} */
function fallBack(mode, reason, now) {
    return {
        ...mode,
        name: "falling-back",
        standard: true,
        reason,
        since: now,
        stalledAt: Infinity,
    };
}

/** @param {Mode} mode @param {number} now @returns {Mode} */
function toStandard(mode, now) {
    const again = mode.wish === "realtime" && !mode.final;
    const wait = RETRIES[Math.min(mode.tries, RETRIES.length - 1)];
    return {
        ...mode,
        name: "standard",
        front: "standard",
        realtime: false,
        standard: true,
        since: now,
        stalledAt: Infinity,
        retryAt: again ? now + wait : Infinity,
        quiet: false,
    };
}

/** @param {Mode} mode @param {boolean} quiet @param {number} now @returns {Mode} */
function retry(mode, quiet, now) {
    return {
        ...mode,
        name: "retrying",
        realtime: true,
        since: now,
        quiet,
        retryAt: Infinity,
    };
}

/**
 * What the learner reads about it.
 * @param {Mode} mode
 * @param {string} protocol "udp", "tcp" or "" (unknown) of the selected pair
 */
export function sentence(mode, protocol) {
    switch (mode.name) {
        case "connecting":
            return "Connecting in real time…";
        case "realtime":
            return protocol ? `Real time over ${protocol.toUpperCase()}`
                : "Real time";
        case "falling-back":
            return mode.reason === "" ? "Changing to standard…"
                : "Real time does not come through. Changing to standard…";
        case "retrying":
            return mode.quiet ? standard(mode) : "Connecting in real time…";
        case "standard":
            return standard(mode);
    }
}

/** @type {Record<string, string>} */
const REASONS = {
    codec: "This browser has no H.264 in real time.",
    server: "This server has no real time.",
    denied: "Real time is not open to you here.",
};

/** @param {Mode} mode */
function standard(mode) {
    const why = mode.wish === "standard" ? ""
        : REASONS[mode.reason] ?? "Real time is tried again by itself.";
    return why ? `Standard over HTTP. ${why}` : "Standard over HTTP";
}
