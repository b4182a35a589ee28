/* js/clock.js — what time it is on the server, bounded rather than guessed.
 * Pure: no I/O; instants are milliseconds since 1970.
 *
 * A Date header D says that the server's clock stood in [D, D + 1 s) at some
 * moment between our sending and our receiving. So server - ours lies in
 *
 *     D - received  <=  offset  <  D + 1000 - sent
 *
 * and each answer, coming at another phase of the second, cuts the interval
 * further. Media helps too: what is published has been captured, so the
 * newest PROGRAM-DATE-TIME is never ahead of the server's clock. */

/** Two quartz clocks part by less than this: 100 µs a second. */
const DRIFT = 1e-4;

export class ServerClock {
    #low = -Infinity;
    #high = Infinity;
    #at = 0;

    /**
     * Notes one answer. Ignores one that a cache may have kept (Age).
     * @param {{date: number, sent: number, received: number}} answer
     */
    observe({ date, sent, received }) {
        if (!Number.isFinite(date) || received < sent) return;
        this.#cut(date - received, date + 1000 - sent, received);
    }

    /**
     * Notes that media captured at `captured` was there at `received`.
     * @param {number} captured
     * @param {number} received
     */
    published(captured, received) {
        if (!Number.isFinite(captured)) return;
        this.#cut(captured - received, Infinity, received);
    }

    /** Server minus ours, ms; 0 until anything is known. */
    get offset() {
        if (this.#high === Infinity)
            return this.#low === -Infinity ? 0 : Math.max(0, this.#low);
        /* Our own clock is as good a witness as the middle, where it lies
         * inside the bounds: both machines keep time by NTP as a rule. */
        if (this.#low <= 0 && 0 < this.#high) return 0;
        return (this.#low + this.#high) / 2;
    }

    /** How wide the interval still is, ms. */
    get doubt() {
        return this.#high - this.#low;
    }

    /** @param {number} ours */
    now(ours) {
        return ours + this.offset;
    }

    /**
     * @param {number} low
     * @param {number} high
     * @param {number} at
     */
    #cut(low, high, at) {
        const aged = Math.max(0, at - this.#at) * DRIFT;
        this.#at = Math.max(at, this.#at);
        const newLow = Math.max(this.#low - aged, low);
        const newHigh = Math.min(this.#high + aged, high);
        if (newLow < newHigh) {
            this.#low = newLow;
            this.#high = newHigh;
            return;
        }
        /* A clock was set: what we knew is void, the new word holds. */
        this.#low = low;
        this.#high = high;
    }
}
