/* tests/e2e/matrix/document.mjs — writes the tables and command lines of
 * docs/publishers.md from what the tests use.
 * usage: node tests/e2e/matrix/document.mjs */
import { readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { ENCODERS, TROUBLES, WAYS, cases } from "./cases.mjs";
import { ffmpegCopies, ffmpegEncodes, gstreamer, obsDoor }
    from "./encoders.mjs";

export const DOCUMENT = fileURLToPath(
    new URL("../../../docs/publishers.md", import.meta.url));

/* --- what happens, in a few words ----------------------------------------- */

function played({ renditions, sound, warns, sizes }, { audio }) {
    const [top, ...others] = renditions;
    const words = [];
    if (!top.size) words.push("plays: sound alone, passed through");
    else if (top.asSent) words.push("plays: passed through");
    else words.push("plays: every rendition is made here");
    if (top.codecs.startsWith("hvc1"))
        words.push("H.264 below it for players without HEVC");
    if (sizes) words.push(Object.values(sizes).some(([a, b]) => a !== b)
        ? "the best rendition changes its size, at a discontinuity, others " +
            "keep theirs" : "goes on behind a discontinuity");
    if (!sound) words.push(audio ? "the sound is left out" : "without sound");
    else if (!sound.asSent) words.push("the sound becomes AAC, stereo");
    const slower = others.find((r) => r.fps !== top.fps);
    if (slower) words.push(`renditions of 480p and less at ${slower.fps} fps`);
    const text = words.join("; ");
    return warns.length
        ? `${text}; warned of: ${warns.map((w) => `\`${w}\``).join(", ")}`
        : text;
}

/** @param {import("./cases.mjs").Case} c */
export function outcome(c) {
    if (c.impossible) return `– ${c.impossible}`;
    const { told, log, again } = c.expect;
    const text = told
        ? `refused. It says “${told}”` + (again ? " and tries again" : "") +
            (log === "event=closed" ? "" : `; the log: “${log}”`)
        : played(c.expect, c.lecture);
    return c.note ? `${text}. ${c.note}` : text;
}

/* --- the table ------------------------------------------------------------ */

const join = (names, all, table) =>
    names.length === all.length && names.length > 1
        ? "all" : names.map((name) => table[name]).join(", ");

/** Rows of one trouble: encoders and ways with the same outcome are one. */
function rowsOf(trouble) {
    const own = cases.filter((c) => c.trouble === trouble);
    const ways = [...new Set(own.map((c) => c.way))];
    const byText = Map.groupBy?.(own, outcome) ?? group(own, outcome);
    return [...byText].flatMap(([text, same]) => {
        const byWays = group(same, (c) => same.filter((other) =>
            other.encoder === c.encoder).map((other) => other.way).join());
        return [...byWays].map(([words, these]) => {
            const who = [...new Set(these.map((c) => c.encoder))];
            const how = words.split(",");
            return [join(who, Object.keys(ENCODERS), ENCODERS),
                join(how, ways, WAYS), text];
        });
    });
}

function group(list, key) {
    const found = new Map();
    for (const item of list) {
        const name = key(item);
        found.set(name, [...found.get(name) ?? [], item]);
    }
    return found;
}

function table() {
    const rows = Object.entries(TROUBLES).flatMap(([trouble, [title]]) =>
        rowsOf(trouble).map((row, i) => [i ? "" : title, ...row]));
    return ["| what is special | encoder | way | what happens |",
        "|---|---|---|---|",
        ...rows.map((row) => `| ${row.join(" | ")} |`)].join("\n");
}

/* --- command lines -------------------------------------------------------- */

const PORTS = { rtmp: 1935, rtmps: 1936, srt: 8890, srts: 8890 };
const door = (way) => ({
    way, host: "HOST", port: PORTS[way], key: "STREAM_KEY",
    passphrase: way === "srts" ? "PASSPHRASE" : undefined,
});
const quoted = (word) => /[&?()*;]/.test(word) ? `"${word}"` : word;

/** Broken at 72 columns, an option's word kept with it. */
function shell(words) {
    const lines = [""];
    words.map(quoted).forEach((word, i) => {
        const line = lines.at(-1);
        const belongs = words[i - 1]?.startsWith("-") || word === "!";
        if (line && !belongs && line.length + word.length > 68)
            lines.push(word);
        else lines[lines.length - 1] = line ? `${line} ${word}` : word;
    });
    return "```sh\n" + lines.join(" \\\n    ") + "\n```";
}

const PICTURE = { width: 1280, height: 720, fps: 30, keyframes: 2, bFrames: 0,
    rate: 48000, channels: 2, video: true, audio: true };

const blocks = {
    table,
    ffmpeg: () => [
        shell(ffmpegEncodes(door("rtmp"), "lecture.mp4")),
        "Over encrypted SRT, a file that is H.264 and AAC already:",
        shell(ffmpegCopies(door("srts"), "lecture.mp4")),
    ].join("\n\n"),
    gstreamer: () => [
        shell(gstreamer(door("rtmp"), PICTURE)),
        "Over encrypted SRT:",
        shell(gstreamer(door("srts"), PICTURE)),
    ].join("\n\n"),
    obs: () => ["| way | Server | Stream key |", "|---|---|---|",
        ...Object.keys(WAYS).map((way) => {
            const { server, key } = obsDoor(door(way));
            return `| ${WAYS[way]} | \`${server}\` | ${key || "empty"} |`;
        })].join("\n"),
};

/** The document with every block made anew. */
export async function written() {
    const text = await readFile(DOCUMENT, "utf8");
    return Object.entries(blocks).reduce((now, [name, make]) => {
        const begin = `<!-- ${name}: made by tests/e2e/matrix -->`;
        const end = `<!-- end of ${name} -->`;
        const [head, rest] = now.split(begin);
        const [, tail] = rest.split(end);
        return `${head}${begin}\n${make()}\n${end}${tail}`;
    }, text);
}

if (process.argv[1] === fileURLToPath(import.meta.url))
    await writeFile(DOCUMENT, await written());
