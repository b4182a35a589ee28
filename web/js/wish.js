/* js/wish.js — real time or standard: what the page's address asks for, else
 * what the learner chose the last time, else standard. */
import { keep, kept } from "./kept.js";

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
export function wish(search, store) {
    return known(new URLSearchParams(search).get("mode")) ??
        known(kept(STORE, store)) ?? DEFAULT;
}

/** @param {Wish} chosen */
export function remember(chosen) {
    keep(STORE, chosen);
}
