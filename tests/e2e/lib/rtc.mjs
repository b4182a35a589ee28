/* tests/e2e/lib/rtc.mjs — WebRTC in a real Chromium without our pages: the
 * plainest WHIP publisher and WHEP viewer that a browser makes, and what is
 * seen through them. */
import { Viewer, launch } from "./browser.mjs";
import { until } from "./wait.mjs";

const FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--autoplay-policy=no-user-gesture-required",
    "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream",
    "--allow-loopback-in-peer-connection",
    "--disable-renderer-backgrounding",
    "--disable-background-timer-throttling",
    "--disable-backgrounding-occluded-windows",
];

/**
 * A browser that may publish; in the viewer's namespace when there is one.
 * @param {{net?: import("./netns.mjs").Net, flags?: string[],
 *          secure?: string}} [how] secure: an http origin to trust
 */
export function launchRtc({ net, flags = [], secure } = {}) {
    const trust = secure ?
        [`--unsafely-treat-insecure-origin-as-secure=${secure}`] : [];
    return launch({
        flags: [...FLAGS, ...flags, ...trust],
        path: net?.wrapper("viewer", "/usr/bin/chromium"),
    });
}

/** Opens a bare page of the server, with what follows here in it. */
export async function barePage(browser, base) {
    const viewer = await Viewer.open(browser, `${base}/healthz`);
    await viewer.page.evaluate(inPage);
    return viewer;
}

/** Publishes; gives what the server answered. */
export const publish = (page, url, how = {}) => page.evaluate(
    ([to, conf]) => window.rtc.publish(to, conf), [url, how]);

/** Plays; gives once the first frame is painted. */
export const play = (page, url, how = {}) => page.evaluate(
    ([from, conf]) => window.rtc.play(from, conf), [url, how]);

export const stats = (page) => page.evaluate(() => window.rtc.stats());

/** How the picture went since the last call: painted frames, longest gap. */
export const seen = (page) => page.evaluate(() => window.rtc.seen());

/** Waits until so many more frames were painted. */
export async function paints(page, count, bound = 20000) {
    const from = await page.evaluate(() => window.rtc.frames);
    await until(`${count} frames are painted`, async () =>
        await page.evaluate(() => window.rtc.frames) >= from + count, bound);
}

/* Runs in the page. */
function inPage() {
    const rtc = window.rtc = { frames: 0, gap: 0, last: 0, painted: 0 };

    const exchange = async (pc, url, token) => {
        await pc.setLocalDescription();
        const asked = performance.now();
        const answer = await fetch(url, {
            method: "POST",
            headers: {
                "content-type": "application/sdp",
                ...token && { authorization: `Bearer ${token}` },
            },
            body: pc.localDescription.sdp,
        });
        const text = await answer.text();
        rtc.location = answer.headers.get("location");
        rtc.etag = answer.headers.get("etag");
        if (answer.status === 201)
            await pc.setRemoteDescription({ type: "answer", sdp: text });
        return { status: answer.status, text, location: rtc.location, asked };
    };

    /* The clock of tests/bench/timebars.c, drawn here. */
    const camera = ({ width = 1280, height = 720, fps = 30, flash }) => {
        const canvas = document.createElement("canvas");
        canvas.width = width;
        canvas.height = height;
        document.body.append(canvas);
        const pen = canvas.getContext("2d");
        const block = Math.min(32, Math.floor(width / 20));
        let n = 0;
        const draw = () => {
            const now = Date.now();
            const stamp = now % 2 ** 20;
            pen.fillStyle = flash?.(now) ? "#fff" : `hsl(${n % 360} 40% 30%)`;
            pen.fillRect(0, 0, width, height);
            pen.fillStyle = "#888";
            for (let i = 0; i < 40; i++)
                pen.fillRect((n * 7 + i * 97) % width, 80 + i * 13 % height,
                    60, 24);
            for (let bit = 0; bit < 20; bit++) {
                const on = stamp >> (19 - bit) & 1;
                pen.fillStyle = on ? "#fff" : "#000";
                pen.fillRect(bit * block, 0, block, block);
                pen.fillStyle = on ? "#000" : "#fff";
                pen.fillRect(bit * block, block, block, block);
            }
            n++;
        };
        draw();
        setInterval(draw, 1000 / fps);
        return canvas.captureStream(fps);
    };

    const sound = () => {
        const context = new AudioContext();
        const tone = context.createOscillator();
        const out = context.createMediaStreamDestination();
        tone.connect(out);
        tone.start();
        return out.stream;
    };

    rtc.publish = async (url, how) => {
        const pc = rtc.pc = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
        const picture = how.device
            ? await navigator.mediaDevices.getUserMedia({ video: true })
            : camera(how);
        const [video] = picture.getVideoTracks();
        const send = pc.addTransceiver(video, {
            direction: "sendonly",
            sendEncodings: how.encodings ?? [{ maxBitrate: how.bps ?? 3e6 }],
        });
        pc.addTransceiver(sound().getAudioTracks()[0],
            { direction: "sendonly" });
        send.setCodecPreferences(RTCRtpSender.getCapabilities("video").codecs
            .filter((codec) => /H264|rtx/.test(codec.mimeType)));
        return exchange(pc, url, how.token);
    };

    rtc.play = async (url, how) => {
        const pc = rtc.pc = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
        const video = rtc.video = document.querySelector("video") ??
            document.createElement("video");
        video.autoplay = video.playsInline = true;
        video.muted = how.muted ?? true;
        document.body.append(video);
        const stream = new MediaStream();
        for (const kind of ["video", "audio"])
            pc.addTransceiver(kind, { direction: "recvonly" });
        pc.ontrack = ({ track, receiver }) => {
            stream.addTrack(track);
            receiver.jitterBufferTarget = how.jitterMs ?? 0;
            video.srcObject = stream;
        };
        let shown;
        const first = new Promise((resolve) => { shown = resolve; });
        const paint = (now) => {
            if (rtc.last) rtc.gap = Math.max(rtc.gap, now - rtc.last);
            rtc.last = now;
            rtc.frames++;
            rtc.painted++;
            shown(now);
            video.requestVideoFrameCallback(paint);
        };
        video.requestVideoFrameCallback(paint);
        const asked = performance.now();
        const answer = await exchange(pc, url, how.token);
        if (answer.status !== 201) return answer;
        const at = await Promise.race([first, new Promise((resolve) =>
            setTimeout(resolve, how.bound ?? 10000))]);
        return { ...answer, firstFrameMs: at && at - asked };
    };

    rtc.seen = () => {
        const now = performance.now();
        const out = {
            painted: rtc.painted,
            gapMs: Math.max(rtc.gap, rtc.last ? now - rtc.last : 0),
            height: rtc.video.videoHeight,
        };
        rtc.painted = rtc.gap = 0;
        return out;
    };

    rtc.stats = async () => {
        const out = { state: rtc.pc.connectionState };
        for (const s of (await rtc.pc.getStats()).values()) {
            const kind = s.kind ?? "";
            if (s.type === "inbound-rtp" || s.type === "outbound-rtp")
                (out[`${kind}${s.rid ?? ""}`] ??= {}, Object.assign(
                    out[`${kind}${s.rid ?? ""}`], s));
            if (s.type === "candidate-pair" && s.nominated) out.pair = s;
            if (s.type === "local-candidate") (out.local ??= []).push(s);
            if (s.type === "remote-candidate") (out.remote ??= []).push(s);
            if (s.type === "transport") out.transport = s;
        }
        return out;
    };
}
