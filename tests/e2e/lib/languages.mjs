/* tests/e2e/lib/languages.mjs — a lecture in several languages: ffmpeg with a
 * tone for each. */
import { Program } from "./process.mjs";

/**
 * @param {string} url srt:
 * @param {{tone: number, language?: string, codec?: string,
 *          channels?: number, seconds?: number}[]} sounds seconds: then it
 *     ends, and the others go on
 * @param {{picture?: boolean}} [how]
 */
export function publishSounds(url, sounds, { picture = true } = {}) {
    return new Program("ffmpeg", [
        "-hide_banner", "-nostdin", "-loglevel", "info", "-stats",
        ...sounds.flatMap(({ tone, seconds = 0 }) => ["-re", "-f", "lavfi", "-i",
            `sine=frequency=${tone}:sample_rate=48000:samples_per_frame=1024` +
            `:duration=${seconds}`]),
        ...(picture ? ["-re", "-f", "lavfi", "-i", "testsrc2=s=320x180:r=30"]
            : []),
        ...sounds.flatMap((_, i) => ["-map", `${i}:a`]),
        ...(picture ? ["-map", `${sounds.length}:v`] : []),
        "-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency",
        "-g", "60", "-sc_threshold", "0", "-b:v", "500k", "-pix_fmt", "yuv420p",
        ...sounds.flatMap(({ codec = "aac", channels = 2, language }, i) => [
            `-c:a:${i}`, codec, `-b:a:${i}`, "96k", `-ac:a:${i}`, `${channels}`,
            ...(language ? [`-metadata:s:a:${i}`, `language=${language}`] : []),
        ]),
        "-f", "mpegts", "-muxdelay", "0", url,
    ]);
}
