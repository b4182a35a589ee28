/* js/list.js — the front page: what is live now, kept fresh. */
import { listLive } from "./api.js";
import { make, need, say, span } from "./dom.js";

const EVERY = 3000;

/** @type {Record<string, string>} */
const STATES = {
    live: "Live",
    starting: "Starting",
    reconnecting: "Reconnecting",
};

let shown = "";

/** @param {import("./api.js").Channel} channel */
function card(channel) {
    const state = make(
        "span",
        { class: "badge", "data-state": channel.state },
        STATES[channel.state] ?? channel.state,
    );
    const facts = make("p", { class: "card-facts figures" });
    if (channel.since) {
        const ago = (Date.now() - Date.parse(channel.since)) / 1000;
        facts.append(make("span", {}, `for ${span(ago)}`));
    }
    if (channel.viewers !== undefined) {
        const people = channel.viewers === 1 ? "viewer" : "viewers";
        facts.append(make("span", {}, `${channel.viewers} ${people}`));
    }
    const link = make(
        "a",
        { href: `/watch/${encodeURIComponent(channel.channel)}` },
        channel.channel,
    );
    return make("li", { class: "card" },
        make("h2", {}, link), make("p", {}, state), facts);
}

/** @param {import("./api.js").Channel[]} channels */
function show(channels) {
    const on = channels.filter((channel) => channel.state in STATES);
    const count = on.length === 1 ? "1 lecture" : `${on.length} lectures`;
    say(need("summary"), on.length ? `${count} live now.` : "");
    need("empty").hidden = on.length > 0;
    /* Redrawing takes the focus away, so only news is drawn. */
    const news = JSON.stringify(on.map((c) =>
        [c.channel, c.state, c.viewers, minute(c.since)]));
    if (news === shown) return;
    shown = news;
    const held = document.activeElement?.getAttribute("href");
    need("channels").replaceChildren(...on.map(card));
    if (held)
        need("channels").querySelector(`a[href="${held}"]`)?.focus();
}

/** @param {string | undefined} since */
const minute = (since) =>
    since ? Math.floor((Date.now() - Date.parse(since)) / 60000) : 0;

async function refresh() {
    try {
        if (!document.hidden) show(await listLive());
        need("trouble").hidden = true;
    } catch {
        need("trouble").hidden = false;
    }
    setTimeout(refresh, EVERY);
}

document.addEventListener("visibilitychange", () => {
    if (!document.hidden) listLive().then(show, () => {});
});
refresh();
