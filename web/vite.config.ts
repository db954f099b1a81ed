// Builds into ../build/web/dist: every file gzipped but fonts, names with a hash of their content. The binary holds them as they are.
import { readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig, type Plugin } from "vite";

const dist = join(new URL(".", import.meta.url).pathname, "../build/web/dist");

function gzipAll(): Plugin {
  const gzip = (path: string) => {
    writeFileSync(`${path}.gz`, gzipSync(readFileSync(path), { level: 9 }));
    rmSync(path);
  };
  return {
    name: "gzip-all",
    apply: "build",
    closeBundle() {
      gzip(join(dist, "index.html"));
      for (const name of readdirSync(join(dist, "assets"))) if (!/\.(woff2|gz)$/.test(name)) gzip(join(dist, "assets", name));
    },
  };
}

export default defineConfig({
  plugins: [
    svelte({
      onwarn(warning) {
        throw new Error(`${warning.filename}: ${warning.code}: ${warning.message}`); // accessibility warnings too
      },
    }),
    gzipAll(),
  ],
  build: {
    outDir: dist,
    emptyOutDir: true,
    target: "es2022",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rollupOptions: { output: { assetFileNames: "assets/[name]-[hash][extname]", chunkFileNames: "assets/[name]-[hash].js", entryFileNames: "assets/[name]-[hash].js" } },
  },
  server: { proxy: Object.fromEntries(["/v1", "/log", "/payload"].map((path) => [path, process.env.BUKUBESAR_URL ?? "http://127.0.0.1:8080"])) },
});
