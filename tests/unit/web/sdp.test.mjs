/* tests/unit/web/sdp.test.mjs — the lines that js/sdp.js reads and writes. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { fragmentOf, restarted, stereo } from "../../../web/js/sdp.js";

const sdp = (...lines) => lines.map((line) => `${line}\r\n`).join("");

const OFFER = sdp("v=0", "a=group:BUNDLE 0 1", "a=ice-options:trickle",
    "m=audio 9 UDP/TLS/RTP/SAVPF 111 9", "a=mid:0", "a=ice-ufrag:new1",
    "a=ice-pwd:new1pwdnew1pwdnew1pwd22", "a=rtpmap:111 opus/48000/2",
    "a=fmtp:111 minptime=10;useinbandfec=1", "a=rtpmap:9 G722/8000",
    "m=video 9 UDP/TLS/RTP/SAVPF 96", "a=mid:1", "a=ice-ufrag:new1",
    "a=ice-pwd:new1pwdnew1pwdnew1pwd22", "a=rtpmap:96 H264/90000",
    "a=fmtp:96 packetization-mode=1");

test("Opus is asked for in stereo, and nothing else is touched", () => {
    const asked = stereo(OFFER);
    assert.match(asked, /a=fmtp:111 minptime=10;useinbandfec=1;stereo=1\r\n/);
    assert.equal(asked.replace(";stereo=1", ""), OFFER);
    assert.equal(stereo(asked), asked);
});

test("an offer without Opus stays as it is", () => {
    const plain = OFFER.replace("opus/48000/2", "PCMU/8000");
    assert.equal(stereo(plain), plain);
});

test("a restart names its credentials", () => {
    assert.equal(fragmentOf(OFFER), sdp("a=group:BUNDLE 0 1",
        "a=ice-options:trickle", "m=audio 9 UDP/TLS/RTP/SAVPF 111 9",
        "a=mid:0", "a=ice-ufrag:new1", "a=ice-pwd:new1pwdnew1pwdnew1pwd22"));
});

const ANSWER = sdp("v=0", "a=ice-lite", "m=audio 0 UDP/TLS/RTP/SAVPF 111",
    "a=mid:0", "m=video 9 UDP/TLS/RTP/SAVPF 96", "a=mid:1",
    "a=ice-ufrag:old", "a=ice-pwd:oldpwd", "a=rtpmap:96 H264/90000",
    "a=candidate:1 1 udp 1 192.0.2.1 8189 typ host", "a=end-of-candidates");
const FRAGMENT = sdp("a=ice-lite", "m=video 9 UDP/TLS/RTP/SAVPF 96",
    "a=mid:1", "a=ice-ufrag:fresh", "a=ice-pwd:freshpwd",
    "a=candidate:1 1 udp 1 192.0.2.1 8190 typ host",
    "a=candidate:2 1 tcp 1 192.0.2.1 8190 typ host tcptype passive",
    "a=end-of-candidates");

test("the server's answer takes effect in the answer in force", () => {
    assert.equal(restarted(ANSWER, FRAGMENT), sdp("v=0", "a=ice-lite",
        "m=audio 0 UDP/TLS/RTP/SAVPF 111", "a=mid:0",
        "m=video 9 UDP/TLS/RTP/SAVPF 96", "a=mid:1", "a=ice-ufrag:fresh",
        "a=ice-pwd:freshpwd", "a=rtpmap:96 H264/90000",
        "a=candidate:1 1 udp 1 192.0.2.1 8190 typ host",
        "a=candidate:2 1 tcp 1 192.0.2.1 8190 typ host tcptype passive",
        "a=end-of-candidates"));
});

test("without new candidates the old ones stay", () => {
    const news = sdp("a=ice-ufrag:fresh", "a=ice-pwd:freshpwd");
    assert.match(restarted(ANSWER, news), /192\.0\.2\.1 8189/);
});

test("an answer without credentials is none", () => {
    assert.throws(() => restarted(ANSWER, sdp("a=ice-lite")));
});
