/* tests/bench/multitrack.mjs — CPU of one lecture at 1080p30: where the
 * encoder brings the ladder (1080p, 720p, 480p) against where we make it.
 *   SPAN=20 node tests/bench/multitrack.mjs */
import { readFileSync } from "node:fs";
import { Lectern, KEY } from "../e2e/lib/server.mjs";
import { MultitrackPublisher, encode, parseTrack }
    from "../tools/multitrack.mjs";
import { cpuSeconds, memoryMiB, pause } from "./lectures.mjs";

const SPAN_S = Number(process.env.SPAN ?? 20);
const WARM_MS = 8000;
const TRACKS = ["1920x1080@5000", "1280x720@2800", "854x480@1200"];

/** Seconds of the server, and with all the encoders it has and had. */
async function cpu(server) {
    const { pid } = server.program;
    const own = cpuSeconds(pid);
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const gone = (Number(fields[13]) + Number(fields[14])) / 100;
    const there = await server.children();
    return { own,
        all: there.reduce((all, each) => all + cpuSeconds(each), own + gone) };
}

async function lecture(media) {
    const server = await Lectern.start({ set: { "log.level": "warn" } });
    const publisher = await MultitrackPublisher.open(server.rtmpPort, KEY,
        media);
    try {
        await server.isLive();
        await pause(WARM_MS);
        const { pid } = server.program;
        const started = await cpu(server);
        const start = performance.now();
        await pause(SPAN_S * 1000);
        const span = (performance.now() - start) / 1000;
        const ended = await cpu(server);
        const children = await server.children();
        const text = await (await fetch(server.playlist())).text();
        return { server: (ended.own - started.own) / span,
            all: (ended.all - started.all) / span, children: children.length,
            memory: memoryMiB(pid),
            names: [...text.matchAll(/\/(\w+p)\/index/g)].map((m) => m[1]),
            shed: server.log.filter((l) => l.includes("_shed")).length };
    } finally {
        await publisher.end();
        await server.stop();
    }
}

const media = await encode({ tracks: TRACKS.map(parseTrack) });
const percent = (x) => `${(100 * x).toFixed(2)} %`;
for (const [name, pictures] of [
    ["three tracks, passed on", media.pictures],
    ["one track, STANDARD", media.pictures.slice(0, 1)],
]) {
    const c = await lecture({ ...media, pictures });
    console.log(`${name.padEnd(26)} ${percent(c.all).padStart(9)} of a core ` +
        `(server ${percent(c.server)}, ${c.children} encoder processes), ` +
        `${c.memory.toFixed(0)} MiB: ${c.names.join(" ")}` +
        (c.shed ? `; ${c.shed} shed` : ""));
}
