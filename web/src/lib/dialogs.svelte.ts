// What is open over the page, and the position that the page's figures are of.
import type { Cut } from "./api";

export const open = $state({ help: false, asOf: false });
export const shown = $state<{ cut: Cut | null }>({ cut: null });
