import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { warningInIndonesian } from "../src/lib/warnings";

const root = process.env["BUKUBESAR_ROOT"]!;
const read = (name: string) => readFileSync(join(root, "server", name), "utf8");
const body = (source: string, head: string) => source.slice(source.indexOf(head), source.indexOf("\n}\n", source.indexOf(head)));

// Each warning's sentence, with REASON where something is quoted.
function sentences(): string[] {
  const found: string[] = [];
  for (const text of [body(read("node.cc"), "Node::warnings()"), body(read("access.cc"), "Access::warnings()"), body(read("tls_certificate.cc"), "TlsCertificate::warnings(")])
    for (const [, pushed] of text.matchAll(/push_back\(([^;]*(?:"[^"]*"[^;]*)*)\);/g)) {
      const literal = [...pushed!.matchAll(/"((?:[^"\\]|\\.)*)"|\+ (?!")[\w.:>()-]+/g)].map(([, words]) => (words === undefined ? "REASON" : words)).join("");
      if (literal) found.push(literal);
    }
  return found;
}

test("each warning of the server has an Indonesian sentence, with what it quotes", () => {
  const all = sentences().flatMap((each) => {
    if (each === "intake of partition {} {}: {}") return ["has stopped", "waits", "waits for the broker"].map((does) => `intake of partition 0 ${does}: REASON`);
    if (each.startsWith("the TLS certificate {} {}")) return ["has expired on", "expires on"].map((when) => `the TLS certificate REASON ${when} REASON`);
    return [each.replace(/\{\}/g, "REASON")];
  });
  assert.ok(all.length >= 20, all.join("\n"));
  for (const english of [...all, "the scrub found 3 errors; a: b"]) {
    const indonesian = warningInIndonesian(english);
    assert.notEqual(indonesian, english, english);
    assert.equal(indonesian.split("REASON").length, english.split("REASON").length, indonesian);
  }
});

test("what has no known shape stays as the server says it", () => assert.equal(warningInIndonesian("something new"), "something new"));
