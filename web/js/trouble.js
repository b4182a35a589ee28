/* js/trouble.js — what went wrong, as sentences that say what to do. Pure. */

/**
 * Why there is no camera, microphone or screen.
 * @param {{name?: string, constraint?: string}} error of getUserMedia or
 *     getDisplayMedia
 * @param {string} what "camera", "microphone" or "screen"
 */
export function captureTrouble(error, what) {
    switch (error.name) {
        case "NotAllowedError":
        case "SecurityError":
            return what === "screen"
                ? "No screen was chosen, or the browser may not share one. " +
                    "Choose again, and allow it."
                : `The browser may not use the ${what}. Allow it in the ` +
                    "address bar, then try again.";
        case "NotFoundError":
            return `No ${what} was found. Plug one in, or choose another ` +
                "source.";
        case "NotReadableError":
        case "AbortError":
            return `The ${what} is in use by another program, or does not ` +
                "answer. Close what uses it, then try again.";
        case "OverconstrainedError":
            return `The chosen ${what} is not there any more. Choose another.`;
        default:
            return `The ${what} could not be started` +
                (error.name ? ` (${error.name}).` : ".");
    }
}

/**
 * Why the browser gives no devices at all.
 * @param {string} address of this page over TLS
 */
export const insecure = (address) =>
    "Browsers give camera and microphone to secure pages only. " +
    `Open ${address} instead.`;

/**
 * Why the server does not take the stream.
 * @param {{status: number, message?: string}} refusal
 * @param {{channel: string, offered?: boolean}} at offered: the server has
 *     an entrance for browsers
 */
export function publishTrouble(refusal, { channel, offered = true }) {
    const { status, message = "" } = refusal;
    switch (status) {
        case 0:
            return "The server is out of reach. Is this computer online?";
        case 401:
        case 403:
            return `The stream key is not that of “${channel}”. Look it up ` +
                "where the channel was made.";
        case 404:
            return offered ? `The server has no channel “${channel}”.`
                : "This server does not take streams from browsers: WebRTC " +
                    "is switched off.";
        case 405:
        case 501:
            return "This server does not take streams from browsers: WebRTC " +
                "is switched off.";
        case 409:
            return `Somebody else is live on “${channel}” right now.`;
        case 406:
        case 422:
            return "The server cannot take what this browser sends" +
                because(message);
        case 429:
        case 503:
            return "The server has too much to do right now.";
        default:
            return `The server refused (${status})${because(message)}`;
    }
}

/** @param {string} message */
const because = (message) =>
    (message ? `: ${message.replace(/\.$/, "")}.` : ".");

/** Does it make sense to try again by oneself? @param {number} status */
export const passes = (status) =>
    status === 0 || status === 429 || status >= 500 && status !== 501;

/**
 * What keeps the picture from being better, as getStats names it.
 * @param {string | undefined} reason
 */
export function limit(reason) {
    switch (reason) {
        case "cpu":
            return "this computer’s processor";
        case "bandwidth":
            return "the line";
        case "none":
            return "nothing";
        default:
            return "–";
    }
}

/** Before the n-th attempt in a row (from 0), ms. @param {number} n */
export const pause = (n) => Math.min(1000 * 2 ** n, 10000);

/** For who publishes from the page: the server's advice names OBS. */
const SOURCE = {
    silent: "The server hears no sound: is the microphone muted?",
    no_audio: "No sound reaches the server: choose a microphone.",
    clipping: "The sound is too loud and distorts: turn the microphone down, " +
        "or sit farther from it.",
    black: "The picture is black: is the camera covered?",
    frozen: "The picture stands still, after it moved all the time: if the " +
        "camera hangs, choose it again.",
    no_video: "No picture reaches the server: choose the camera or the " +
        "screen again.",
    missing_frames: "Pictures get lost on the way: use a cable, or be nearer " +
        "to the access point.",
    uneven: "Pictures arrive unevenly: use a cable, or be nearer to the " +
        "access point.",
    frame_rate: "Fewer pictures arrive than were meant to: close other " +
        "programs on this computer.",
    bitrate_low: "The picture is sent at a low rate: what learners see is " +
        "blurred. Is the network busy?",
};

/**
 * What a warning about the stream means in the studio.
 * @param {{warning: string, advice: string}} said
 */
export const sourceTrouble = ({ warning, advice }) =>
    /** @type {Record<string, string>} */ (SOURCE)[warning] ??
    `${advice.charAt(0).toUpperCase()}${advice.slice(1)}.`;
