/* js/latency.js — holds a live player at its target distance from the edge.
 * Pure: no DOM, no clock, no timer. Seconds everywhere; `now` is monotonic.
 *
 *   published  ────────────────────────────────┬─ edge (a new part each ~0.2 s)
 *   media time ───────────┬────────────────────┤
 *                     position                live line = now - offset
 *                         └────── behind ──────┘
 *
 * The live line is fitted through the newest arrivals, so it is smooth where
 * the edge is a staircase, and one late playlist does not move it. The error
 * is behind - target, and each state has its own way in and out, so that
 * noise cannot make the rate flap:
 *
 *   hold   rate 1           -> catch  error > CATCH_IN
 *                           -> slow   error < -SLOW_IN, or buffer < low water
 *   catch  1 < rate <= 1.08 -> hold   error < CATCH_OUT, or buffer runs short
 *   slow   0.95 <= rate < 1 -> hold   error > -SLOW_OUT and buffer is back
 *   any                     -> jump   error > JUMP and the media is there
 *
 * The target is the server's PART-HOLD-BACK, more only while deliveries are
 * measured to come later than it covers, and it returns by itself. A stall
 * does not raise it: a stall has a cause, and the cause is measured. */

const CATCH_IN = 0.06;
const CATCH_OUT = 0.015;
const SLOW_IN = 0.1;
const SLOW_OUT = 0.03;
/** Rate per second of error: 0.3 s late gives 1.06. */
const GAIN = 0.2;
/** Below this a change of rate is not worth the resampler's work. */
const RATE_STEP = 0.01;
/** Catching up 1.5 s at 1.08 takes 19 s: beyond it, jump. */
const JUMP = 1.5;
/** This far behind, jump even where the media must be loaded first. */
const JUMP_UNBUFFERED = 6;
/** After a jump the decoder needs a moment; do not judge it. */
const JUMP_REST = 2;
/** Playlists that make the live line, and those that make the lateness. */
const LINE_SAMPLES = 9;
const LATE_SAMPLES = 48;
/** The page is busy with itself when it starts: what comes late in the first
 *  playlists says nothing about the line. */
const WARM = 10;
/** Edges remembered to find when a delivery had been announced. */
const EDGES = 24;
/** Spare buffer wanted when the latest delivery of the window comes. */
const SPARE = 0.08;
/** Media times this near are one. */
const EPSILON = 0.02;
/** What comes later than this is an outage, and no hold-back is for that. */
const LATE_MAX = 2;
/** Of the deliveries in the window, so many are waited for. */
const PUNCTUAL = 0.9;

/** @typedef {"idle" | "hold" | "catch" | "slow" | "jump"} ControlState */

/**
 * @typedef {object} Decision
 * @property {ControlState} state
 * @property {number} rate what playbackRate should be
 * @property {number | null} jumpTo media time to seek to, or null
 * @property {number | null} behind distance to the live line, null: unknown
 * @property {number} target
 */

export class LatencyControl {
    #maxRate;
    #minRate;
    #holdBack = 1;
    #part = 0.2;
    /** @type {number[]} */
    #offsets = [];
    /** Playlists, behind the line of their time.
     *  @type {number[]} */
    #late = [];
    /** From the announcement of media to its place in the buffer.
     *  @type {number[]} */
    #trips = [];
    /** @type {{edge: number, at: number}[]} */
    #edges = [];
    #count = 0;
    /** @type {ControlState} */
    #state = "idle";
    #rate = 1;
    #restUntil = -Infinity;
    #fresh = true;

    /** @param {{maxRate?: number, minRate?: number}} [conf] */
    constructor({ maxRate = 1.08, minRate = 0.95 } = {}) {
        this.#maxRate = maxRate;
        this.#minRate = minRate;
    }

    /**
     * What the playlist asks for.
     * @param {{holdBack: number, part: number}} conf
     */
    configure({ holdBack, part }) {
        if (part > 0) this.#part = part;
        if (holdBack > 0) this.#holdBack = Math.max(holdBack, 2 * this.#part);
    }

    /** A new timeline, or a new start: nothing learnt before holds. */
    reset() {
        this.#offsets = [];
        this.#late = [];
        this.#trips = [];
        this.#edges = [];
        this.#count = 0;
        this.#state = "idle";
        this.#rate = 1;
        this.#restUntil = -Infinity;
        this.#fresh = true;
    }

