// @ts-check
/** A running training: its stages as they change, and the end of its log. When it has ended, the page is loaded again. */

/** @typedef {{ name: string, state: string, done: number | null, total: number | null, what: string | null }} Stage */

const LOG_EVERY_MS = 4000;
const whole = new Intl.NumberFormat(document.documentElement.lang);
const section = document.querySelector("#training");
const log = document.querySelector("[data-field=log]");

/** @param {Stage} stage */
function show({ name, state, done, total, what }) {
  const row = section?.querySelector(`[data-stage="${CSS.escape(name)}"]`);
  if (!row) return;
  if (row.getAttribute("data-state") !== state) {
    location.reload();
    return;
  }
  const progress = row.querySelector("progress"), count = row.querySelector("[data-field=count]");
  if (progress && total) {
    progress.max = total;
    progress.value = done ?? 0;
  }
  if (count && total) count.textContent = `${whole.format(done ?? 0)} / ${whole.format(total)} ${what ?? ""}`;
}

async function readLog() {
  const answer = await fetch(section?.getAttribute("data-log") ?? "").catch(() => null);
  if (!answer?.ok || !log) return;
  const isAtEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
  log.textContent = await answer.text();
  if (isAtEnd) log.scrollTop = log.scrollHeight;
}

const address = section?.getAttribute("data-events");
if (address) {
  const events = new EventSource(address);
  events.addEventListener("progress", (event) => {
    for (const stage of /** @type {{ stages: Stage[] }} */ (JSON.parse(event.data)).stages) show(stage);
  });
  events.addEventListener("end", () => {
    events.close();
    location.reload();
  });
  setInterval(() => void readLog(), LOG_EVERY_MS);
}
