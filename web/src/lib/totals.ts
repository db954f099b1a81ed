// Questions to /v1/totals, with the URL's filters and position.
import { pathOf, type ExplainMeasure, type Totals, type TotalsRow } from "./api";
import { amountOf, sen, shareOf } from "./money";
import { url, type FilterName } from "./url.svelte";

type More = Record<string, string | number | boolean>;
export const totalsPath = (by: string, more: More = {}, without: readonly FilterName[] = []): string =>
  pathOf("/v1/totals", { by, ...url.filters(without), as_of: url.asOf, ...more });
/** The same at the time that is compared with; empty where none is. */
export const comparedPath = (by: string, more: More = {}, without: readonly FilterName[] = []): string =>
  url.get("vs") ? pathOf("/v1/totals", { by, ...url.filters(without), ...more, as_of: url.get("vs") }) : "";

/** The page of the purchases behind a figure: the same filters, the same dimensions over them. */
export const explainLink = (measure: ExplainMeasure, filter: Record<string, string> = {}, without: readonly FilterName[] = []): string =>
  url.to("explain", {
    measure,
    of: Object.entries(filter).map((pair) => pair.join(":"))[0] ?? "",
    region: without.includes("region") ? "all" : url.get("region"),
    institution: without.includes("institution") ? "" : url.get("institution"),
  });

export const valueOf = (row: { broad: string; strict: string }): string => (url.definition === "strict" ? row.strict : row.broad);
/** The share of one value of the dimension in the whole, exact to two decimals. */
export function partOf(totals: Totals | null, dimension: string, value: string): string | null {
  if (!totals) return null;
  const part = totals.rows.find((row) => row[dimension] === value);
  return shareOf(part ? sen(valueOf(part)) : 0n, sen(valueOf(totals.total)));
}
export const difference = (now: string, before: string): string => amountOf(sen(now) - sen(before));
/** With its sign; show: of an amount. */
export const signed = (amount: string, show: (amount: string) => string): string => (sen(amount) > 0n ? `+${show(amount)}` : show(amount));
export const bySize = (rows: TotalsRow[]): TotalsRow[] => rows.slice().sort((a, b) => (sen(valueOf(b)) > sen(valueOf(a)) ? 1 : -1));
