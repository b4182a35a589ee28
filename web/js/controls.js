/* js/controls.js — the bar below the picture, by mouse and by keyboard. */
import { need, say } from "./dom.js";

/** @typedef {import("./player.js").Player} Player */

const VOLUME_STEP = 0.1;
const SEEK_STEP = 5;
const STORE = "lectern.sound";

export class Controls {
    #player;
    #video;
    #stage = need("stage");
    #play = need("play");
    #mute = need("mute");
    #volume = need("volume");
    #live = need("golive");
    #liveText = need("golive-text");
    #liveMore = need("golive-more");
    #quality = need("quality");
    #pip = need("pip");
    #full = need("fullscreen");
    #help = need("help");
    #sound = need("sound");
    #narrow = matchMedia("(max-width: 34rem)");
    #abort = new AbortController();

    /**
     * @param {Player} player
     * @param {HTMLVideoElement} video
     */
    constructor(player, video) {
        this.#player = player;
        this.#video = video;
        this.#recall();
        this.#wire();
        this.#show();
        this.#showRungs();
    }

    close() {
        this.#abort.abort();
    }

    #wire() {
        const on = (target, name, fn) =>
            target.addEventListener(name, fn, { signal: this.#abort.signal });
        on(this.#play, "click", () => this.#player.toggle());
        on(this.#mute, "click", () => this.#toggleMute());
        on(this.#sound, "click", () => this.#player.unmute());
        on(this.#volume, "input", () =>
            this.#setVolume(this.#volume.valueAsNumber / 100));
        on(this.#live, "click", () => this.#goLive());
        on(this.#quality, "change", () =>
            this.#player.media.choose(Number(this.#quality.value)));
        on(this.#pip, "click", () => this.#togglePip());
        on(this.#full, "click", () => this.#toggleFull());
        on(this.#video, "click", () => this.#player.toggle());
        on(this.#video, "dblclick", () => this.#toggleFull());
        for (const name of ["play", "pause", "volumechange"])
            on(this.#video, name, () => this.#show());
        on(document, "fullscreenchange", () => this.#show());
        on(this.#narrow, "change", () => this.#showRungs());
        on(document, "keydown", (event) => this.#key(event));
        on(this.#player, "state", () => this.#show());
        on(this.#player, "rungs", () => this.#showRungs());
        on(this.#player, "tick", () => this.#showLive());
        this.#pip.hidden = !document.pictureInPictureEnabled;
        this.#full.hidden = !document.fullscreenEnabled;
    }

    /** @param {KeyboardEvent} event */
    #key(event) {
        if (event.ctrlKey || event.metaKey || event.altKey) return;
        const at = /** @type {Element} */ (event.target);
        /* An element that uses the key itself keeps it. */
        if (at.closest("input, select, textarea")) return;
        if (at.closest("button, a, [popover]") &&
            (event.key === " " || event.key === "Enter")) return;
        const act = this.#keys[event.key.toLowerCase()];
        if (!act) return;
        event.preventDefault();
        act();
    }

    /** @type {Record<string, () => void>} */
    #keys = {
        " ": () => this.#player.toggle(),
        k: () => this.#player.toggle(),
        m: () => this.#toggleMute(),
        f: () => this.#toggleFull(),
        p: () => this.#togglePip(),
        l: () => this.#goLive(),
        arrowup: () => this.#setVolume(this.#video.volume + VOLUME_STEP),
        arrowdown: () => this.#setVolume(this.#video.volume - VOLUME_STEP),
        arrowleft: () => this.#player.seek(-SEEK_STEP),
        arrowright: () => this.#player.seek(SEEK_STEP),
        "?": () => this.#help.togglePopover(),
    };

    #toggleMute() {
        if (this.#video.muted) this.#player.unmute();
        else this.#video.muted = true;
    }

    /** @param {number} to */
    #setVolume(to) {
        const volume = Math.min(1, Math.max(0, Math.round(to * 20) / 20));
        this.#video.volume = volume;
        if (volume > 0 && this.#video.muted) this.#player.unmute();
    }

    #goLive() {
        this.#player.media.goLive();
        if (this.#video.paused) this.#player.play();
    }

    async #togglePip() {
        try {
            if (document.pictureInPictureElement)
                await document.exitPictureInPicture();
            else await this.#video.requestPictureInPicture();
        } catch {
            /* The browser refuses before the first picture; nothing to do. */
        }
    }

    async #toggleFull() {
        try {
            if (document.fullscreenElement) await document.exitFullscreen();
            else await this.#stage.requestFullscreen();
        } catch {
            /* A frame without allow="fullscreen". */
        }
    }

    #show() {
        const { paused, muted, volume } = this.#video;
        const silent = muted || volume === 0;
        const full = document.fullscreenElement !== null;
        tool(this.#play, !paused, paused ? "Play" : "Pause");
        tool(this.#mute, !silent, silent ? "Unmute" : "Mute");
        tool(this.#full, full, full ? "Leave full screen" : "Full screen");
        this.#volume.value = String(Math.round((muted ? 0 : volume) * 100));
        this.#sound.hidden = !this.#player.needsTap || !muted;
        this.#remember();
    }

    #showLive() {
        const media = this.#player.media;
        const latency = media.latency;
        const known = this.#player.state === "live" && latency !== null;
        this.#live.dataset.at = known && media.atLive ? "live" : "behind";
        this.#live.disabled = !known;
        say(this.#liveMore, known ? " behind" : "");
        if (!known) say(this.#liveText, "Live");
        else if (this.#due())
            say(this.#liveText, `${Math.max(0, latency).toFixed(1)} s`);
    }

    #shownAt = 0;

    /** Figures that change ten times a second cannot be read. */
    #due() {
        const now = performance.now();
        if (now - this.#shownAt < 500) return false;
        this.#shownAt = now;
        return true;
    }

    #showRungs() {
        const media = this.#player.media;
        const rungs = media.rungs;
        const now = rungs.find((rung) => rung.id === media.rung);
        const told = now && media.isAuto && !this.#narrow.matches;
        const auto = told ? `Auto (${now.name})` : "Auto";
        const wanted = [["-1", auto]].concat(
            rungs.map((rung) => [String(rung.id), label(rung, rungs)]),
        );
        const chosen = media.isAuto ? "-1" : this.#quality.value;
        const options = this.#quality.options;
        options.length = wanted.length;
        wanted.forEach(([value, text], i) => {
            if (options[i]?.value !== value || options[i].text !== text)
                options[i] = new Option(text, value);
        });
        this.#quality.value = chosen;
        this.#quality.disabled = rungs.length < 2;
    }

    #remember() {
        try {
            const { volume } = this.#video;
            localStorage.setItem(STORE, JSON.stringify({ volume }));
        } catch {
            /* Storage may be closed to us; the default volume will do. */
        }
    }

    #recall() {
        try {
            const said = JSON.parse(localStorage.getItem(STORE) ?? "{}");
            if (said.volume >= 0 && said.volume <= 1)
                this.#video.volume = said.volume;
        } catch {
            /* see above */
        }
    }
}

/**
 * @param {HTMLElement} button
 * @param {boolean} on
 * @param {string} name
 */
function tool(button, on, name) {
    button.dataset.is = on ? "on" : "off";
    if (button.getAttribute("aria-label") === name) return;
    button.setAttribute("aria-label", name);
    button.title = name;
}

/**
 * "720p"; with the rate where two rungs have one height.
 * @param {import("./llhls.js").Rung} rung
 * @param {import("./llhls.js").Rung[]} all
 */
function label(rung, all) {
    const twins = all.filter((other) => other.name === rung.name).length > 1;
    const rate = (rung.bitrate / 1e6).toFixed(1);
    return twins ? `${rung.name}, ${rate} Mbit/s` : rung.name;
}
