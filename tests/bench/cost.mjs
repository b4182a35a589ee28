/* tests/bench/cost.mjs — what one server costs: memory at rest and by live
 * channel, CPU of a passthrough ingest with LL-HLS, CPU that each viewer adds.
 *   VIEWERS=100 SPAN=15 node tests/bench/cost.mjs */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Lectern } from "../e2e/lib/server.mjs";
import { cpuSeconds, endAll, makeClip, memoryMiB, pause, publish, watch }
    from "./lectures.mjs";

const VIEWERS = Number(process.env.VIEWERS ?? 100);
const SPAN_S = Number(process.env.SPAN ?? 15);
const NAMES = ["a", "b", "c", "d", "e"];

/** Share of a core over a span. */
async function share(pid, seconds = SPAN_S) {
    const from = cpuSeconds(pid), start = performance.now();
    await pause(seconds * 1000);
    return (cpuSeconds(pid) - from) / ((performance.now() - start) / 1000);
}

/** The bucket in which the median of "captured to listed" lies, ms. */
function medianListed(metrics) {
    const row = /^lectern_part_listed_seconds_bucket\{.*?le="([^"]+)"\} (\d+)/gm;
    const buckets = [...metrics.matchAll(row)]
        .map(([, bound, count]) => [Number(bound) * 1000, Number(count)]);
    const all = buckets.at(-1)[1];
    return buckets.find(([, count]) => count >= all / 2)[0];
}

const percent = (x) => `${(100 * x).toFixed(2)} % of a core`;
const dir = mkdtempSync(join(tmpdir(), "lectern-cost-"));
const server = await Lectern.start({
    set: { "log.level": "warn" },
    yaml: "channels:\n" + NAMES.map((name) =>
        `  - { name: ${name}, stream_key: key-${name}, type: BASIC }\n`)
        .join(""),
});
try {
    const clip = makeClip(dir, 20);
    const { pid } = server.program;
    const rest = memoryMiB(pid);

    publish(clip, server.rtmp("key-a"));
    await server.isLive("a");
    await pause(3000);
    const ingest = await share(pid);
    const one = memoryMiB(pid);
    const metrics = await (await fetch(`${server.url}/metrics`)).text();

    const viewers = watch(server.url, "a", VIEWERS, SPAN_S + 6);
    await pause(3000);
    const loaded = await share(pid);
    const report = await viewers.ended;

    for (const name of NAMES.slice(1)) publish(clip, server.rtmp(`key-${name}`));
    await server.isLive("e");
    await pause(15000);
    const five = memoryMiB(pid);

    console.log(`memory at rest                     ${rest.toFixed(1)} MiB`);
    console.log("memory per live channel (720p)     " +
        `${((five - one) / (NAMES.length - 1)).toFixed(1)} MiB`);
    console.log(`CPU, one passthrough with LL-HLS   ${percent(ingest)} (goal 1 %)`);
    console.log("CPU per LL-HLS viewer, 0.2 s parts " +
        `${percent((loaded - ingest) / VIEWERS)} (goal 0.2 %)`);
    console.log("last frame of a part in → listed   " +
        `p50 ≤ ${medianListed(metrics)} ms (goal 100 ms)`);
    console.log(`viewers' report                    ${report}`);
} finally {
    endAll();
    await server.stop();
    rmSync(dir, { recursive: true, force: true });
}
