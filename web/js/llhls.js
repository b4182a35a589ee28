/* js/llhls.js — low-latency HLS into a <video>: hls.js fetches and appends,
 * js/latency.js says how fast to play. hls.js's own latency control is off
 * (docs/decisions/0011-latency-control.md says why).
 *
 *   idle ──load()──► loading ──first frame──► playing ◄──► stalled
 *    ▲                  │ no such stream          │ ENDLIST played out
 *    ├────close()───────┼──► absent               └──► ended
 *    │                  │ codecs that this browser does not have
 *    └────close()───────┴──► foreign */
import Hls from "../vendor/hls.min.mjs";
import { ServerClock } from "./clock.js";
import { grew, kinds } from "./kinds.js";
import { nearest, recall } from "./language.js";
import { LatencyControl } from "./latency.js";
import { EarlyLoader } from "./loader.js";

/** Between looks at the player, ms. */
const TICK = 100;
/** No progress for this long while wanting to play is a stall, ms. */
const STALL = 300;
/** So far apart may the beginnings of picture and sound be, s. */
const APART = 1;
/** Over the rounding of media times, s. */
const HAIR = 0.02;
/** Between looks for a picture or a sound that was not there, ms. */
const LOOK = 5000;
/** Fatal errors in a row before the whole pipeline is built anew. */
const RECOVERIES = 3;

/** @typedef {"idle"|"loading"|"playing"|"stalled"|"ended"|"absent"
 *     |"foreign"} MediaState */
/** @typedef {import("./language.js").Sound} Sound */
/** @typedef {{id: number, height: number, bitrate: number, name: string}} Rung */

/**
 * Asks again and again: whether the channel is over is the API's word, not
 * that of a playlist which is late or a server that restarts.
 * @param {number} firstByteMs
 * @param {number} delayMs
 */
const patient = (firstByteMs, delayMs) => ({
    default: {
        maxTimeToFirstByteMs: firstByteMs,
        maxLoadTimeMs: 20000,
        timeoutRetry: { maxNumRetry: 60, retryDelayMs: 0, maxRetryDelayMs: 0 },
        errorRetry: {
            maxNumRetry: 600,
            retryDelayMs: delayMs,
            maxRetryDelayMs: 2000,
        },
    },
});

/** @type {Partial<import("hls.js").HlsConfig>} */
const HLS_CONFIG = {
    lowLatencyMode: true,
    loader: EarlyLoader,
    /* hls.js takes parts as they are: no remuxing worth a worker's start. */
    enableWorker: false,
    /* Ours is the only hand on playbackRate. */
    maxLiveSyncPlaybackRate: 1,
    /* A stall must not move the target: hls.js would add a second for each
     * and never take it back. */
    liveSyncOnStallIncrease: 0,
    /* Start at once on a rung that most lines carry; measure meanwhile. */
    testBandwidth: false,
    abrEwmaDefaultEstimate: 4_000_000,
    abrEwmaFastLive: 2,
    abrEwmaSlowLive: 6,
    backBufferLength: 30,
    /* A starved live player should look again soon. */
    detectStallWithCurrentTimeMs: 600,
    /* The page reads no captions, events or interstitials yet. */
    enableInterstitialPlayback: false,
    enableEmsgMetadataCues: false,
    enableID3MetadataCues: false,
    playlistLoadPolicy: patient(10000, 300),
    fragLoadPolicy: patient(10000, 200),
};

export class LlHls extends EventTarget {
    /** @type {HTMLVideoElement} */
    #video;
    /** @type {Hls | null} */
    #hls = null;
    #url = "";
    /** @type {MediaState} */
    #state = "idle";
    #clock = new ServerClock();
    #control = new LatencyControl();
    #timer = 0;
    #frames = 0;
    #lastTime = -1;
    #lastMoveAt = 0;
    #lastFrameAt = 0;
    #lookedAt = 0;
    #stalls = 0;
    #recoveries = 0;
    #firstFrameMs = NaN;
    #rest = false;
    #sound = -1;
    #others = 0;
    /** @type {import("./latency.js").Decision | null} */
    #decision = null;
    #abort = new AbortController();

