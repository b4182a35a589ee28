/* tests/e2e/realtime_http.test.mjs — the HTTP side of WHIP and WHEP against
 * the real server: every status of docs/protocols.md, from connections that
 * land on any of its loops. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { Publisher } from "./lib/ffmpeg.mjs";
import { KEY, Lectern } from "./lib/server.mjs";
import { until } from "./lib/wait.mjs";
import { FRAGMENT, SDP, ask, ask2, del, offer, patch, post, sections, values }
    from "./lib/webrtc.mjs";

const PENDING = 4;
const TRICKLE = "a=candidate:1 1 udp 2130706431 192.0.2.9 4444 typ host\r\n" +
    "a=end-of-candidates\r\n";
const restart = (ufrag) =>
    `a=ice-ufrag:${ufrag}\r\na=ice-pwd:anotherpassword0123456789\r\n`;
const bearer = (token) => ({ authorization: `Bearer ${token}` });

let server, publisher;
const whep = (channel = "demo") => `${server.url}/whep/${channel}`;
const whip = (channel = "demo") => `${server.url}/whip/${channel}`;
const at = (answer) => server.url + answer.headers.location;

/* What every reply carries, errors too. */
function fromAnyPage(answer) {
    assert.equal(answer.headers["access-control-allow-origin"], "*");
    const exposed = answer.headers["access-control-expose-headers"].split(", ");
    for (const name of ["location", "link", "etag", "accept-patch",
        "retry-after"])
        assert.ok(exposed.includes(name), `${name} is exposed`);
    assert.equal(answer.headers["cache-control"], "no-store");
    return answer;
}

before(async () => {
    server = await Lectern.start({
        tls: true,
        realtime: true,
        yaml: "channels:\n" +
            `  - { name: demo, stream_key: ${KEY}, type: STANDARD }\n` +
            "  - { name: quiet, stream_key: quiet-key, type: BASIC }\n",
        set: { "limits.webrtc_pending_per_address": PENDING },
    });
    publisher = new Publisher(server.rtmp());
    await server.isLive();
    await until("WHEP takes viewers", async () => {
        const answer = await post(whep(), offer("chromium_play"));
        if (answer.status !== 201) return false;
        await del(at(answer));
        return true;
    });
});

after(async () => {
    await publisher?.stop();
    await server?.stop();
});

