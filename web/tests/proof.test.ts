// The examples of docs/FORMAT.md, which the server's own golden tests make, and every small tree against the definition of RFC 6962.
import assert from "node:assert/strict";
import { createHash, webcrypto } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { nobleCrypto } from "../src/lib/noble";
import {
  checkEntry, continues, cryptoOfHere, isProven, parseCheckpoint, parseConsistencyProof, parseEntryProof, parseVerifierKey, rootFromPath, signedBy, toHex, type Bytes, type Crypto,
} from "../src/lib/proof";

if (!globalThis.crypto) Object.defineProperty(globalThis, "crypto", { value: webcrypto });
const format = readFileSync(join(process.env["BUKUBESAR_ROOT"]!, "docs/FORMAT.md"), "utf8");
const example = (name: string): string => {
  const found = new RegExp("```text " + name + "\\n([\\s\\S]*?)```").exec(format);
  assert.ok(found, `docs/FORMAT.md has no example ${name}`);
  return found[1]!;
};
const keys = example("verifier-key") + example("cosigner-key");
const proofText = example("tlog-proof");
const shown = { partition: "0", sequence: 0, leaf: toHex(parseEntryProof(proofText).entry) };
const never = async (): Promise<string> => assert.fail("no consistency proof is needed");

const hash = (...parts: Uint8Array[]) => new Uint8Array(createHash("sha256").update(Buffer.concat(parts)).digest()) as Bytes;
const leafOf = (index: number) => hash(Uint8Array.of(0), Uint8Array.of(index));
/** RFC 6962 §2.1 */
function rootOf(leaves: Bytes[]): Bytes {
  if (leaves.length === 0) return hash();
  if (leaves.length === 1) return leaves[0]!;
  let k = 1;
  while (k * 2 < leaves.length) k *= 2;
  return hash(Uint8Array.of(1), rootOf(leaves.slice(0, k)), rootOf(leaves.slice(k)));
}
function pathOf(index: number, leaves: Bytes[]): Bytes[] {
  if (leaves.length <= 1) return [];
  let k = 1;
  while (k * 2 < leaves.length) k *= 2;
  return index < k ? [...pathOf(index, leaves.slice(0, k)), rootOf(leaves.slice(k))] : [...pathOf(index - k, leaves.slice(k)), rootOf(leaves.slice(0, k))];
}
/** RFC 6962 §2.1.2 */
function consistencyOf(m: number, leaves: Bytes[], whole = true): Bytes[] {
  if (m === leaves.length) return whole ? [] : [rootOf(leaves)];
  let k = 1;
  while (k * 2 < leaves.length) k *= 2;
  return m <= k ? [...consistencyOf(m, leaves.slice(0, k), whole), rootOf(leaves.slice(k))] : [...consistencyOf(m - k, leaves.slice(k), false), rootOf(leaves.slice(0, k))];
}
const broken = (bytes: Bytes): Bytes => {
  const copy = bytes.slice();
  copy[7]! ^= 1;
  return copy;
};

