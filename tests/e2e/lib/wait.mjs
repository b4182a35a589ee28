/* tests/e2e/lib/wait.mjs — waiting for a condition, never for a while. */

/** Between two looks, ms: short against what is waited for. */
const LOOK = 50;

/**
 * Looks until `look` gives something true, and gives that; throws when the
 * bound is reached, saying what was awaited and what was seen last.
 * @template T
 * @param {string} what
 * @param {() => T | Promise<T>} look
 * @param {number} [bound] ms; a bound against hanging, not a claim
 * @returns {Promise<T>}
 */
export async function until(what, look, bound = 30000) {
    const end = performance.now() + bound;
    for (;;) {
        const seen = await look();
        if (seen) return seen;
        if (performance.now() > end) throw new Error(`in vain: ${what}`);
        await new Promise((resolve) => setTimeout(resolve, LOOK));
    }
}
