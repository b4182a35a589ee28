/* js/capture.js — camera or screen, and a microphone, as two tracks.
 * A screen's own sound and the microphone become one: a session carries one
 * track of each kind. */
import { captureTrouble } from "./trouble.js";

const CAMERA = {
    width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 30 },
};
const SCREEN = { frameRate: { ideal: 15, max: 30 } };

/** Something could not be had; the message is for the lecturer. */
export class CaptureError extends Error {}

/**
 * @typedef {object} Choice
 * @property {"camera" | "screen"} source
 * @property {string} camera deviceId, "": the browser's own choice
 * @property {string} microphone deviceId, "": the browser's own, "none"
 */

export class Capture {
    /** @type {MediaStreamTrack[]} */
    #tracks = [];
    #closed = false;
    /** @type {MediaStreamTrack | null} */
    video = null;
    /** @type {MediaStreamTrack | null} */
    audio = null;
    screen = false;

    /**
     * @param {Choice} choice
     * @param {AudioContext} mixer
     * @returns {Promise<Capture>} throws a CaptureError
     */
    static async open(choice, mixer) {
        const it = new Capture();
        it.screen = choice.source === "screen";
        try {
            const picture = it.screen ? await screen() : await camera(choice);
            it.#take(picture);
            const voice = await microphone(choice);
            if (voice) it.#take(voice);
            it.video = picture.getVideoTracks()[0] ?? null;
            it.audio = mix(mixer, [picture, voice]);
        } catch (error) {
            it.close();
            throw error;
        }
        return it;
    }

    /** @param {() => void} tell the picture's source ended by itself */
    onEnded(tell) {
        this.video?.addEventListener("ended", () => this.#closed || tell());
    }

    close() {
        this.#closed = true;
        for (const track of this.#tracks) track.stop();
        this.audio?.stop();
    }

    /** @param {MediaStream} stream */
    #take(stream) {
        this.#tracks.push(...stream.getTracks());
    }
}

/** @returns {Promise<Record<"camera" | "microphone", MediaDeviceInfo[]>>} */
export async function devices() {
    const all = await navigator.mediaDevices.enumerateDevices();
    const of = (kind) => all.filter((one) =>
        one.kind === kind && one.deviceId !== "");
    return { camera: of("videoinput"), microphone: of("audioinput") };
}

const exactly = (id) => (id ? { deviceId: { exact: id } } : {});

/** @param {Promise<MediaStream>} asked @param {string} what */
async function said(asked, what) {
    try {
        return await asked;
    } catch (error) {
        throw new CaptureError(
            captureTrouble(/** @type {any} */ (error), what));
    }
}

/** @param {Choice} choice */
const camera = (choice) => said(navigator.mediaDevices.getUserMedia(
    { video: { ...CAMERA, ...exactly(choice.camera) } }), "camera");

function screen() {
    if (!navigator.mediaDevices.getDisplayMedia)
        throw new CaptureError("This browser cannot share a screen.");
    return said(navigator.mediaDevices.getDisplayMedia(
        { video: SCREEN, audio: true }), "screen");
}

/** @param {Choice} choice */
async function microphone(choice) {
    if (choice.microphone === "none") return null;
    return said(navigator.mediaDevices.getUserMedia(
        { audio: { ...exactly(choice.microphone) } }), "microphone");
}

/**
 * @param {AudioContext} mixer
 * @param {(MediaStream | null)[]} streams
 * @returns {MediaStreamTrack | null}
 */
function mix(mixer, streams) {
    const heard = streams.flatMap((one) => one?.getAudioTracks() ?? []);
    if (heard.length < 2) return heard[0] ?? null;
    const out = mixer.createMediaStreamDestination();
    for (const track of heard)
        mixer.createMediaStreamSource(new MediaStream([track])).connect(out);
    return out.stream.getAudioTracks()[0];
}
