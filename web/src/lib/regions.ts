// Kalimantan Selatan's thirteen districts as tiles, each in about its place on the map. Codes are Kemendagri's.
export interface Tile {
  code: string;
  short: string;
  column: number;
  row: number;
}
export const kalsel = "63";
export const tiles: readonly Tile[] = [
  { code: "63.09", short: "Tabalong", column: 3, row: 1 },
  { code: "63.08", short: "HSU", column: 2, row: 2 },
  { code: "63.11", short: "Balangan", column: 3, row: 2 },
  { code: "63.06", short: "HSS", column: 2, row: 3 },
  { code: "63.07", short: "HST", column: 3, row: 3 },
  { code: "63.04", short: "Batola", column: 1, row: 4 },
  { code: "63.05", short: "Tapin", column: 2, row: 4 },
  { code: "63.03", short: "Banjar", column: 3, row: 4 },
  { code: "63.02", short: "Kotabaru", column: 4, row: 4 },
  { code: "63.71", short: "B’masin", column: 1, row: 5 },
  { code: "63.72", short: "B’baru", column: 2, row: 5 },
  { code: "63.01", short: "Tanah Laut", column: 3, row: 5 },
  { code: "63.10", short: "Tn. Bumbu", column: 4, row: 5 },
];
const names: Record<string, string> = {
  "00": "Pemerintah Pusat",
  "63": "Kalimantan Selatan",
  "63.01": "Kab. Tanah Laut",
  "63.02": "Kab. Kotabaru",
  "63.03": "Kab. Banjar",
  "63.04": "Kab. Barito Kuala",
  "63.05": "Kab. Tapin",
  "63.06": "Kab. Hulu Sungai Selatan",
  "63.07": "Kab. Hulu Sungai Tengah",
  "63.08": "Kab. Hulu Sungai Utara",
  "63.09": "Kab. Tabalong",
  "63.10": "Kab. Tanah Bumbu",
  "63.11": "Kab. Balangan",
  "63.71": "Kota Banjarmasin",
  "63.72": "Kota Banjarbaru",
};
/** The facts' name where there is one, else the one that everybody knows, else the code. */
export const regionName = (code: string, stated?: string): string => stated ?? names[code] ?? code;
export const knownRegions: readonly string[] = Object.keys(names);
