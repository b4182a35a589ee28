/* tests/e2e/lib/plain.mjs — a player that is not ours. */

/** hls.js as anybody would use it, on a page of the server's origin. */
export async function plainPage(page, playlist) {
    await page.evaluate(async (url) => {
        document.body.replaceChildren(document.createElement("video"));
        const video = document.querySelector("video");
        const { default: Hls } = await import("/assets/vendor/hls.min.mjs");
        const hls = new Hls();
        window.framesSeen = 0;
        const seen = () => {
            window.framesSeen++;
            video.requestVideoFrameCallback(seen);
        };
        video.requestVideoFrameCallback(seen);
        window.hls = hls;
        hls.attachMedia(video);
        hls.loadSource(url);
        await video.play().catch(() => {});
    }, playlist);
}
