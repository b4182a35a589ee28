/* js/studio.js — the lecturer's page: choose, look, listen, go live. */
import { Capture, CaptureError, devices } from "./capture.js";
import { make, need, say, span } from "./dom.js";
import { Health } from "./health.js";
import { Meter } from "./meter.js";
import { insecure, limit, publishTrouble } from "./trouble.js";
import { Whip } from "./whip.js";

const EVERY = 1000;
/** Only where the lecturer ticks the box, and for this tab alone. */
const STORE = "lectern.studio";

const form = need("form");
const preview = need("preview");
const go = need("go");
const channel = need("name");
const key = need("key");
const keep = need("keep");
const simulcast = need("simulcast");

const whip = new Whip();
/** @type {AudioContext | null} */
let mixer = null;
/** @type {Meter | null} */
let meter = null;
/** @type {Capture | null} */
let capture = null;
/** @type {Health | null} While there is a stream to ask about. */
let health = null;
/** One opening at a time; the newest choice counts. */
let opening = 0;

/** @returns {import("./capture.js").Choice} */
const choice = () => ({
    source: need("screen").checked ? "screen" : "camera",
    camera: need("cameras").value,
    microphone: need("microphones").value,
});

/** @param {string} sentence "": all is well */
function trouble(sentence) {
    say(need("trouble"), sentence);
    need("trouble").hidden = sentence === "";
}

/** Opens what is chosen, and shows it. @returns {Promise<boolean>} */
async function look() {
    const mine = ++opening;
    need("look").disabled = true;
    try {
        /* Not before the lecturer has touched the page. */
        mixer ??= new AudioContext();
        meter ??= new Meter(need("level"), mixer);
        await mixer.resume();
        const next = await Capture.open(choice(), mixer);
        if (mine !== opening) {
            next.close();
            return false;
        }
        trouble("");
        show(next);
        await list();
        return true;
    } catch (error) {
        if (mine === opening)
            trouble(error instanceof CaptureError ? error.message
                : String(error));
        return false;
    } finally {
        if (mine === opening) need("look").disabled = false;
    }
}

/** @param {Capture} next */
function show(next) {
    const before = capture;
    capture = next;
    preview.srcObject = next.video ? new MediaStream([next.video]) : null;
    preview.play().catch(() => {});
    need("blank").hidden = true;
    meter?.listen(next.audio);
    if (whip.state !== "idle" && whip.state !== "failed") whip.change(what());
    before?.close();
    next.onEnded(() => {
        if (capture !== next) return;
        trouble(next.screen
            ? "The screen is no longer shared. Choose it again to go on."
            : "The camera is gone. Choose another to go on.");
        need("blank").hidden = false;
    });
    showButtons();
}

const what = () => ({
    video: capture?.video ?? null,
    audio: capture?.audio ?? null,
    screen: capture?.screen ?? false,
    simulcast: simulcast.checked,
});

/** The devices by name: browsers tell them once one may be used. */
async function list() {
    const found = await devices();
    fill(need("cameras"), found.camera, [["", "Default camera"]]);
    fill(need("microphones"), found.microphone,
        [["", "Default microphone"], ["none", "No microphone"]]);
}

/**
 * @param {HTMLSelectElement} select
 * @param {MediaDeviceInfo[]} found
 * @param {string[][]} always
 */
function fill(select, found, always) {
    const chosen = select.value;
    const named = found.filter((one) => one.deviceId !== "default" && one.label)
        .map((one) => [one.deviceId, one.label]);
    const options = always.concat(named);
    select.replaceChildren(...options.map(([value, text]) =>
        new Option(text, value)));
    if (options.some(([value]) => value === chosen)) select.value = chosen;
}

const isOn = () => ["connecting", "live", "reconnecting"].includes(whip.state);

async function start() {
    trouble("");
    remember();
    if (!capture && !await look()) return;
    whip.start(channel.value.trim(), key.value.trim(), what());
}

function stop() {
    whip.stop();
    go.focus();
}

/** @type {Record<import("./whip.js").WhipState, [string, string]>} */
const WORDS = {
    idle: ["Off air", ""],
    connecting: ["Connecting", "Connecting to the server…"],
    live: ["Live", ""],
    reconnecting: ["Reconnecting", "Reconnecting…"],
    failed: ["Off air", ""],
};

function showState() {
    const { state, refusal } = whip;
    const [badge, line] = WORDS[state];
    const at = { channel: channel.value.trim(), offered: whip.offered };
    need("state").dataset.state = state;
    say(need("state"), badge);
    say(need("line"), state === "live" ? `Live since ${clock(whip.since)}.`
        : line);
    if (refusal) trouble(publishTrouble(refusal, at));
    else if (state === "live") trouble("");
    document.title = `${badge} – Studio – Lectern`;
    need("watch").hidden = !isOn();
    need("watch").href = `/watch/${encodeURIComponent(at.channel)}`;
    need("figures").hidden = state !== "live" && state !== "reconnecting";
    askHealth(state === "live" || state === "reconnecting", at.channel);
    if (state === "failed" && refusal &&
        (refusal.status === 401 || refusal.status === 403)) key.focus();
    showButtons();
}

/**
 * @param {boolean} on
 * @param {string} name
 */
