/* tests/e2e/obs.test.mjs — the lecturer presses "Start streaming" in the real
 * OBS; the learner's browser shows it.
 * Runs alone: OBS wants a third of a core and more to begin. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Viewer, launch } from "./lib/browser.mjs";
import { Obs, hasObs } from "./lib/obs.mjs";
import { KEY, Lectern } from "./lib/server.mjs";
import { until } from "./lib/wait.mjs";

let server, browser, obs, learner;

before(async () => {
    server = await Lectern.start();
    browser = await launch();
});
after(async () => {
    await learner?.close();
    await browser?.close();
    await obs?.stop();
    await server?.stop();
});

test("OBS streams, the page moves and sounds", { skip: !hasObs }, async () => {
    const clip = join(server.dir, "clip.mp4");
    execFileSync("ffmpeg", ["-v", "error", "-f", "lavfi", "-i",
        "testsrc2=s=320x180:r=15", "-f", "lavfi", "-i", "sine=f=440",
        "-t", "8", "-c:v", "libx264", "-preset", "ultrafast",
        "-c:a", "aac", clip]);
    obs = await Obs.start({
        server: `rtmp://127.0.0.1:${server.rtmpPort}/live`, key: KEY,
    }, clip);
    await obs.isStreaming();
    learner = await Viewer.open(browser, server.watch());
    await learner.becomes("live", 60000);
    await learner.sees(60);

    /* Moving: two pictures differ; not black: the clip is bright. */
    const picture = () => learner.page.evaluate(() => {
        const canvas = new OffscreenCanvas(64, 36);
        const pen = canvas.getContext("2d");
        pen.drawImage(document.querySelector("video"), 0, 0, 64, 36);
        return [...pen.getImageData(0, 0, 64, 36).data];
    });
    const first = await picture();
    assert.ok(Math.max(...first.filter((_, i) => i % 4 < 3)) > 100);
    await until("the picture changes", async () => {
        const now = await picture();
        const far = now.filter((v, i) => Math.abs(v - first[i]) > 24);
        return far.length > 50;
    });

    const loud = () => learner.page.evaluate(() => new Promise((resolve) => {
        const video = document.querySelector("video");
        const context = (window.ear ??= new AudioContext());
        const ear = (window.meter ??= (() => {
            const meter = context.createAnalyser();
            context.createMediaStreamSource(video.captureStream())
                .connect(meter);
            return meter;
        })());
        const wave = new Float32Array(ear.fftSize);
        ear.getFloatTimeDomainData(wave);
        resolve(Math.max(...wave) > 0.01);
    }));
    await until("sound is heard", loud);
    assert.deepEqual(learner.errors, []);
});
