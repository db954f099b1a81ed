// What the server answers, and asking it. Errors are its own words (RFC 9457).

export type Cut = Record<string, number>;
export interface Measures {
  packages: number;
  vendors: number;
  committed: string;
  strict: string;
  broad: string;
  stage_unknown: string;
  paid: string | null;
}
export interface TotalsRow extends Measures {
  [dimension: string]: unknown;
  names?: Record<string, string>;
  share?: { committed: string | null; strict: string | null; broad: string | null };
}
export interface Totals {
  cut: Cut;
  by: string[];
  rows: TotalsRow[];
  rows_matching?: number;
  total: Measures;
  unknown: Record<string, Measures>;
  synthetic?: boolean;
  final?: boolean;
}
export interface EntrySummary {
  partition: string;
  sequence: number;
  verdict: string;
  reason: string | null;
  timestamp: string | null;
  type?: string;
  subject?: string;
  stage?: string;
  amount?: string;
  institution?: string | null;
}
export interface FindingRow {
  partition: string;
  sequence: number;
  kind: string;
  purchase: string | null;
  detail: string;
  entry: string;
}
export interface Findings {
  cut: Cut;
  counts: Record<string, number>;
  findings: FindingRow[];
  next_cursor: string | null;
}
/** A text in both languages. */
export interface Bilingual {
  id: string;
  en: string;
}
export interface Firing {
  alert: string;
  kind: string;
  key: string;
  about: Record<string, string>;
  severity: "critical" | "warning" | "info";
  title: Bilingual;
  detail: Bilingual;
}
export interface Alerts {
  cut: Cut;
  firing: Firing[];
  left_out?: number;
  pending?: number;
  trouble?: string | null;
}
export interface Transfer {
  row: number;
  from: string;
  to: string;
  amount: string;
  packages: number;
  component: string | null;
  origin: string | null;
  catalogue_kind: string | null;
  commodity: string | null;
}
export interface PurchaseEvent {
  partition: string;
  sequence: number;
  type: string;
  time: string | null;
  entry: string;
  transfers: Transfer[];
}
export interface Purchase {
  cut: Cut;
  id: string;
  partition: string;
  system: string | null;
  feed: string | null;
  stage: string;
  fiscal_year: number | null;
  order_date: string | null;
  region: string | null;
  institution: { code: string | null; name: string | null };
  work_unit: string | null;
  vendor: { code: string | null; name: string | null };
  distributor: string | null;
  scale: { at_order: string | null; stated: string | null };
  method: string | null;
  funding: string[];
  revision: number | null;
  value: string;
  paid: string;
  cells: { component: string; origin: string; catalogue_kind: string; commodity: string | null; amount: string }[];
  history: PurchaseEvent[];
  findings: FindingRow[];
  synthetic?: boolean;
}
export interface PurchaseSummary {
  id: string;
  stage: string;
  institution: string | null;
  vendor: string | null;
  fiscal_year: number | null;
  value: string;
  partition: string;
  last_sequence: number;
}
export type ExplainMeasure = "packages" | "vendors" | "committed" | "strict" | "broad" | "stage_unknown" | "paid";
export interface Explained {
  id: string;
  partition: string;
  vendors: string[];
  adds: Omit<Measures, "vendors">;
  events: { sequence: number; type: string }[];
}
export interface Explanation {
  cut: Cut;
  /** On the first page. */
  figure: Measures | null;
  purchases: Explained[];
  next_cursor: string | null;
}
export interface DocumentLine {
  line: string | null;
  product: string | null;
  commodity: string | null;
  catalogue_kind: string;
  origin: string;
  quantity: string | null;
  unit_price: string | null;
  amount: string;
  derived: boolean;
}
export interface Entry {
  partition: string;
  sequence: number;
  kind: string;
  verdict: string;
  reason: string | null;
  sentence?: string;
  epoch: number;
  offset: number;
  timestamp: string | null;
  payload_hash: string;
  payload: string;
  leaf?: string;
  ledger_time?: string | null;
  event?: { type: string; source: string; id: string; subject: string; time: string | null; document?: { lines: DocumentLine[]; funding: string[]; plan: string | null } };
}
export interface PartitionStatus {
  partition: string;
  size: number;
  root: string;
  epoch: number;
  next_offset: number;
  ledger_time: string | null;
  verdicts: { accepted: number; duplicate: number; rejected: number; statements: number };
  records: number;
  gap_offsets: number;
  checkpoint: { origin: string; size: number; root: string } | null;
}
export interface Status {
  ledger: string;
  version: string;
  synthetic: boolean;
  warnings: string[];
  cut: Cut;
  committed: Cut;
  broker: { kind: string; bootstrap_servers: string };
  sources: { partition: string; topic: string; state: string; why: string | null; high_watermark: number | null; lag_records: number | null }[];
  partitions: PartitionStatus[];
  projections: { events: number; transfers: number; purchases: number; segments: number; findings: number; queue_depth: number; failed: string | null };
}
export interface View {
  name: string;
  title: string;
  by: string[];
  measures: string[];
  cut: Cut;
  rows: number;
  build_progress: number;
  href: string;
}

export class Problem extends Error {
  constructor(
    readonly status: number,
    detail: string,
  ) {
    super(detail);
  }
}

let token = sessionStorage.getItem("token") ?? "";
export function useToken(text: string) {
  token = text.trim();
  sessionStorage.setItem("token", token);
}
export const hasToken = (): boolean => token !== "";
export const withToken = (headers: Record<string, string> = {}): Record<string, string> => (token ? { ...headers, Authorization: `Bearer ${token}` } : headers);

export async function ask(path: string, signal?: AbortSignal): Promise<Response> {
  let answer: Response;
  try {
    answer = await fetch(path, { headers: withToken({ Accept: "application/json, text/plain, application/octet-stream" }), cache: "no-store", ...(signal ? { signal } : {}) });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new Problem(0, String(error));
  }
  if (answer.ok) return answer;
  let detail = `${answer.status} ${answer.statusText}`;
  try {
    detail = ((await answer.json()) as { detail?: string }).detail ?? detail;
  } catch {
    // not the server's own words: a proxy's
  }
  throw new Problem(answer.status, detail);
}
export const askJson = async <T>(path: string, signal?: AbortSignal): Promise<T> => (await (await ask(path, signal)).json()) as T;

export function pathOf(path: string, query: Record<string, string | number | boolean>): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) if (value !== "") parameters.set(name, String(value));
  const text = parameters.toString();
  return text ? `${path}?${text}` : path;
}
export const cutText = (cut: Cut): string =>
  Object.entries(cut)
    .sort(([a], [b]) => (a === "reference" ? 1 : b === "reference" ? -1 : Number(a) - Number(b)))
    .map(([partition, size]) => `${partition}=${size}`)
    .join(",");
export const covers = (cut: Cut, other: Cut): boolean => Object.entries(other).every(([partition, size]) => (cut[partition] ?? 0) >= size);
