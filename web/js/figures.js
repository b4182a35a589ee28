/* js/figures.js — what getStats says about a received stream, and what the
 * server says about its renditions, as plain values. Pure. */
import { pathOf } from "./webrtc.js";

/** Stamps that make the latency: two seconds of looks. */
const AGES = 8;
/** From 1900 (NTP) to 1970, ms. */
const NTP = 2208988800000;

/** @typedef {import("./llhls.js").Rung} Rung */

/**
 * @returns {any} figures before the first look
 */
export function blank() {
    return {
        bytes: 0, bytesAt: Infinity, decoded: 0, decodedAt: Infinity,
        heard: 0, heardAt: Infinity,
        latency: null, buffer: null, rtt: null, height: null, bps: null,
        protocol: "", lost: 0, packets: 0, nacks: 0, plis: 0, dropped: 0,
        freezes: 0, captureAge: null, ages: [], stamped: false,
        delay: 0, emitted: 0, at: NaN, videoBytes: 0,
    };
}

/**
 * One report into the figures.
 * @param {RTCStatsReport} report
 * @param {any} f
 * @param {number} now
 */
export function read(report, f, now) {
    let bytes = 0, heard = 0;
    for (const entry of report.values()) {
        if (entry.type === "transport") heard += entry.bytesReceived ?? 0;
        if (entry.type !== "inbound-rtp") continue;
        bytes += entry.bytesReceived ?? 0;
        if (entry.kind !== "video") continue;
        const span = now - f.at;
        const fresh = entry.bytesReceived - f.videoBytes;
        if (span > 0) f.bps = (8000 * fresh) / span;
        f.at = now;
        f.videoBytes = entry.bytesReceived;
        const emitted = entry.jitterBufferEmittedCount - f.emitted;
        if (emitted > 0) f.buffer = (entry.jitterBufferDelay - f.delay) / emitted;
        f.delay = entry.jitterBufferDelay;
        f.emitted = entry.jitterBufferEmittedCount;
        f.decoded = entry.framesDecoded ?? 0;
        f.dropped = entry.framesDropped ?? 0;
        f.height = entry.frameHeight ?? null;
        f.lost = entry.packetsLost ?? 0;
        f.packets = entry.packetsReceived ?? 0;
        f.nacks = entry.nackCount ?? 0;
        f.plis = entry.pliCount ?? 0;
        f.freezes = entry.freezeCount ?? 0;
    }
    f.bytes = bytes;
    /* All that came, reports included; not every browser counts it. */
    f.heard = heard || bytes;
    const path = pathOf(report);
    f.rtt = path.rtt;
    if (path.protocol) f.protocol = path.protocol;
}

/**
 * @param {any} said
 * @returns {Rung[]} highest first
 */
export function rungsOf(said) {
    const list = Array.isArray(said?.renditions) ? said.renditions : [];
    return list
        .filter((one) => typeof one?.name === "string" && one.name !== "")
        .map((one) => ({
            name: one.name,
            height: Number(one.height) || 0,
            bitrate: Number(one.bps) || 0,
        }))
        .sort((a, b) => b.height - a.height || b.bitrate - a.bitrate)
        .map((one, id) => ({ ...one, id }));
}

/**
 * How old is what is shown?
 * @param {any} f
 * @param {number | undefined} stamp of the newest frame, by the server's
 *     clock, ms since 1900
 * @param {number} now by the server's clock, ms
 */
export function reckon(f, stamp, now) {
    /* What surely passes after the server: it cannot be less. */
    const least = f.rtt !== null && f.buffer !== null
        ? f.rtt / 2 + f.buffer : null;
    /* Between two stamps the browser goes by media time, so one alone says
     * little. */
    const age = stamp ? (now - (stamp - NTP)) / 1000 : f.captureAge;
    if (age !== null) f.ages = [...f.ages, age].slice(-AGES);
    f.stamped = f.ages.length > 0;
    f.latency = f.stamped ? Math.max(least ?? 0, median(f.ages)) : least;
}

/** @param {number[]} values */
const median = (values) =>
    [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
