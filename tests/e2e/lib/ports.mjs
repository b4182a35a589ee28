/* tests/e2e/lib/ports.mjs — ports that nobody holds right now. */
import { createServer } from "node:net";

/**
 * Holds all of them at once before letting go, so that they differ.
 * @param {number} count
 * @returns {Promise<number[]>}
 */
export async function freePorts(count) {
    const held = await Promise.all(
        Array.from({ length: count }, () => new Promise((resolve, reject) => {
            const server = createServer();
            server.once("error", reject);
            server.listen(0, "127.0.0.1", () => resolve(server));
        })),
    );
    const ports = held.map((server) => server.address().port);
    await Promise.all(held.map((server) =>
        new Promise((resolve) => server.close(resolve))));
    return ports;
}
