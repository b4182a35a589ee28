/* js/meter.js — how loud the microphone is, in a <meter>. The element's value
 * changes; nothing is spoken: screen readers read it when asked. */

const EVERY = 80;
/** Falls by so much of the scale each time: peaks can be seen. */
const FALL = 0.04;
/** What the left end stands for, dB. */
const FLOOR = -60;

export class Meter {
    #element;
    #mixer;
    /** @type {AudioNode | null} */
    #source = null;
    #analyser;
    #samples;
    #timer = 0;
    #shown = 0;

    /**
     * @param {HTMLMeterElement} element
     * @param {AudioContext} mixer
     */
    constructor(element, mixer) {
        this.#element = element;
        this.#mixer = mixer;
        this.#analyser = mixer.createAnalyser();
        this.#analyser.fftSize = 2048;
        this.#samples = new Float32Array(this.#analyser.fftSize);
    }

    /** @param {MediaStreamTrack | null} track */
    listen(track) {
        clearInterval(this.#timer);
        this.#source?.disconnect();
        this.#source = null;
        this.#element.value = this.#shown = 0;
        if (!track) return;
        this.#source = this.#mixer.createMediaStreamSource(
            new MediaStream([track]));
        this.#source.connect(this.#analyser);
        this.#timer = setInterval(() => this.#show(), EVERY);
    }

    #show() {
        this.#analyser.getFloatTimeDomainData(this.#samples);
        const level = loudness(this.#samples);
        this.#shown = Math.max(level, this.#shown - FALL);
        this.#element.value = this.#shown;
    }
}

/**
 * 0 (silence) to 1 (full scale), in decibels as ears have it.
 * @param {ArrayLike<number>} samples
 */
export function loudness(samples) {
    let peak = 0;
    for (let i = 0; i < samples.length; i++)
        peak = Math.max(peak, Math.abs(samples[i]));
    if (peak === 0) return 0;
    const db = 20 * Math.log10(peak);
    return Math.min(1, Math.max(0, 1 - db / FLOOR));
}
