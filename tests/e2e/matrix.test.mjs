/* tests/e2e/matrix.test.mjs — every encoder, every way, every trouble: what
 * comes of it stands in docs/publishers.md. A representative part;
 * with LECTERN_MATRIX=all (`make matrix`) the whole.
 * Runs alone: it has many encoders at once by itself. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, describe, test } from "node:test";
import { hasObs } from "./lib/obs.mjs";
import { freePorts } from "./lib/ports.mjs";
import { Lectern } from "./lib/server.mjs";
import { cases, isRefused, isRepresentative } from "./matrix/cases.mjs";
import { DOCUMENT, written } from "./matrix/document.mjs";
import { Fixtures } from "./matrix/fixtures.mjs";
import { play, refusal } from "./matrix/run.mjs";

const ALL = process.env.LECTERN_MATRIX === "all";
const ONLY = process.env.LECTERN_MATRIX_ONLY;
/** At once: their encoders share this machine. */
const LIGHT = 6, HEAVY = 2;

const world = {}, alone = {};

async function serve(into, selfSigned) {
    const [rtmps] = await freePorts(1);
    const { cert, key } = await into.fixtures.certificates();
    const own = selfSigned ? {}
        : { "https.cert": cert, "https.key": key };
    into.server = await Lectern.start({
        srt: true, yaml: "channels:\n" + cases
            .filter((c) => Boolean(c.selfSigned) === selfSigned)
            .map((c) => `  - { name: ${c.channel}, stream_key: ` +
                `key-${c.name}, srt_passphrase: "${c.secret ?? ""}" }\n`)
            .join(""),
        set: { "rtmps.listen": `127.0.0.1:${rtmps}`, ...own },
    });
    into.ports = { rtmp: into.server.rtmpPort, rtmps,
        srt: into.server.srtPort };
}

before(async () => {
    world.fixtures = alone.fixtures = await Fixtures.create();
    await serve(world, false);
    await serve(alone, true);
});
after(async () => {
    for (const { server } of [world, alone]) {
        const ended = await server?.stop();
        assert.equal(ended?.code, 0, server.log.slice(-20).join("\n"));
    }
    await world.fixtures?.free();
});

test("the document says what is tested", async () => {
    assert.equal(await readFile(DOCUMENT, "utf8"), await written(),
        "run: node tests/e2e/matrix/document.mjs");
});

function why(c) {
    if (c.impossible) return c.impossible;
    if (c.encoder === "obs" && !hasObs) return "needs OBS and Xvfb";
    if (c.trusts && process.getuid() !== 0)
        return "needs root, for a mount of its own";
    return undefined;
}

const chosen = cases.filter((c) => (ALL || isRepresentative(c)) &&
    !c.impossible && (!ONLY || new RegExp(ONLY).test(c.name)));

const run = (list) => {
    for (const c of list)
        test(c.name, { skip: why(c) }, async () => {
            const its = c.selfSigned ? alone : world;
            if (isRefused(c)) await refusal(c, its);
            else assert.deepEqual(await play(c, its), c.expect);
        });
};
const isHeavy = (c) => c.encoder === "obs";

/* One after the other: the log does not say whose key was wrong. */
describe("refused", () => run(chosen.filter(isRefused)));
const playing = chosen.filter((c) => !isRefused(c));
describe("who plays", { concurrency: 2 }, () => {
    describe("plays", { concurrency: LIGHT }, () =>
        run(playing.filter((c) => !isHeavy(c))));
    describe("OBS plays", { concurrency: HEAVY }, () =>
        run(playing.filter(isHeavy)));
});
