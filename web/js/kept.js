/* js/kept.js — what the browser keeps of a learner's choices. Storage may be
 * closed to us: then nothing is there, and a choice holds for this page. */

/**
 * @param {string} name
 * @param {Pick<Storage, "getItem"> | undefined} [store]
 * @returns {string | null}
 */
export function kept(name, store = storage()) {
    try {
        return store?.getItem(name) ?? null;
    } catch {
        return null;
    }
}

/**
 * @param {string} name
 * @param {string} text
 * @param {Pick<Storage, "setItem"> | undefined} [store]
 */
export function keep(name, text, store = storage()) {
    try {
        store?.setItem(name, text);
    } catch {
        /* see above */
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
