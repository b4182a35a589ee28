/* tests/unit/web/files.test.mjs — the pages as files: nothing from elsewhere,
 * nothing missing, no raw colour or pixel outside tokens.css. */
import assert from "node:assert/strict";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";

const root = new URL("../../../", import.meta.url);
const read = (path) => readFileSync(new URL(path, root), "utf8");
const ours = readdirSync(new URL("web/", root), { recursive: true })
    .map((name) => `web/${name}`)
    .filter((name) => /\.(html|css|js|svg)$/.test(name));

test("every /assets/ reference is a file of ours", () => {
    for (const name of ours)
        for (const [, path] of read(name).matchAll(/["'(]\/assets\/([^"')]+)/g))
            assert.ok(existsSync(new URL(`web/${path}`, root)),
                `${name} asks for ${path}`);
});

test("no page names another host", () => {
    for (const name of ours) {
        const hosts = [...read(name).matchAll(/https?:\/\/[^"' )>]+/g)]
            .map(([url]) => url)
            .filter((url) => url !== "http://www.w3.org/2000/svg");
        assert.deepEqual(hosts, [], name);
    }
});

test("colours and pixels live in tokens.css alone", () => {
    for (const name of ours.filter((n) =>
        n.endsWith(".css") && !n.endsWith("tokens.css"))) {
        const text = read(name).replaceAll(/\/\*[^]*?\*\//g, "");
        assert.doesNotMatch(text, /#[0-9a-f]{3,8}\b|rgb\(|\b\d+px\b/i, name);
    }
});

test("pages carry no inline script or style", () => {
    for (const name of ours.filter((n) => n.endsWith(".html"))) {
        assert.doesNotMatch(read(name), /<script(?![^>]*\ssrc=)/, name);
        assert.doesNotMatch(read(name), /\sstyle=|\son[a-z]+=/, name);
    }
});

test("the vendored hls.js is the version that package.json names", () => {
    const { devDependencies } = JSON.parse(read("package.json"));
    const version = devDependencies["hls.js"];
    assert.ok(read("web/vendor/hls.min.mjs").includes(`"${version}"`));
    assert.ok(read("web/vendor/README.md").includes(`hls.js ${version} `));
});

test("the lock file names no registry", () => {
    assert.doesNotMatch(read("package-lock.json"), /"resolved"|registry/);
});