    /** @param {HTMLVideoElement} video */
    constructor(video) {
        super();
        this.#video = video;
        const on = { signal: this.#abort.signal };
        video.addEventListener("ended", () => this.#move("ended"), on);
        video.addEventListener("error", () => this.#recover("media"), on);
    }

    static isSupported() {
        return Hls.isSupported();
    }

    get state() {
        return this.#state;
    }

    /** Loads `url` and goes on until close(); a second call starts over. */
    load(url) {
        this.#stop();
        this.#url = url;
        this.#control.reset();
        this.#lastTime = -1;
        this.#move("loading");
        const hls = new Hls(heard(HLS_CONFIG));
        this.#hls = hls;
        this.#sound = -1;
        this.#others = 0;
        hls.on(Hls.Events.MANIFEST_PARSED, () => this.#emit("rungs"));
        hls.on(Hls.Events.LEVEL_SWITCHED, () => this.#emit("rungs"));
        hls.on(Hls.Events.AUDIO_TRACKS_UPDATED, () => this.#onSounds());
        hls.on(Hls.Events.AUDIO_TRACK_SWITCHING, (_, { id }) => {
            this.#sound = id;
            this.#emit("rungs");
        });
        hls.on(Hls.Events.LEVEL_LOADED, (_, data) => this.#onPlaylist(data));
        hls.on(Hls.Events.LEVEL_UPDATED, (_, data) => this.#onUpdated(data));
        hls.on(Hls.Events.BUFFER_APPENDED, () => this.#onAppended());
        hls.on(Hls.Events.ERROR, (_, data) => this.#onError(data));
        hls.attachMedia(this.#video);
        hls.loadSource(url);
        this.#timer = setInterval(() => this.#tick(), TICK);
        this.#watchFrames(hls);
    }

    /** Lets go of the media and leaves the element ready for another. */
    unload() {
        this.#stop();
        this.#move("idle");
    }

    close() {
        this.unload();
        this.#abort.abort();
    }

    /** @returns {Rung[]} highest first */
    get rungs() {
        const levels = this.#hls?.levels ?? [];
        return levels
            .map((level, id) => ({
                id,
                height: level.height ?? 0,
                bitrate: level.bitrate,
                name: level.height ? `${level.height}p` : "Audio only",
            }))
            .sort((a, b) => b.height - a.height || b.bitrate - a.bitrate);
    }

    /** The rung that plays now; -1 before the first. */
    get rung() {
        return this.#hls?.currentLevel ?? -1;
    }

    get isAuto() {
        return this.#hls?.autoLevelEnabled ?? true;
    }

    /** @param {number} id -1: by itself */
    choose(id) {
        if (this.#hls) this.#hls.nextLevel = id;
    }

    /** The languages, as the playlist lists them. @returns {Sound[]} */
    get sounds() {
        return (this.#hls?.audioTracks ?? []).map((track, id) => ({
            id,
            name: track.name,
            lang: track.lang && track.lang !== "und" ? track.lang : "",
            isDefault: track.default,
        }));
    }

    /** The one that was chosen; heard as soon as it is loaded. */
    get sound() {
        return this.#sound;
    }

    /** How many renditions the server makes beside this rung; 0: unknown. It
     *  may be more than were there at the beginning. */
    get others() {
        return this.#others;
    }

    /** @param {number} id */
    hear(id) {
        if (this.#hls) this.#hls.nextAudioTrack = id;
    }

    /** Live latency in seconds: server's clock minus capture time. */
    get latency() {
        const date = this.#hls?.playingDate;
        if (!date) return null;
        return (this.#clock.now(wall()) - date.getTime()) / 1000;
    }

    /** True when playback is as near to live as it should be. */
    get atLive() {
        const d = this.#decision;
        return !!d && d.behind !== null && d.behind - d.target < 1.5;
    }

    /**
     * Stops holding the target, so that a viewer may look back.
     * @param {boolean} rest
     */
    set resting(rest) {
        this.#rest = rest;
    }

    /** Jumps to where the live viewers are. */
    goLive() {
        this.#rest = false;
        const live = this.#control.liveAt(seconds());
        if (live !== null && !this.atLive)
            this.#video.currentTime = live - this.#control.target;
    }

    /** Where the viewer may seek: what is still in the buffer. */
    get seekable() {
        const { buffered } = this.#video;
        if (buffered.length === 0) return { start: 0, end: 0 };
        return {
            start: buffered.start(0),
            end: buffered.end(buffered.length - 1),
        };
    }

    /** What tests and the figures panel read. */
    get snapshot() {
        const level = this.#hls?.levels[this.rung];
        const quality = this.#video.getVideoPlaybackQuality();
        return {
            media: this.#state,
            latency: this.latency,
            behind: this.#decision?.behind ?? null,
            target: this.#control.target,
            control: this.#decision?.state ?? "idle",
            rate: this.#video.playbackRate,
            buffer: this.#ahead(),
            level: level?.height ?? null,
            language: this.sounds[this.#sound]?.lang ?? null,
            bitrate: level?.bitrate ?? null,
            bandwidth: this.#hls?.bandwidthEstimate ?? null,
            stalls: this.#stalls,
            frames: this.#frames,
            dropped: quality.droppedVideoFrames,
            firstFrameMs: this.#firstFrameMs,
            skew: this.#clock.offset,
        };
    }

    /** @param {any} data */
    #onPlaylist({ details, networkDetails, stats }) {
        const date = networkDetails?.getResponseHeader?.("date");
        const age = networkDetails?.getResponseHeader?.("age");
        const origin = performance.timeOrigin;
        const received = origin + stats.loading.first;
        if (date && !age)
            this.#clock.observe({
                date: Date.parse(date),
                sent: origin + stats.loading.start,
                received: origin + stats.loading.end,
            });
        const part = details.partTarget || details.targetduration;
        this.#control.configure({
            part,
            holdBack: details.partHoldBack || details.holdBack || 3 * part,
        });
        const end = newest(details);
        if (end) this.#clock.published(end, received);
    }

    /** @param {any} data */
    #onUpdated({ details }) {
        const others = details.renditionReports?.length ?? 0;
        if (others !== this.#others) {
            this.#others = others;
            this.#emit("rungs");
        }
        /* hls.js has by now put the playlist on the media's timeline. */
        if (details.live && details.advanced)
            this.#control.published(details.edge, seconds() - details.age);
    }

    #onSounds() {
        const hls = this.#hls;
        /* hls.js looks for the language; of two with one it takes any. */
        const wanted = nearest(this.sounds, recall());
        if (hls && wanted && wanted.id !== hls.audioTrack)
            hls.audioTrack = wanted.id;
        this.#emit("rungs");
    }

    #onAppended() {
        const { buffered } = this.#video;
        if (buffered.length === 0) return;
        const end = buffered.end(buffered.length - 1);
        this.#control.delivered(end, seconds());
        this.#meet();
    }

    /** hls.js sets out with the picture and with the sound, each at its own
     *  moment: where one begins later than the position, that is the start. */
    #meet() {
        const { buffered, currentTime } = this.#video;
        const wait = buffered.start(0) - currentTime;
        if (this.#state === "loading" && currentTime > 0 && wait > 0 &&
            wait < APART)
            this.#video.currentTime = buffered.start(0) + HAIR;
    }

    #tick() {
        const video = this.#video;
        const now = performance.now();
        const wanted = !video.paused && !video.ended;
        if (video.currentTime !== this.#lastTime || !wanted) {
            this.#lastTime = video.currentTime;
            this.#lastMoveAt = now;
        }
        const frozen = now - Math.max(this.#lastMoveAt, this.#lastFrameAt);
        if (this.#state === "playing" && wanted && frozen > STALL) {
            this.#stalls++;
            this.#move("stalled");
        }
        const waits = this.#state === "stalled" ||
            (this.#state === "loading" && this.#isHeard);
        if (waits && this.#lastMoveAt === now) this.#move("playing");
        if (now - this.#lookedAt > LOOK) this.#look(now);
        if (this.#state === "stalled") this.#control.stalled();
        const decision = this.#control.tick({
            now: now / 1000,
            position: video.currentTime,
            bufferEnd: video.currentTime + this.#ahead(),
            moving: wanted && !video.seeking && !this.#rest,
        });
        this.#decision = decision;
        if (video.playbackRate !== decision.rate)
            video.playbackRate = decision.rate;
        if (decision.jumpTo !== null) video.currentTime = decision.jumpTo;
        this.#emit("tick");
    }

    /** Sound alone plays; there will be no frame to say so. */
    get #isHeard() {
        const { paused, readyState, currentTime, HAVE_FUTURE_DATA } = this.#video;
        const levels = this.#hls?.levels ?? [];
        return !paused && readyState >= HAVE_FUTURE_DATA && currentTime > 0 &&
            levels.length > 0 &&
            levels.every(({ height, videoCodec }) => !height && !videoCodec);
    }

    get #has() {
        const levels = this.#hls?.levels ?? [];
        return {
            video: !levels.length || levels.some((level) => level.videoCodec),
            sound: !levels.length || levels.some((level) => level.audioCodec),
        };
    }

    /** Players read once what there is: a camera that came later, or a
     *  microphone, is met by starting over. */
    async #look(now) {
        const hls = this.#hls;
        this.#lookedAt = now;
        if (!hls || (this.#has.video && this.#has.sound)) return;
        const answer = await fetch(this.#url).catch(() => null);
        const text = answer?.ok ? await answer.text() : "";
        if (this.#hls !== hls || !grew(this.#has, kinds(text))) return;
        const rests = this.#video.paused;
        this.load(this.#url);
        if (!rests) await this.#video.play().catch(() => {});
    }

    /** Buffered seconds ahead of the position, over hairline gaps. */
    #ahead() {
        const { buffered, currentTime } = this.#video;
        for (let i = 0; i < buffered.length; i++)
            if (buffered.start(i) <= currentTime + 0.1 &&
                currentTime < buffered.end(i))
                return buffered.end(i) - currentTime;
        return 0;
    }

    /** @param {Hls} hls */
    #watchFrames(hls) {
        const video = this.#video;
        const seen = () => {
            if (this.#hls !== hls) return;
            this.#frames++;
            this.#recoveries = 0;
            this.#lastFrameAt = performance.now();
            if (Number.isNaN(this.#firstFrameMs))
                this.#firstFrameMs = this.#lastFrameAt;
            if (this.#state === "loading" || this.#state === "stalled")
                this.#move("playing");
            video.requestVideoFrameCallback(seen);
        };
        if ("requestVideoFrameCallback" in video)
            video.requestVideoFrameCallback(seen);
        else
            /** @type {HTMLVideoElement} */ (video).addEventListener(
                "playing",
                () => this.#move("playing"),
                { signal: this.#abort.signal },
            );
    }

    /** @param {any} data */
    #onError(data) {
        if (!data.fatal) return;
        const code = data.response?.code;
        const absent = data.details === Hls.ErrorDetails.MANIFEST_LOAD_ERROR;
        if (absent && (code === 404 || code === 0 || code >= 500)) {
            this.#stop();
            this.#move("absent");
            return;
        }
        if (data.details ===
            Hls.ErrorDetails.MANIFEST_INCOMPATIBLE_CODECS_ERROR) {
            this.#stop();
            this.#move("foreign");
            return;
        }
        this.#recover(data.type === Hls.ErrorTypes.NETWORK_ERROR
            ? "network" : "media");
    }

    /** @param {"network" | "media"} what */
    #recover(what) {
        const hls = this.#hls;
        if (!hls) return;
        if (this.#state === "playing") this.#move("stalled");
        this.#recoveries++;
        if (this.#recoveries > RECOVERIES) {
            this.#stop();
            this.#move("absent");
        } else if (what === "network") hls.startLoad();
        else hls.recoverMediaError();
    }

    #stop() {
        clearInterval(this.#timer);
        this.#hls?.destroy();
        this.#hls = null;
        this.#decision = null;
        this.#rest = false;
        this.#recoveries = 0;
        this.#video.playbackRate = 1;
    }

    /** @param {MediaState} state */
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
 * With the language that the learner chose last.
 * @param {Partial<import("hls.js").HlsConfig>} config
 */
function heard(config) {
    const { lang } = recall() ?? {};
    return lang ? { ...config, audioPreference: { lang } } : config;
}

/** Our wall clock, smooth: set once, then it only runs. */
const wall = () => performance.timeOrigin + performance.now();
const seconds = () => performance.now() / 1000;

/**
 * Capture time of the end of the newest media in a playlist, ms.
 * @param {any} details
 */
function newest(details) {
    const last = details.fragmentHint ?? details.fragments.at(-1);
    const from = last?.programDateTime;
    if (!from) return 0;
    return from + (details.edge - last.start) * 1000;
}
