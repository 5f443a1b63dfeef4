// @ts-check
/** A running job: its counts, rate and estimate as they change. When it has ended, the page is loaded again. */

/**
 * @typedef {{ progress: number, rate: number | null, estimated_finish_at: string | null, open: number,
 *             counts: Record<string, number> }} Job
 */

const language = document.documentElement.lang;
const whole = new Intl.NumberFormat(language, { maximumFractionDigits: 0 });
const tenths = new Intl.NumberFormat(language, { maximumFractionDigits: 1 });
const percents = new Intl.NumberFormat(language, { style: "percent", maximumFractionDigits: 0 });
const SAY_EVERY_MS = 15_000;
const section = document.querySelector("#progress");
let said = 0;

/**
 * @param {string} name
 * @param {string} key
 * @param {string | null} value the text without it is empty
 */
function write(name, key, value) {
  const element = section?.querySelector(`[data-field=${name}]`);
  if (element) element.textContent = value === null ? "" : (element.getAttribute("data-text") ?? `{${key}}`).replace(`{${key}}`, value);
}

/** @param {string | null} end */
function left(end) {
  if (end === null) return null;
  const seconds = Math.max(0, (new Date(end).getTime() - Date.now()) / 1000);
  const [amount, unit] = seconds < 90 ? [seconds, "second"] : seconds < 5400 ? [seconds / 60, "minute"] : [seconds / 3600, "hour"];
  return new Intl.NumberFormat(language, { style: "unit", unit, unitDisplay: "long", maximumFractionDigits: 0 }).format(amount);
}

/** @param {Job} job */
function show(job) {
  section?.querySelector("progress")?.setAttribute("value", String(job.progress));
  const percent = percents.format(job.progress);
  write("percent", "percent", percent);
  write("rate", "rate", job.rate === null ? null : tenths.format(job.rate));
  write("left", "time", left(job.estimated_finish_at));
  for (const element of section?.querySelectorAll("[data-count]") ?? []) {
    const name = element.getAttribute("data-count") ?? "";
    element.textContent = whole.format(name === "open" ? job.open : job.counts[name] ?? 0);
  }
  if (Date.now() - said > SAY_EVERY_MS) {
    said = Date.now();
    write("said", "percent", percent);
  }
}

const address = section?.getAttribute("data-events");
if (address) {
  const events = new EventSource(address);
  events.addEventListener("progress", (event) => show(JSON.parse(event.data)));
  events.addEventListener("end", () => {
    events.close();
    location.reload();
  });
}
