import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { meanings } from "../src/lib/findingKinds";
import { inIndonesian, knownKinds } from "../src/lib/findings";

const source = readFileSync(join(process.env["BUKUBESAR_ROOT"]!, "projections/finding_kinds.cc"), "utf8");
// What stands in the braces of each kind's sentence, in their order.
const given: Record<string, string[]> = {
  stub: ["purchase.paid"], revived: ["purchase.paid", "cancelled"], repeated_reference: ["purchase.paid", "12.50"], negative_payment: ["purchase.refunded", "-1.00"],
  overpaid: ["5.00", "4.00"], lines_do_not_add_up: ["1.00", "9.00"], stage_unknown: ["purchase.advanced"], stage_went_back: ["completed", "contracted"], stage_jumped: ["ordered", "completed"],
  overflow: ["purchase.ordered"], cancelled_after_payment: ["cancelled", "7.00"], time_went_back: ["2023-05-01T00:00:00Z", "2023-05-02T00:00:00Z"],
};

test("each sentence that the server composes about a finding has an Indonesian one, with all its values", () => {
  const sentences = [...source.matchAll(/case (\w+):\s+return fmt::format\("([^"]+)"/g)];
  assert.deepEqual(sentences.map(([, kind]) => kind).sort(), knownKinds.slice().sort());
  for (const [, kind, format] of sentences) {
    let at = 0;
    const values = (format!.match(/\{\}/g) ?? []).map((_, number) => given[kind!]?.[number] ?? String(17 + number));
    const english = format!.replace(/\{\}/g, () => values[at++]!);
    const indonesian = inIndonesian(kind!, english, (code) => `<${code}>`);
    assert.notEqual(indonesian, english, `${kind}: ${english}`);
    for (const value of values) assert.ok(new RegExp(`<(Rp )?${value}>`).test(indonesian), `${kind}: ${value} is lost in ${indonesian}`);
    assert.doesNotMatch(indonesian, /\b(the|of|with|from|for|before|entry|after)\b/, kind);
  }
});

test("what has no known shape stays as the server says it", () => {
  assert.equal(inIndonesian("stale", "something new", (code) => code), "something new");
  assert.equal(inIndonesian("a_new_kind", "something new", (code) => code), "something new");
});

test("each kind's meaning is there, in English the server's own", () => {
  const kinds = [...source.matchAll(/FindingKindInfo\{(\w+), "\w+",\s+"([^"]+)"\}/g)];
  assert.ok(kinds.length >= 20);
  assert.deepEqual(Object.fromEntries(kinds.map(([, kind, sentence]) => [kind, sentence])), Object.fromEntries(Object.entries(meanings).map(([kind, [, english]]) => [kind, english])));
  for (const [kind, [indonesian, english]] of Object.entries(meanings)) assert.notEqual(indonesian, english, kind);
});
