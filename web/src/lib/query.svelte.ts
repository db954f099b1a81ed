// Query: an answer of the server that follows the URL and, where no position is pinned, the stream. It asks again at most once a second,
// and leaves four times as long as the last answer took: a slow server is not asked faster than it answers.
import { untrack } from "svelte";
import { askJson, covers, Problem, type Cut } from "./api";
import { live } from "./live.svelte";
import { url } from "./url.svelte";

const usualPauseMs = 1000;

export class Query<T> {
  data = $state.raw<T | null>(null);
  problem = $state.raw<Problem | null>(null);
  loading = $state(true);
  /** What is shown is of another question than the URL's. */
  stale = $state(false);
  #path: () => string;
  #shown = "";
  #abort: AbortController | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #notBefore = 0;

  /** path: empty where nothing is to be asked. follows: asks again when the stream moves. */
  constructor(
    path: () => string,
    follows = true,
    private readonly pauseMs = usualPauseMs,
  ) {
    this.#path = path;
    $effect(() => {
      const wanted = path();
      if (!wanted) return;
      untrack(() => {
        this.stale = this.data !== null && wanted !== this.#shown;
        this.#notBefore = 0;
        void this.#load(wanted);
      });
      return () => {
        clearTimeout(this.#timer);
        this.#abort?.abort();
        this.#abort = null;
      };
    });
    if (!follows) return;
    $effect(() => {
      if (live.cut === null || url.asOf) return;
      untrack(() => this.#isNewest() || this.#later());
    });
  }
  again() {
    this.#notBefore = 0;
    this.#later();
  }

  /** Answers of these paths are functions of the cut, and this one has all that the stream has told of. */
  #isNewest(): boolean {
    const cut = (this.data as { cut?: Cut } | null)?.cut;
    return /^\/v1\/(totals|findings|purchases)/.test(this.#shown) && cut !== undefined && live.cut !== null && covers(cut, live.cut);
  }
  #later() {
    if (this.#abort || this.#timer !== undefined) return;
    this.#timer = setTimeout(
      () => {
        this.#timer = undefined;
        const wanted = this.#path();
        if (wanted) void this.#load(wanted);
      },
      Math.max(0, this.#notBefore - performance.now()),
    );
  }
  async #load(wanted: string) {
    this.#abort?.abort();
    const abort = (this.#abort = new AbortController());
    const start = performance.now();
    const before = live.cut;
    this.loading = true;
    try {
      const data = await askJson<T>(wanted, abort.signal);
      this.data = data;
      this.#shown = wanted;
      this.problem = null;
      this.stale = false;
    } catch (error) {
      if (abort.signal.aborted) return;
      this.problem = error instanceof Problem ? error : new Problem(0, String(error));
    }
    this.loading = false;
    this.#abort = null;
    const now = performance.now();
    this.#notBefore = now + Math.max(this.pauseMs, 4 * (now - start));
    if (!url.asOf && ((live.cut !== before && !this.#isNewest()) || this.problem?.status === 0 || this.problem?.status === 503)) this.#later();
  }
}