describe("watching", () => {
    test("OPTIONS asks for nothing and says what is taken", async () => {
        for (const url of [whep(), `${whep()}/0-1`, whip(), whep("unknown")]) {
            const answer = fromAnyPage(await ask(url, {
                method: "OPTIONS",
                headers: {
                    origin: "https://elsewhere.example",
                    "access-control-request-method": "POST",
                    "access-control-request-private-network": "true",
                },
            }));
            const { headers } = answer;
            assert.equal(answer.status, 200);
            assert.equal(headers["accept-post"], SDP);
            assert.equal(headers["accept-patch"], FRAGMENT);
            assert.match(headers["access-control-allow-methods"],
                /POST.*PATCH.*DELETE/);
            assert.match(headers["access-control-allow-headers"],
                /Authorization.*Content-Type.*If-Match/);
            assert.equal(headers["access-control-allow-private-network"],
                "true");
        }
    });

    for (const [name, send, base] of [["HTTP/1.1", ask, "url"],
        ["HTTP/2", ask2, "httpsUrl"]])
        test(`a session's whole life over ${name}`, async () => {
            const url = `${server[base]}/whep/demo?x=1`;
            const made = fromAnyPage(await post(url, offer("chromium_play"),
                {}, send));
            assert.equal(made.status, 201, made.text);
            assert.equal(made.headers["content-type"], SDP);
            assert.match(made.headers.location,
                /^\/whep\/demo\/\d+-[0-9a-f]{32}$/);
            assert.match(made.headers.etag, /^"[^"]+"$/);
            const session = server[base] + made.headers.location;
            const { etag } = made.headers;
            const steps = [
                [await patch(session, etag, TRICKLE, {}, send), 204],
                [await patch(session, undefined, TRICKLE, {}, send), 428],
                [await patch(session, '"x"', TRICKLE, {}, send), 412],
                [await patch(session, `W/${etag}`, TRICKLE, {}, send), 412],
                [await patch(session, etag, "{}", {}, send), 400],
                [await patch(session, "*", TRICKLE, {}, send), 422],
                [await patch(session, etag, TRICKLE, { "content-type": SDP },
                    send), 415],
                [await post(session, offer("chromium_play"), {}, send), 405],
                [await send(session), 204],
            ];
            for (const [answer, status] of steps)
                assert.equal(fromAnyPage(answer).status, status, answer.text);
            const again = fromAnyPage(await patch(session, "*",
                restart("new0"), {}, send));
            assert.equal(again.status, 200);
            assert.equal(again.headers["content-type"], FRAGMENT);
            assert.notEqual(again.headers.etag, etag);
            const [ufrag] = values(made.text, "ice-ufrag");
            assert.notEqual(values(again.text, "ice-ufrag")[0], ufrag);
            assert.ok(values(again.text, "ice-pwd")[0].length >= 22);
            assert.deepEqual(values(again.text, "candidate"),
                values(made.text, "candidate"));
            assert.equal((await patch(session, etag, TRICKLE, {}, send)).status,
                412);
            for (let i = 0; i < 2; i++)
                assert.equal(fromAnyPage(await del(session, {}, send)).status,
                    200);
            assert.equal((await patch(session, again.headers.etag, TRICKLE, {},
                send)).status, 404);
        });

    for (const name of ["chromium_play", "chromium_play_max_bundle",
        "safari_play", "firefox_play_h264", "aiortc_play",
        "node_datachannel_play"])
        test(`${name} is answered`, async () => {
            const asked = offer(name);
            const made = await post(whep(), asked);
            assert.equal(made.status, 201, made.text);
            await del(at(made));
            const ours = sections(made.text);
            const theirs = sections(asked);
            assert.equal(ours.length, theirs.length);
            ours.forEach((section, i) => {
                assert.equal(section.split(" ")[0], theirs[i].split(" ")[0]);
                if (!/^m=(audio|video) 9/.test(section)) return;
                assert.deepEqual(values(section, "sendonly").length, 1);
                assert.deepEqual(values(section, "setup"), ["passive"]);
                assert.equal(values(section, "fingerprint").length, 1);
            });
            assert.equal(values(made.text, "ice-lite").length, 1);
            const [first] = values(made.text, "candidate");
            assert.match(first, /^1 1 udp \d+ 127\.0\.0\.1 \d+ typ host$/);
            assert.ok(values(made.text, "end-of-candidates").length);
        });

    test("what cannot be is said in one sentence", async () => {
        const good = offer("chromium_play");
        const cases = [
            [await post(whep("unknown"), good), 404],
            [await post(whep("quiet"), good), 409],
            [await post(whep(), offer("firefox_play")), 406],
            [await post(whep(), offer("chromium_publish")), 406],
            [await post(whep(), "v=0\r\nhello\r\n"), 400],
            [await post(whep(), ""), 400],
            [await post(whep(), good, { "content-type": "text/plain" }), 415],
            [await post(whep(), "a".repeat(70000)), 413],
            [await ask(whep(), { method: "DELETE" }), 405],
            [await ask(whep(), { method: "PUT", body: "x" }), 405],
            [await del(`${whep()}/0-${"0".repeat(32)}`), 404],
            [await del(`${whep()}/nonsense`), 404],
            [await patch(`${whep()}/99-1`, "*", TRICKLE), 404],
        ];
        for (const [answer, status] of cases) {
            assert.equal(fromAnyPage(answer).status, status, answer.text);
            assert.match(answer.text, /^[A-Z].*\n$/);
            if (status === 405) assert.ok(answer.headers.allow);
            if (status === 409) assert.ok(answer.headers["retry-after"] > 0);
            if (status === 415)
                assert.equal(answer.headers["accept-post"], SDP);
        }
        const head = await ask(whep(), { method: "HEAD" });
        assert.equal(head.status, 200);
        assert.equal(head.headers["content-type"], SDP);
    });
});

