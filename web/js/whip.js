/* js/whip.js — publishes tracks to a channel by WHIP, and holds on to it.
 *
 *   idle ──start()──► connecting ──connected──► live
 *    ▲                    │ refused for good      │ path lost
 *    │                    ▼                       ▼
 *    ├──stop()─────────  failed              reconnecting ──► live
 *    └──stop()────────────────────────────────────┘
 *
 * A lost path gets an ICE restart (PATCH) at once; where that does not bring it
 * back, a new session is made: the server lets the same key take over, within
 * one stream. Source: RFC 9725 §4. */
import { passes, pause } from "./trouble.js";
import { Refusal, Resource, newPeer, only, pathOf } from "./webrtc.js";

/** A restart has so long to bring the path back, ms. */
const RESTART = 4000;
/** A new session has so long to connect, ms. */
const CONNECT = 10000;

/** Of a camera; a screen needs sharp letters, not smooth motion. */
const CAMERA = { bps: 2_500_000, fps: 30, keep: "balanced", hint: "motion" };
const SCREEN = {
    bps: 3_000_000, fps: 15, keep: "maintain-resolution", hint: "detail",
};
/** Lowest first, as browsers allot the rate. */
const LAYERS = [
    { rid: "l", down: 4, share: 0.08 },
    { rid: "m", down: 2, share: 0.28 },
    { rid: "h", down: 1, share: 1 },
];

/**
 * @typedef {"idle" | "connecting" | "live" | "reconnecting" | "failed"} WhipState
 * @typedef {object} What
 * @property {MediaStreamTrack | null} video
 * @property {MediaStreamTrack | null} audio
 * @property {boolean} screen the video is a screen
 * @property {boolean} simulcast
 */

export class Whip extends EventTarget {
    /** @type {WhipState} */
    #state = "idle";
    #url = "";
    #key = "";
    /** @type {What} */
    #what = { video: null, audio: null, screen: false, simulcast: false };
    /** @type {RTCPeerConnection | null} */
    #pc = null;
    /** @type {Resource | null} */
    #resource = null;
    #abort = new AbortController();
    #timer = 0;
    #tries = 0;
    #counted = { bytes: 0, at: 0, bps: NaN };
    /** When it went live (Date.now()). */
    since = 0;
    /** @type {Refusal | null} why it failed, or what it waits for */
    refusal = null;
    /** The server has an entrance for browsers at all. */
    offered = true;

    get state() {
        return this.#state;
    }

    /** @param {string} channel @param {string} key @param {What} what */
    start(channel, key, what) {
        this.#drop();
        this.#url = `/whip/${encodeURIComponent(channel)}`;
        this.#key = key;
        this.#what = what;
        this.#tries = 0;
        this.since = 0;
        this.refusal = null;
        this.#move("connecting");
        this.#connect();
    }

    /** Ends the session at the server too. */
    stop() {
        this.#drop();
        this.#move("idle");
    }

    /**
     * Sends other tracks in the running session.
     * @param {What} what
     */
    async change(what) {
        const before = this.#what;
        const pc = this.#pc;
        this.#what = what;
        if (!pc) return;
        /* A kind that was not there before needs another session. */
        if (!before.video !== !what.video || !before.audio !== !what.audio) {
            this.#again(true);
            return;
        }
        hint(what);
        for (const { sender } of pc.getTransceivers()) {
            const kind = sender.track?.kind === "video" ? "video" : "audio";
            await sender.replaceTrack(what[kind]);
        }
        await prefer(pc, what);
    }

    /** What leaves this computer; null before the first answer. */
    async figures() {
        const pc = this.#pc;
        const report = await pc?.getStats().catch(() => null);
        if (!report || pc !== this.#pc) return null;
        const sent = [...report.values()].filter((entry) =>
            entry.type === "outbound-rtp");
        const layers = sent.filter((entry) => entry.kind === "video" &&
            entry.frameWidth > 0 && entry.active !== false)
            .sort((a, b) => b.frameWidth - a.frameWidth);
        const top = layers[0];
        const remote = [...report.values()].filter((entry) =>
            entry.type === "remote-inbound-rtp");
        const path = pathOf(report);
        return {
            bps: this.#rate(sent),
            fps: top?.framesPerSecond ?? null,
            width: top?.frameWidth ?? null,
            height: top?.frameHeight ?? null,
            layers: layers.length,
            limit: top?.qualityLimitationReason,
            rtt: path.rtt,
            protocol: path.protocol,
            lost: remote.reduce((sum, entry) =>
                sum + Math.max(0, entry.packetsLost ?? 0), 0),
        };
    }

    /** @param {any[]} sent */
    #rate(sent) {
        const now = performance.now();
        const bytes = sent.reduce((sum, entry) =>
            sum + (entry.bytesSent ?? 0) + (entry.headerBytesSent ?? 0), 0);
        const { bytes: before, at } = this.#counted;
        const bps = at ? (8000 * (bytes - before)) / (now - at) : NaN;
        this.#counted = { bytes, at: now, bps };
        return bps >= 0 ? bps : null;
    }