function askHealth(on, name) {
    if (on === (health !== null)) return;
    health?.close();
    health = on ? new Health(name, key.value.trim(), showHealth) : null;
    need("stream").hidden = true;
    need("advice").replaceChildren();
    for (const id of ["f-hears", "f-still"]) say(need(id), "–");
}

/**
 * What goes on stays as it is: it was read out.
 * @param {import("./health.js").Found} found
 */
function showHealth({ warnings, loudness, still }) {
    const items = new Map([...need("advice").children]
        .map((item) => [item.dataset.is, item]));
    const wanted = warnings.length ? warnings
        : [{ warning: "well", text: "All is well." }];
    for (const [name, item] of items)
        if (!wanted.some((one) => one.warning === name)) item.remove();
    for (const { warning, text } of wanted)
        if (!items.has(warning))
            need("advice").append(make("li", { "data-is": warning }, text));
    need("stream").hidden = false;
    say(need("f-hears"), loudness === null ? "–"
        : loudness <= -100 ? "nothing" : `${Math.round(loudness)} dB`.replace("-", "−"));
    say(need("f-still"), still === null ? "–" : span(still));
}

function showButtons() {
    say(go, isOn() ? "Stop" : "Go live");
    go.dataset.is = isOn() ? "on" : "off";
    for (const field of [channel, key, keep, simulcast])
        field.disabled = isOn();
    const source = need("screen").checked ? "screen" : "camera";
    say(need("look"), capture && capture.screen === (source === "screen")
        ? `Choose the ${source} again` : source === "screen"
            ? "Choose a screen" : "Turn the camera on");
    need("cameras").disabled = source === "screen";
}

async function showFigures() {
    if (document.hidden || !isOn()) return;
    const f = await whip.figures();
    if (!f) return;
    const size = f.width ? `${f.width} × ${f.height}` : "–";
    say(need("f-time"), whip.since
        ? span((Date.now() - whip.since) / 1000) : "–");
    say(need("f-rate"), f.bps === null ? "–"
        : `${(f.bps / 1e6).toFixed(2)} Mbit/s`);
    say(need("f-size"), f.layers > 1 ? `${size}, ${f.layers} sizes` : size);
    say(need("f-fps"), f.fps === null ? "–" : `${Math.round(f.fps)} a second`);
    say(need("f-trip"), f.rtt === null ? "–"
        : `${Math.round(f.rtt * 1000)} ms${f.protocol === "tcp" ? ", TCP" : ""}`);
    say(need("f-limit"), limit(f.limit));
    say(need("f-lost"), String(f.lost));
}

/** @param {number} at */
const clock = (at) => new Date(at).toLocaleTimeString([],
    { hour: "2-digit", minute: "2-digit" });

function remember() {
    try {
        if (keep.checked)
            sessionStorage.setItem(STORE, JSON.stringify(
                { channel: channel.value.trim(), key: key.value.trim() }));
        else sessionStorage.removeItem(STORE);
    } catch {
        /* Storage may be closed to us; then it is typed again. */
    }
}

function recall() {
    const asked = new URLSearchParams(location.search).get("channel");
    if (asked) channel.value = asked;
    try {
        const said = JSON.parse(sessionStorage.getItem(STORE) ?? "null");
        if (!said) return;
        channel.value = asked ?? said.channel;
        key.value = said.key;
        keep.checked = true;
    } catch {
        /* see above */
    }
}

/** What this page can do here at all. */
function begin() {
    recall();
    showState();
    if (!navigator.mediaDevices || typeof RTCPeerConnection !== "function") {
        const secure = new URL(location.pathname, location.href);
        secure.protocol = "https:";
        secure.port = "8443";
        trouble(isSecureContext
            ? "This browser has no WebRTC. A current Chrome, Edge or Safari " +
                "has it."
            : insecure(secure.href));
        for (const one of form.querySelectorAll("button, fieldset"))
            one.disabled = true;
        return;
    }
    const h264 = globalThis.RTCRtpSender?.getCapabilities?.("video")?.codecs
        .some((one) => one.mimeType.toLowerCase() === "video/h264");
    if (h264 === false)
        trouble("This browser cannot send H.264, which the server needs. " +
            "A current Chrome, Edge or Safari can.");
    list().catch(() => {});
    navigator.mediaDevices.addEventListener?.("devicechange",
        () => list().catch(() => {}));
    setInterval(showFigures, EVERY);
}

form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (isOn()) stop();
    else start();
});
need("look").addEventListener("click", look);
for (const id of ["camera", "screen"])
    need(id).addEventListener("change", showButtons);
for (const id of ["cameras", "microphones"])
    need(id).addEventListener("change", () => {
        /* A screen would be asked for anew: its button does that. */
        if (capture && !capture.screen) look();
    });
keep.addEventListener("change", () => keep.checked || remember());
whip.addEventListener("state", showState);
addEventListener("beforeunload", (event) => {
    if (isOn()) event.preventDefault();
});
addEventListener("pagehide", () => {
    whip.stop();
    capture?.close();
});
begin();

/* For tests and for those who ask "what does the studio think?". */
Object.defineProperty(window, "lectern", {
    get: () => ({ state: whip.state, previewing: capture !== null }),
});
