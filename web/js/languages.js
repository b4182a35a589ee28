/* js/languages.js — the menu of languages: there while the lecture has more
 * than one. Real time carries the first language only; choosing another there
 * goes over to standard, and the menu says so before. */
import { need } from "./dom.js";
import { listed, remember } from "./language.js";

/** @typedef {import("./player.js").Player} Player */
/** @typedef {import("./language.js").Sound} Sound */

export class Languages {
    #player;
    #menu = need("language");
    #url;
    /** What the playlist lists, asked for in real time. @type {Sound[]} */
    #listed = [];
    #asking = false;
    #abort = new AbortController();

    /**
     * @param {Player} player
     * @param {string} channel
     */
    constructor(player, channel) {
        this.#player = player;
        this.#url = `/live/${encodeURIComponent(channel)}/index.m3u8`;
        const on = { signal: this.#abort.signal };
        for (const name of ["rungs", "mode", "state"])
            player.addEventListener(name, () => this.#show(), on);
        this.#menu.addEventListener("change", () => this.#choose(), on);
        this.#show();
    }

    close() {
        this.#abort.abort();
    }

    get #isRealtime() {
        return this.#player.screen.front === "realtime";
    }

    /** @returns {Sound[]} */
    get #sounds() {
        return this.#isRealtime ? this.#listed : this.#player.media.sounds ?? [];
    }

    #choose() {
        const chosen = this.#sounds[this.#menu.selectedIndex];
        if (!chosen) return;
        remember(chosen);
        if (!this.#isRealtime) this.#player.media.hear(chosen.id);
        else if (!chosen.isDefault) this.#player.prefer("standard");
    }

    #show() {
        if (this.#isRealtime) this.#ask();
        const sounds = this.#sounds;
        const heard = this.#isRealtime
            ? sounds.findIndex(({ isDefault }) => isDefault)
            : sounds.findIndex(({ id }) => id === this.#player.media.sound);
        const { options } = this.#menu;
        options.length = sounds.length;
        sounds.forEach((sound, i) => {
            const text = this.#isRealtime && !sound.isDefault
                ? `${sound.name} (standard)` : sound.name;
            if (options[i]?.text === text) return;
            options[i] = new Option(text);
            options[i].lang = sound.lang;
        });
        this.#menu.selectedIndex = heard;
        this.#menu.hidden = sounds.length < 2;
    }

    /** Once for each time that real time begins. */
    async #ask() {
        if (this.#player.state !== "live") {
            this.#asking = false;
            return;
        }
        if (this.#asking) return;
        this.#asking = true;
        try {
            const answer = await fetch(this.#url);
            this.#listed = answer.ok ? listed(await answer.text()) : [];
        } catch {
            this.#listed = [];
        }
        this.#show();
    }
}
