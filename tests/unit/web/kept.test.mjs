/* tests/unit/web/kept.test.mjs — what the browser keeps, and closed storage. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { keep, kept } from "../../../web/js/kept.js";

test("what was kept is there again, under its own name", () => {
    const all = new Map();
    const store = { getItem: (name) => all.get(name) ?? null,
        setItem: (name, text) => all.set(name, text) };
    assert.equal(kept("a", store), null);
    keep("a", "1", store);
    keep("b", "", store);
    assert.equal(kept("a", store), "1");
    assert.equal(kept("b", store), "");
});

test("a closed storage keeps nothing, and says so to nobody", () => {
    const no = () => {
        throw new Error("SecurityError");
    };
    const store = { getItem: no, setItem: no };
    keep("a", "1", store);
    assert.equal(kept("a", store), null);
    const was = Object.getOwnPropertyDescriptor(globalThis, "localStorage");
    Object.defineProperty(globalThis, "localStorage",
        { get: no, configurable: true });
    keep("a", "1");
    assert.equal(kept("a"), null);
    if (was) Object.defineProperty(globalThis, "localStorage", was);
    else delete globalThis.localStorage;
});
