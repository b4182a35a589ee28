/* tests/e2e/lib/srt_raw.mjs — SRT by hand: handshakes whole, cut, stale or
 * wrong, as far as a stranger needs them.
 * Spec: draft-sharabayko-srt §3.2.1 (handshake), §4.3.1 (caller, listener).
 *
 * As a program it holds connections from where it is started:
 *   node srt_raw.mjs HOST PORT STREAMID COUNT
 * says "held H refused R" when each was answered, and stays. */
import { createSocket } from "node:dgram";
import { pathToFileURL } from "node:url";

const INDUCTION = 1;
const CONCLUSION = 0xffffffff;
const AGREED = 0xfffffffd;
const MAGIC = 0x4a17;

/** @param {{version?: number, kind?: number, flags?: number, id?: number,
 *           window?: number, cookie?: number, extensions?: Buffer}} [it] */
export function handshake(it = {}) {
    const head = Buffer.alloc(64);
    head.writeUInt32BE(0x80000000, 0); /* control, type 0 */
    head.writeUInt32BE(it.version ?? 4, 16);
    head.writeUInt32BE(it.flags ?? 2, 20);
    head.writeUInt32BE(1000, 24); /* first sequence number */
    head.writeUInt32BE(1500, 28);
    head.writeUInt32BE(it.window ?? 8192, 32);
    head.writeUInt32BE(it.kind ?? INDUCTION, 36);
    head.writeUInt32BE(it.id ?? 0x1234, 40);
    head.writeUInt32BE(it.cookie ?? 0, 44);
    head.writeUInt32LE(0x7f000001, 48);
    return it.extensions ? Buffer.concat([head, it.extensions]) : head;
}

/** Of a conclusion: version and latency, and the stream id, whose words lie
 *  the other way round. */
function extensions(streamid) {
    const version = Buffer.alloc(16);
    version.writeUInt16BE(1, 0);
    version.writeUInt16BE(3, 2);
    version.writeUInt32BE(0x010501, 4);
    version.writeUInt32BE(0xbf, 8);
    version.writeUInt32BE(120 << 16 | 120, 12);
    const words = Math.ceil(streamid.length / 4);
    const id = Buffer.alloc(4 + 4 * words);
    id.writeUInt16BE(5, 0);
    id.writeUInt16BE(words, 2);
    id.write(streamid, 4);
    for (let at = 4; at < id.length; at += 4)
        id.subarray(at, at + 4).reverse();
    return Buffer.concat([version, id]);
}

/** One stranger's socket. */
export class RawSrt {
    #socket = createSocket("udp4");
    #waiting = null;
    id = 1 + Math.floor(Math.random() * 0x3fffffff);

    constructor(host, port) {
        this.#socket.on("message", (data) => this.#waiting?.(data));
        this.#socket.on("error", () => {});
        this.host = host;
        this.port = port;
    }

    send(data) {
        return new Promise((resolve) =>
            this.#socket.send(data, this.port, this.host, resolve));
    }

    /** Sends until a handshake comes back; null when none does. */
    async #ask(data, fits, tries = 20) {
        for (let i = 0; i < tries; i++) {
            const answer = new Promise((resolve) => {
                const timer = setTimeout(() => resolve(null), 250);
                this.#waiting = (got) => {
                    if (got.length < 64 || got.readUInt32BE(0) !== 0x80000000 ||
                        !fits(got.readUInt32BE(36)))
                        return;
                    clearTimeout(timer);
                    resolve(got);
                };
            });
            await this.send(data);
            const got = await answer;
            if (got) return got;
        }
        return null;
    }

    /** The listener's cookie. */
    async induce() {
        const got = await this.#ask(handshake({ id: this.id }),
            (kind) => kind === INDUCTION);
        return got?.readUInt32BE(44);
    }

    /** @returns {Promise<"held" | number | null>} a number: refused by it */
    async conclude(cookie, streamid, window) {
        const got = await this.#ask(handshake({
            version: 5, kind: CONCLUSION, flags: 1 | 4, id: this.id, cookie,
            window, extensions: extensions(streamid),
        }), (kind) => kind !== INDUCTION);
        if (!got) return null;
        const kind = got.readUInt32BE(36);
        return kind === CONCLUSION || kind === AGREED ? "held" : kind;
    }

    close() {
        this.#socket.close();
    }
}

/** Datagrams that are nearly something; seeded, endless. */
export function* garbage(seed = 1) {
    const random = () => (seed = (seed * 1103515245 + 12345) & 0x7fffffff);
    const fill = (data) => {
        for (let i = 0; i < data.length; i++) data[i] = random() >> 8;
        return data;
    };
    const cut = (data) => data.subarray(0, random() % data.length);
    const wrong = (data) => {
        data[random() % data.length] ^= 1 << random() % 8;
        return data;
    };
    const concluding = () => handshake({
        version: 5, kind: CONCLUSION, flags: random() & 0xffff,
        id: random(), cookie: random(),
        extensions: extensions("k".repeat(1 + random() % 600)),
    });
    for (;;) {
        yield fill(Buffer.alloc(1 + random() % 1456));
        yield cut(handshake({ id: random() }));
        yield handshake({ version: random(), flags: MAGIC, id: random() });
        yield concluding(); /* a cookie that nobody gave */
        yield cut(concluding());
        yield wrong(concluding());
        /* Of each control type, to sockets that may be there. */
        const control = fill(Buffer.alloc(16 + random() % 64));
        control.writeUInt32BE((0x8000 + random() % 9) * 0x10000, 0);
        control.writeUInt32BE(random() % 64, 12);
        yield control;
        const media = fill(Buffer.alloc(1332));
        media.writeUInt32BE(random(), 0);
        media.writeUInt32BE(random() & 0x3fffffff, 12);
        yield media;
    }
}

async function hold(host, port, streamid, count) {
    let held = 0, refused = 0;
    const one = async () => {
        const stranger = new RawSrt(host, port);
        const cookie = await stranger.induce();
        const answer = cookie === undefined ? null
            : await stranger.conclude(cookie, streamid);
        if (answer === "held") held++;
        else refused++;
    };
    for (let at = 0; at < count; at += 20)
        await Promise.all(Array.from(
            { length: Math.min(20, count - at) }, one));
    console.log(`held ${held} refused ${refused}`);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
    const [host, port, streamid, count] = process.argv.slice(2);
    await hold(host, Number(port), streamid, Number(count));
}
