/* js/watch.js — the learner's page: finds the channel, joins the parts. */
import { Controls } from "./controls.js";
import { need, say } from "./dom.js";
import { Languages } from "./languages.js";
import { Player } from "./player.js";
import { Stats } from "./stats.js";

/** @type {Record<import("./life.js").PlayerState, [string, string, string]>} */
const WORDS = {
    connecting: ["Connecting", "Connecting…", ""],
    waiting: [
        "Not started",
        "The lecture has not started",
        "Stay here: it begins by itself.",
    ],
    starting: ["Starting", "The lecture is starting…", ""],
    live: ["Live", "", ""],
    reconnecting: [
        "Reconnecting",
        "The picture has stopped",
        "Waiting for the lecturer's connection. It goes on by itself.",
    ],
    ended: [
        "Ended",
        "The lecture has ended",
        "Should it begin again, it will play here.",
    ],
    unsupported: [
        "Unsupported",
        "This browser cannot play the lecture",
        "It lacks Media Source Extensions. A current Chrome, Edge, Firefox " +
            "or Safari has them.",
    ],
    foreign: [
        "Unsupported",
        "This browser cannot play the lecture",
        "It is sent as the lecturer's machine encodes it, in a way that this " +
            "browser lacks (HEVC, most likely). Another browser may have it.",
    ],
};

const channel = decodeURIComponent(
    location.pathname.replace(/^\/watch\//, "").replace(/\/$/, ""),
);
const video = need("video");
say(need("channel"), channel);

const player = new Player(video, channel);
new Controls(player);
new Languages(player, channel);
if (new URLSearchParams(location.search).get("stats") === "1")
    new Stats(need("stats"), player);

function show() {
    const [badge, line, more] = WORDS[player.state];
    need("state").dataset.state = player.state;
    need("stage").dataset.state = player.state;
    say(need("state"), badge);
    say(need("notice-line"), line);
    say(need("notice-more"), more);
    need("notice").hidden = line === "";
    document.title = `${badge}: ${channel} – Lectern`;
}
player.addEventListener("state", show);
show();

addEventListener("pagehide", () => player.close());
addEventListener("pageshow", (event) => {
    if (event.persisted) location.reload();
});

/* For tests and for those who ask "what does the player think?". */
Object.defineProperty(window, "lectern", { get: () => player.snapshot });
