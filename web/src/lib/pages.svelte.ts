// Pages: a list that is asked for page by page. The first page follows the stream; once a second one is wanted all stand at the first one's
// cut, so that no row is missed or shown twice where new ones come in between.
import { askJson, cutText, Problem, type Cut } from "./api";
import { Query } from "./query.svelte";

interface Page {
  cut: Cut;
  next_cursor: string | null;
}

export class Pages<Answer extends Page, Row> {
  readonly first: Query<Answer>;
  loading = $state(false);
  problem = $state.raw<Problem | null>(null);
  #frozen = $state.raw<Answer | null>(null);
  #later = $state.raw<Answer[]>([]);

  /** path: of the page at a cursor; at: the cut as text where it is no longer the URL's to say. */
  constructor(
    private readonly path: (cursor: string, at: string) => string,
    private readonly rowsOf: (answer: Answer) => Row[],
    follows = true,
  ) {
    this.first = new Query<Answer>(() => path("", ""), follows);
    $effect(() => {
      void path("", "");
      this.#frozen = null;
      this.#later = [];
      this.problem = null;
    });
  }
  get head(): Answer | null {
    return this.#frozen ?? this.first.data;
  }
  get rows(): Row[] {
    return [this.head, ...this.#later].flatMap((page) => (page ? this.rowsOf(page) : []));
  }
  get next(): string | null {
    return (this.#later.at(-1) ?? this.head)?.next_cursor ?? null;
  }
  async more() {
    const next = this.next;
    const head = this.head;
    if (!next || !head || this.loading) return;
    this.#frozen = head;
    this.loading = true;
    this.problem = null;
    try {
      const page = await askJson<Answer>(this.path(next, cutText(head.cut)));
      if (this.#frozen === head) this.#later = [...this.#later, page];
    } catch (problem) {
      this.problem = problem as Problem;
    }
    this.loading = false;
  }
}
