// Checks proofs in the browser: RFC 6962 hashing, C2SP tlog-checkpoint (signed notes, Ed25519) and tlog-proof, and our consistency
// proofs (docs/FORMAT.md). Nothing here trusts the server but for the key, which is kept from the first visit on.

export type Bytes = Uint8Array<ArrayBuffer>;
export interface Crypto {
  sha256(data: Bytes): Promise<Bytes>;
  /** True where the Ed25519 signature is the key's over the data. */
  verify(key: Bytes, signature: Bytes, data: Bytes): Promise<boolean>;
}

/** The browser's own where it has Ed25519 (https or localhost), else @noble's, loaded then. */
export async function cryptoOfHere(): Promise<Crypto> {
  const subtle = globalThis.crypto?.subtle as SubtleCrypto | undefined;
  try {
    // RFC 8032 §7.1, test 1: asked once whether it is there at all.
    if (subtle) {
      await subtle.importKey("raw", fromHex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"), "Ed25519", false, ["verify"]);
      return subtleCrypto(subtle);
    }
  } catch {
    // no Ed25519 there
  }
  return (await import("./noble")).nobleCrypto;
}
const subtleCrypto = (subtle: SubtleCrypto): Crypto => ({
  sha256: async (data) => new Uint8Array(await subtle.digest("SHA-256", data)),
  verify: async (key, signature, data) => subtle.verify("Ed25519", await subtle.importKey("raw", key, "Ed25519", false, ["verify"]), signature, data),
});

export function fromHex(text: string): Bytes {
  if (!/^([0-9a-f]{2})*$/.test(text)) throw new Error("not hex");
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));
}
export const toHex = (bytes: Bytes): string => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
export const fromBase64 = (text: string): Bytes => Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
const utf8 = (text: string): Bytes => new TextEncoder().encode(text) as Bytes;
function concat(...parts: Bytes[]): Bytes {
  const whole = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
const same = (a: Bytes, b: Bytes): boolean => a.length === b.length && a.every((byte, index) => byte === b[index]);
const byte = (value: number): Bytes => Uint8Array.of(value);

export const leafHash = (crypto: Crypto, entry: Bytes) => crypto.sha256(concat(byte(0), entry));
const nodeHash = (crypto: Crypto, left: Bytes, right: Bytes) => crypto.sha256(concat(byte(1), left, right));

/** RFC 9162 §2.1.3.2: the root that leaf and path lead to; null where the path does not fit index and size. */
export async function rootFromPath(crypto: Crypto, leaf: Bytes, index: bigint, size: bigint, path: Bytes[]): Promise<Bytes | null> {
  if (index < 0n || index >= size) return null;
  let fn = index, sn = size - 1n, hash = leaf;
  for (const step of path) {
    if (sn === 0n) return null;
    if (fn & 1n || fn === sn) {
      hash = await nodeHash(crypto, step, hash);
      while (!(fn & 1n) && fn !== 0n) [fn, sn] = [fn >> 1n, sn >> 1n];
    } else {
      hash = await nodeHash(crypto, hash, step);
    }
    [fn, sn] = [fn >> 1n, sn >> 1n];
  }
  return sn === 0n ? hash : null;
}

/** RFC 9162 §2.1.4.2: whether the tree of `newer` continues that of `older`. */
export async function continues(crypto: Crypto, older: { size: bigint; root: Bytes }, newer: { size: bigint; root: Bytes }, path: Bytes[]): Promise<boolean> {
  if (older.size > newer.size) return false;
  if (older.size === newer.size) return path.length === 0 && same(older.root, newer.root);
  if (older.size === 0n) return path.length === 0;
  let fn = older.size - 1n, sn = newer.size - 1n;
  while (fn & 1n) [fn, sn] = [fn >> 1n, sn >> 1n];
  const steps = fn === 0n ? [older.root, ...path] : [...path];
  const first = steps.shift();
  if (!first) return false;
  let fr = first, sr = first;
  for (const step of steps) {
    if (sn === 0n) return false;
    if (fn & 1n || fn === sn) {
      fr = await nodeHash(crypto, step, fr);
      sr = await nodeHash(crypto, step, sr);
      while (!(fn & 1n) && fn !== 0n) [fn, sn] = [fn >> 1n, sn >> 1n];
    } else {
      sr = await nodeHash(crypto, sr, step);
    }
    [fn, sn] = [fn >> 1n, sn >> 1n];
  }
  return sn === 0n && same(fr, older.root) && same(sr, newer.root);
}

export interface Checkpoint {
  origin: string;
  size: bigint;
  root: Bytes;
  text: string; // what is signed
  signatures: { name: string; bytes: Bytes }[];
}
export function parseCheckpoint(note: string): Checkpoint {
  const split = note.indexOf("\n\n");
  const text = note.slice(0, split + 1);
  const [origin, size, root] = text.split("\n");
  if (split < 0 || !origin || !/^(0|[1-9]\d*)$/.test(size ?? "") || !root) throw new Error("no checkpoint");
  const signatures = [...note.slice(split + 2).matchAll(/^— (\S+) (\S+)$/gm)].map((line) => ({ name: line[1]!, bytes: fromBase64(line[2]!) }));
  return { origin, size: BigInt(size!), root: fromBase64(root), text, signatures };
}

/** `<name>+<key id>+<base64 of type ‖ public key>` */
export interface VerifierKey {
  text: string;
  name: string;
  id: Bytes;
  type: number;
  key: Bytes;
}
export function parseVerifierKey(text: string): VerifierKey {
  const match = /^([^+\s]+)\+([0-9a-f]{8})\+(\S+)$/.exec(text);
  if (!match) throw new Error("no verifier key");
  const bytes = fromBase64(match[3]!);
  if (bytes.length !== 33) throw new Error("no Ed25519 key");
  return { text, name: match[1]!, id: fromHex(match[2]!), type: bytes[0]!, key: bytes.slice(1) };
}

/** Whether the note has a signature of this key that holds; of a witness's key (type 4) the instant, in seconds. */
export async function signedBy(crypto: Crypto, checkpoint: Checkpoint, key: VerifierKey): Promise<false | { at: bigint | null }> {
  const id = (await crypto.sha256(concat(utf8(key.name + "\n"), byte(key.type), key.key))).slice(0, 4);
  if (!same(id, key.id)) return false;
  for (const { name, bytes } of checkpoint.signatures) {
    if (name !== key.name || !same(bytes.slice(0, 4), key.id)) continue;
    if (key.type === 1 && bytes.length === 68 && (await crypto.verify(key.key, bytes.slice(4), utf8(checkpoint.text)))) return { at: null };
    if (key.type === 4 && bytes.length === 76) {
      const at = new DataView(bytes.buffer, bytes.byteOffset + 4, 8).getBigUint64(0);
      if (await crypto.verify(key.key, bytes.slice(12), utf8(`cosignature/v1\ntime ${at}\n${checkpoint.text}`))) return { at };
    }
  }
  return false;
}

export interface EntryProof {
  entry: Bytes;
  payload: Bytes | null;
  index: bigint;
  path: Bytes[];
  checkpoint: Checkpoint;
}
export function parseEntryProof(text: string): EntryProof {
  const split = text.indexOf("\n\n");
  const lines = text.slice(0, split).split("\n");
  const extra = /^extra (\S+)$/.exec(lines[1] ?? "");
  const index = /^index (\d+)$/.exec(lines[2] ?? "");
  if (split < 0 || lines[0] !== "c2sp.org/tlog-proof@v1" || !extra || !index) throw new Error("no tlog-proof");
  const bytes = fromBase64(extra[1]!);
  return {
    entry: bytes.slice(0, 88),
    payload: bytes.length > 88 ? bytes.slice(88) : null,
    index: BigInt(index[1]!),
    path: lines.slice(3).map(fromBase64),
    checkpoint: parseCheckpoint(text.slice(split + 2)),
  };
}
export function parseConsistencyProof(text: string): Bytes[] {
  const [head = ""] = text.split("\n\n", 1);
  const lines = head.split("\n");
  if (lines[0] !== "bukubesar consistency proof 1") throw new Error("no consistency proof");
  return lines.slice(1).filter(Boolean).map(fromBase64);
}

export interface Seen {
  size: string;
  root: string;
  key: string;
}
export interface Verdict {
  signature: boolean;
  inclusion: boolean;
  consistency: "first" | "holds" | "broken" | "key_changed";
  payload: boolean | null;
  size: bigint;
  keyHash: string;
  cosigners: { name: string; at: bigint | null }[];
  /** What to remember of this visit where all holds. */
  seen: Seen;
}
export const isProven = (verdict: Verdict): boolean =>
  verdict.signature && verdict.inclusion && verdict.payload !== false && (verdict.consistency === "first" || verdict.consistency === "holds");

/** entry: as it is shown; keys: /log/vkeys; before: of the last visit; consistency: asks for hashes from a size on, empty where the server has none. */
export async function checkEntry(
  crypto: Crypto, proofText: string, shown: { partition: string; sequence: number; leaf: string }, keys: string, before: Seen | null,
  consistency: (old: string, now: string) => Promise<string>,
): Promise<Verdict> {
  const proof = parseEntryProof(proofText);
  const { checkpoint } = proof;
  const verifiers = keys.split("\n").filter(Boolean).map(parseVerifierKey);
  const own = verifiers.find((key) => key.type === 1 && key.name === checkpoint.origin);
  const cosigners: Verdict["cosigners"] = [];
  for (const key of verifiers.filter((each) => each.type === 4)) {
    const signed = await signedBy(crypto, checkpoint, key);
    if (signed) cosigners.push({ name: key.name, at: signed.at });
  }
  const rightOne = checkpoint.origin.endsWith("/" + shown.partition) && proof.index === BigInt(shown.sequence) && toHex(proof.entry) === shown.leaf;
  const root = await rootFromPath(crypto, await leafHash(crypto, proof.entry), proof.index, checkpoint.size, proof.path);
  const seen: Seen = { size: String(checkpoint.size), root: toHex(checkpoint.root), key: own?.text ?? "" };
  return {
    signature: own !== undefined && (await signedBy(crypto, checkpoint, own)) !== false,
    inclusion: rightOne && root !== null && same(root, checkpoint.root),
    consistency: await consistencyOf(crypto, checkpoint, own?.text ?? "", before, consistency),
    payload: proof.payload ? same(await crypto.sha256(proof.payload), proof.entry.slice(56, 88)) : null,
    size: checkpoint.size,
    keyHash: own ? toHex(await crypto.sha256(own.key)).slice(0, 16) : "",
    cosigners,
    seen: before && BigInt(before.size) > checkpoint.size ? before : seen,
  };
}

async function consistencyOf(crypto: Crypto, checkpoint: Checkpoint, key: string, before: Seen | null, ask: (old: string, now: string) => Promise<string>): Promise<Verdict["consistency"]> {
  if (!before) return "first";
  if (before.key !== key) return "key_changed";
  const then = { size: BigInt(before.size), root: fromHex(before.root) };
  const [older, newer] = then.size <= checkpoint.size ? [then, checkpoint] : [checkpoint, then];
  if (older.size === newer.size) return same(older.root, newer.root) ? "holds" : "broken";
  const text = await ask(String(older.size), String(newer.size));
  try {
    return (await continues(crypto, older, newer, parseConsistencyProof(text))) ? "holds" : "broken";
  } catch {
    return "broken";
  }
}
