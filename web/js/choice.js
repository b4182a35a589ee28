/* js/choice.js — which rendition a session in real time has: what there is to
 * choose from, what was chosen, what the server says of the line. */
import { rungsOf } from "./figures.js";

/** @typedef {import("./webrtc.js").Resource} Resource */
/** @typedef {import("./llhls.js").Rung} Rung */

export class Choice {
    /** Highest first; a server that does not say has none. @type {Rung[]} */
    rungs = [];
    isAuto = true;
    /** The name of what was chosen; "": by itself. It outlives a session. */
    wanted = "";
    /** What the line carries, bit/s. @type {number | null} */
    estimate = null;
    #current = "";
    /** @type {Resource | null} */
    #resource = null;
    #onChange;

    /** @param {() => void} onChange */
    constructor(onChange) {
        this.#onChange = onChange;
    }

    /** The one that is sent. @returns {Rung | undefined} */
    get rung() {
        return this.rungs.find(({ name }) => name === this.#current);
    }

    /** @param {Resource | null} resource the session; null: none */
    follow(resource) {
        this.#resource = resource;
        this.ask();
    }

    /** @param {number} id -1: by itself */
    choose(id) {
        const rung = this.rungs.find((one) => one.id === id);
        this.wanted = rung?.name ?? "";
        this.isAuto = !rung;
        this.#resource
            ?.below("rendition", { method: "PUT", body: rung?.name ?? "auto" })
            .then(() => this.ask(), () => {});
        this.#onChange();
    }

    async ask() {
        const resource = this.#resource;
        if (!resource) return;
        try {
            const answer = await resource.below("rendition");
            const said = await answer.json();
            if (this.#resource !== resource) return;
            this.rungs = rungsOf(said);
            this.#current = String(said.rendition ?? "");
            this.isAuto = said.auto !== false;
            this.estimate = Number(said.estimate_bps) || null;
        } catch {
            if (this.#resource !== resource) return;
            this.rungs = [];
        }
        this.#onChange();
    }
}
