// What a link would bring, saved as a file: where the browser itself can't ask for it, since a link carries no token, or since it comes in
// pages (header Bukubesar-Next-Cursor), of which each but the first begins with the same line of titles.
import { ask } from "./api";

export async function save(path: string, name: string, progress: (pages: number) => void) {
  const parts: BlobPart[] = [];
  let type = "";
  for (let next = path; next; ) {
    const answer = await ask(next);
    type = answer.headers.get("Content-Type") ?? "";
    const cursor = answer.headers.get("Bukubesar-Next-Cursor");
    if (parts.length || cursor) {
      const text = await answer.text();
      parts.push(parts.length ? text.slice(text.indexOf("\n") + 1) : text);
    } else {
      parts.push(await answer.blob());
    }
    progress(parts.length);
    next = cursor ? `${path}${path.includes("?") ? "&" : "?"}cursor=${encodeURIComponent(cursor)}` : "";
  }
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob(parts, { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
