/* tests/e2e/lib/datachannel_client.mjs — WHIP and WHEP with libdatachannel,
 * a second WebRTC stack: it moves packets and knows no codec.
 *
 * usage: node datachannel_client.mjs play URL SECONDS
 *        node datachannel_client.mjs publish URL SECONDS TOKEN FILE.h264
 * FILE: Annex B, each access unit begun by a delimiter; sent at 30 per second.
 * Prints one JSON line, after SECONDS or when it is terminated: {"status",
 * "state", "video", "audio"} in packets. */
import { readFileSync } from "node:fs";
import nodeDataChannel from "node-datachannel";

const [what, url, seconds, token, file] = process.argv.slice(2);
const counts = { video: 0, audio: 0 };
const held = []; /* what is not held is collected */
let state = "new";

const pc = new nodeDataChannel.PeerConnection("viewer", { iceServers: [] });
const gathered = new Promise((resolve) =>
    pc.onGatheringStateChange((s) => s === "complete" && resolve()));
pc.onStateChange((s) => { state = s; });

const video = new nodeDataChannel.Video("0",
    what === "play" ? "RecvOnly" : "SendOnly");
video.addH264Codec(96);
const audio = new nodeDataChannel.Audio("1",
    what === "play" ? "RecvOnly" : "SendOnly");
audio.addOpusCodec(111);
if (what === "publish") {
    video.addSSRC(42, "lecture", "lecture", "video");
    audio.addSSRC(43, "lecture", "lecture", "audio");
}
for (const [kind, media] of [["video", video], ["audio", audio]]) {
    const track = pc.addTrack(media);
    held.push(track);
    if (what === "play") {
        track.setMediaHandler(new nodeDataChannel.RtcpReceivingSession());
        track.onMessage(() => { counts[kind]++; });
    }
}

/** Access units of an Annex B file, split at their delimiters (type 9). */
function units(bytes) {
    const starts = [];
    for (let i = 0; i + 4 < bytes.length; i++)
        if (!bytes[i] && !bytes[i + 1] && !bytes[i + 2] &&
            bytes[i + 3] === 1 && (bytes[i + 4] & 31) === 9) starts.push(i);
    return starts.map((at, n) => bytes.subarray(at, starts[n + 1]));
}

function send() {
    const track = held[0];
    const conf = new nodeDataChannel.RtpPacketizationConfig(42, "lecture", 96,
        90000);
    track.setMediaHandler(new nodeDataChannel.H264RtpPacketizer(
        "StartSequence", conf));
    const all = units(readFileSync(file));
    let n = 0;
    setInterval(() => {
        if (!track.isOpen()) return;
        conf.timestamp = (conf.timestamp + 3000) >>> 0;
        track.sendMessageBinary(all[n++ % all.length]);
        counts.video++;
    }, 1000 / 30);
}

pc.setLocalDescription();
await gathered;
const answer = await fetch(url, {
    method: "POST",
    headers: {
        "content-type": "application/sdp",
        ...token && { authorization: `Bearer ${token}` },
    },
    body: pc.localDescription().sdp,
});
const text = await answer.text();
if (answer.status === 201) {
    pc.setRemoteDescription(text, "answer");
    if (what === "publish") send();
    await new Promise((resolve) => {
        process.once("SIGTERM", resolve);
        setTimeout(resolve, 1000 * seconds);
    });
}
console.log(JSON.stringify({
    status: answer.status, state, text: answer.ok ? "" : text, ...counts,
}));
process.exit(0);
