/* js/stats.js — the figures under the picture, asked for with ?stats=1. */
import { Chart } from "./chart.js";
import { make, say } from "./dom.js";

const EVERY = 500;
const MINUTE = 120;

/** @type {[string, (s: any) => string][]} */
const ROWS = [
    ["Latency", (s) => seconds(s.latency)],
    ["Behind the edge", (s) => seconds(s.behind)],
    ["Target", (s) => seconds(s.target)],
    ["Control", (s) => (s.rate === undefined ? "–"
        : `${s.control}, ${s.rate.toFixed(2)}×`)],
    ["Buffer", (s) => seconds(s.buffer)],
    ["Picture", (s) => (s.level ? `${s.level}p` : "–")],
    ["Rung", (s) => rate(s.bitrate)],
    ["Line", (s) => rate(s.bandwidth)],
    ["Frames", (s) => `${s.frames ?? 0}, ${s.dropped ?? 0} dropped`],
    ["Way", (s) => way(s)],
    ["Round trip", (s) => millis(s.rtt)],
    ["Packets", (s) => (s.received === undefined ? "–"
        : `${s.received}, ${s.lost} lost`)],
    ["Asked again", (s) => (s.nacks === undefined ? "–"
        : `${s.nacks} packets, ${s.plis} pictures`)],
    ["Stalls", (s) => String(s.stalls ?? 0)],
    ["First frame", (s) => (s.firstFrameMs >= 0 ?
        `${Math.round(s.firstFrameMs)} ms` : "–")],
    ["Clock offset", (s) => `${Math.round(s.skew ?? 0)} ms`],
];

export class Stats {
    #timer;

    /**
     * @param {HTMLElement} panel
     * @param {import("./player.js").Player} player
     */
    constructor(panel, player) {
        const cells = ROWS.map(([name]) => {
            const value = make("dd");
            return { value, pair: make("div", {}, make("dt", {}, name), value) };
        });
        const canvas = /** @type {HTMLCanvasElement} */ (
            make("canvas", {
                role: "img",
                "aria-label": "Latency over the last minute",
            })
        );
        const list = make("dl", { class: "pairs" });
        list.append(...cells.map((cell) => cell.pair));
        panel.append(list, canvas);
        panel.hidden = false;
        const chart = new Chart(canvas, MINUTE);
        const show = () => {
            const snapshot = player.snapshot;
            ROWS.forEach(([, text], i) => say(cells[i].value, text(snapshot)));
            chart.push(snapshot.latency ?? null);
        };
        this.#timer = setInterval(show, EVERY);
        show();
    }

    close() {
        clearInterval(this.#timer);
    }
}

/** @param {number | null} s */
const seconds = (s) => (s == null ? "–" : `${s.toFixed(2)} s`);
/** @param {number | null | undefined} s */
const millis = (s) => (s == null ? "–" : `${Math.round(s * 1000)} ms`);
/** @param {any} s */
const way = (s) => (s.protocol ? `${s.shown}, ${s.protocol}` : s.shown);
/** @param {number | null} bps */
const rate = (bps) => (bps ? `${(bps / 1e6).toFixed(2)} Mbit/s` : "–");
