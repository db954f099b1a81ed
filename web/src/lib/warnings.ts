// The node's own warnings, in Indonesian. The server says them in English (server/node.cc, access.cc, tls_certificate.cc): each is known
// here by its shape, and what it quotes (a reason, an address) stays as it is. One that has no shape here stays whole.
// tests/warnings.test.ts reads the server's sentences, and fails where one is not known.
const shapes: readonly (readonly [shape: RegExp, text: string])[] = [
  [/^topic contract: (.+)$/, "ketentuan topik: {0}"],
  [/^the log of reads is damaged: (.+)$/, "catatan pembacaan rusak: {0}"],
  [/^this ledger holds synthetic events of the demo: its figures are made up$/, "buku besar ini berisi peristiwa sintetis peragaan: angkanya karangan"],
  [/^the embedded broker has no access control: whoever writes to (.+) directly is outside every promise$/, "broker tertanam tidak mengatur akses: siapa pun yang menulis langsung ke {0} berada di luar semua jaminan"],
  [/^dedup: per partition \(partitioner any\)$/, "deduplikasi: per partisi (partitioner any)"],
  [/^the topic has CreateTime: as_of takes a cut or a checkpoint, not a time$/, "topik memakai CreateTime: as_of menerima posisi atau checkpoint, bukan waktu"],
  [/^intake of partition (.+?) has stopped: (.*)$/, "penerimaan partisi {0} berhenti: {1}"],
  [/^intake of partition (.+?) waits for the broker: (.*)$/, "penerimaan partisi {0} menunggu broker: {1}"],
  [/^intake of partition (.+?) waits: (.*)$/, "penerimaan partisi {0} menunggu: {1}"],
  [/^projections have stopped: (.+)$/, "proyeksi berhenti: {0}"],
  [/^the ledger is shorter than recorded: reads wait until Kafka has been read again$/, "buku besar lebih pendek daripada yang tercatat: pembacaan menunggu sampai Kafka selesai dibaca ulang"],
  [/^the scrub found (\d+) errors(.*)$/, "pemeriksaan menemukan {0} kesalahan{1}"],
  [/^partition (.+?) is damaged and is not signed any more: run `bukubesar verify` \((.*)\)$/, "partisi {0} rusak dan tidak ditandatangani lagi: jalankan `bukubesar verify` ({1})"],
  [/^witness: REFUSED partition (.+?): (.+)$/, "saksi: MENOLAK partisi {0}: {1}"],
  [/^witness: (.+)$/, "saksi: {0}"],
  [/^no signing key: nothing is signed; `bukubesar key new` makes one, it is used from then on$/, "tidak ada kunci tanda tangan: tidak ada yang ditandatangani; `bukubesar key new` membuatnya, lalu langsung dipakai"],
  [/^signing fails: (.+)$/, "penandatanganan gagal: {0}"],
  [/^http\.host_names is set and tokens are not required: whoever reaches this server by a proxy may write and read everything; set http\.tokens_required$/, "http.host_names diisi sedangkan token tidak diwajibkan: siapa pun yang mencapai server ini lewat proksi dapat menulis dan membaca semuanya; isi http.tokens_required"],
  [/^public reads without TLS: what readers see can be changed on its way; the signed log still shows it$/, "pembacaan umum tanpa TLS: yang dilihat pembaca dapat diubah di jalan; log yang ditandatangani tetap memperlihatkannya"],
  [/^tokens were not read again: (.+)$/, "token tidak terbaca ulang: {0}"],
  [/^the TLS certificate (.+?) has expired on (.+)$/, "sertifikat TLS {0} kedaluwarsa sejak {1}"],
  [/^the TLS certificate (.+?) expires on (.+)$/, "sertifikat TLS {0} kedaluwarsa pada {1}"],
  [/^the TLS certificate was not read again: (.+)$/, "sertifikat TLS tidak terbaca ulang: {0}"],
];

export function warningInIndonesian(warning: string): string {
  for (const [shape, text] of shapes) {
    const found = shape.exec(warning);
    if (found) return text.replace(/\{(\d)\}/g, (_, at: string) => found[Number(at) + 1] ?? "");
  }
  return warning;
}
