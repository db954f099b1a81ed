// Ed25519 and SHA-256 in JavaScript, loaded only where the browser's own are not to be had (plain http beyond localhost).
import { etc, verifyAsync } from "@noble/ed25519";
import { sha256, sha512 } from "@noble/hashes/sha2";
import type { Bytes, Crypto } from "./proof";

etc.sha512Async = async (...messages) => sha512(etc.concatBytes(...messages));

export const nobleCrypto: Crypto = {
  sha256: async (data) => sha256(data) as Bytes,
  verify: (key, signature, data) => verifyAsync(signature, data, key),
};
