/* js/player.js — one channel on one screen: joins what the API says about the
 * channel with what the media does, into the state the viewer sees.
 * js/life.js finds that state; which of the two ways the media comes, js/mode.js
 * says. */
import { ChannelWatch } from "./api.js";
import { takeJoining } from "./early.js";
import { CHANGE, isNews, isOn, judge } from "./life.js";
import { begin, nextAt, sentence, step } from "./mode.js";
import { Screen } from "./screen.js";
import { Whep } from "./whep.js";
import { remember, wish } from "./wish.js";

/** Standard before its library is there. */
const NOTHING = Object.freeze({
    state: "loading", rungs: [], sounds: [], rung: -1, isAuto: true, latency: null,
    atLive: false, resting: false, protocol: "", snapshot: { media: "loading" },
    seekable: { start: 0, end: 0 },
    load() {}, unload() {}, close() {}, choose() {}, goLive() {},
});

/**
 * @typedef {import("./life.js").PlayerState} PlayerState
 * @typedef {import("./wish.js").Wish} Wish
 */

export class Player extends EventTarget {
    #channel;
    #screen;
    #realtime;
    /** @type {import("./llhls.js").LlHls | null} */
    #standard = null;
    /** @type {Promise<typeof import("./llhls.js")> | null} */
    #library = null;
    #noStandard = false;
    /** Why real time cannot be here; "": it may. */
    #noRealtime = Whep.isSupported() ? "" : "codec";
    /** @type {import("./mode.js").Mode} */
    #mode;
    #modeTimer = 0;
    /** Height of the chosen rung; null: by itself. @type {number | null} */
    #height = null;
    #settled = { realtime: false, standard: false };
    /** @type {ChannelWatch} */
    #watch;
    /** @type {import("./api.js").Channel | null} */
    #said = null;
    #reachable = true;
    /** @type {PlayerState} */
    #state = "connecting";
    #timer = 0;
    #needsTap = false;
    /** The viewer has not pressed pause. */
    #wants = true;
    #seenLive = false;
    #closed = false;
    /** Since when the API knows of no lecture. */
    #goneAt = Infinity;