for (const [name, crypto] of [["the browser's", await cryptoOfHere()], ["noble's", nobleCrypto]] as [string, Crypto][]) {
  test(`${name}: the documented proof holds, and nothing that differs by one byte`, async () => {
    const first = await checkEntry(crypto, proofText, shown, keys, null, never);
    assert.ok(isProven(first), JSON.stringify(first, (_, value) => (typeof value === "bigint" ? String(value) : value)));
    assert.equal(first.consistency, "first");
    assert.equal(first.payload, true);
    assert.equal(first.size, 2n);

    const lines = proofText.split("\n");
    for (const [what, index] of [["entry or payload", 1], ["path", 3], ["root", 7], ["signature", 9]] as const) {
      const changed = lines.slice();
      const text = changed[index]!;
      const at = text.length - 6;
      changed[index] = text.slice(0, at) + (text[at] === "A" ? "B" : "A") + text.slice(at + 1);
      let proven = false;
      try {
        proven = isProven(await checkEntry(crypto, changed.join("\n"), shown, keys, null, never));
      } catch {
        // not even a proof any more
      }
      assert.ok(!proven, `a changed ${what} was taken`);
    }
    assert.ok(!isProven(await checkEntry(crypto, proofText, { ...shown, sequence: 1 }, keys, null, never)), "the proof of another entry was taken");
    assert.ok(!isProven(await checkEntry(crypto, proofText, { ...shown, partition: "1" }, keys, null, never)), "the proof of another partition was taken");
  });

  test(`${name}: the next visit demands a tree that goes on from the last, and the same key`, async () => {
    const file = example("consistency-proof");
    const older = parseCheckpoint(file.split("\n\n").slice(1, 3).join("\n\n"));
    assert.equal(older.size, 1n);
    const before = { size: "1", root: toHex(older.root), key: parseVerifierKey(keys.split("\n")[0]!).text };
    const asked: string[] = [];
    const ask = async (old: string, now: string) => (asked.push(`${old}-${now}`), file);
    assert.equal((await checkEntry(crypto, proofText, shown, keys, before, ask)).consistency, "holds");
    assert.deepEqual(asked, ["1-2"]);
    assert.equal((await checkEntry(crypto, proofText, shown, keys, { ...before, root: toHex(broken(older.root)) }, ask)).consistency, "broken");
    assert.equal((await checkEntry(crypto, proofText, shown, keys, { ...before, key: "another" }, ask)).consistency, "key_changed");
    assert.equal((await checkEntry(crypto, proofText, shown, keys, before, async () => "")).consistency, "broken", "a server that has no such proof");
    await assert.rejects(checkEntry(crypto, proofText, shown, keys, before, async () => Promise.reject(new Error("gone"))), /gone/, "a server that is away says nothing");
    assert.equal(parseConsistencyProof(file).length, 1);
  });

  test(`${name}: a witness's cosignature holds for its own text alone`, async () => {
    const checkpoint = parseCheckpoint(example("checkpoint") + example("cosignature"));
    const witness = parseVerifierKey(example("cosigner-key").trim());
    assert.deepEqual(await signedBy(crypto, checkpoint, witness), { at: 1700000000n });
    assert.equal(await signedBy(crypto, { ...checkpoint, text: checkpoint.text.replace("\n2\n", "\n3\n") }, witness), false);
  });
}

test("every entry of every tree up to 33 leaves is proven, under no other root, index or size", async () => {
  const crypto = await cryptoOfHere();
  for (let size = 1; size <= 33; ++size) {
    const leaves = Array.from({ length: size }, (_, index) => leafOf(index));
    const root = toHex(rootOf(leaves));
    for (let index = 0; index < size; ++index) {
      const path = pathOf(index, leaves);
      const found = await rootFromPath(crypto, leaves[index]!, BigInt(index), BigInt(size), path);
      assert.equal(found && toHex(found), root, `${index} of ${size}`);
      const other = size > 1 ? await rootFromPath(crypto, leaves[index]!, BigInt((index + 1) % size), BigInt(size), path) : null;
      assert.notEqual(other && toHex(other), root);
      assert.equal(await rootFromPath(crypto, leaves[index]!, BigInt(index), BigInt(size), [...path, leaves[0]!]), null, "a path that is too long");
      if (path.length) assert.equal(await rootFromPath(crypto, leaves[index]!, BigInt(index), BigInt(size), path.slice(1)), null, "a path that is too short");
    }
  }
});

test("every pair of trees up to 24 leaves is consistent, and no tree with another past", async () => {
  const crypto = await cryptoOfHere();
  for (let size = 1; size <= 24; ++size) {
    const leaves = Array.from({ length: size }, (_, index) => leafOf(index));
    const newer = { size: BigInt(size), root: rootOf(leaves) };
    for (let m = 0; m <= size; ++m) {
      const older = { size: BigInt(m), root: rootOf(leaves.slice(0, m)) };
      const path = m === 0 ? [] : consistencyOf(m, leaves);
      assert.ok(await continues(crypto, older, newer, path), `${m} → ${size}`);
      if (m === 0) continue;
      assert.ok(!(await continues(crypto, { ...older, root: broken(older.root) }, newer, path)), `${m} → ${size}, another past`);
      assert.ok(!(await continues(crypto, older, { ...newer, root: broken(newer.root) }, path)), `${m} → ${size}, another present`);
    }
  }
});
