/* tests/e2e/lib/webrtc.mjs — WHIP and WHEP by hand: requests of any kind, each
 * on a connection of its own, and offers of tests/data/sdp. */
import { readFileSync } from "node:fs";
import http from "node:http";
import http2 from "node:http2";

export const SDP = "application/sdp";
export const FRAGMENT = "application/trickle-ice-sdpfrag";

/** What a client sends: see tests/data/sdp/README.md. */
export const offer = (name) =>
    readFileSync(`tests/data/sdp/${name}.sdp`, "utf8");

/**
 * One request over HTTP/1.1.
 * @param {string} url
 * @param {{method?: string, headers?: object, body?: string}} [how]
 * @returns {Promise<{status: number, headers: object, text: string}>}
 */
export function ask(url, { method = "GET", headers = {}, body } = {}) {
    return new Promise((resolve, reject) => {
        const request = http.request(url, {
            method,
            agent: false,
            headers: {
                ...headers,
                ...body !== undefined &&
                    { "content-length": Buffer.byteLength(body) },
            },
        }, (answer) => {
            const parts = [];
            answer.on("data", (part) => parts.push(part));
            answer.on("end", () => resolve({
                status: answer.statusCode,
                headers: answer.headers,
                text: Buffer.concat(parts).toString(),
            }));
            answer.on("error", reject);
        });
        request.on("error", reject);
        request.end(body);
    });
}

/** The same over HTTP/2 on TLS, whoever signed the certificate. */
export function ask2(url, { method = "GET", headers = {}, body } = {}) {
    const { origin, pathname, search } = new URL(url);
    return new Promise((resolve, reject) => {
        const session = http2.connect(origin, { rejectUnauthorized: false });
        session.on("error", reject);
        const stream = session.request({
            ":method": method, ":path": pathname + search, ...headers,
        });
        const parts = [];
        let head;
        stream.on("response", (fields) => { head = fields; });
        stream.on("data", (part) => parts.push(part));
        stream.on("error", reject);
        stream.on("end", () => {
            session.close();
            resolve({
                status: head[":status"],
                headers: head,
                text: Buffer.concat(parts).toString(),
            });
        });
        stream.end(body);
    });
}

/** POSTs an offer; headers beside the type. */
export const post = (url, body, headers = {}, send = ask) => send(url,
    { method: "POST", headers: { "content-type": SDP, ...headers }, body });

/** PATCHes a fragment; match undefined: without If-Match. */
export const patch = (url, match, body, headers = {}, send = ask) => send(url, {
    method: "PATCH",
    headers: {
        "content-type": FRAGMENT,
        ...match !== undefined && { "if-match": match },
        ...headers,
    },
    body,
});

export const del = (url, headers = {}, send = ask) =>
    send(url, { method: "DELETE", headers });

/** An SDP's sections: their first lines, and the values of an attribute. */
export const sections = (sdp) => sdp.split(/(?=^m=)/m).slice(1);
export const values = (sdp, name) => sdp.split(/\r?\n/)
    .filter((line) => line === `a=${name}` || line.startsWith(`a=${name}:`))
    .map((line) => line.slice(name.length + 3));
