import assert from "node:assert/strict";
import { test } from "node:test";
import { amountOf, compact, full, percent, ratio, sen, shareOf } from "../src/lib/money";
import { tiles } from "../src/lib/regions";
import { english, indonesian } from "../src/lib/words";

const plain = (text: string) => text.replace(/\u00a0/g, " ");

test("amounts go in and out without losing a sen, beyond what a float holds", () => {
  for (const amount of ["0.00", "0.01", "-0.01", "1234567.89", "90071992547409.93", "92233720368547758.07", "-92233720368547758.08", "170141183460469231731687303715.88"])
    assert.equal(amountOf(sen(amount)), amount);
  assert.equal(sen("5"), 500n);
  assert.equal(sen("5.5"), 550n);
  for (const wrong of ["", "1,5", "1.234", "1e9", "NaN", " 1", "--1", ".5"]) assert.throws(() => sen(wrong), wrong);
});

test("all digits are shown, in both languages", () => {
  assert.equal(plain(full("1200000000000.00", "id")), "Rp 1.200.000.000.000");
  assert.equal(plain(full("1200000000000.00", "en")), "Rp 1,200,000,000,000");
  assert.equal(plain(full("-1234.05", "id")), "−Rp 1.234,05");
  assert.equal(plain(full("92233720368547758.07", "id")), "Rp 92.233.720.368.547.758,07");
});

test("compact forms have the long word, since M is a milliard here and a million there", () => {
  assert.equal(plain(compact("1200000000000.00", "id")), "Rp 1,2 triliun");
  assert.equal(plain(compact("1200000000000.00", "en")), "Rp 1.2 trillion");
  assert.equal(plain(compact("23000000000.00", "id")), "Rp 23 miliar");
  assert.equal(plain(compact("23000000000.00", "en")), "Rp 23 billion");
  assert.equal(plain(compact("-250000000.00", "id")), "−Rp 250 juta");
  assert.doesNotMatch(compact("5000000.00", "id"), /\bM\b|\bjt\b/);
});

test("shares are exact to the hundredth, half up, as the server rounds", () => {
  assert.equal(shareOf(1n, 3n), "33.33");
  assert.equal(shareOf(2n, 3n), "66.67");
  assert.equal(shareOf(1n, 20000n), "0.01");
  assert.equal(shareOf(1n, 20001n), "0.00");
  assert.equal(shareOf(5n, 0n), null);
  assert.equal(plain(percent("41.37", "id")), "41,4 %");
  assert.equal(plain(percent("39.95", "en")), "40.0 %");
  assert.equal(plain(percent(null, "en")), "–");
});

test("lengths of bars stay within what there is to draw on", () => {
  assert.equal(ratio(1n, 0n), 0);
  assert.equal(ratio(-5n, 10n), 0);
  assert.equal(ratio(50n, 10n), 1);
  assert.equal(ratio(9n * 10n ** 30n, 10n ** 31n), 0.9);
});

test("each of the thirteen districts has a tile of its own", () => {
  assert.equal(tiles.length, 13);
  assert.equal(new Set(tiles.map((tile) => tile.code)).size, 13);
  assert.equal(new Set(tiles.map((tile) => `${tile.column},${tile.row}`)).size, 13);
  for (const tile of tiles) assert.ok(tile.column >= 1 && tile.column <= 4 && tile.row >= 1 && tile.row <= 5, tile.code);
});

test("both languages name the same values in their texts", () => {
  const named = (text: string) => [...text.matchAll(/\{(\w+)\}/g)].map((each) => each[1]).sort();
  for (const [word, text] of Object.entries(indonesian)) {
    const other = english[word as keyof typeof english];
    assert.ok(text && other, word);
    assert.deepEqual(named(text), named(other), word);
  }
});
