/* js/languages.js — the menu of languages: there while the lecture has more
 * than one. Real time carries the first language only; choosing another there
 * goes over to standard, and the menu says so before. One that begins while
 * the lecture is on is offered as well. */
import { need } from "./dom.js";
import { listed, remember } from "./language.js";

/** @typedef {import("./player.js").Player} Player */
/** @typedef {import("./language.js").Sound} Sound */

export class Languages {
    #player;
    #menu = need("language");
    #url;
    /** What the playlist lists, where that may be more than is loaded.
     *  @type {Sound[]} */
    #listed = [];
    #asking = false;
    /** Renditions when it was asked for last; 0: it was not. */
    #others = 0;
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

    /** Those of the way that plays. @returns {Sound[]} */
    get #loaded() {
        return this.#player.media.sounds ?? [];
    }

    /** @returns {Sound[]} */
    get #sounds() {
        return this.#isRealtime || this.#listed.length > this.#loaded.length
            ? this.#listed : this.#loaded;
    }

    #choose() {
        const chosen = this.#sounds[this.#menu.selectedIndex];
        if (!chosen) return;
        remember(chosen);
        const loaded = this.#loaded.find(({ name }) => name === chosen.name);
        if (loaded) this.#player.media.hear(loaded.id);
        else if (!this.#isRealtime) this.#player.reload();
        else if (!chosen.isDefault) this.#player.prefer("standard");
    }

    /** The one that is heard, by name. */
    get #heard() {
        if (this.#isRealtime)
            return this.#sounds.find(({ isDefault }) => isDefault)?.name;
        const { sound } = this.#player.media;
        return this.#loaded.find(({ id }) => id === sound)?.name;
    }

    #show() {
        if (this.#isRealtime) this.#ask();
        else this.#askForMore();
        const sounds = this.#sounds;
        const { options } = this.#menu;
        options.length = sounds.length;
        sounds.forEach((sound, i) => {
            const text = this.#isRealtime && !sound.isDefault
                ? `${sound.name} (standard)` : sound.name;
            if (options[i]?.text === text) return;
            options[i] = new Option(text);
            options[i].lang = sound.lang;
        });
        this.#menu.selectedIndex =
            sounds.findIndex(({ name }) => name === this.#heard);
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
        await this.#fetch();
    }

    /** A language may begin after the lecture did: hls.js knows those alone
     *  that were there when it was loaded. */
    async #askForMore() {
        const { others = 0 } = this.#player.media;
        const was = this.#others;
        this.#asking = false;
        this.#others = others;
        if (others === 0) this.#listed = [];
        else if (was !== 0 && others > was) await this.#fetch();
    }

    async #fetch() {
        try {
            const answer = await fetch(this.#url);
            this.#listed = answer.ok ? listed(await answer.text()) : [];
        } catch {
            this.#listed = [];
        }
        this.#show();
    }
}
