// @ts-check
/** What every page does: moments in the reader's own time zone, and menus that close as menus do. */

const language = document.documentElement.lang;
const moments = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" });
const relative = new Intl.RelativeTimeFormat(language, { numeric: "auto", style: "short" });
/** @type {[number, Intl.RelativeTimeFormatUnit][]} */
const UNITS = [[86400, "day"], [3600, "hour"], [60, "minute"], [1, "second"]];
const WEEK_S = 7 * 86400;

/**
 * Write the moments within an element: those of the last week as what has passed since, with the date as a tip.
 * @param {ParentNode} within
 */
export function writeMoments(within) {
  for (const element of within.querySelectorAll("time[datetime]")) {
    const at = new Date(element.getAttribute("datetime") ?? "");
    if (Number.isNaN(at.getTime())) continue;
    const seconds = (at.getTime() - Date.now()) / 1000;
    const written = moments.format(at);
    const [size, unit] = UNITS.find(([size]) => Math.abs(seconds) >= size) ?? [1, "second"];
    const isNear = Math.abs(seconds) < WEEK_S && !element.hasAttribute("data-exact");
    element.textContent = isNear ? relative.format(Math.round(seconds / size), unit) : written;
    element.setAttribute("title", written);
  }
}

document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details.menu[open]"))
    if (event.target instanceof Node && !menu.contains(event.target)) menu.removeAttribute("open");
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  const menu = document.querySelector("details.menu[open]");
  menu?.removeAttribute("open");
  menu?.querySelector("summary")?.focus();
});

writeMoments(document);
setInterval(() => writeMoments(document), 30_000);
