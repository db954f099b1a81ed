// Each view that comes with the program has an Indonesian title.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { viewTitles } from "../src/lib/viewTitles";

test("every view of config/views.json has its title in Indonesian, and no other has", () => {
  const { views } = JSON.parse(readFileSync(join(process.env["BUKUBESAR_ROOT"]!, "config/views.json"), "utf8")) as { views: { name: string; title: string }[] };
  assert.deepEqual(Object.keys(viewTitles).sort(), views.map((view) => view.name).sort());
  for (const view of views) assert.notEqual(viewTitles[view.name], view.title);
});
