/* js/webrtc.js — the HTTP side that WHIP and WHEP share: one resource per
 * session, made by POST, restarted by PATCH, ended by DELETE.
 * Source: RFC 9725 §4, draft-ietf-wish-whep §4. */
import { fragmentOf, restarted, stereo } from "./sdp.js";

/** An answer that takes longer is none, ms. */
const ANSWER = 8000;

/** The server said no. */
export class Refusal extends Error {
    /**
     * @param {number} status 0: out of reach
     * @param {string} sentence the server's own
     * @param {number} retryAfter seconds, 0: it did not say
     */
    constructor(status, sentence, retryAfter = 0) {
        super(sentence || `the server answered ${status}`);
        this.status = status;
        this.retryAfter = retryAfter;
    }
}

/**
 * What a refusal to play means: "absent" (no stream now), or why not, and
 * whether it is of any use to ask again.
 * @param {any} error what is no Refusal came from the browser itself, which
 *     could not take the answer
 * @returns {{why: string, final: boolean}}
 */
export function judged(error) {
    const status = error instanceof Refusal ? error.status : NaN;
    const final = Number.isNaN(status) ||
        [400, 401, 403, 404, 405, 406, 415, 422, 501].includes(status);
    if (status === 409) return { why: "absent", final };
    if (status === 401 || status === 403) return { why: "denied", final };
    if (status === 406 || status === 422 || Number.isNaN(status))
        return { why: "codec", final };
    return { why: final ? "server" : "busy", final };
}

/**
 * A connection that has one transport for all.
 * @returns {RTCPeerConnection}
 */
export function newPeer() {
    return new RTCPeerConnection({
        bundlePolicy: "max-bundle",
        rtcpMuxPolicy: "require",
    });
}

/**
 * Formats of one codec first, retransmission with them, nothing else.
 * @param {RTCRtpTransceiver} transceiver
 * @param {RTCRtpCapabilities | null} can
 * @param {string} type "video/H264"
 */
export function only(transceiver, can, type) {
    const same = (codec, name) =>
        codec.mimeType.toLowerCase() === name.toLowerCase();
    const codecs = can?.codecs ?? [];
    const wanted = codecs.filter((codec) => same(codec, type) &&
        !/packetization-mode=0/.test(codec.sdpFmtpLine ?? ""));
    if (wanted.length === 0 || !transceiver.setCodecPreferences) return;
    const again = codecs.filter((codec) => same(codec, "video/rtx"));
    transceiver.setCodecPreferences(
        type.startsWith("video") ? wanted.concat(again) : wanted);
}

/** One session at the server. */
export class Resource {
    #token = "";
    #etag = "";
    #gone = false;
    url = "";
    answer = "";
    /** When it was asked for and answered (wall clock, ms), and the server's
     *  own time in between, for js/clock.js. */
    date = NaN;
    sent = 0;
    received = 0;

    /**
     * @param {string} url
     * @param {{sdp: string, token?: string, signal?: AbortSignal}} offer
     */
    static async post(url, { sdp, token = "", signal }) {
        const it = new Resource();
        it.#token = token;
        it.sent = wall();
        const answer = await it.#ask(url, {
            method: "POST",
            type: "application/sdp",
            body: sdp,
            signal,
        });
        it.received = wall();
        it.date = Date.parse(answer.headers.get("date") ?? "");
        const where = answer.headers.get("location");
        if (answer.status !== 201 || !where)
            throw new Refusal(answer.status, "");
        it.url = new URL(where, answer.url).href;
        it.#etag = answer.headers.get("etag") ?? "";
        it.answer = await answer.text();
        return it;
    }

    /**
     * New paths for a connection that lost its own. Throws when the server
     * does not agree; the session goes on as it was then.
     * @param {RTCPeerConnection} pc
     */
    async restart(pc) {
        const before = pc.remoteDescription?.sdp ?? "";
        const offer = await pc.createOffer({ iceRestart: true });
        await pc.setLocalDescription(
            { type: "offer", sdp: stereo(offer.sdp ?? "") });
        try {
            const answer = await this.#ask(this.url, {
                method: "PATCH",
                type: "application/trickle-ice-sdpfrag",
                body: fragmentOf(offer.sdp ?? ""),
                headers: { "if-match": "*" },
            });
            this.#etag = answer.headers.get("etag") ?? this.#etag;
            const sdp = restarted(before, await answer.text());
            await pc.setRemoteDescription({ type: "answer", sdp });
        } catch (error) {
            if (pc.signalingState === "have-local-offer")
                await pc.setLocalDescription({ type: "rollback" });
            throw error;
        }
    }

    /**
     * Something below the session, such as its rendition.
     * @param {string} name
     * @param {{method?: string, body?: string}} [how]
     */
    async below(name, { method = "GET", body } = {}) {
        return this.#ask(`${this.url}/${name}`,
            { method, body, type: "text/plain" });
    }

    /** Ends it; safe while the page goes away, and twice. */
    remove() {
        if (this.#gone || !this.url) return;
        this.#gone = true;
        fetch(this.url, {
            method: "DELETE",
            headers: this.#head(),
            keepalive: true,
        }).catch(() => {});
    }

    /**
     * @param {string} url
     * @param {{method: string, type: string, body?: string,
     *          headers?: Record<string, string>, signal?: AbortSignal}} what
     */
    async #ask(url, { method, type, body, headers = {}, signal }) {
        const limit = AbortSignal.timeout(ANSWER);
        let answer;
        try {
            answer = await fetch(url, {
                method,
                headers: {
                    ...this.#head(),
                    ...(body === undefined ? {} : { "content-type": type }),
                    ...headers,
                },
                body,
                cache: "no-store",
                signal: signal ? either(signal, limit) : limit,
            });
        } catch (error) {
            if (signal?.aborted) throw error;
            throw new Refusal(0, "the server is out of reach");
        }
        if (answer.ok) return answer;
        const sentence = (await answer.text().catch(() => "")).trim();
        throw new Refusal(answer.status, sentence.slice(0, 200),
            Number(answer.headers.get("retry-after")) || 0);
    }

    /** @returns {Record<string, string>} */
    #head() {
        return this.#token ? { authorization: `Bearer ${this.#token}` } : {};
    }
}

/**
 * The pair that carries the media: how, and how far.
 * @param {RTCStatsReport} report
 * @returns {{protocol: string, rtt: number | null, available: number | null}}
 */
export function pathOf(report) {
    let pair = null;
    for (const entry of report.values())
        if (entry.type === "transport" && entry.selectedCandidatePairId)
            pair = report.get(entry.selectedCandidatePairId) ?? null;
    if (!pair)
        for (const entry of report.values())
            if (entry.type === "candidate-pair" && entry.nominated &&
                entry.state === "succeeded") pair = entry;
    return {
        protocol: report.get(pair?.remoteCandidateId)?.protocol ??
            report.get(pair?.localCandidateId)?.protocol ?? "",
        rtt: pair?.currentRoundTripTime ?? null,
        available: pair?.availableOutgoingBitrate ?? null,
    };
}

/** @param {AbortSignal} a @param {AbortSignal} b */
function either(a, b) {
    if ("any" in AbortSignal) return AbortSignal.any([a, b]);
    const both = new AbortController();
    for (const signal of [a, b])
        signal.addEventListener("abort", () => both.abort());
    if (a.aborted || b.aborted) both.abort();
    return both.signal;
}

const wall = () => performance.timeOrigin + performance.now();
