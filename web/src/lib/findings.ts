// What the server says of a finding, in Indonesian. The server composes the detail in English (projections/finding_kinds.cc); each sentence
// is taken apart here by its shape, and put together again. One that has no shape here stays as it is. tests/findings.test.ts reads the
// server's sentences, and fails where one is not known.
type Said = [shape: RegExp, text: string];
type Value = (code: string) => string;

const event = String.raw`([a-z]+\.[a-z]+)`;
const shapes: Record<string, Said> = {
  ordered_again: [/^ordered again; the document in force came with entry (.+)$/, "dipesan ulang; dokumen yang berlaku datang dengan entri {0}"],
  stub: [RegExp(`^${event} for a purchase without a document$`), "{0} untuk paket tanpa dokumen"],
  stale: [/^revision (.+), in force is (.+)$/, "revisi {0}, yang berlaku {1}"],
  time_went_back: [/^event time (.+), before it (.+)$/, "waktu peristiwa {0}, sebelumnya {1}"],
  revived: [RegExp(`^${event} after (.+)$`), "{0} setelah {1}"],
  repeated_reference: [RegExp(`^${event} of (Rp .+) repeats a reference$`), "{0} sebesar {1} mengulang nomor rujukan"],
  overpaid: [/^paid (Rp .+), total (Rp .+)$/, "dibayar {0}, nilai paket {1}"],
  negative_payment: [RegExp(`^${event} of (Rp .+)$`), "{0} sebesar {1}"],
  lines_do_not_add_up: [/^(Rp .+) of (Rp .+) are in no line$/, "{0} dari {1} tidak ada di baris mana pun"],
  quantity_times_price: [/^(.+) lines, the first is number (.+) of the document$/, "{0} baris, yang pertama baris nomor {1} dalam dokumen"],
  stage_unknown: [RegExp(`^${event} with a status that is no known stage$`), "{0} dengan status yang bukan tahap yang dikenal"],
  stage_went_back: [/^from (.+) to (.+)$/, "dari {0} ke {1}"],
  other_feed: [/^from (.+), counting is (.+)$/, "dari {0}, yang dihitung {1}"],
  vendor_differs: [/^document: (.+), id: (.+)$/, "dokumen: {0}, id: {1}"],
  duplicate_different: [/^differs from entry (.+)$/, "berbeda dari entri {0}"],
  overflow: [RegExp(`^${event} moved nothing$`), "{0} tidak memindahkan apa pun"],
  cancelled_after_payment: [/^(.+) with (Rp .+) paid$/, "{0}, sedangkan {1} tercatat dibayar"],
  order_date_moved_back: [/^order date (.+), before it (.+)$/, "tanggal pesanan {0}, sebelumnya {1}"],
  stage_jumped: [/^from (.+) to (.+)$/, "dari {0} ke {1}"],
  order_after_event: [/^order date (.+), event day (.+)$/, "tanggal pesanan {0}, hari peristiwa {1}"],
};

export const knownKinds = Object.keys(shapes);

/** The detail in Indonesian; `value` has words for codes (stages, events). */
export function inIndonesian(kind: string, detail: string, value: Value): string {
  const said = shapes[kind];
  const found = said && said[0].exec(detail);
  return found ? said[1].replace(/\{(\d)\}/g, (_, at: string) => value(found[Number(at) + 1] ?? "")) : detail;
}
