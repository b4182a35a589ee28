/* js/language.js — the sounds of a lecture that comes in several languages,
 * and the one that the learner chose last. Pure, but for the store. */
import { keep, kept } from "./kept.js";

const STORE = "lectern.language";

/**
 * @typedef {object} Sound one track of the lecture's sound
 * @property {number} id
 * @property {string} name what a learner reads: "Deutsch"
 * @property {string} lang BCP 47; "" where unknown
 * @property {boolean} isDefault
 */
/** @typedef {{lang: string, name: string}} Chosen */

/** @param {string | undefined} lang */
const known = (lang) => (lang && lang !== "und" ? lang : "");

/** @param {string} lang */
const primary = (lang) => lang.split("-")[0].toLowerCase();

/**
 * The sounds that a multivariant playlist lists, in its order.
 * @param {string} text
 * @returns {(Sound & {uri: string})[]}
 */
export function listed(text) {
    const lines = text.match(/^#EXT-X-MEDIA:TYPE=AUDIO.*$/gm) ?? [];
    return lines.map((line, id) => {
        const said = (name) =>
            line.match(new RegExp(`[:,]${name}="([^"]*)"`))?.[1];
        return {
            id,
            name: said("NAME") ?? "",
            lang: known(said("LANGUAGE")),
            isDefault: /[:,]DEFAULT=YES/.test(line),
            uri: said("URI") ?? "",
        };
    });
}

/**
 * The sound nearest to what was chosen once: that very one, its language, or
 * another kind of it ("de" for "de-AT"). undefined: none of it is here.
 * @template {{name: string, lang: string}} T
 * @param {T[]} sounds
 * @param {Chosen | null} chosen
 * @returns {T | undefined}
 */
export function nearest(sounds, chosen) {
    if (!chosen) return undefined;
    const same = sounds.filter(({ lang }) => lang === chosen.lang);
    return same.find(({ name }) => name === chosen.name) ??
        (chosen.lang ? same[0] ?? sounds.find(({ lang }) =>
            primary(lang) === primary(chosen.lang)) : undefined);
}

/**
 * @param {Chosen} sound
 * @param {Pick<Storage, "setItem"> | undefined} [store]
 */
export function remember({ lang, name }, store) {
    keep(STORE, JSON.stringify({ lang, name }), store);
}

/**
 * @param {Pick<Storage, "getItem"> | undefined} [store]
 * @returns {Chosen | null}
 */
export function recall(store) {
    try {
        const said = JSON.parse(kept(STORE, store) ?? "null");
        return typeof said?.lang === "string" && typeof said.name === "string"
            ? { lang: said.lang, name: said.name } : null;
    } catch {
        return null;
    }
}
