// Unit tests: each *.test.ts, bundled by Vite's esbuild, under node --test.
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const out = join(here, "../../build/web/tests");
const tests = readdirSync(here).filter((name) => name.endsWith(".test.ts"));
await build({ entryPoints: tests.map((name) => join(here, name)), outdir: out, bundle: true, platform: "node", format: "esm", target: "node18", outExtension: { ".js": ".mjs" }, sourcemap: "inline", logLevel: "warning" });
const done = spawnSync(process.execPath, ["--test", "--enable-source-maps", ...tests.map((name) => join(out, name.replace(/\.ts$/, ".mjs")))], { stdio: "inherit", env: { ...process.env, BUKUBESAR_ROOT: join(here, "../..") } });
process.exit(done.status ?? 1);
