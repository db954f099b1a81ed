// The dashboard's whole state is its URL: page, filters, as-of, language. Going back goes back.
import { kalsel } from "./regions";

export type Page = "overview" | "region" | "institution" | "vendor" | "purchase" | "explain" | "findings" | "ledger" | "views";
const pages: readonly Page[] = ["overview", "region", "institution", "vendor", "purchase", "explain", "findings", "ledger", "views"];

// Filters by their names in the URL, and the dimensions that they are for the server.
export const filterNames = ["region", "year", "from", "until", "institution", "kind", "system", "funding", "pdn", "scale"] as const;
export type FilterName = (typeof filterNames)[number];
export const dimensionOf: Partial<Record<FilterName, string>> = {
  region: "region", year: "fiscal_year", institution: "institution", kind: "catalogue_kind", system: "system", funding: "funding", pdn: "origin",
};
const kept = ["lang", "as_of", "vs", "def", "year", "kind", "system", "funding", "pdn", "scale", "from", "until"];  // go with a link to another page

let current = $state(new URLSearchParams(location.search));
addEventListener("popstate", () => {
  current = new URLSearchParams(location.search);
});

/** "2023-11" … "2024-02", at most 60 of them. */
export function monthsBetween(from: string, until: string): string[] {
  const read = (text: string) => {
    const match = /^(\d{4})-(\d{2})$/.exec(text);
    return match ? Number(match[1]) * 12 + Number(match[2]) - 1 : null;
  };
  const first = read(from) ?? read(until);
  const last = read(until) ?? read(from);
  if (first === null || last === null) return [];
  const months: string[] = [];
  for (let at = Math.min(first, last); at <= Math.max(first, last) && months.length < 60; ++at) months.push(`${Math.floor(at / 12)}-${String((at % 12) + 1).padStart(2, "0")}`);
  return months;
}

export const url = {
  get: (name: string): string => current.get(name) ?? "",
  get page(): Page {
    const page = current.get("page") as Page | null;
    return page && pages.includes(page) ? page : "overview";
  },
  get asOf(): string {
    return current.get("as_of") ?? "";
  },
  get definition(): "broad" | "strict" {
    return current.get("def") === "strict" ? "strict" : "broad";
  },
  get scaleBasis(): string {
    const basis = current.get("scale");
    return basis === "stated" || basis === "latest" ? basis : "at_order";
  },
  /** The region that figures are of: Kalimantan Selatan unless said otherwise, "all" for no filter. */
  get region(): string {
    return current.get("region") || kalsel;
  },
  get activeFilters(): number {
    return filterNames.filter((name) => current.get(name)).length;
  },
  /** Filters as the server's parameters; `without` leaves some out. */
  filters(without: readonly FilterName[] = []): Record<string, string> {
    const to: Record<string, string> = {};
    for (const name of filterNames) {
      const dimension = dimensionOf[name];
      const value = name === "region" ? url.region : current.get(name);
      if (!dimension || !value || value === "all" || without.includes(name)) continue;
      to[dimension] = value.replace(/([,\\])/g, "\\$1");
    }
    if (!without.includes("from")) {
      const months = monthsBetween(current.get("from") ?? "", current.get("until") ?? "");
      if (months.length) to["order_month"] = months.join(",");
    }
    if (url.scaleBasis !== "at_order") to["scale_basis"] = url.scaleBasis;
    return to;
  },
  /** A link with some parameters changed; an empty value takes one away. */
  with(changes: Record<string, string>): string {
    const next = new URLSearchParams(current);
    for (const [name, value] of Object.entries(changes)) value ? next.set(name, value) : next.delete(name);
    return href(next);
  },
  /** A link to another page, with what applies there too. */
  to(page: Page, own: Record<string, string> = {}): string {
    const next = new URLSearchParams();
    if (page !== "overview") next.set("page", page);
    for (const name of kept) if (current.get(name)) next.set(name, current.get(name)!);
    if (page === "overview" && current.get("region")) next.set("region", current.get("region")!);
    for (const [name, value] of Object.entries(own)) value ? next.set(name, value) : next.delete(name);
    return href(next);
  },
  set(changes: Record<string, string>, replace = false) {
    go(url.with(changes), replace);
  },
};

function href(parameters: URLSearchParams): string {
  const text = parameters.toString().replace(/%3A/g, ":").replace(/%2F/g, "/").replace(/%2C/g, ",");
  return text ? `/?${text}` : "/";
}

export function go(to: string, replace = false) {
  const before = url.page + url.get("id");
  replace ? history.replaceState(null, "", to) : history.pushState(null, "", to);
  current = new URLSearchParams(location.search);
  if (before !== url.page + url.get("id")) {
    scrollTo(0, 0);
    document.querySelector<HTMLElement>("main")?.focus({ preventScroll: true });
  }
}

/** Links of ours change the URL without loading the page again. */
export function followLinks(event: MouseEvent) {
  if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  const link = (event.target as Element).closest("a");
  if (!link || link.target || link.hasAttribute("download") || link.origin !== location.origin || link.pathname !== "/" || link.hash) return;
  event.preventDefault();
  go(link.pathname + link.search);
}
