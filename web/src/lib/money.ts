// Amounts are decimal strings of rupiah, as the server writes them ("-1234.50"). They become integers of sen and never a float: what is
// shown is exact, or exact to the digits that a compact form has. Only lengths of bars are ratios, and no figure comes from one.

export type Language = "id" | "en";
const locales: Record<Language, string> = { id: "id-ID", en: "en-GB" };
export const localeOf = (language: Language): string => locales[language];

/** "1234.5" → 123450n. Throws where the text is no amount. */
export function sen(amount: string): bigint {
  const match = /^(-?)(\d+)(?:\.(\d{1,2}))?$/.exec(amount);
  if (!match) throw new Error(`no amount: ${amount}`);
  const size = BigInt(match[2] + (match[3] ?? "").padEnd(2, "0"));
  return match[1] ? -size : size;
}

/** 123450n → "1234.50" */
export function amountOf(value: bigint): string {
  const size = value < 0n ? -value : value;
  return `${value < 0n ? "-" : ""}${size / 100n}.${String(size % 100n).padStart(2, "0")}`;
}

const space = "\u00a0";
const cache = new Map<string, Intl.NumberFormat>();
function formatter(language: Language, options: Intl.NumberFormatOptions, key: string): Intl.NumberFormat {
  const at = language + key;
  let found = cache.get(at);
  if (!found) cache.set(at, (found = new Intl.NumberFormat(localeOf(language), options)));
  return found;
}

/** All digits: "Rp 1.234.567,50"; cents only where there are any. */
export function full(amount: string, language: Language): string {
  const value = sen(amount);
  const size = value < 0n ? -value : value;
  const cents = size % 100n;
  const whole = formatter(language, {}, "whole").format(size / 100n);
  const point = language === "id" ? "," : ".";
  return `${value < 0n ? "−" : ""}Rp${space}${whole}${cents ? point + String(cents).padStart(2, "0") : ""}`;
}

/** Three digits and the word: "Rp 1,2 triliun". Never the short form: "M" is 10⁹ in Indonesian and 10⁶ in English. */
export function compact(amount: string, language: Language): string {
  const value = sen(amount);
  const size = (value < 0n ? -value : value) / 100n;
  const options: Intl.NumberFormatOptions = { notation: "compact", compactDisplay: "long", maximumSignificantDigits: 3 };
  return `${value < 0n ? "−" : ""}Rp${space}${formatter(language, options, "compact").format(size).replace(/ /g, space)}`;
}

export const count = (value: number, language: Language): string => formatter(language, {}, "whole").format(value);

/** "41.37" (the server's share, two decimals) → "41,4 %". Rounds half up on the digits. */
export function percent(share: string | null, language: Language, decimals: 1 | 2 = 1): string {
  if (share === null) return "–";
  const hundredths = sen(share);
  const negative = hundredths < 0n;
  let size = negative ? -hundredths : hundredths;
  if (decimals === 1) size = ((size + 5n) / 10n) * 10n;
  const point = language === "id" ? "," : ".";
  const digits = String(size % 100n).padStart(2, "0").slice(0, decimals);
  return `${negative ? "−" : ""}${size / 100n}${point}${digits}${space}%`;
}

/** part/whole in percent with two decimals, half up, as the server does; null where the whole comes to nothing. */
export function shareOf(part: bigint, whole: bigint): string | null {
  if (whole <= 0n || part < 0n) return null;
  return amountOf((part * 10000n * 2n + whole) / (whole * 2n));
}

/** For lengths and shades only: part/whole within 0 … 1. */
export function ratio(part: bigint, whole: bigint): number {
  if (whole <= 0n || part <= 0n) return 0;
  return Math.min(1, Number((part * 100000n) / whole) / 100000);
}

export const sum = (values: Iterable<bigint>): bigint => {
  let total = 0n;
  for (const value of values) total += value;
  return total;
};
export const largest = (values: bigint[]): bigint => values.reduce((most, value) => (value > most ? value : most), 0n);
