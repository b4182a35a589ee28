/* js/player.js — one channel in one <video>: joins what the API says about
 * the channel with what the media does, into the state the viewer sees.
 *
 *                    channel live                    first frame
 *   connecting ──► waiting ─────────► starting ───────────────► live
 *       │             ▲                   ▲                     │  ▲
 *       │             │ offline           │ media is back       ▼  │
 *   unsupported     ended ◄──────── channel over ──────── reconnecting
 *
 * The media may run ahead of the API (it is loaded at once, without asking
 * first) and the API ahead of the media; whichever comes first is believed
 * for going live, and only the API for being over. */
import { ChannelWatch } from "./api.js";
import { LlHls } from "./llhls.js";

/** A pause of the picture shorter than this is not worth a word, ms. */
const PATIENCE = 1200;
/** A server that starts again gives the lecturer so long to return, ms. */
const RETURN = 40000;
/** Between attempts to load what the API says is live, ms. */
const RETRY = 500;

/**
 * @typedef {"connecting" | "waiting" | "starting" | "live" | "reconnecting"
 *     | "ended" | "unsupported"} PlayerState
 */

export class Player extends EventTarget {
    #video;
    #channel;
    #media;
    /** @type {ChannelWatch | null} */
    #watch = null;
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
    /** Since when the API knows of no lecture. */
    #goneAt = Infinity;

    /**
     * @param {HTMLVideoElement} video
     * @param {string} channel
     */
    constructor(video, channel) {
        super();
        this.#video = video;
        this.#channel = channel;
        this.#media = new LlHls(video);
        if (!LlHls.isSupported()) {
            this.#state = "unsupported";
            return;
        }
        this.#media.addEventListener("state", () => this.#onMedia());
        for (const name of ["rungs", "tick"])
            this.#media.addEventListener(name, () =>
                this.dispatchEvent(new Event(name)),
            );
        this.#watch = new ChannelWatch(channel, (said) => this.#hear(said));
        this.#load();
    }

    get state() {
        return this.#state;
    }

    get media() {
        return this.#media;
    }

    /** The browser let us play only without sound. */
    get needsTap() {
        return this.#needsTap;
    }

    get snapshot() {
        return {
            state: this.#state,
            muted: this.#video.muted,
            paused: this.#video.paused,
            generation: this.#said?.generation ?? null,
            ...this.#media.snapshot,
        };
    }

    /** Plays, with sound where the browser allows it. */
    async play() {
        this.#wants = true;
        try {
            await this.#video.play();
        } catch (error) {
            /* AbortError: new media came, and play() with it. */
            if (/** @type {any} */ (error).name !== "NotAllowedError") return;
            this.#video.muted = true;
            this.#needsTap = true;
            this.dispatchEvent(new Event("state"));
            await this.#video.play().catch(() => {});
        }
    }

    /** The viewer's own pause; coming back goes to the live edge. */
    toggle() {
        if (!this.#video.paused) {
            this.#wants = false;
            this.#video.pause();
            return;
        }
        this.#media.goLive();
        this.play();
    }

    /** The viewer touched the page: sound is allowed now. */
    unmute() {
        this.#needsTap = false;
        this.#video.muted = false;
        if (this.#video.paused) this.play();
        this.dispatchEvent(new Event("state"));
    }

    /** @param {number} seconds back (negative) or forward in the buffer */
    seek(seconds) {
        const { start, end } = this.#media.seekable;
        const to = this.#video.currentTime + seconds;
        if (end - to < 2) {
            this.#media.goLive();
            return;
        }
        this.#media.resting = true;
        this.#video.currentTime = Math.max(to, start + 0.1);
    }

    close() {
        clearTimeout(this.#timer);
        this.#watch?.close();
        this.#media.close();
    }

    #load() {
        clearTimeout(this.#timer);
        const name = encodeURIComponent(this.#channel);
        this.#media.load(`/live/${name}/index.m3u8`);
        /* Letting go of the media before has paused the element. */
        if (this.#wants) this.play();
    }

    /** @param {import("./api.js").Channel | null} said null: no answer */
    #hear(said) {
        this.#reachable = said !== null;
        if (said) {
            const was = this.#said;
            this.#said = said;
            if (this.#isNews(was, said)) {
                if (this.#state === "ended") this.#seenLive = false;
                this.#load();
            }
        }
        this.#update();
    }

    /**
     * Is there something to load that is not loaded yet?
     * @param {import("./api.js").Channel | null} was
     * @param {import("./api.js").Channel} said
     */
    #isNews(was, said) {
        if (!isOn(said)) return false;
        if (was && was.generation !== said.generation && isOn(was)) return true;
        switch (this.#media.state) {
            case "absent":
            case "idle":
                return true;
            case "ended":
                /* The answer may be older than the end that we have seen. */
                return !!was && !isOn(was);
            default:
                return false;
        }
    }

    #onMedia() {
        const media = this.#media.state;
        if (media === "stalled" || media === "ended" || media === "absent")
            this.#watch?.nudge();
        this.#update();
    }

    /** Finds the state anew from what media and API say, and acts on it. */
    #update() {
        clearTimeout(this.#timer);
        const media = this.#media.state;
        const on = isOn(this.#said);
        if (on) this.#goneAt = Infinity;
        else if (this.#goneAt === Infinity) this.#goneAt = performance.now();
        if (media === "playing") {
            this.#seenLive = true;
            this.#goneAt = Infinity;
            this.#become("live");
        } else if (media === "ended") {
            this.#become("ended");
        } else if (this.#said && !on && this.#reachable) {
            if (media === "stalled") this.#media.unload();
            else this.#settleGone();
        } else if (media === "stalled" && this.#state === "live") {
            this.#timer = setTimeout(
                () => this.#become("reconnecting"),
                PATIENCE,
            );
        } else if (this.#seenLive) {
            this.#become("reconnecting");
        } else if (on) {
            this.#become("starting");
        }
        if (media === "absent" && on)
            this.#timer = setTimeout(() => this.#load(), RETRY);
    }

    /** The API knows of no lecture now. Has there been one, and is it over? A
     * server that has just started does not know, so its "offline" is not
     * believed at once. */
    #settleGone() {
        if (!this.#seenLive) {
            this.#become("waiting");
            return;
        }
        const left = this.#goneAt + RETURN - performance.now();
        if (this.#state === "ended" || this.#said?.state === "ended" ||
            left <= 0) {
            this.#become("ended");
            return;
        }
        this.#become("reconnecting");
        this.#timer = setTimeout(() => this.#settleGone(), left);
    }

    /** @param {PlayerState} state */
    #become(state) {
        if (this.#state === state) return;
        this.#state = state;
        this.dispatchEvent(new Event("state"));
    }
}

/** @param {import("./api.js").Channel | null} said */
function isOn(said) {
    return said !== null &&
        ["live", "starting", "reconnecting"].includes(said.state);
}
