// One stream a browser: /v1/stream by fetch, since EventSource can carry no token. It comes back with Last-Event-ID, the cut, so
// nothing between is lost; what is lost to slowness the server says.
import { askJson, cutText, useToken, withToken, type Cut, type EntrySummary, type Firing } from "./api";

export type LiveState = "connecting" | "live" | "disconnected" | "paused" | "refused";
/** What began while this page was open: a warning of the node's own (kind "warning"), or a firing. */
export type Begun = { message: string } & ({ kind: "warning" } | Firing);
const entriesKept = 40;
const lookBack = 2000;  // entries: what the first page tells of before it was opened
const retryMs = [500, 1000, 2000, 4000];

/** A cut of some entries ago, so that lists begin with what came last; the reference partition as it is now. */
async function before(signal: AbortSignal): Promise<string> {
  try {
    const { cut } = await askJson<{ cut: Cut }>("/v1/cut", signal);
    return cutText(Object.fromEntries(Object.entries(cut).map(([partition, size]) => [partition, partition === "reference" ? size : Math.max(0, size - lookBack)])));
  } catch {
    return "";
  }
}

class Live {
  state = $state<LiveState>("connecting");
  cut = $state.raw<Cut | null>(null);
  entries = $state.raw<EntrySummary[]>([]);
  skipped = $state(0);
  begun = $state.raw<Begun[]>([]);
  /** How often an alert began or ended. */
  alertsMoved = $state(0);
  /** When something last came, by the monotonic clock. */
  heard = $state(performance.now());
  starting = $state("");
  #lastId = "";
  #abort: AbortController | null = null;
  #tries = 0;

  start() {
    void this.#run();
  }
  pause() {
    this.state = "paused";
    this.#abort?.abort();
  }
  resume() {
    if (this.state !== "paused" && this.state !== "refused") return;
    this.state = "connecting";
    void this.#run();
  }
  dismiss(one: Begun) {
    this.begun = this.begun.filter((each) => each !== one);
  }
  signIn(token: string) {
    useToken(token);
    this.resume();
  }

  async #run() {
    while (this.state !== "paused" && this.state !== "refused") {
      this.#abort = new AbortController();
      try {
        await this.#follow(this.#abort.signal);
      } catch {
        // said by the state below
      }
      if (this.#now() === "paused" || this.#now() === "refused") return;
      this.state = this.#tries === 0 ? "connecting" : "disconnected";
      await new Promise((done) => setTimeout(done, retryMs[Math.min(this.#tries, retryMs.length - 1)]));
      ++this.#tries;
    }
  }
  #now = (): LiveState => this.state;

  async #follow(signal: AbortSignal) {
    const headers = withToken({ Accept: "text/event-stream" });
    if (!this.#lastId) this.#lastId = await before(signal);
    if (this.#lastId) headers["Last-Event-ID"] = this.#lastId;
    const answer = await fetch("/v1/stream?topics=entries,alerts", { headers, signal, cache: "no-store" });
    if (answer.status === 401 || answer.status === 403) {
      this.state = "refused";
      return;
    }
    if (answer.status === 416) location.reload();  // another ledger stands there now: nothing here is of it
    this.starting = answer.status === 503 ? (((await answer.json().catch(() => ({}))) as { detail?: string }).detail ?? "") : "";
    if (!answer.ok || !answer.body) throw new Error(String(answer.status));
    this.#tries = 0;
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let buffer = "";
    while (true) {
      const { value, done } = await reader.read();
      if (done) return;
      this.heard = performance.now();
      if (this.state !== "live") this.state = "live";
      buffer += value;
      let end: number;
      while ((end = buffer.indexOf("\n\n")) >= 0) {
        this.#take(buffer.slice(0, end));
        buffer = buffer.slice(end + 2);
      }
    }
  }

  #take(block: string) {
    let event = "message", data = "", id = "";
    for (const line of block.split("\n")) {
      if (line.startsWith("event: ")) event = line.slice(7);
      else if (line.startsWith("data: ")) data += line.slice(6);
      else if (line.startsWith("id: ")) id = line.slice(4);
    }
    if (!data) return;
    const said = JSON.parse(data);
    if (event === "cut") {
      this.cut = said.cut;
      this.#lastId = id;
    } else if (event === "entries") {
      this.skipped = this.entries.length ? said.count - said.entries.length : 0;
      this.entries = [...said.entries.slice().reverse(), ...this.entries].slice(0, entriesKept);
    } else if (event === "alert") {
      const others = this.begun.filter((one) => one.message !== said.message);
      this.begun = said.firing ? [said as Begun, ...others].slice(0, 20) : others;
      if (said.kind !== "warning") ++this.alertsMoved;
    }
  }
}
export const live = new Live();
