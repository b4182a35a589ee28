/* js/whep.js — real time into a <video>: WebRTC by WHEP. Looks to the player
 * like js/llhls.js: the same states, rungs and figures.
 *
 *   idle ──load()──► loading ──first frame──► playing ◄──► stalled
 *    ▲                  │ 409: no stream now
 *    │                  ├──► absent
 *    └────unload()──────┴──► refused (why, final): not to be had this way
 *
 * The server reports once a second even while the lecturer sends nothing, so a
 * lost path (nothing comes) is told from a silent source (no media comes). For
 * a lost path a second session is made while the picture stands, over whatever
 * carries; who decides that it took too long is js/mode.js. */
import { Choice } from "./choice.js";
import { ServerClock } from "./clock.js";
import { blank, read, reckon } from "./figures.js";
import { canJoin, join, pageToken, whepUrl } from "./join.js";
import { judged } from "./webrtc.js";

/** Between looks at the figures, ms. */
const LOOK = 250;
/** Without a byte for this long it is a stall, ms. */
const SILENCE = 800;
/** Not even a report for this long: the path is lost, ms. */
const DEAF = 1300;
/** No media but reports for this long: whatever it is, it is enough, ms. */
const STUCK = 4000;
/** Bytes but no picture for this long: the decoder waits in vain, ms. */
const BLIND = 4000;
/** Between two restarts of one session, ms. */
const RESTART_REST = 3000;

/**
 * @typedef {"idle" | "loading" | "playing" | "stalled" | "ended" | "absent"
 *     | "refused"} WhepState
 * @typedef {import("./llhls.js").Rung} Rung
 */

export class Whep extends EventTarget {
    /** @type {HTMLVideoElement} */
    #video;
    #channel;
    /** @type {WhepState} */
    #state = "idle";
    /** @type {import("./join.js").Joining | null} */
    #joining = null;
    /** To follow #joining once it brings pictures.
     *  @type {import("./join.js").Joining | null} */
    #next = null;
    /** @type {import("./webrtc.js").Resource | null} */
    #resource = null;
    #lost = false;
    #abort = new AbortController();
    #timer = 0;
    #clock = new ServerClock();
    /** @type {{why: string, final: boolean}} */
    #refusal = { why: "", final: false };
    #choice = new Choice(() => this.#emit("rungs"));
    #restartAt = -Infinity;
    #frames = 0;
    #stalls = 0;
    #firstFrameMs = NaN;
    #figures = blank();

