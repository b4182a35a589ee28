/* tests/bench/soak.mjs — half an hour of one lecture: a publisher, the ladder,
 * 50 LL-HLS viewers. Memory must stay flat within 5 %, latency must not drift,
 * and no answer may be a 5xx.
 *   MINUTES=30 VIEWERS=50 node tests/bench/soak.mjs */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Lectern } from "../e2e/lib/server.mjs";
import { endAll, makeClip, memoryMiB, pause, publish, watch }
    from "./lectures.mjs";

const MINUTES = Number(process.env.MINUTES ?? 30);
const VIEWERS = Number(process.env.VIEWERS ?? 50);
/** The window fills, the allocator settles: not judged. */
const WARM_UP_S = Math.min(180, MINUTES * 12);
const SAMPLE_MS = 5000;

/** Seconds from the wall clock to the end of a media playlist. */
async function edgeLag(url) {
    const text = await (await fetch(url)).text();
    let at = NaN, end = NaN;
    for (const line of text.split("\n")) {
        const span = /^#(?:EXT-X-PART:.*DURATION=|EXTINF:)([\d.]+)/.exec(line);
        if (line.startsWith("#EXT-X-PROGRAM-DATE-TIME:"))
            at = end = Date.parse(line.slice(25)) / 1000;
        if (line.startsWith("#EXT-X-PART:")) end += Number(span[1]);
        if (line.startsWith("#EXTINF:")) end = at += Number(span[1]);
    }
    return Date.now() / 1000 - end;
}

const median = (list) =>
    [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)];

const dir = mkdtempSync(join(tmpdir(), "lectern-soak-"));
const server = await Lectern.start({ set: { "log.level": "warn" } });
try {
    publish(makeClip(dir, 60), server.rtmp());
    await server.isLive();
    const master = await (await fetch(server.playlist())).text();
    const rendition = new URL(
        master.split("\n").find((line) => line.endsWith(".m3u8")),
        server.playlist());
    const viewers = watch(server.url, "demo", VIEWERS, MINUTES * 60);
    const samples = [];
    const start = Date.now();
    while (viewers.program.exitCode === null) {
        await Promise.race([viewers.ended, pause(SAMPLE_MS)]);
        if (server.program.ended) throw new Error("the server ended");
        samples.push({
            at: (Date.now() - start) / 1000,
            memory: memoryMiB(server.program.pid),
            lag: await edgeLag(rendition),
        });
    }
    const warm = samples.filter((s) => s.at > WARM_UP_S);
    const third = Math.ceil(warm.length / 3);
    const early = (key) => median(warm.slice(0, third).map((s) => s[key]));
    const late = (key) => median(warm.slice(-third).map((s) => s[key]));
    const growth = late("memory") / early("memory") - 1;
    const drift = late("lag") - early("lag");
    const report = await viewers.ended;
    console.log(`minutes ${MINUTES}, viewers ${VIEWERS}`);
    console.log(`memory   ${early("memory").toFixed(1)} → ` +
        `${late("memory").toFixed(1)} MiB: ` +
        `${(100 * growth).toFixed(1)} % (goal within 5 %)`);
    console.log(`edge lag ${early("lag").toFixed(3)} → ` +
        `${late("lag").toFixed(3)} s: drift ${(1000 * drift).toFixed(0)} ms`);
    console.log(`viewers  ${report}`);
    console.log(server.log.join("\n"));
    if (Math.abs(growth) > 0.05 || Math.abs(drift) > 0.1 ||
        JSON.parse(report).server_errors > 0) process.exitCode = 1;
} finally {
    endAll();
    await server.stop();
    rmSync(dir, { recursive: true, force: true });
}
