import { english, indonesian, values, type Word } from "./words";
import { inIndonesian } from "./findings";
import { compact, count, full, localeOf, percent, type Language } from "./money";
import { regionName } from "./regions";
import { url } from "./url.svelte";
import { warningInIndonesian } from "./warnings";
import type { Bilingual } from "./api";

export type { Word };

const problems: Record<number, Word> = { 0: "error_away", 400: "error_address", 404: "not_found", 416: "error_beyond", 429: "error_busy", 503: "error_away", 504: "error_busy" };
const language = (): Language => (url.get("lang") === "en" ? "en" : "id");

/** Texts and figures in the language of the URL. */
export const say = {
  get language(): Language {
    return language();
  },
  word(word: Word, given: Record<string, string | number> = {}): string {
    const text = (language() === "en" ? english : indonesian)[word];
    return text.replace(/\{(\w+)\}/g, (_, name: string) => String(given[name] ?? ""));
  },
  /** Of a dimension or an enumeration, for people. */
  value(code: string | null | undefined): string {
    if (code === null || code === undefined || code === "") return say.word("unknown");
    const known = values[code];
    return known ? known[language() === "en" ? 1 : 0] : code;
  },
  /** Of an entry; a statement has none. */
  verdict: (verdict: string): string => (verdict === "none" ? say.word("statement") : say.value(verdict)),
  region: (code: string, name?: string): string => (code === "unknown" ? say.word("unknown") : code === "00" && language() === "en" ? "Central government" : regionName(code, name && !/sintetis/i.test(name) ? name : undefined)),
  full: (amount: string): string => full(amount, language()),
  compact: (amount: string): string => compact(amount, language()),
  count: (value: number): string => count(value, language()),
  packages: (value: number): string => `${count(value, language())}\u00a0${say.word(value === 1 ? "packages_one" : "packages_unit")}`,
  percent: (share: string | null): string => percent(share, language()),
  /** A decimal text in the language's writing, digit for digit. */
  decimal(text: string): string {
    const [whole = "0", decimals = ""] = text.split(".");
    const kept = decimals.replace(/0+$/, "");
    return new Intl.NumberFormat(localeOf(language())).format(BigInt(whole)) + (kept ? (language() === "id" ? "," : ".") + kept : "");
  },
  /** Amounts that stand in the server's own sentences, in the language's writing. */
  amountsIn: (sentence: string): string => sentence.replace(/Rp (-?\d+\.\d\d)\b/g, (_, amount: string) => full(amount, language())),
  /** What a finding says, with its values. */
  finding(kind: string, detail: string): string {
    return say.amountsIn(language() === "en" ? detail : inIndonesian(kind, detail, (code) => (/^\d{4}-\d{2}-\d{2}$/.test(code) ? say.date(code) : /^\d{4}-\d{2}-\d{2}T/.test(code) ? say.instant(code, true) : say.value(code))));
  },
  /** What went wrong, in short; the server's own words say the rest. */
  problem: (status: number): string => say.word(problems[status] ?? "error"),
  either: (text: Bilingual): string => text[language()],
  /** A warning of the node's own. */
  warning: (sentence: string): string => (language() === "en" ? sentence : warningInIndonesian(sentence)),
  /** One of the things that an alert is about. */
  about(name: string, value: string): string {
    if (name === "district" || name === "region" || name === "province" || name === "vendor_domicile") return say.region(value);
    if (name.endsWith("_month")) return say.month(value);
    if (name === "partition") return `${say.word("partition")} ${value}`;
    return name === "view" ? `${say.word("view")} ${value}` : say.value(value);
  },
  definition: (definition: string): string => say.word(definition === "strict" ? "strict" : "broad").toLowerCase(),
  /** "2023-05" → "Mei 2023" */
  month(month: string): string {
    const match = /^(\d{4})-(\d{2})$/.exec(month);
    if (!match) return say.value(month);
    return new Intl.DateTimeFormat(localeOf(language()), { month: "short", year: "numeric", timeZone: "UTC" }).format(Date.UTC(Number(match[1]), Number(match[2]) - 1, 1));
  },
  date(date: string): string {
    const at = Date.parse(date + "T00:00:00Z");
    return Number.isNaN(at) ? date : new Intl.DateTimeFormat(localeOf(language()), { dateStyle: "medium", timeZone: "UTC" }).format(at);
  },
  /** An instant, in Kalimantan Selatan's zone. */
  instant(text: string | null, seconds = false): string {
    if (!text) return say.word("unknown");
    const at = Date.parse(text);
    if (Number.isNaN(at)) return text;
    const shown = new Intl.DateTimeFormat(localeOf(language()), { dateStyle: "medium", timeStyle: seconds ? "medium" : "short", timeZone: "Asia/Makassar" }).format(at);
    return `${shown} WITA`;
  },
  ago(seconds: number): string {
    if (seconds < 2) return say.word("ago_now");
    if (seconds < 60) return say.word("ago_seconds", { n: Math.floor(seconds) });
    if (seconds < 3600) return say.word("ago_minutes", { n: Math.floor(seconds / 60) });
    return say.word("ago_hours", { n: Math.floor(seconds / 3600) });
  },
};
