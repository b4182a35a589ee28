/* js/sdp.js — the few lines of SDP that a page must read or write itself.
 * Pure: text in, text out. Lines end in CRLF (RFC 8866 §5). */

const lines = (sdp) => sdp.split(/\r?\n/).filter((line) => line !== "");
const text = (list) => list.map((line) => `${line}\r\n`).join("");

/** @param {string[]} list @param {string} name */
const value = (list, name) =>
    list.find((line) => line.startsWith(`a=${name}:`))
        ?.slice(name.length + 3);

/**
 * Asks for Opus in two channels: without the word, browsers decode one
 * (RFC 7587 §7).
 * @param {string} sdp an offer
 */
export function stereo(sdp) {
    const all = lines(sdp);
    const opus = new Set(all
        .map((line) => line.match(/^a=rtpmap:(\d+) opus\/48000\/2$/i)?.[1])
        .filter(Boolean));
    return text(all.map((line) => {
        const format = line.match(/^a=fmtp:(\d+) /)?.[1];
        if (!opus.has(format) || /[ ;]stereo=/.test(line)) return line;
        return `${line};stereo=1`;
    }));
}

/**
 * What a restart tells the server: the new credentials, in the shape of
 * RFC 8840 §9 (application/trickle-ice-sdpfrag).
 * @param {string} sdp our offer with new credentials
 */
export function fragmentOf(sdp) {
    const all = lines(sdp);
    const kept = all.filter((line) => /^a=(ice-options|group):/.test(line));
    const first = all.findIndex((line) => line.startsWith("m="));
    const section = all.slice(first);
    const names = ["mid", "ice-ufrag", "ice-pwd"];
    return text([
        ...new Set(kept),
        section[0],
        ...names.map((name) => `a=${name}:${value(section, name)}`),
    ]);
}

/**
 * The answer in force, with the credentials and candidates of the server's
 * answer to a restart.
 * @param {string} sdp the answer in force
 * @param {string} fragment
 */
export function restarted(sdp, fragment) {
    const news = lines(fragment);
    const ufrag = value(news, "ice-ufrag");
    const pwd = value(news, "ice-pwd");
    if (!ufrag || !pwd) throw new Error("a restart without credentials");
    const candidates = news.filter((line) => line.startsWith("a=candidate:"));
    const changed = lines(sdp)
        .filter((line) => candidates.length === 0 ||
            !/^a=(candidate:|end-of-candidates)/.test(line))
        .map((line) => {
            if (line.startsWith("a=ice-ufrag:")) return `a=ice-ufrag:${ufrag}`;
            if (line.startsWith("a=ice-pwd:")) return `a=ice-pwd:${pwd}`;
            return line;
        });
    if (candidates.length === 0) return text(changed);
    /* Into the first section that is in use: the bundle's transport. */
    const at = changed.findIndex((line) => /^m=\w+ (?!0 )/.test(line)) + 1;
    const next = changed.findIndex((line, i) => i >= at &&
        line.startsWith("m="));
    const end = next < 0 ? changed.length : next;
    changed.splice(end, 0, ...candidates, "a=end-of-candidates");
    return text(changed);
}
