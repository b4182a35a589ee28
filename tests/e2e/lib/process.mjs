/* tests/e2e/lib/process.mjs — a program under test: what it says is kept, and
 * it is ended by its own pid. */
import { spawn } from "node:child_process";
import { until } from "./wait.mjs";

/** After SIGTERM, before SIGKILL, ms. */
const GRACE = 8000;
/** Lines kept of each program. */
const KEEP = 4000;

const alive = new Set();
process.on("exit", () => {
    for (const program of alive) program.signal("SIGKILL");
});

export class Program {
    #child;
    #part = "";
    /** Its exit: {code, signal} once it has ended. */
    ended = null;
    /** @type {string[]} */
    lines = [];

    /**
     * @param {string} command
     * @param {string[]} args
     * @param {import("node:child_process").SpawnOptions} [options]
     */
    constructor(command, args, options = {}) {
        this.name = command.split("/").at(-1);
        this.#child = spawn(command, args, {
            stdio: ["ignore", "pipe", "pipe"],
            ...options,
        });
        for (const stream of [this.#child.stdout, this.#child.stderr])
            stream?.on("data", (data) => this.#note(data.toString()));
        alive.add(this);
        this.gone = new Promise((resolve) => {
            const end = (code, signal) => {
                alive.delete(this);
                this.ended = { code, signal };
                resolve(this.ended);
            };
            this.#child.on("exit", end);
            this.#child.on("error", (error) => {
                this.lines.push(String(error));
                end(-1, null);
            });
        });
    }

    get pid() {
        return this.#child.pid;
    }

    get stdin() {
        return this.#child.stdin;
    }

    get stdout() {
        return this.#child.stdout;
    }

    /** The first line that fits, said already or still to come. */
    said(pattern, bound = 20000) {
        return until(`${this.name} says ${pattern}`, () => {
            const line = this.lines.find((text) => pattern.test(text));
            if (!line && this.ended)
                throw new Error(`${this.name} ended (${this.ended.code}):\n` +
                    this.lines.slice(-20).join("\n"));
            return line;
        }, bound);
    }

    signal(name) {
        if (!this.ended) this.#child.kill(name);
    }

    async stop(signal = "SIGTERM") {
        if (this.ended) return this.ended;
        this.signal(signal);
        const timer = setTimeout(() => this.signal("SIGKILL"), GRACE);
        await this.gone;
        clearTimeout(timer);
        return this.ended;
    }

    #note(text) {
        const lines = (this.#part + text).split(/[\r\n]+/);
        this.#part = lines.pop();
        this.lines.push(...lines.filter(Boolean));
        if (this.lines.length > KEEP) this.lines.splice(0, KEEP / 2);
    }
}
