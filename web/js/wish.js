/* js/wish.js — real time or standard: what the page's address asks for, else
 * what the learner chose the last time, else standard. */

/** @typedef {"realtime" | "standard"} Wish */

const STORE = "lectern.mode";
/** Scales to any crowd and any line; real time is a choice. */
const DEFAULT = "standard";

/** @param {unknown} word @returns {Wish | null} */
const known = (word) =>
    word === "realtime" || word === "standard" ? word : null;

/**
 * @param {string} search the page's query
 * @param {Pick<Storage, "getItem"> | undefined} [store]
 * @returns {Wish}
 */
export function wish(search, store = storage()) {
    return known(new URLSearchParams(search).get("mode")) ??
        known(read(store)) ?? DEFAULT;
}

/** @param {Wish} chosen */
export function remember(chosen) {
    try {
        storage()?.setItem(STORE, chosen);
    } catch {
        /* Storage may be closed to us; the choice holds for this page. */
    }
}

/** @param {Pick<Storage, "getItem"> | undefined} store */
function read(store) {
    try {
        return store?.getItem(STORE);
    } catch {
        return null;
    }
}

/** @returns {Storage | undefined} */
function storage() {
    try {
        return globalThis.localStorage;
    } catch {
        return undefined;
    }
}
