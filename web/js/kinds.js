/* js/kinds.js — pictures, sound, or both: what a multivariant playlist offers.
 */

/** @typedef {{video: boolean, sound: boolean}} Kinds */

/** Words that CODECS has for sound. */
const SOUND = /CODECS="[^"]*(mp4a|opus|ac-3|ec-3)/i;
const VIDEO = /CODECS="[^"]*(avc|hvc|hev|av01|vp0)/i;

/** @param {string} text @returns {Kinds} */
export const kinds = (text) => ({
    video: VIDEO.test(text),
    sound: SOUND.test(text),
});

/** Is there one that was not? @param {Kinds} was @param {Kinds} is */
export const grew = (was, is) =>
    (is.video && !was.video) || (is.sound && !was.sound);