describe("publishing", () => {
    test("wants the key, again for what follows", async () => {
        const good = offer("obs_publish");
        for (const headers of [{}, bearer("wrong")]) {
            const answer = fromAnyPage(await post(whip("quiet"), good,
                headers));
            assert.ok([401, 403].includes(answer.status), answer.text);
            if (answer.status === 401)
                assert.equal(answer.headers["www-authenticate"], "Bearer");
        }
        const made = fromAnyPage(await post(whip("quiet"), good,
            bearer("quiet-key")));
        assert.equal(made.status, 201, made.text);
        for (const section of sections(made.text))
            assert.equal(values(section, "recvonly").length, 1);
        assert.equal((await del(at(made))).status, 401);
        assert.equal((await del(at(made), bearer("wrong"))).status, 401);
        assert.equal((await patch(at(made), made.headers.etag, TRICKLE)).status,
            401);
        assert.equal((await patch(at(made), made.headers.etag, TRICKLE,
            bearer("quiet-key"))).status, 204);
        assert.equal((await del(at(made), bearer("quiet-key"))).status, 200);
    });

    test("every layer of a simulcast is taken", async () => {
        for (const [name, rids] of [["obs_publish_simulcast", "0;1;2"],
            ["chromium_publish_simulcast", "h;m;l"]]) {
            const made = await post(whip("quiet"), offer(name),
                bearer("quiet-key"));
            assert.equal(made.status, 201, made.text);
            assert.deepEqual(values(made.text, "simulcast"), [`recv ${rids}`]);
            assert.deepEqual(values(made.text, "rid"),
                rids.split(";").map((rid) => `${rid} recv`));
            await del(at(made), bearer("quiet-key"));
        }
    });

    test("who can only wait is called: FFmpeg's passive offer", async () => {
        const made = await post(whip("quiet"), offer("ffmpeg_publish"),
            bearer("quiet-key"));
        assert.equal(made.status, 201, made.text);
        assert.ok(made.text.startsWith("v="));
        for (const section of sections(made.text))
            assert.deepEqual(values(section, "setup"), ["active"]);
        await del(at(made), bearer("quiet-key"));
    });

    test("offers that cannot be published are 422 or 400", async () => {
        const one = offer("obs_publish");
        const video = sections(one)[1];
        const two = one.replace("BUNDLE 0 1", "BUNDLE 0 1 2") +
            video.replace("a=mid:1", "a=mid:2");
        for (const [body, status] of [[two, 422],
            [offer("chromium_play"), 422],
            [one.replaceAll("a=rtcp-mux\r\n", ""), 422],
            [one.replace(/a=fingerprint.*\r\n/, ""), 400],
            [one.replaceAll(/a=ice-pwd.*\r\n/g, ""), 400]]) {
            const answer = await post(whip("quiet"), body,
                bearer("quiet-key"));
            assert.equal(fromAnyPage(answer).status, status, answer.text);
        }
    });
});

describe("limits", () => {
    const from = (address) => ({ "x-forwarded-for": address });
    const pending = async () => (await ask(`${server.url}/metrics`)).text
        .split("\n").filter((line) => /^lectern_rtc_pending\{/.test(line))
        .reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);

    test("who never connects waits with few, and not for long", async () => {
        const answers = [];
        /* Each loop counts for itself: more than all of them take. */
        for (let i = 0; i < 40 * PENDING; i++)
            answers.push(await post(whep(), offer("aiortc_play"),
                from("192.0.2.50")));
        const refused = answers.filter((a) => a.status === 429);
        const made = answers.filter((a) => a.status === 201);
        assert.equal(made.length + refused.length, answers.length);
        assert.ok(made.length >= PENDING, `${made.length} were made`);
        assert.ok(refused.length > 0);
        assert.ok(fromAnyPage(refused[0]).headers["retry-after"] > 0);
        /* Others are not their business. */
        const other = await post(whep(), offer("aiortc_play"),
            from("192.0.2.51"));
        assert.equal(other.status, 201);
        await until("those without a check are ended", async () =>
            await pending() === 0, 30000);
        assert.equal((await patch(at(made[0]), made[0].headers.etag,
            TRICKLE)).status, 404);
        assert.equal((await del(at(made[0]))).status, 200);
        const again = await post(whep(), offer("aiortc_play"),
            from("192.0.2.50"));
        assert.equal(again.status, 201);
        await del(at(again));
    });

    test("any loop answers for any session", async () => {
        const made = await post(whep(), offer("chromium_play"));
        const answers = await Promise.all(Array.from({ length: 32 }, () =>
            patch(at(made), made.headers.etag, TRICKLE)));
        assert.deepEqual(new Set(answers.map((a) => a.status)),
            new Set([204]));
        const ends = await Promise.all(Array.from({ length: 16 }, () =>
            del(at(made))));
        assert.deepEqual(new Set(ends.map((a) => a.status)), new Set([200]));
    });

    test("broken offers harm nobody", async () => {
        const good = offer("chromium_play_max_bundle");
        let seed = 1;
        const random = (n) => {
            seed = (seed * 48271) % 2147483647;
            return seed % n;
        };
        for (let i = 0; i < 200; i++) {
            const lines = good.split("\r\n");
            for (let n = 1 + random(6); n; n--) {
                const line = random(lines.length);
                const how = random(4);
                if (how === 0) lines.splice(line, 1);
                else if (how === 1) lines.splice(line, 0, lines[line]);
                else if (how === 2)
                    lines[line] = lines[line].slice(0, random(12));
                else lines[line] += String.fromCharCode(33 + random(90))
                    .repeat(random(300));
            }
            const answer = await post(whep(), lines.join("\r\n"));
            assert.ok([201, 400, 406].includes(answer.status),
                `${answer.status} ${answer.text}`);
            if (answer.status === 201) await del(at(answer));
        }
        assert.equal((await fetch(`${server.url}/healthz`)).status, 200);
        assert.equal(publisher.ended, null);
    });
});
