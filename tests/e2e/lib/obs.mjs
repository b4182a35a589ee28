/* tests/e2e/lib/obs.mjs — the real OBS Studio on a display of its own. */
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePorts } from "./ports.mjs";
import { Program } from "./process.mjs";
import { until } from "./wait.mjs";

/** What a case may want otherwise. */
const USUAL = {
    width: 640, height: 360, fps: 30, rate: 48000, channels: 2,
    clip: true, silent: false, encoder: {}, usual: true, colour: "NV12",
    wrap: [],
};
const SETUPS = { 1: "Mono", 2: "Stereo", 6: "5.1" };
/** As its settings name them; any other is told as a whole number. */
const COMMON_FPS = { 25: "25 PAL", 50: "50 PAL" };

export const hasObs = existsSync("/usr/bin/obs") && existsSync("/usr/bin/Xvfb");

const ini = (sections) => Object.entries(sections).map(([name, rows]) =>
    `[${name}]\n` + Object.entries(rows)
        .map(([key, value]) => `${key}=${value}\n`).join("")).join("");

const GLOBAL = (port) => ini({
    General: {
        Pre19Defaults: false, Pre21Defaults: false, Pre23Defaults: false,
        "Pre24.1Defaults": false, FirstRun: true, InfoIncrement: 100,
        LastVersion: 486539266, EnableAutoUpdates: false,
    },
    Basic: {
        Profile: "T", ProfileDir: "T", SceneCollection: "T",
        SceneCollectionFile: "T", ConfigOnNewProfile: false,
    },
    BasicWindow: {
        PreviewEnabled: false, WarnBeforeStartingStream: false,
        WarnBeforeStoppingStream: false,
    },
    OBSWebSocket: {
        FirstLoad: false, ServerEnabled: false, ServerPort: port,
        AuthRequired: false,
    },
});

const PROFILE = (how) => ini({
    General: { Name: "T" },
    Video: {
        BaseCX: how.width, BaseCY: how.height, OutputCX: how.width,
        OutputCY: how.height, FPSType: 0,
        FPSCommon: COMMON_FPS[how.fps] ?? how.fps, ColorFormat: how.colour,
    },
    Audio: {
        SampleRate: how.rate, ChannelSetup: SETUPS[how.channels],
    },
    Output: {
        Mode: "Advanced", Reconnect: true, RetryDelay: 1, MaxRetries: 5,
    },
    AdvOut: {
        TrackIndex: 1, Encoder: "obs_x264", ApplyServiceSettings: false,
        UseRescale: false, Track1Bitrate: 128,
    },
});

const ENCODER = {
    rate_control: "CBR", bitrate: 1500, keyint_sec: 2, preset: "ultrafast",
    profile: "baseline", tune: "zerolatency", bf: 0,
};

/** A looping clip with sound, so that picture and sound move; without one, a
 * colour and a word, which costs a third. */
const scene = (clip, how) => {
    const source = (id, versioned_id, name, settings, more = {}) =>
        ({ id, versioned_id, name, settings, ...more });
    const item = (id, name) => ({
        id, name, visible: true, pos: { x: 0, y: 0 },
        scale: { x: 1, y: 1 }, align: 5, bounds_type: 0, locked: false,
    });
    const items = how.clip ? [item(1, "bg"), item(2, "clip"), item(3, "txt")]
        : [item(1, "bg"), item(3, "txt")];
    return {
        name: "T", current_scene: "S", current_program_scene: "S",
        scene_order: [{ name: "S" }], transitions: [], groups: [],
        modules: {},
        sources: [
            source("color_source_v3", "color_source_v3", "bg",
                { color: 4294901760, width: how.width, height: how.height }),
            ...how.clip ? [source("ffmpeg_source", "ffmpeg_source", "clip", {
                is_local_file: true, local_file: clip, looping: true,
                hw_decode: false,
            }, { mixers: 255, volume: how.silent ? 0.0 : 1.0 })] : [],
            source("text_ft2_source", "text_ft2_source_v2", "txt", {
                text: "OBS",
                font: { face: "DejaVu Sans", size: 72, style: "Book", flags: 0 },
            }),
            source("scene", "scene", "S", {
                custom_size: false, id_counter: 3,
                items,
            }),
        ],
    };
};

export class Obs {
    /**
     * Starts to stream at once.
     * @param {{server: string, key: string}} to
     * @param {string} clip a short file with picture and sound
     * @param {Partial<typeof USUAL>} [wishes] `encoder`: of x264, beside what is
     *     `usual` or alone; `wrap`: the command that runs it
     */
    static async start(to, clip, wishes = {}) {
        const it = new Obs();
        const how = { ...USUAL, ...wishes };
        it.dir = await mkdtemp(join(tmpdir(), "lectern-obs-"));
        const home = join(it.dir, "obs-studio");
        const profile = join(home, "basic/profiles/T");
        const scenes = join(home, "basic/scenes");
        for (const dir of [profile, scenes])
            await mkdir(dir, { recursive: true });
        await mkdir(join(it.dir, "run"), { mode: 0o700 });
        const json = (path, what) => writeFile(path, JSON.stringify(what));
        const [port] = await freePorts(1);
        await writeFile(join(home, "global.ini"), GLOBAL(port));
        await writeFile(join(profile, "basic.ini"), PROFILE(how));
        await json(join(profile, "streamEncoder.json"),
            { ...(how.usual ? ENCODER : {}), ...how.encoder });
        await json(join(profile, "service.json"), {
            type: "rtmp_custom", settings: { ...to, use_auth: false },
        });
        await json(join(scenes, "T.json"), scene(clip, how));
        const display = await it.#display();
        const [command, ...words] = [...how.wrap, "obs"];
        it.program = new Program(command, [...words,
            "--startstreaming", "--multi", "--disable-missing-files-check",
            "--disable-updater", "--minimize-to-tray", "--profile", "T",
            "--collection", "T", "--verbose",
        ], {
            env: {
                ...process.env, HOME: it.dir, XDG_CONFIG_HOME: it.dir,
                XDG_RUNTIME_DIR: join(it.dir, "run"), DISPLAY: display,
                LIBGL_ALWAYS_SOFTWARE: "1", LP_NUM_THREADS: "1",
                QT_QPA_PLATFORM: "xcb",
            },
        });
        return it;
    }

    /** A free display: Xvfb finds the number and tells it on -displayfd. */
    async #display() {
        this.xvfb = new Program("Xvfb", [
            "-displayfd", "1", "-screen", "0", "1280x800x24",
            "-nolisten", "tcp",
        ]);
        const number = await this.xvfb.said(/^\d+$/);
        await until("the display is there", () =>
            existsSync(`/tmp/.X11-unix/X${number}`));
        return `:${number}`;
    }

    isStreaming() {
        return this.program.said(/Streaming Start/, 60000);
    }

    async stop() {
        await this.program?.stop();
        await this.xvfb?.stop();
        await rm(this.dir, { recursive: true, force: true });
    }
}
