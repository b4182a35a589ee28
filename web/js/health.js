/* js/health.js — what the server finds in the lecturer's stream: asked each two
 * seconds with the stream key, told as words that stay as long as they hold. */
import { sourceTrouble } from "./trouble.js";

const EVERY = 2000;

/**
 * @typedef {object} Found
 * @property {{warning: string, text: string}[]} warnings in the order they
 *     began; a text does not change while its warning lasts, so that it is
 *     read out once
 * @property {number | null} loudness dBFS
 * @property {number | null} still seconds since the picture changed
 */

export class Health {
    #channel;
    #key;
    #tell;
    #abort = new AbortController();
    #timer;
    /** @type {Found["warnings"]} */
    #warnings = [];

    /**
     * @param {string} channel
     * @param {string} key
     * @param {(found: Found) => void} tell
     */
    constructor(channel, key, tell) {
        this.#channel = channel;
        this.#key = key;
        this.#tell = tell;
        this.#timer = setInterval(() => this.#ask(), EVERY);
    }

    close() {
        clearInterval(this.#timer);
        this.#abort.abort();
    }

    async #ask() {
        const url = `/api/channels/${encodeURIComponent(this.#channel)}/health`;
        try {
            const answer = await fetch(url, {
                signal: this.#abort.signal,
                cache: "no-store",
                headers: { authorization: `Bearer ${this.#key}` },
            });
            if (!answer.ok) return;
            const { source } = await answer.json();
            if (this.#abort.signal.aborted || !source) return;
            this.#warnings = merge(this.#warnings, source.warnings);
            this.#tell({
                warnings: this.#warnings,
                loudness: source.audio?.rms_dbfs ?? null,
                still: source.video?.still_s ?? null,
            });
        } catch {
            /* out of reach: the studio says so by itself */
        }
    }
}

/**
 * What goes on keeps its place and its words.
 * @param {Found["warnings"]} before
 * @param {{warning: string, advice: string}[]} now
 * @returns {Found["warnings"]}
 */
export function merge(before, now) {
    const goesOn = before.filter((one) =>
        now.some((it) => it.warning === one.warning));
    const began = now.filter((it) =>
        !before.some((one) => one.warning === it.warning));
    return goesOn.concat(began.map((it) =>
        ({ warning: it.warning, text: sourceTrouble(it) })));
}