    /**
     * @param {HTMLVideoElement} video
     * @param {string} channel
     */
    constructor(video, channel) {
        super();
        this.#video = video;
        this.#channel = channel;
        video.addEventListener("resize", () => this.#choice.ask());
    }

    static isSupported() {
        return canJoin();
    }

    get state() {
        return this.#state;
    }

    /** The stall is ours, not the lecturer's. */
    get lost() {
        return this.#lost;
    }

    get refusal() {
        return this.#refusal;
    }

    /**
     * Joins, and goes on until unload(); a second call starts over.
     * @param {Promise<import("./join.js").Joining | null> | null} [early] may
     *     have asked already
     */
    async load(early = null) {
        this.#stop();
        const abort = this.#abort = new AbortController();
        this.#move("loading");
        const asked = await early;
        if (abort.signal.aborted) {
            drop(asked);
            return;
        }
        try {
            this.#attach(asked ?? join(whepUrl(this.#channel, this.#choice.wanted),
                { token: pageToken(), signal: abort.signal }));
        } catch {
            /* A browser has only so many connections. */
            this.#refuse("failed", false);
        }
    }

    /** @param {import("./join.js").Joining} joining */
    #attach(joining) {
        this.#video.srcObject = joining.stream;
        this.#emit("attached");
        this.#follow(joining);
        joining.done.then(
            (resource) => this.#onAnswer(joining, resource),
            (error) => this.#joining === joining && this.#onError(error),
        );
    }

    /** @param {import("./join.js").Joining} joining */
    #follow(joining) {
        const { pc } = joining;
        this.#joining = joining;
        this.#figures = blank();
        this.#lost = false;
        pc.addEventListener("connectionstatechange",
            () => this.#joining === joining && this.#onConnection(pc));
        this.#watchFrames(joining);
        clearInterval(this.#timer);
        this.#timer = setInterval(() => this.#look(joining), LOOK);
    }

    /** A second session beside the one whose path is lost. */
    async #rejoin() {
        if (this.#next) return;
        const next = join(whepUrl(this.#channel, this.#choice.wanted),
            { token: pageToken(), signal: this.#abort.signal });
        this.#next = next;
        try {
            const resource = await next.done;
            await this.#brings(next);
            if (this.#next === next) this.#swap(next, resource);
            else resource.remove();
        } catch {
            /* The old one may come back, or js/mode.js goes elsewhere. */
            drop(next);
            if (this.#next === next) this.#next = null;
        }
    }

    /** Pictures, or an end. @param {import("./join.js").Joining} joining */
    async #brings({ pc }) {
        for (;;) {
            const figures = blank();
            read(await pc.getStats(), figures, performance.now());
            if (figures.decoded > 0) return;
            if (pc.connectionState === "failed" ||
                pc.connectionState === "closed") throw new Error("no path");
            await new Promise((resolve) => setTimeout(resolve, LOOK / 5));
        }
    }

    /**
     * Other tracks in the same stream: the old picture stands until the new
     * one is painted.
     * @param {import("./join.js").Joining} next
     * @param {import("./webrtc.js").Resource} resource
     */
    #swap(next, resource) {
        const old = /** @type {any} */ (this.#joining);
        const gone = this.#resource;
        const { stream } = old;
        const before = stream.getTracks();
        for (const track of next.stream.getTracks()) stream.addTrack(track);
        for (const track of before) stream.removeTrack(track);
        next.stream = stream;
        this.#next = null;
        this.#follow(next);
        this.#onAnswer(next, resource);
        this.#begin();
        gone?.remove();
        old.pc.close();
    }

    /** Lets go of the session; the last picture stays until clear(). */
    unload() {
        this.#stop();
        this.#move("idle");
    }

    /** Lets go of the last picture too. */
    clear() {
        if (!this.#joining) this.#video.srcObject = null;
    }

    close() {
        this.unload();
    }

    get rungs() {
        return this.#choice.rungs;
    }

    get rung() {
        return this.#choice.rung?.id ?? -1;
    }

    get isAuto() {
        return this.#choice.isAuto;
    }

    /** @param {number} id -1: by itself */
    choose(id) {
        this.#choice.choose(id);
    }

    /** Seconds from the lens to here: by the frame's stamp, else reckoned. */
    get latency() {
        return this.#state === "playing" ? this.#figures.latency : null;
    }

    /** Real time is always at the live moment. */
    get atLive() {
        return this.#state === "playing";
    }

    set resting(_) {
        /* There is no looking back in real time. */
    }

    goLive() {
        /* see above */
    }

    get seekable() {
        return { start: 0, end: 0 };
    }

    get protocol() {
        return this.#figures.protocol;
    }

    /** The same names as js/llhls.js, and what only real time has. */
    get snapshot() {
        const f = this.#figures;
        return {
            media: this.#state,
            latency: this.latency,
            behind: null,
            target: null,
            control: "real time",
            rate: 1,
            buffer: f.buffer,
            level: f.height,
            bitrate: this.#choice.rung?.bitrate || f.bps,
            bandwidth: this.#choice.estimate,
            stalls: this.#stalls,
            frames: this.#frames,
            dropped: f.dropped,
            firstFrameMs: this.#firstFrameMs,
            skew: this.#skew,
            protocol: f.protocol,
            rtt: f.rtt,
            lost: f.lost,
            received: f.packets,
            nacks: f.nacks,
            plis: f.plis,
            freezes: f.freezes,
            stamped: f.stamped,
        };
    }

    /**
     * @param {import("./join.js").Joining} joining
     * @param {import("./webrtc.js").Resource} resource
     */
    #onAnswer(joining, resource) {
        if (this.#joining !== joining) {
            resource.remove();
            return;
        }
        this.#resource = resource;
        this.#clock.observe(resource);
        this.#choice.follow(resource);
    }

    /** @param {any} error */
    #onError(error) {
        this.#stop();
        const { why, final } = judged(error);
        if (why === "absent") this.#move("absent");
        else this.#refuse(why, final);
    }

    /** @param {RTCPeerConnection} pc */
    #onConnection(pc) {
        const { connectionState } = pc;
        if (connectionState === "disconnected") this.#restart(pc);
        else if (connectionState === "failed") {
            if (this.#state !== "loading") this.#restart(pc);
            else {
                this.#stop();
                this.#refuse("failed", false);
            }
        }
    }

    /** New paths for the same session. @param {RTCPeerConnection} pc */
    async #restart(pc) {
        const now = performance.now();
        if (!this.#resource || this.#next ||
            now - this.#restartAt < RESTART_REST) return;
        this.#restartAt = now;
        try {
            await this.#resource.restart(pc);
        } catch {
            /* The stall is told by the missing bytes, and judged elsewhere. */
        }
    }

    /** The path may be dead, or there may be a better one. */
    refresh() {
        const pc = this.#joining?.pc;
        if (pc && pc.connectionState !== "new") this.#restart(pc);
    }

    /** @param {import("./join.js").Joining} joining */
    async #look(joining) {
        const report = await joining.pc.getStats().catch(() => null);
        if (!report || this.#joining !== joining) return;
        const now = performance.now();
        const f = this.#figures;
        const was = { bytes: f.bytes, decoded: f.decoded, heard: f.heard };
        read(report, f, now);
        if (f.bytes !== was.bytes) f.bytesAt = now;
        if (f.heard !== was.heard) f.heardAt = now;
        if (f.decoded !== was.decoded) f.decodedAt = now;
        reckon(f, joining.video.getSynchronizationSources?.()[0]
            ?.captureTimestamp, wall() + this.#skew);
        this.#judge(now);
        this.#emit("tick");
    }

    /** @param {number} now */
    #judge(now) {
        const f = this.#figures;
        const silent = now - f.bytesAt > SILENCE;
        const blind = !document.hidden && now - f.decodedAt > BLIND;
        if (this.#state === "playing" && (silent || blind)) {
            this.#stalls++;
            this.#move("stalled");
        } else if (this.#state === "stalled" && !silent && !blind) {
            this.#lost = false;
            this.#move("playing");
        } else if (this.#state === "loading" && document.hidden &&
            f.decoded > 0) {
            /* Nothing is painted in a hidden page. */
            this.#begin();
        }
        const deaf = now - f.heardAt > DEAF;
        const lost = this.#state === "stalled" &&
            (deaf || blind || now - f.bytesAt > STUCK);
        if (!lost || this.#lost) return;
        this.#lost = true;
        if (deaf) this.#rejoin();
        this.#emit("state");
    }

    /** A Date header tells whole seconds: less than that is no difference. */
    get #skew() {
        const { offset } = this.#clock;
        return Math.abs(offset) > 1000 ? offset : 0;
    }

    /** @param {import("./join.js").Joining} joining */
    #watchFrames(joining) {
        const video = this.#video;
        const seen = (_, frame) => {
            if (this.#joining !== joining) return;
            this.#frames++;
            /* By our own clock, where the browser has found it out. */
            const at = frame?.captureTime;
            this.#figures.captureAge = at === undefined ? null
                : (performance.now() - at) / 1000;
            if (Number.isNaN(this.#firstFrameMs))
                this.#firstFrameMs = performance.now();
            if (this.#state === "loading") this.#begin();
            video.requestVideoFrameCallback(seen);
        };
        if ("requestVideoFrameCallback" in video)
            video.requestVideoFrameCallback(seen);
        else
            /** @type {HTMLVideoElement} */ (video).addEventListener(
                "playing",
                () => this.#joining === joining && this.#begin(),
                { once: true },
            );
    }

    #begin() {
        const now = performance.now();
        const f = this.#figures;
        f.bytesAt = f.decodedAt = f.heardAt = now;
        this.#move("playing");
    }

    /** @param {string} why @param {boolean} final */
    #refuse(why, final) {
        this.#refusal = { why, final };
        this.#move("refused");
    }

    #stop() {
        clearInterval(this.#timer);
        this.#abort.abort();
        this.#lost = false;
        this.#resource?.remove();
        this.#resource = null;
        this.#choice.follow(null);
        for (const joining of [this.#joining, this.#next]) drop(joining);
        this.#joining = this.#next = null;
    }

    /** @param {WhepState} state */
    #move(state) {
        if (this.#state === state) return;
        this.#state = state;
        this.#emit("state");
    }

    /** @param {string} name */
    #emit(name) {
        this.dispatchEvent(new Event(name));
    }
}

/**
 * Closes it; a session that is made after all is not left behind.
 * @param {import("./join.js").Joining | null} joining
 */
function drop(joining) {
    joining?.pc.close();
    joining?.done.then((late) => late.remove(), () => {});
}

const wall = () => performance.timeOrigin + performance.now();
