/* tests/e2e/lib/netns.mjs — a small internet of network namespaces:
 *
 *   viewer's namespace ── relay's namespace ── server's namespace ── this one
 *        10.99.0.1          (netrelay.c)          10.99.0.2
 *
 * The last wire is for the test itself (HTTP, RTMP); browsers live at the
 * first. Needs root; `hasNamespaces` says whether this machine lets us. */
import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Program } from "./process.mjs";

const BUILD = process.env.LECTERN_BUILD ?? "build";
export const VIEWER = "10.99.0.1";
export const SERVER = "10.99.0.2";

const run = (...words) => execFileSync(words[0], words.slice(1),
    { stdio: ["ignore", "pipe", "pipe"] }).toString();
const ip = (...words) => run("ip", ...words);

export const hasNamespaces = (() => {
    const name = `lt${process.pid}probe`;
    const made = spawnSync("ip", ["netns", "add", name]).status === 0;
    if (made) spawnSync("ip", ["netns", "del", name]);
    return made;
})();

let made = 0;

export class Net {
    static async create() {
        const it = new Net();
        const tag = `lt${process.pid}x${made++}`;
        it.names = { viewer: `${tag}v`, relay: `${tag}r`, server: `${tag}s` };
        it.near = `${tag}m`.slice(-15);
        /* This namespace's end: one /30 per process and net. */
        const near = `10.${64 + (process.pid >> 8 & 31)}.` +
            `${process.pid & 255}.`;
        it.test = `${near}${4 * (made % 60) + 1}`;
        it.control = `${near}${4 * (made % 60) + 2}`;
        for (const name of Object.values(it.names)) ip("netns", "add", name);
        const on = (where, ...words) => ip("-n", it.names[where], ...words);
        const wire = (one, x, other, y) => ip("link", "add", x, "netns",
            it.names[one], "type", "veth", "peer", "name", y, "netns",
            it.names[other]);
        wire("viewer", "v0", "relay", "ra");
        wire("server", "s0", "relay", "rb");
        ip("link", "add", it.near, "type", "veth", "peer", "name", "s1",
            "netns", it.names.server);
        on("viewer", "addr", "add", `${VIEWER}/24`, "dev", "v0");
        on("server", "addr", "add", `${SERVER}/24`, "dev", "s0");
        on("server", "addr", "add", `${it.control}/30`, "dev", "s1");
        ip("addr", "add", `${it.test}/30`, "dev", it.near);
        ip("link", "set", it.near, "up");
        for (const [where, ...links] of [["viewer", "lo", "v0"],
            ["relay", "lo", "ra", "rb"], ["server", "lo", "s0", "s1"]])
            for (const link of links) on(where, "link", "set", link, "up");
        /* The relay sees frames as they lie on a wire. */
        for (const [where, link] of [["viewer", "v0"], ["server", "s0"],
            ["relay", "ra"], ["relay", "rb"]])
            it.exec(where, "ethtool", "-K", link, "tx", "off", "gso", "off",
                "tso", "off", "gro", "off");
        it.dir = mkdtempSync(join(tmpdir(), "lectern-net-"));
        it.relay = new Program("ip", ["netns", "exec", it.names.relay,
            `${BUILD}/tests/tools/netrelay`, "ra", "rb"],
            { stdio: ["pipe", "pipe", "pipe"] });
        await it.relay.said(/^ready/);
        return it;
    }

    /** Runs a command there and gives what it prints. */
    exec(where, ...words) {
        return run("ip", "netns", "exec", this.names[where], ...words);
    }

    /** The words of a command as it must be started to run there. */
    inside(where, ...words) {
        return ["ip", "netns", "exec", this.names[where], ...words];
    }

    /** A program that runs `command` there: for those who want a path. */
    wrapper(where, command) {
        const path = join(this.dir, `${command.split("/").at(-1)}-${where}`);
        writeFileSync(path, "#!/bin/sh\nexec ip netns exec " +
            `${this.names[where]} ${command} "$@"\n`);
        chmodSync(path, 0o755);
        return path;
    }

    /** A fault on the wire; see netrelay.c. */
    async fault(what, value) {
        this.relay.stdin.write(`${what} ${value}\n`);
        await this.relay.said(new RegExp(`^${what} ${value}$`));
    }

    /** Limits what the server sends: kbit/s, with `latency` ms of queue. */
    rate(kbit, latency = 100) {
        this.exec("server", "tc", "qdisc", "replace", "dev", "s0", "root",
            "tbf", "rate", `${kbit}kbit`, "burst", "16kb", "latency",
            `${latency}ms`);
    }

    unlimit() {
        this.exec("server", "tc", "qdisc", "del", "dev", "s0", "root");
    }

    /** Blocks at the server's door: "udp", both ways, or a TCP port. */
    block(what) {
        const rules = what === "udp"
            ? ['in iifname "s0" meta l4proto udp drop',
                'out oifname "s0" meta l4proto udp drop']
            : [`in iifname "s0" tcp dport ${what} reject with tcp reset`];
        this.exec("server", "nft", "add table inet t; add chain inet t in " +
            "{ type filter hook input priority 0; }; add chain inet t out " +
            "{ type filter hook output priority 0; }; " +
            rules.map((rule) => `add rule inet t ${rule}`).join("; "));
    }

    unblock() {
        spawnSync("ip", this.inside("server", "nft", "delete", "table",
            "inet", "t").slice(1));
    }

    async free() {
        await this.relay.stop();
        for (const name of Object.values(this.names))
            spawnSync("ip", ["netns", "del", name]);
        spawnSync("ip", ["link", "del", this.near]);
        rmSync(this.dir, { recursive: true, force: true });
    }
}