    /**
     * A playlist that ends at `edge` came at `now`.
     * @param {number} edge
     * @param {number} now
     */
    published(edge, now) {
        if (!Number.isFinite(edge)) return;
        push(this.#edges, { edge, at: now }, EDGES);
        push(this.#offsets, now - edge, LINE_SAMPLES);
        const late = now - edge - this.#line;
        if (++this.#count > WARM && late < LATE_MAX)
            push(this.#late, late, LATE_SAMPLES);
    }

    /**
     * The buffer reached `end` at `now`.
     * @param {number} end
     * @param {number} now
     */
    delivered(end, now) {
        const i = this.#edges.findIndex(({ edge }) => edge > end - EPSILON);
        /* What the first playlist listed is filled in, not delivered live. */
        if (i <= 0 || this.#count <= WARM) return;
        const trip = now - this.#edges[i].at;
        if (trip < LATE_MAX) push(this.#trips, trip, LATE_SAMPLES);
    }

    /** The picture stands still, say so at each tick: what is skipped now, nobody was watching. */
    stalled() {
        this.#fresh = true;
    }

    /** Where playback should be, behind the live line. */
    get target() {
        const known = Math.min(this.#late.length, this.#trips.length);
        if (known < LATE_SAMPLES / 2) return this.#holdBack;
        const late = quantile(this.#late, PUNCTUAL);
        const trip = quantile(this.#trips, PUNCTUAL);
        return Math.max(this.#holdBack, late + trip + this.#part + SPARE);
    }

    /** now - media time of the live line. */
    get #line() {
        return quantile(this.#offsets, 0.5);
    }

    /**
     * Media time of the live line at `now`; null while nothing is known.
     * It never runs far ahead of what was really published, so a publisher
     * that stops does not look like a player that lags.
     * @param {number} now
     * @returns {number | null}
     */
    liveAt(now) {
        if (this.#offsets.length === 0) return null;
        const { edge } = /** @type {any} */ (this.#edges.at(-1));
        return Math.min(now - this.#line, edge + 2 * this.#part);
    }

    /**
     * Decides; call it about ten times a second.
     * @param {{now: number, position: number, bufferEnd: number,
     *          moving: boolean}} player `moving`: neither paused, seeking
     *          nor waiting for the viewer
     * @returns {Decision}
     */
    tick({ now, position, bufferEnd, moving }) {
        const live = this.liveAt(now);
        const target = this.target;
        if (live === null || !moving)
            return this.#decide("idle", 1, null, live, position, target);
        const error = live - position - target;
        const ahead = bufferEnd - position;
        if (now >= this.#restUntil) {
            const to = this.#jump(error, position, bufferEnd);
            if (to !== null) {
                this.#restUntil = now + JUMP_REST;
                this.#fresh = false;
                return this.#decide("jump", 1, to, live, position, target);
            }
        }
        const state = this.#next(error, ahead);
        return this.#decide(
            state,
            this.#rateFor(state, error),
            null,
            live,
            position,
            target,
        );
    }

    /**
     * @param {number} error
     * @param {number} position
     * @param {number} bufferEnd
     * @returns {number | null}
     */
    #jump(error, position, bufferEnd) {
        const to = position + error;
        const there = bufferEnd - to > this.#part / 2;
        /* At the start, and after a stall, a jump costs nobody anything. */
        const limit = this.#fresh ? 3 * CATCH_IN : JUMP;
        if (error > limit && there) return to;
        return error > JUMP_UNBUFFERED ? to : null;
    }

    /**
     * @param {number} error
     * @param {number} ahead
     * @returns {ControlState}
     */
    #next(error, ahead) {
        const low = this.#part / 2;
        const short = ahead < low;
        switch (this.#state) {
            case "catch":
                if (short) return "slow";
                return error < CATCH_OUT ? "hold" : "catch";
            case "slow":
                if (ahead < 2 * low) return "slow";
                return error < -SLOW_OUT ? "slow" : "hold";
            default:
                if (short || error < -SLOW_IN) return "slow";
                return error > CATCH_IN && ahead > 2 * low ? "catch" : "hold";
        }
    }

    /**
     * @param {ControlState} state
     * @param {number} error
     */
    #rateFor(state, error) {
        let rate = 1;
        if (state === "catch")
            rate = Math.min(this.#maxRate, 1 + Math.max(0.02, GAIN * error));
        if (state === "slow")
            rate = Math.max(this.#minRate, 1 + Math.min(-0.03, GAIN * error));
        /* Keep the rate while the wish is near it: each change costs. */
        const same = Math.abs(rate - this.#rate) < RATE_STEP;
        return same && state === this.#state ? this.#rate : rate;
    }

    /**
     * @param {ControlState} state
     * @param {number} rate
     * @param {number | null} jumpTo
     * @param {number | null} live
     * @param {number} position
     * @param {number} target
     * @returns {Decision}
     */
    #decide(state, rate, jumpTo, live, position, target) {
        if (state === "hold") this.#fresh = false;
        this.#state = state;
        this.#rate = Math.round(rate * 100) / 100;
        const behind = live === null ? null : live - position;
        return { state, rate: this.#rate, jumpTo, behind, target };
    }
}

/**
 * @template T
 * @param {T[]} list
 * @param {T} value
 * @param {number} bound oldest goes first
 */
function push(list, value, bound) {
    list.push(value);
    if (list.length > bound) list.shift();
}

/**
 * @param {number[]} list not empty
 * @param {number} q
 */
function quantile(list, q) {
    const sorted = [...list].sort((a, b) => a - b);
    return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))];
}
