/* tests/e2e/lib/axe.mjs — what axe-core finds on a page. */
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);

/**
 * @param {import("./browser.mjs").Viewer} learner
 * @returns {Promise<string[]>} nothing, if all is well
 */
export async function axe(learner) {
    /* Not by addScriptTag: the pages' own policy forbids foreign scripts. */
    const source = await readFile(require.resolve("axe-core/axe.min.js"), "utf8");
    await learner.page.evaluate(source);
    const { violations } = await learner.page.evaluate(() => window.axe.run());
    return violations.map((v) =>
        `${v.id}: ${v.nodes.map((n) => n.target).join(" ")}`);
}
