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
    ["Control", (s) => `${s.control}, ${s.rate.toFixed(2)}×`],
    ["Buffer", (s) => seconds(s.buffer)],
    ["Picture", (s) => (s.level ? `${s.level}p` : "–")],
    ["Rung", (s) => rate(s.bitrate)],
    ["Line", (s) => rate(s.bandwidth)],
    ["Frames", (s) => `${s.frames}, ${s.dropped} dropped`],
    ["Stalls", (s) => String(s.stalls)],
    ["First frame", (s) => (s.firstFrameMs >= 0 ?
        `${Math.round(s.firstFrameMs)} ms` : "–")],
    ["Clock offset", (s) => `${Math.round(s.skew)} ms`],
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
            chart.push(snapshot.latency);
        };
        this.#timer = setInterval(show, EVERY);
        show();
    }

    close() {
        clearInterval(this.#timer);
    }
}

/** @param {number | null} s */
const seconds = (s) => (s === null ? "–" : `${s.toFixed(2)} s`);
/** @param {number | null} bps */
const rate = (bps) => (bps ? `${(bps / 1e6).toFixed(2)} Mbit/s` : "–");