    /**
     * @param {HTMLVideoElement} video
     * @param {string} channel
     */
    constructor(video, channel) {
        super();
        this.#channel = channel;
        this.#mode = this.#begin(wish(location.search));
        this.#screen = new Screen(video, this.#mode.front);
        this.#realtime = new Whep(this.#screen.of("realtime"), channel);
        this.#realtime.addEventListener("attached", () =>
            this.#start(this.#screen.of("realtime")));
        this.#listen(this.#realtime, "realtime");
        addEventListener("online", () => this.#onNetwork());
        this.#watch = new ChannelWatch(channel, (said) => this.#hear(said));
        this.#load(this.#mode);
    }

    get state() {
        return this.#state;
    }

    get screen() {
        return this.#screen;
    }

    /** What the mode's picture comes by. @returns {any} */
    get media() {
        return this.#of(this.#mode.front);
    }

    /** The browser let us play only without sound. */
    get needsTap() {
        return this.#needsTap;
    }

    /** @returns {Wish} */
    get wish() {
        return this.#mode.wish;
    }

    /** In words: which way the lecture comes. */
    get modeLine() {
        return sentence(this.#mode, this.#realtime.protocol);
    }

    get snapshot() {
        return {
            state: this.#state,
            mode: this.#mode.name,
            wish: this.#mode.wish,
            reason: this.#mode.reason,
            shown: this.#screen.front,
            muted: this.#screen.muted,
            paused: this.#screen.paused,
            generation: this.#said?.generation ?? null,
            ...this.media.snapshot,
        };
    }

    /** Plays, with sound where the browser allows it. */
    async play() {
        this.#wants = true;
        await this.#start(this.#screen.video);
    }

    /** The viewer's own pause; coming back goes to the live edge. */
    toggle() {
        if (!this.#screen.paused) {
            this.#wants = false;
            this.#screen.video.pause();
            return;
        }
        this.media.goLive();
        this.play();
    }

    /** The viewer touched the page: sound is allowed now. */
    unmute() {
        this.#needsTap = false;
        this.#screen.muted = false;
        if (this.#screen.paused) this.play();
        this.dispatchEvent(new Event("state"));
    }

    /** @param {number} seconds back (negative) or forward in the buffer */
    seek(seconds) {
        const { start, end } = this.media.seekable;
        const to = this.#screen.video.currentTime + seconds;
        if (end - to < 2) {
            this.media.goLive();
            return;
        }
        this.media.resting = true;
        this.#screen.video.currentTime = Math.max(to, start + 0.1);
    }

    /**
     * The learner's choice of quality, for this way and the other.
     * @param {number} id -1: by itself
     */
    choose(id) {
        const rung = this.media.rungs.find((one) => one.id === id);
        this.#height = rung?.height ?? null;
        this.media.choose(id);
    }

    /**
     * The learner's choice of the way.
     * @param {Wish} chosen
     */
    prefer(chosen) {
        remember(chosen);
        this.#tell({ type: "wish", wish: chosen });
    }

    /** Takes up what was not there when this way was loaded. */
    reload() {
        this.#load();
    }

    close() {
        this.#closed = true;
        clearTimeout(this.#timer);
        clearTimeout(this.#modeTimer);
        this.#watch.close();
        this.#realtime.close();
        this.#standard?.close();
    }

    /** @param {Wish} way @returns {any} */
    #of(way) {
        return (way === "realtime" ? this.#realtime : this.#standard) ?? NOTHING;
    }

    /** @param {Wish} wanted */
    #begin(wanted) {
        return begin(wanted, performance.now(),
            { refused: this.#noRealtime, source: this.#source() });
    }

    /** @param {any} media @param {Wish} way */
    #listen(media, way) {
        media.addEventListener("state", () => this.#onMedia(way));
        media.addEventListener("rungs", () => {
            this.#settle(way);
            if (media === this.media) this.dispatchEvent(new Event("rungs"));
        });
        let protocol = "";
        media.addEventListener("tick", () => {
            if (media !== this.media) return;
            this.dispatchEvent(new Event("tick"));
            if (media.protocol === protocol) return;
            protocol = media.protocol;
            this.dispatchEvent(new Event("mode"));
        });
    }

    /** Starts over, in the way that is wished. */
    #load(mode = this.#begin(this.#mode.wish)) {
        clearTimeout(this.#timer);
        this.#standard?.unload();
        if (!mode.realtime) this.#realtime.unload();
        this.#mode = mode;
        if (mode.realtime) this.#loadRealtime();
        if (mode.standard) this.#loadStandard();
        this.#apply(mode);
    }

    #loadRealtime() {
        this.#settled.realtime = false;
        this.#realtime.load(takeJoining());
    }

    async #loadStandard() {
        this.#library ??= import("./llhls.js");
        const { LlHls } = await this.#library;
        if (this.#closed || !this.#mode.standard) return;
        if (!LlHls.isSupported()) {
            this.#noStandard = true;
            this.#tell({ type: "standard-unsupported" });
            this.#update();
            return;
        }
        if (!this.#standard) {
            this.#standard = new LlHls(this.#screen.of("standard"));
            this.#listen(this.#standard, "standard");
        }
        this.#settled.standard = false;
        const name = encodeURIComponent(this.#channel);
        this.#standard.load(`/live/${name}/index.m3u8`);
        /* Letting go of the media before has paused the element. */
        this.#start(this.#screen.of("standard"));
    }

    /** @param {HTMLVideoElement} element */
    async #start(element) {
        if (!this.#wants) return;
        try {
            await element.play();
        } catch (error) {
            /* AbortError: new media came, and play() with it. */
            if (/** @type {any} */ (error).name !== "NotAllowedError") return;
            if (element === this.#screen.video) {
                this.#screen.muted = true;
                this.#needsTap = true;
                this.dispatchEvent(new Event("state"));
            }
            await element.play().catch(() => {});
        }
    }

    /** The chosen quality, once for each time that a way is loaded. */
    #settle(way) {
        const media = this.#of(way);
        if (this.#settled[way] || media.rungs.length === 0) return;
        this.#settled[way] = true;
        if (this.#height === null) return;
        const height = this.#height;
        const rung = media.rungs.find((one) => one.height <= height) ??
            media.rungs.at(-1);
        if (media.isAuto || media.rung !== rung.id) media.choose(rung.id);
    }

    /* --- the two ways ----------------------------------------------------- */

    /** @param {import("./mode.js").ModeEvent} event */
    #tell(event) {
        const next = step(this.#mode, event, performance.now());
        if (next !== this.#mode) this.#apply(next);
    }

    /** @param {import("./mode.js").Mode} next */
    #apply(next) {
        const was = this.#mode;
        this.#mode = next;
        if (next.realtime && !was.realtime) this.#loadRealtime();
        if (next.standard && !was.standard) this.#loadStandard();
        this.#arrange();
        if (!next.realtime && was.realtime) this.#realtime.unload();
        if (!next.standard && was.standard) this.#standard?.unload();
        clearTimeout(this.#modeTimer);
        const due = nextAt(next) - performance.now();
        if (due < Infinity)
            this.#modeTimer = setTimeout(() => this.#tell({ type: "tick" }),
                Math.max(0, due) + 1);
        this.dispatchEvent(new Event("mode"));
        this.dispatchEvent(new Event("rungs"));
        this.#update();
    }

    /** Shows the mode's picture as soon as there is one, or no other. */
    #arrange() {
        const { front } = this.#mode;
        const { video } = this.#screen;
        const blank = video.readyState < video.HAVE_CURRENT_DATA;
        if (this.#screen.front !== front &&
            (blank || this.#of(front).state === "playing")) {
            this.#screen.show(front);
            this.#start(this.#screen.video);
        }
        if (this.#screen.front === "standard") this.#realtime.clear();
    }

    /** @param {Wish} way */
    #onMedia(way) {
        const { state } = this.#of(way);
        if (way === "realtime") {
            if (state === "playing") this.#tell({ type: "realtime-playing" });
            if (state === "stalled" && this.#realtime.lost)
                this.#tell({ type: "realtime-stalled" });
            if (state === "refused")
                this.#tell({
                    type: "realtime-refused",
                    ...this.#realtime.refusal,
                });
        } else if (state === "playing") {
            this.#tell({ type: "standard-playing" });
        }
        this.#arrange();
        const asks = way === "standard" || this.#source() === null;
        if (state === "stalled" || state === "ended" ||
            (state === "absent" && asks)) this.#watch.nudge();
        this.#update();
    }

    #onNetwork() {
        if (this.#closed) return;
        this.#realtime.refresh();
        this.#tell({ type: "network" });
    }

    /** Does the lecturer's side send? null: nobody says. */
    #source() {
        if (!this.#said || !this.#reachable) return null;
        return ["live", "starting"].includes(this.#said.state);
    }

    /* --- what the API says ------------------------------------------------ */

    /** @param {import("./api.js").Channel | null} said null: no answer */
    #hear(said) {
        this.#reachable = said !== null;
        if (said) {
            const was = this.#said;
            this.#said = said;
            if (isNews(was, said, this.media.state,
                this.#mode.front === "realtime")) {
                if (this.#state === "ended") this.#seenLive = false;
                this.#load();
            }
        }
        this.#tell({ type: "source", on: this.#source() });
        this.#update();
    }

    /** Finds the state anew from what media and API say, and acts on it. */
    #update() {
        const now = performance.now();
        const media = this.media.state;
        clearTimeout(this.#timer);
        if (media === "playing") this.#seenLive = true;
        if (media === "playing" || isOn(this.#said)) this.#goneAt = Infinity;
        else if (this.#goneAt === Infinity) this.#goneAt = now;
        const verdict = judge({
            state: this.#state,
            media,
            said: this.#said,
            reachable: this.#reachable,
            seenLive: this.#seenLive,
            lacking: this.#noStandard && this.#mode.name === "standard",
            changing: this.#isChanging(),
            gone: Math.max(0, now - this.#goneAt),
        });
        const { patience, again, later } = verdict;
        if (again)
            this.#timer = setTimeout(() => this.#again(), again);
        else if (patience)
            this.#timer = setTimeout(() => this.#become("reconnecting"),
                patience);
        else if (later)
            this.#timer = setTimeout(() => this.#update(), later);
        this.#become(verdict.state);
        if (verdict.letGo) this.media.unload();
    }

    /** One way is left for the other while the old picture stands. */
    #isChanging() {
        return this.#mode.wish === "realtime" && this.#source() !== false &&
            performance.now() - this.#mode.since < CHANGE;
    }

    #again() {
        if (this.#mode.front === "standard") this.#loadStandard();
        else if (this.#mode.realtime) this.#loadRealtime();
    }

    /** @param {PlayerState} state */
    #become(state) {
        if (this.#state === state) return;
        this.#state = state;
        this.dispatchEvent(new Event("state"));
    }
}
