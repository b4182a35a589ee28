/* js/api.js — what the server says about its channels. */

/**
 * @typedef {"offline" | "starting" | "live" | "reconnecting" | "ended"}
 *     LiveState
 * @typedef {object} Channel
 * @property {string} channel
 * @property {LiveState} state
 * @property {number} [generation]
 * @property {string} [since] ISO instant
 * @property {number} [viewers]
 */

/** How long one question may wait on the server, seconds. */
const WAIT = 20;
/** Between questions that came back at once, ms: first, and at most. */
const PAUSE_MIN = 1000;
const PAUSE_MAX = 10000;

/**
 * @param {AbortSignal} [signal]
 * @returns {Promise<Channel[]>}
 */
export async function listLive(signal) {
    const answer = await fetch("/api/live", { signal, cache: "no-store" });
    if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
    return (await answer.json()).channels ?? [];
}

/**
 * One channel; an unknown one reads as offline.
 * @param {string} name
 * @param {{wait?: number, known?: string, signal?: AbortSignal}} [how] with
 *     `wait`, the answer comes when the state is no longer `known`, or after
 *     so many seconds
 * @returns {Promise<Channel>}
 */
export async function channelState(name, how = {}) {
    const { wait = 0, known = "", signal } = how;
    const query = wait > 0 ? `?wait=${wait}&state=${known}` : "";
    const url = `/api/live/${encodeURIComponent(name)}${query}`;
    const answer = await fetch(url, { signal, cache: "no-store" });
    if (answer.status === 404) return { channel: name, state: "offline" };
    if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
    return answer.json();
}

/**
 * Watches one channel by long polling and tells of each answer. Ends with
 * close(). A server that cannot be reached is asked again, ever slower.
 */
export class ChannelWatch {
    #name;
    #tell;
    #closed = false;
    #abort = new AbortController();
    #pause = PAUSE_MIN;

    /**
     * @param {string} name
     * @param {(channel: Channel | null) => void} tell null: out of reach
     */
    constructor(name, tell) {
        this.#name = name;
        this.#tell = tell;
        this.#run();
    }

    /** Asks now: the caller has seen something that the answer explains. */
    nudge() {
        this.#abort.abort();
    }

    close() {
        this.#closed = true;
        this.#abort.abort();
    }

    async #run() {
        let wait = 0; /* the first answer is wanted now */
        let last = "";
        while (!this.#closed) {
            const asked = performance.now();
            const signal = this.#abort.signal;
            let channel = null;
            try {
                channel = await channelState(this.#name,
                    { wait, known: last, signal });
            } catch {
                /* out of reach, or nudged */
            }
            if (this.#closed) return;
            if (signal.aborted) {
                this.#abort = new AbortController();
                wait = 0;
                continue;
            }
            this.#tell(channel);
            /* Slowly answered means that the server held the question, so
             * the next may follow at once; so may the second. */
            const held = performance.now() - asked > PAUSE_MIN;
            const news = channel !== null && channel.state !== last;
            if (held || news) this.#pause = PAUSE_MIN;
            if (!channel || (!held && wait > 0)) await this.#rest();
            last = channel?.state ?? "";
            wait = channel ? WAIT : 0;
        }
    }

    #rest() {
        const ms = this.#pause;
        const signal = this.#abort.signal;
        this.#pause = Math.min(2 * ms, PAUSE_MAX);
        return new Promise((resolve) => {
            const timer = setTimeout(resolve, ms);
            signal.addEventListener("abort", () => {
                clearTimeout(timer);
                resolve(undefined);
            });
        });
    }
}
