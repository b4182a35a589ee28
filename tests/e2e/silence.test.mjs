/* tests/e2e/silence.test.mjs — who is connected and sends nothing, and who
 * sends more than is allowed. */
import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { Publisher } from "./lib/ffmpeg.mjs";
import { KEY, Lectern } from "./lib/server.mjs";
import { until } from "./lib/wait.mjs";

const YAML = "channels:\n" +
    `  - { name: demo, stream_key: ${KEY}, type: BASIC }\n`;
let server, lecturer;

before(async () => {
    server = await Lectern.start({
        yaml: YAML, srt: true, set: { "limits.source_pixels": 640 * 360 },
    });
});
afterEach(() => lecturer?.kill());
after(async () => {
    const ended = await server?.stop();
    assert.equal(ended?.code, 0, server.log.slice(-20).join("\n"));
});

const logged = (pattern, bound) => until(`the log has ${pattern}`, () =>
    server.log.find((line) => pattern.test(line)), bound);
const starves = async () => (await server.channel()).starving === true;

test("a silent source starves, is fed, starves, and is sent away", async () => {
    lecturer = new Publisher(server.rtmp());
    await server.isLive();
    lecturer.suspend();
    await until("it starves", starves);
    assert.equal((await server.channel()).state, "live");
    lecturer.thaw();
    await until("it is fed again", async () => !await starves());
    await logged(/event=fed_again/);
    lecturer.suspend();
    await until("it starves again", starves);
    await logged(/event=unpublish .*no media for 30 s/, 40000);
    await until("it is gone", async () => !await starves());
});

for (const protocol of ["rtmp", "srt"])
    test(`a picture over the limit is refused: ${protocol}`, async () => {
        lecturer = new Publisher(server[protocol](), {
            width: 1280, height: 720,
        });
        await lecturer.gone;
        assert.match(await logged(
            new RegExp(`event=over_limit .*protocol=${protocol}`)),
        /limit=source_pixels .*1280x720 is more than 230400 pixels/);
    });
