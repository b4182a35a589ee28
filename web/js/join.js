/* js/join.js — asks to watch in real time. The offer goes out without waiting
 * for candidates: the server is ICE-lite and learns ours from our checks. */
import { stereo } from "./sdp.js";
import { Resource, newPeer, only } from "./webrtc.js";

/**
 * @typedef {object} Joining
 * @property {RTCPeerConnection} pc
 * @property {MediaStream} stream its tracks come with the answer
 * @property {RTCRtpReceiver} video
 * @property {Promise<Resource>} done
 */

/** Can this browser play H.264 over WebRTC? */
export function canJoin() {
    if (typeof RTCPeerConnection !== "function") return false;
    const can = globalThis.RTCRtpReceiver?.getCapabilities?.("video");
    /* A browser that does not say may well do it. */
    return !can || can.codecs.some((codec) =>
        codec.mimeType.toLowerCase() === "video/h264");
}

/**
 * @param {string} channel
 * @param {string} rendition "": the server chooses
 */
export function whepUrl(channel, rendition = "") {
    const query = rendition ? `?rendition=${encodeURIComponent(rendition)}` : "";
    return `/whep/${encodeURIComponent(channel)}${query}`;
}

/** The token that the page was opened with, if any. */
export const pageToken = () =>
    new URLSearchParams(location.search).get("token") ?? "";

/**
 * @param {string} url
 * @param {{token?: string, signal?: AbortSignal}} [how]
 * @returns {Joining}
 */
export function join(url, { token = "", signal } = {}) {
    const pc = newPeer();
    const stream = new MediaStream();
    const video = pc.addTransceiver("video", { direction: "recvonly" });
    const audio = pc.addTransceiver("audio", { direction: "recvonly" });
    only(video, RTCRtpReceiver.getCapabilities?.("video") ?? null,
        "video/H264");
    only(audio, RTCRtpReceiver.getCapabilities?.("audio") ?? null,
        "audio/opus");
    for (const transceiver of [video, audio]) {
        wantCaptureTime(transceiver);
        /* As little as the line allows: the server paces what it sends. */
        if ("jitterBufferTarget" in transceiver.receiver)
            transceiver.receiver.jitterBufferTarget = 0;
    }
    pc.addEventListener("track", ({ track }) => stream.addTrack(track));
    const done = ask(pc, url, token, signal);
    done.catch(() => pc.close());
    return { pc, stream, video: video.receiver, done };
}

/**
 * @param {RTCPeerConnection} pc
 * @param {string} url
 * @param {string} token
 * @param {AbortSignal} [signal]
 */
async function ask(pc, url, token, signal) {
    const offer = await pc.createOffer();
    const sdp = stereo(offer.sdp ?? "");
    await pc.setLocalDescription({ type: "offer", sdp });
    const resource = await Resource.post(url, { sdp, token, signal });
    try {
        await pc.setRemoteDescription(
            { type: "answer", sdp: resource.answer });
    } catch (error) {
        resource.remove();
        throw error;
    }
    return resource;
}

/**
 * The stamp that tells how old a frame is; browsers offer it when asked.
 * @param {any} transceiver
 */
function wantCaptureTime(transceiver) {
    try {
        const list = transceiver.getHeaderExtensionsToNegotiate();
        for (const extension of list)
            if (/abs-capture-time|playout-delay/.test(extension.uri) &&
                extension.direction === "stopped")
                extension.direction = "recvonly";
        transceiver.setHeaderExtensionsToNegotiate(list);
    } catch {
        /* an older browser: the latency is reckoned from the round trip */
    }
}