    async #connect() {
        clearTimeout(this.#timer);
        const abort = this.#abort = new AbortController();
        const pc = this.#pc = newPeer();
        this.#counted = { bytes: 0, at: 0, bps: NaN };
        pc.addEventListener("connectionstatechange", () =>
            pc === this.#pc && this.#onConnection(pc));
        this.#timer = setTimeout(() => pc === this.#pc && this.#again(), CONNECT);
        try {
            addTracks(pc, this.#what);
            await pc.setLocalDescription();
            const resource = await Resource.post(this.#url, {
                sdp: pc.localDescription?.sdp ?? "",
                token: this.#key,
                signal: abort.signal,
            });
            if (pc !== this.#pc) {
                resource.remove();
                return;
            }
            this.#resource = resource;
            await pc.setRemoteDescription({
                type: "answer",
                sdp: resource.answer,
            });
            this.#watchTransport(pc);
            await prefer(pc, this.#what);
        } catch (error) {
            if (pc === this.#pc) await this.#onError(error);
        }
    }

    /** The server's good-bye comes by DTLS, long before paths time out.
     *  @param {RTCPeerConnection} pc */
    #watchTransport(pc) {
        const transport = pc.getSenders()[0]?.transport;
        transport?.addEventListener("statechange", () =>
            pc === this.#pc && transport.state === "closed" && this.#again());
    }

    /** @param {any} error */
    async #onError(error) {
        const refusal = error instanceof Refusal ? error
            : new Refusal(406, String(error.message ?? error));
        if (refusal.status === 404) this.offered = await hasEntrance(this.#url);
        this.refusal = refusal;
        if (passes(refusal.status)) {
            this.#again(false, 1000 * refusal.retryAfter);
            return;
        }
        this.#drop();
        this.#move("failed");
    }

    /** @param {RTCPeerConnection} pc */
    #onConnection(pc) {
        switch (pc.connectionState) {
            case "connected":
                clearTimeout(this.#timer);
                this.#tries = 0;
                this.refusal = null;
                this.since ||= Date.now();
                this.#move("live");
                break;
            case "disconnected":
                this.#restart(pc);
                break;
            case "failed":
            case "closed":
                this.#again();
                break;
        }
    }

    /** @param {RTCPeerConnection} pc */
    async #restart(pc) {
        this.#move("reconnecting");
        clearTimeout(this.#timer);
        this.#timer = setTimeout(() => pc === this.#pc && this.#again(), RESTART);
        try {
            await this.#resource?.restart(pc);
        } catch (error) {
            /* An answer, but no: the session is over, do not wait for it. */
            const { status = 0 } = /** @type {any} */ (error);
            if (pc === this.#pc && status > 0) this.#again();
        }
    }

    /**
     * A new session, after a pause as a rule.
     * @param {boolean} [now]
     * @param {number} [atLeast] ms
     */
    #again(now = false, atLeast = 0) {
        this.#drop();
        this.#move(this.since ? "reconnecting" : "connecting");
        const wait = now ? 0 : Math.max(atLeast, pause(this.#tries++));
        this.#timer = setTimeout(() => this.#connect(), wait);
        /* The refusal may be news. */
        this.#emit();
    }

    #drop() {
        clearTimeout(this.#timer);
        this.#abort.abort();
        const pc = this.#pc;
        this.#pc = null;
        this.#resource?.remove();
        this.#resource = null;
        pc?.close();
    }

    /** @param {WhipState} state */
    #move(state) {
        if (this.#state === state) return;
        this.#state = state;
        this.#emit();
    }

    #emit() {
        this.dispatchEvent(new Event("state"));
    }
}

/** @param {What} what */
function hint({ video, screen }) {
    if (video) video.contentHint = (screen ? SCREEN : CAMERA).hint;
}

/**
 * One section per kind, video first; sendonly as RFC 9725 §4.2 wants it.
 * @param {RTCPeerConnection} pc
 * @param {What} what
 */
function addTracks(pc, what) {
    const stream = new MediaStream();
    hint(what);
    if (what.video) {
        const layers = what.simulcast ? LAYERS : LAYERS.slice(-1);
        const transceiver = pc.addTransceiver(what.video, {
            direction: "sendonly",
            streams: [stream],
            sendEncodings: layers.map((layer) => ({
                ...(what.simulcast ? { rid: layer.rid } : {}),
                scaleResolutionDownBy: layer.down,
                ...caps(what, layer),
            })),
        });
        only(transceiver, RTCRtpSender.getCapabilities?.("video") ?? null,
            "video/H264");
    }
    if (what.audio)
        pc.addTransceiver(what.audio,
            { direction: "sendonly", streams: [stream] });
}

/**
 * The most that a layer may use.
 * @param {What} what
 * @param {typeof LAYERS[number]} layer
 */
function caps({ screen }, layer) {
    const { bps, fps } = screen ? SCREEN : CAMERA;
    return {
        maxBitrate: Math.round(layer.share * bps),
        maxFramerate: fps,
    };
}

/**
 * What gives way first when the line or the processor is short.
 * @param {RTCPeerConnection} pc
 * @param {What} what
 */
async function prefer(pc, what) {
    const sender = pc.getSenders().find((one) => one.track?.kind === "video");
    if (!sender) return;
    try {
        const parameters = /** @type {any} */ (sender.getParameters());
        parameters.degradationPreference =
            (what.screen ? SCREEN : CAMERA).keep;
        const layers = LAYERS.slice(-parameters.encodings.length);
        layers.forEach((layer, i) =>
            Object.assign(parameters.encodings[i], caps(what, layer)));
        await sender.setParameters(parameters);
    } catch {
        /* The browser decides by itself. */
    }
}

/** Is there an entrance, of whatever channel? @param {string} url */
async function hasEntrance(url) {
    const answer = await fetch(url, { method: "OPTIONS" }).catch(() => null);
    return answer === null || answer.ok;
}
