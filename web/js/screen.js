/* js/screen.js — the place of the picture: two <video> elements, one per way
 * the lecture comes, of which one is in front. The other one may play behind
 * it, unheard, until it is shown: so a change of ways leaves no gap. */

/** @typedef {import("./wish.js").Wish} Wish */

/** What the front element tells is told on. */
const EVENTS = ["play", "pause", "volumechange", "click", "dblclick"];

export class Screen extends EventTarget {
    /** @type {Record<Wish, HTMLVideoElement>} */
    #all;
    /** @type {Wish} */
    #front;
    #muted = false;

    /**
     * @param {HTMLVideoElement} video the page's own
     * @param {Wish} front whose it is at first
     */
    constructor(video, front) {
        super();
        const other = /** @type {HTMLVideoElement} */ (video.cloneNode());
        other.removeAttribute("id");
        video.after(other);
        this.#front = front;
        this.#all = front === "realtime"
            ? { realtime: video, standard: other }
            : { realtime: other, standard: video };
        for (const element of [video, other])
            for (const name of EVENTS)
                element.addEventListener(name, () => this.#tell(element, name));
        this.#arrange();
    }

    /** @param {Wish} way */
    of(way) {
        return this.#all[way];
    }

    /** The element in front. */
    get video() {
        return this.#all[this.#front];
    }

    get front() {
        return this.#front;
    }

    get paused() {
        return this.video.paused;
    }

    get muted() {
        return this.#muted;
    }

    set muted(muted) {
        this.#muted = muted;
        this.video.muted = muted;
    }

    get volume() {
        return this.video.volume;
    }

    set volume(volume) {
        for (const element of Object.values(this.#all))
            element.volume = volume;
    }

    /**
     * Puts one in front: its picture, its sound.
     * @param {Wish} way
     */
    show(way) {
        if (way === this.#front) return;
        const before = this.video;
        this.#front = way;
        if (document.pictureInPictureElement === before)
            this.video.requestPictureInPicture().catch(() => {});
        this.#arrange();
        this.dispatchEvent(new Event("play"));
    }

    /** @param {HTMLVideoElement} element @param {string} name */
    #tell(element, name) {
        if (element !== this.video) return;
        /* The browser has buttons of its own for it. */
        this.#muted = element.muted;
        this.dispatchEvent(new Event(name));
    }

    #arrange() {
        const { video } = this;
        const back = Object.values(this.#all).find((one) => one !== video);
        /* The front one is the first: what is moved loses picture in
         * picture, so it is the other one that moves. */
        if (video.nextElementSibling !== back) video.after(back);
        back.muted = true;
        video.muted = this.#muted;
        back.dataset.place = "back";
        back.setAttribute("aria-hidden", "true");
        delete video.dataset.place;
        video.removeAttribute("aria-hidden");
    }
}
