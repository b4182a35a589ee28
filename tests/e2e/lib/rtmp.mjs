/* tests/e2e/lib/rtmp.mjs — RTMP by hand: enough to be a bad client. */
import { connect } from "node:net";
import { once } from "node:events";
import { until } from "./wait.mjs";

export class RawRtmp {
    received = 0;
    heard = "";
    closed = false;

    /** @param {number} port @param {string} [host] */
    static async open(port, host = "127.0.0.1") {
        const it = new RawRtmp();
        it.socket = connect(port, host);
        it.socket.on("data", (data) => {
            it.received += data.length;
            it.heard = (it.heard + data.toString("latin1")).slice(-65536);
        });
        it.socket.on("close", () => { it.closed = true; });
        it.socket.on("error", () => {});
        await once(it.socket, "connect");
        return it;
    }

    send(...parts) {
        if (!this.closed)
            this.socket.write(Buffer.concat(parts.map((p) => Buffer.from(p))));
    }

    /** C0 C1, then C2 once S0 S1 S2 came. */
    async shakeHands() {
        this.send([3], Buffer.alloc(1536));
        await until("S0 S1 S2", () => this.received >= 3073);
        this.send(Buffer.alloc(1536));
    }

    isClosed(bound = 20000) {
        return until("the server closes", () => this.closed, bound);
    }

    end() {
        this.socket.destroy();
    }
}

/** A type 0 chunk: header and as much of the body as fits one chunk. */
export function chunk(csid, type, body,
    { length, stream = 0, at = 0 } = {}) {
    const n = length ?? body.length;
    const long = at >= 0xffffff; /* its time follows in four bytes */
    const t = long ? 0xffffff : at;
    return Buffer.concat([
        Buffer.from([csid, t >> 16 & 255, t >> 8 & 255, t & 255, n >> 16 & 255, n >> 8 & 255, n & 255, type,
            stream & 255, stream >> 8 & 255, 0, 0]),
        Buffer.from(long ? [at >>> 24, at >> 16 & 255, at >> 8 & 255, at & 255]
            : []),
        Buffer.from(body)]);
}

/** A whole message, cut into chunks of `size`: the first of type 0, the
 *  others of type 3. */
export function message(csid, type, body, { size = 4096, ...rest } = {}) {
    const parts = [chunk(csid, type, body.subarray(0, size),
        { length: body.length, ...rest })];
    for (let i = size; i < body.length; i += size)
        parts.push(Buffer.from([0xc0 | csid]), body.subarray(i, i + size));
    return Buffer.concat(parts);
}

const text = (s) => [s.length >> 8, s.length & 255, ...Buffer.from(s)];

export const amf = {
    number: (v) => {
        const b = Buffer.alloc(9);
        b.writeDoubleBE(v, 1);
        return [...b];
    },
    string: (s) => [2, ...text(s)],
    boolean: (v) => [1, v ? 1 : 0],
    object: (fields) => [3, ...Object.entries(fields)
        .flatMap(([k, v]) => [...text(k), ...v]), 0, 0, 9],
};

/** Chunk size large enough for the commands below, then connect; more: of what
 * the client says of itself. */
export function connectCommand(more = {}) {
    return Buffer.concat([
        chunk(2, 1, [0, 0, 16, 0]),
        chunk(3, 20, [...amf.string("connect"), ...amf.number(1),
            ...amf.object({ app: amf.string("live"),
                tcUrl: amf.string("rtmp://127.0.0.1/live"), ...more })]),
    ]);
}

export function publishCommands(key) {
    return Buffer.concat([
        chunk(3, 20, [...amf.string("createStream"), ...amf.number(2), 5]),
        chunk(4, 20, [...amf.string("publish"), ...amf.number(3), 5,
            ...amf.string(key), ...amf.string("live")], { stream: 1 }),
    ]);
}

/**
 * An encoder of enhanced RTMP: sends messages that were recorded as
 * [type 8][ms 32][length 32][body], again and again, when they are due.
 */
export class EnhancedPublisher {
    #raw;
    #timer;

    /** @param {number} port @param {Buffer} bytes @param {number} span ms */
    static async open(port, key, bytes, span) {
        const it = new EnhancedPublisher();
        it.#raw = await RawRtmp.open(port);
        await it.#raw.shakeHands();
        it.#raw.send(connectCommand(), chunk(2, 1, [0, 1, 0, 0]),
            publishCommands(key));
        it.#play([...recorded(bytes)], span);
        return it;
    }

    get closed() {
        return this.#raw.closed;
    }

    #play(messages, span) {
        const began = performance.now();
        let next = 0;
        this.#timer = setInterval(() => {
            const now = performance.now() - began;
            for (;;) {
                const { type, at, body } = messages[next % messages.length];
                const due = at + Math.floor(next / messages.length) * span;
                if (due > now) return;
                this.#raw.send(chunk(type === 9 ? 6 : 4, type, body,
                    { stream: 1, at: due }));
                next++;
            }
        }, 5);
    }

    end() {
        clearInterval(this.#timer);
        this.#raw.end();
    }
}

export function* recorded(bytes) {
    for (let i = 0; i < bytes.length;) {
        const length = bytes.readUInt32BE(i + 5);
        yield { type: bytes[i], at: bytes.readUInt32BE(i + 1),
            body: bytes.subarray(i + 9, i + 9 + length) };
        i += 9 + length;
    }
}
