// A browser on strings: reads commands, one JSON a line, and answers each with one line. The claims stand in tests/e2e/dashboard_test.py;
// this only does what it is told, in Debian's Chromium.
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox", "--disable-dev-shm-usage"] });
let context, page, session;
const patienceMs = 15000;
let errors = [], elsewhere = [];

async function fresh({ width = 1280, height = 900, scheme = "light", scale = 1 } = {}) {
  await context?.close();
  context = await browser.newContext({ viewport: { width, height }, colorScheme: scheme, deviceScaleFactor: scale, reducedMotion: "reduce", timezoneId: "UTC" });
  page = await context.newPage();
  page.setDefaultTimeout(patienceMs);
  session = await context.newCDPSession(page);
  errors = [];
  elsewhere = [];
  page.on("pageerror", (error) => errors.push(String(error)));
  page.on("console", (message) => message.type() === "error" && /Content Security Policy/.test(message.text()) && errors.push(message.text()));
  page.on("request", (request) => {
    const { hostname, protocol } = new URL(request.url());
    if (protocol.startsWith("http") && hostname !== "127.0.0.1") elsewhere.push(request.url());
  });
}

// By the debugger, which the page's own policy (no eval) does not bind.
async function evaluate(expression) {
  const { result, exceptionDetails } = await session.send("Runtime.evaluate", { expression, awaitPromise: true, returnByValue: true, allowUnsafeEvalBlockedByCSP: true });
  if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
  return result.value;
}
// Until the expression gives something true, which it returns.
async function until(expression, ms) {
  for (const end = Date.now() + ms; ; ) {
    let failed = "";
    const value = await evaluate(expression).catch((error) => void (failed = String(error)));
    if (value) return value;
    if (Date.now() > end) throw new Error(`waited ${ms} ms in vain for ${expression} ${failed}; the page says: ${(await page.innerText("body")).slice(0, 1500)}`);
    await new Promise((done) => setTimeout(done, 25));
  }
}

const commands = {
  fresh,
  goto: ({ url }) => page.goto(url, { waitUntil: "load" }).then(() => null),
  reload: () => page.reload({ waitUntil: "load" }).then(() => null),
  url: () => page.url(),
  wait: ({ selector, state = "visible", ms = patienceMs }) => page.waitForSelector(selector, { state, timeout: ms }).then(() => null),
  until: ({ expression, ms = patienceMs }) => until(expression, ms),
  eval: ({ expression }) => evaluate(expression),
  click: ({ selector }) => page.click(selector).then(() => null),
  // Clicks, and answers the file that comes of it: its name and what it holds.
  download: async ({ selector }) => {
    const [file] = await Promise.all([page.waitForEvent("download"), page.click(selector)]);
    return { name: file.suggestedFilename(), text: readFileSync(await file.path(), "utf8") };
  },
  press: ({ key }) => page.keyboard.press(key).then(() => null),
  fill: ({ selector, text }) => page.fill(selector, text).then(() => null),
  select: ({ selector, value }) => page.selectOption(selector, value).then(() => null),
  text: ({ selector }) => page.innerText(selector),
  texts: ({ selector }) => page.locator(selector).allInnerTexts(),
  attribute: ({ selector, name }) => page.getAttribute(selector, name),
  // WebP, a third of the size of a PNG.
  screenshot: async ({ path }) => {
    const { data } = await session.send("Page.captureScreenshot", { format: "webp", quality: 82 });
    writeFileSync(path, Buffer.from(data, "base64"));
  },
  errors: () => errors,
  elsewhere: () => elsewhere,
  axe: async () => {
    await evaluate(axe + ";0");
    const violations = await evaluate('axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] }).then((found) => found.violations)');
    return violations.map((each) => `${each.id}: ${each.help}: ${each.nodes.slice(0, 3).map((node) => `${node.target} ${node.any.concat(node.all)[0]?.message ?? ""}`).join(" | ")}`);
  },
};

await fresh();
for await (const line of createInterface({ input: process.stdin })) {
  const { do: name, ...given } = JSON.parse(line);
  let answer;
  try {
    answer = { ok: (await commands[name](given)) ?? null };
  } catch (error) {
    answer = { error: String(error) };
  }
  process.stdout.write(JSON.stringify(answer) + "\n");
}
await browser.close();
