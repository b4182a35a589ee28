/* js/controls.js — the bar below the picture, by mouse and by keyboard. */
import { need, say } from "./dom.js";
import { keep, kept } from "./kept.js";

/** @typedef {import("./player.js").Player} Player */

const VOLUME_STEP = 0.1;
const SEEK_STEP = 5;
const STORE = "lectern.sound";

export class Controls {
    #player;
    #screen;
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
    /** @type {HTMLInputElement[]} */
    #ways = ["realtime", "standard"].map(need);
    #modeLine = need("mode-line");
    #narrow = matchMedia("(max-width: 34rem)");
    #abort = new AbortController();

    /** @param {Player} player */
    constructor(player) {
        this.#player = player;
        this.#screen = player.screen;
        this.#recall();
        this.#wire();
        this.#show();
        this.#showMode();
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
            this.#player.choose(Number(this.#quality.value)));
        for (const way of this.#ways)
            on(way, "change", () => this.#player.prefer(way.value));
        on(this.#pip, "click", () => this.#togglePip());
        on(this.#full, "click", () => this.#toggleFull());
        on(this.#screen, "click", () => this.#player.toggle());
        on(this.#screen, "dblclick", () => this.#toggleFull());
        for (const name of ["play", "pause", "volumechange"])
            on(this.#screen, name, () => this.#show());
        on(document, "fullscreenchange", () => this.#show());
        on(this.#narrow, "change", () => this.#showRungs());
        on(document, "keydown", (event) => this.#key(event));
        on(this.#player, "state", () => this.#show());
        on(this.#player, "rungs", () => this.#showRungs());
        on(this.#player, "mode", () => this.#showMode());
        on(this.#player, "tick", () => this.#showLive());
        this.#pip.hidden = !document.pictureInPictureEnabled;
        this.#full.hidden = !document.fullscreenEnabled;
    }

    /** @param {KeyboardEvent} event */
    #key(event) {
        if (event.ctrlKey || event.metaKey || event.altKey) return;
        const at = /** @type {Element} */ (event.target);
        /* An element that uses the key itself keeps it. */
        if (at.closest("input:not([type=radio]), select, textarea")) return;
        if (at.closest("input") && event.key.startsWith("Arrow")) return;
        if (at.closest("button, a, input, [popover]") &&
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
        r: () => this.#player.prefer(
            this.#player.wish === "realtime" ? "standard" : "realtime"),
        arrowup: () => this.#setVolume(this.#screen.volume + VOLUME_STEP),
        arrowdown: () => this.#setVolume(this.#screen.volume - VOLUME_STEP),
        arrowleft: () => this.#player.seek(-SEEK_STEP),
        arrowright: () => this.#player.seek(SEEK_STEP),
        "?": () => this.#help.togglePopover(),
    };

    #toggleMute() {
        if (this.#screen.muted) this.#player.unmute();
        else this.#screen.muted = true;
    }

    /** @param {number} to */
    #setVolume(to) {
        const volume = Math.min(1, Math.max(0, Math.round(to * 20) / 20));
        this.#screen.volume = volume;
        if (volume > 0 && this.#screen.muted) this.#player.unmute();
    }

    #goLive() {
        this.#player.media.goLive();
        if (this.#screen.paused) this.#player.play();
    }

    async #togglePip() {
        try {
            if (document.pictureInPictureElement)
                await document.exitPictureInPicture();
            else await this.#screen.video.requestPictureInPicture();
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
        const { paused, muted, volume } = this.#screen;
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
        else if (this.#due()) say(this.#liveText, age(latency));
    }

    #shownAt = 0;

    /** Figures that change ten times a second cannot be read. */
    #due() {
        const now = performance.now();
        if (now - this.#shownAt < 500) return false;
        this.#shownAt = now;
        return true;
    }

    #showMode() {
        for (const way of this.#ways)
            way.checked = way.value === this.#player.wish;
        say(this.#modeLine, this.#player.modeLine);
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
        const { volume } = this.#screen;
        keep(STORE, JSON.stringify({ volume }));
    }

    #recall() {
        try {
            const said = JSON.parse(kept(STORE) ?? "{}");
            if (said.volume >= 0 && said.volume <= 1)
                this.#screen.volume = said.volume;
        } catch {
            /* Not ours; the default volume will do. */
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
 * "0.6 s", and what is less in steps of ten milliseconds.
 * @param {number} seconds
 */
function age(seconds) {
    if (seconds >= 0.45) return `${seconds.toFixed(1)} s`;
    return `${Math.max(0, Math.round(seconds * 100) * 10)} ms`;
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
