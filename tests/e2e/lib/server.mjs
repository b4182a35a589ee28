/* tests/e2e/lib/server.mjs — the real server, on ports and a folder of its
 * own. LECTERN_BUILD names another build folder (sanitizers). */
import { mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePorts } from "./ports.mjs";
import { SERVER } from "./netns.mjs";
import { Program } from "./process.mjs";
import { until } from "./wait.mjs";

const BUILD = process.env.LECTERN_BUILD ?? "build";
export const KEY = "demo-key";

export class Lectern {
    /**
     * Starts and waits until it accepts load. With no channels given, there
     * is `demo`, type STANDARD, whose stream key is KEY. With `net` it lives
     * in the server's namespace of lib/netns.mjs, with WebRTC; `url` is then
     * for this process and `viewerUrl` for browsers there. `realtime` gives
     * it WebRTC on loopback, `srt` SRT.
     * @param {{set?: Record<string, string | number>, yaml?: string,
     *          net?: import("./netns.mjs").Net, realtime?: boolean,
     *          srt?: boolean}} [how]
     */
    static async start(how = {}) {
        const it = new Lectern();
        it.dir = await mkdtemp(join(tmpdir(), "lectern-e2e-"));
        const [http, https, rtmp, srt] = await freePorts(4);
        const { net } = how;
        const host = net ? "0.0.0.0" : "127.0.0.1";
        it.net = net;
        it.host = net ? net.control : "127.0.0.1";
        it.url = `http://${it.host}:${http}`;
        it.viewerUrl = net ? `http://${SERVER}:${http}` : it.url;
        it.httpsUrl = `https://${it.host}:${https}`;
        it.rtmpPort = rtmp;
        it.srtPort = srt;
        const set = {
            data_dir: it.dir,
            "http.listen": `${host}:${http}`,
            "https.listen": how.tls ? `${host}:${https}` : "",
            "rtmp.listen": `${host}:${rtmp}`,
            "rtmps.listen": "",
            "srt.listen": how.srt ? `${host}:${srt}` : "",
            "webrtc.listen": net ? `${SERVER}:8189`
                : how.realtime ? "127.0.0.1:0" : "",
            ...how.set,
        };
        const config = join(it.dir, "lectern.yaml");
        const { type = "STANDARD", latency = "LOW" } = how;
        await writeFile(config, how.yaml ?? "channels:\n" +
            `  - { name: demo, stream_key: ${KEY}, type: ${type}, ` +
            `latency: ${latency} }\n`);
        it.args = ["serve", "--config", config];
        for (const [key, value] of Object.entries(set))
            it.args.push("--set", `${key}=${value}`);
        await it.#run();
        return it;
    }

    async #run() {
        const [command, ...args] = this.net
            ? this.net.inside("server", `${BUILD}/lectern`, ...this.args)
            : [`${BUILD}/lectern`, ...this.args];
        this.program = new Program(command, args);
        await until("the server is ready", async () => {
            if (this.program.ended)
                throw new Error(this.program.lines.slice(-20).join("\n"));
            return fetch(`${this.url}/readyz`).then((a) => a.ok, () => false);
        });
    }

    /** Ends it by `signal` and starts it again: same ports, same folder. */
    async restart(signal = "SIGTERM") {
        await this.program.stop(signal);
        await this.#run();
    }

    get log() {
        return this.program.lines;
    }

    /** @param {string} key */
    rtmp(key = KEY) {
        return `rtmp://${this.host}:${this.rtmpPort}/live/${key}`;
    }

    /** @param {string} streamid with %23 for #, as in any URL */
    srt(streamid = KEY, more = "") {
        return `srt://${this.host}:${this.srtPort}?streamid=${streamid}` +
            `&pkt_size=1316${more}`;
    }

    watch(channel = "demo", query = "") {
        return `${this.url}/watch/${channel}${query}`;
    }

    playlist(channel = "demo") {
        return `${this.url}/live/${channel}/index.m3u8`;
    }

    /** What the API says of a channel. */
    async channel(name = "demo") {
        const answer = await fetch(`${this.url}/api/live/${name}`);
        return answer.ok ? answer.json() : { state: "offline" };
    }

    isLive(name = "demo", bound = 30000) {
        return until(`${name} is live`, async () => {
            const { state } = await this.channel(name);
            if (state !== "live") return false;
            return fetch(this.playlist(name)).then((a) => a.ok);
        }, bound);
    }

    /** Pids of our own children by name: the transcoders. */
    async children(name = "lectern-transcode") {
        const found = [];
        for (const pid of await readdir("/proc")) {
            if (!/^\d+$/.test(pid)) continue;
            try {
                const stat = await readFile(`/proc/${pid}/stat`, "utf8");
                const [, parent] = stat.slice(stat.lastIndexOf(")") + 2)
                    .split(" ");
                const line = await readFile(`/proc/${pid}/cmdline`, "utf8");
                if (Number(parent) === this.program.pid && line.includes(name))
                    found.push(Number(pid));
            } catch {
                /* ended while we looked */
            }
        }
        return found;
    }

    async stop() {
        const ended = await this.program.stop();
        await rm(this.dir, { recursive: true, force: true });
        return ended;
    }
}

/** Waits until each rendition of a multivariant playlist, or this media
 *  playlist, has a whole segment: FFmpeg gives up where only parts are. */
export async function hasSegments(url, bound = 30000) {
    const text = async (of) => (await fetch(of)).text();
    const media = (await text(url)).match(/[^"\n]+\/index\.m3u8/g) ?? [url];
    for (const path of media)
        await until(`a segment in ${path}`, async () =>
            (await text(new URL(path, url))).includes("#EXTINF"), bound);
}
