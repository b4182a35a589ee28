/* js/loader.js — hls.js's loader, which first looks at what js/early.js has
 * asked for already. */
import { XhrLoader } from "../vendor/hls.min.mjs";
import { take } from "./early.js";

export class EarlyLoader extends XhrLoader {
    #gone = false;

    /**
     * @param {any} context
     * @param {any} config
     * @param {any} callbacks
     */
    load(context, config, callbacks) {
        const early = take(new URL(context.url, location.href).href);
        if (!early) {
            super.load(context, config, callbacks);
            return;
        }
        early.then(
            (found) => this.#give(found, context, callbacks),
            () => this.#gone || super.load(context, config, callbacks),
        );
    }

    abort() {
        this.#gone = true;
        super.abort();
    }

    destroy() {
        this.#gone = true;
        super.destroy();
    }

    /**
     * @param {import("./early.js").Early} found
     * @param {any} context
     * @param {any} callbacks
     */
    #give({ data, start, end }, context, callbacks) {
        if (this.#gone) return;
        /* True times: the age of a playlist and the line are told by them. */
        const stats = this.stats;
        Object.assign(stats.loading, { start, first: end, end });
        stats.loaded = stats.total =
            typeof data === "string" ? data.length : data.byteLength;
        /* Absolute, as XHR tells it: hls.js resolves against it. */
        const { href } = new URL(context.url, location.href);
        callbacks.onSuccess({ url: href, data, code: 200 }, stats, context,
            null);
    }
}
