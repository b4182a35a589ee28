/* tests/unit/web/language.test.mjs — which language a learner gets. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { listed, nearest, recall, remember }
    from "../../../web/js/language.js";

const line = (name, lang, more = "") =>
    `#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="audio",NAME="${name}",${more}` +
    `LANGUAGE="${lang}",URI="7/${name}/index.m3u8"\n`;
const TOP = "#EXTM3U\n" + line("English", "en", "DEFAULT=YES,") +
    line("Deutsch", "de", "DEFAULT=NO,") + line("Deutsch 2", "de") +
    line("Português (BR)", "pt-BR") + line("Audio", "und");
const sounds = listed(TOP);

test("sounds as the playlist lists them", () => {
    assert.deepEqual(sounds.map(({ name }) => name),
        ["English", "Deutsch", "Deutsch 2", "Português (BR)", "Audio"]);
    assert.deepEqual(sounds[1], { id: 1, name: "Deutsch", lang: "de",
        isDefault: false, uri: "7/Deutsch/index.m3u8" });
    assert.equal(sounds[0].isDefault, true);
    assert.equal(sounds[4].lang, "");
    assert.deepEqual(listed("<html>"), []);
});

test("the same one, else its language, else another kind of it", () => {
    const found = (lang, name = "") => nearest(sounds, { lang, name })?.name;
    assert.equal(found("de", "Deutsch 2"), "Deutsch 2");
    assert.equal(found("de", "Deutsch 7"), "Deutsch");
    assert.equal(found("de-AT", "Deutsch (AT)"), "Deutsch");
    assert.equal(found("pt", "Português"), "Português (BR)");
    assert.equal(found("", "Audio"), "Audio");
    assert.equal(found("", "Audio 2"), undefined);
    assert.equal(found("fr", "Français"), undefined);
    assert.equal(nearest(sounds, null), undefined);
});

test("a choice is remembered, nonsense is not believed", () => {
    const kept = new Map();
    const store = { getItem: (key) => kept.get(key) ?? null,
        setItem: (key, value) => kept.set(key, value) };
    assert.equal(recall(store), null);
    remember(sounds[1], store);
    assert.deepEqual(recall(store), { lang: "de", name: "Deutsch" });
    for (const said of ["", "{", "null", "[]", "7", '{"lang":7,"name":""}']) {
        kept.set([...kept.keys()][0], said);
        assert.equal(recall(store), null, said);
    }
    const closed = { getItem() { throw new Error("closed"); } };
    assert.equal(recall(closed), null);
});
