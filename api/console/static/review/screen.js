// @ts-check
/** The review screen: shows a card, takes keys, and hands decisions to the outbox. */

import { Api, Problem } from "./api.js";
import { Cards, placeOf } from "./cards.js";
import { Choices, plain } from "./choices.js";
import { Outbox } from "./outbox.js";

/** @typedef {import("./cards.js").Card} Card */

const KEPT = 50;
const root = /** @type {HTMLElement} */ (document.querySelector("#review"));
const { root: address = "", csrf = "", person = "", tenant = "", job = "", category = "", signIn = "" } = root.dataset;
const language = document.documentElement.lang;
const percents = new Intl.NumberFormat(language, { style: "percent", maximumFractionDigits: 0 });
const whole = new Intl.NumberFormat(language);

/**
 * @template {HTMLElement} T
 * @param {string} name
 * @param {{ new (): T }} kind
 * @returns {T}
 */
function part(name, kind) {
  const found = root.querySelector(`[data-part="${name}"]`);
  if (!(found instanceof kind)) throw new Error(`the page has no ${name}`);
  return found;
}

const parts = {
  card: part("card", HTMLElement), picture: part("picture", HTMLImageElement), noPicture: part("no-picture", HTMLElement),
  source: part("source", HTMLElement), title: part("title", HTMLElement), description: part("description", HTMLElement),
  columns: part("columns", HTMLDetailsElement), memory: part("memory", HTMLElement), candidates: part("candidates", HTMLOListElement),
  candidate: part("candidate", HTMLTemplateElement), why: part("why", HTMLElement), copies: part("copies", HTMLFieldSetElement),
  copiesTitle: part("copies-title", HTMLElement), allCopies: part("all-copies", HTMLInputElement), copyList: part("copy-list", HTMLUListElement),
  empty: part("empty", HTMLElement), loading: part("loading", HTMLElement), problem: part("problem", HTMLElement), said: part("said", HTMLElement),
  progress: part("progress", HTMLElement), outbox: part("outbox", HTMLElement), large: part("large", HTMLImageElement),
  search: part("search", HTMLInputElement), found: part("found", HTMLUListElement), guideline: part("guideline", HTMLElement), note: part("note", HTMLTextAreaElement),
};
const dialogs = {
  search: part("search-dialog", HTMLDialogElement), none: part("none-dialog", HTMLDialogElement),
  zoom: part("zoom-dialog", HTMLDialogElement), help: part("help-dialog", HTMLDialogElement),
};

const api = new Api(address, csrf);
const cards = new Cards(api, { job, category, person });
const outbox = new Outbox(api, `catalog-outbox:${tenant}:${person}`);
/** What was decided on this page, the latest last.
 * @type {{ card: Card, key: string, counts: boolean }[]} */
const past = [];
/** @type {Choices | null} */
let choices = null;
/** @type {{ code: string, name: string }[]} */
let candidates = [];
let shownAt = 0;
let decided = 0;

// What is shown

function show() {
  const card = cards.first;
  parts.loading.hidden = card !== undefined || cards.isEnd;
  parts.empty.hidden = card !== undefined || !cards.isEnd;
  parts.card.hidden = card === undefined;
  if (!card) return;
  shownAt = performance.now();
  const { item } = card;
  showPicture(card);
  parts.title.textContent = item.title || item.result.id;
  parts.description.textContent = item.description ? withoutMarkup(item.description) : "";
  parts.source.textContent = item.result.id;
  showColumns(item.result.metadata);
  showMemory(item.result.memory);
  showCandidates(card);
  showCopies(card);
  parts.why.textContent = "";
  void explain(card);
}

/** @param {Card} card */
function showPicture(card) {
  const link = cards.pictureOf(card);
  parts.picture.hidden = link === null;
  parts.noPicture.hidden = link !== null;
  if (link !== null && parts.picture.getAttribute("src") !== link) parts.picture.src = link;
  parts.picture.alt = card.item.title ?? "";
}

/** @param {Record<string, unknown> | null} metadata */
function showColumns(metadata) {
  const rows = Object.entries(metadata ?? {});
  parts.columns.hidden = rows.length === 0;
  const list = parts.columns.querySelector("dl");
  list?.replaceChildren(...rows.flatMap(([name, value]) => [element("dt", name), element("dd", typeof value === "string" ? value : JSON.stringify(value))]));
}

/** @param {import("./cards.js").Memory | null} memory */
function showMemory(memory) {
  parts.memory.hidden = memory === null;
  if (!memory) return;
  const text = parts.memory.dataset[memory.match] ?? "";
  parts.memory.textContent = text.replace("{who}", memory.by).replace("{category}", memory.category?.name ?? parts.memory.dataset.none ?? "");
}

/** @param {Card} card */
function showCandidates({ item: { result } }) {
  const given = [result.category, ...result.alternatives].slice(0, 9);
  candidates = given;
  parts.candidates.replaceChildren(...given.map((one, place) => {
    const row = /** @type {DocumentFragment} */ (parts.candidate.content.cloneNode(true));
    const choice = choices?.byCode.get(one.code);
    /** @param {string} selector @param {string} text */
    const fill = (selector, text) => { const found = row.querySelector(selector); if (found) found.textContent = text; };
    fill("kbd", String(place + 1));
    fill(".name", one.name);
    fill(".share", percents.format(one.confidence));
    fill(".path", choice?.path ?? "");
    fill(".guideline", choice?.guideline ?? "");
    row.querySelector("button")?.addEventListener("click", () => choose(one.code, one.name));
    return row;
  }));
}

/** @param {Card} card */
function showCopies({ copies }) {
  parts.copies.hidden = copies.count === 0;
  parts.copiesTitle.textContent = (parts.copiesTitle.dataset.text ?? "").replace("{count}", whole.format(copies.count));
  parts.allCopies.checked = true;
  parts.copyList.replaceChildren(...copies.items.map((copy) => {
    const row = element("li", ""), label = element("label", ""), box = document.createElement("input");
    box.type = "checkbox";
    box.checked = true;
    box.value = placeOf(copy);
    label.append(box, ` ${copy.title ?? copy.id}`);
    row.append(label);
    return row;
  }));
}

/** @param {Card} card */
async function explain(card) {
  const found = await cards.explanationOf(card);
  if (!found || cards.first !== card) return;
  const named = new Set(found.phrases.flatMap(({ text }) => plain(text).split(" ")));
  mark(parts.title, named);
  mark(parts.description, named);
  const { text, image } = found.branches;
  let told = "";
  if (found.picture === "not_looked_at") told = parts.why.dataset.notLooked ?? "";
  else if (found.picture_changed_answer) told = parts.why.dataset.pictureChanged ?? "";
  else if (text && image && text.code !== image.code) told = parts.why.dataset.disagree ?? "";
  parts.why.textContent = told.replace("{text}", text?.name ?? "").replace("{image}", image?.name ?? "");
}

/**
 * Mark the words that carried the answer.
 * @param {HTMLElement} within
 * @param {Set<string>} words
 */
function mark(within, words) {
  const pieces = (within.textContent ?? "").split(/([\p{L}\p{N}]+)/u);
  within.replaceChildren(...pieces.map((piece) => (words.has(plain(piece)) && piece.trim() ? element("mark", piece) : piece)));
}

/** @param {string} text */
function withoutMarkup(text) {
  return text.replace(/<[^>]*>/g, " ").replace(/&[a-z]+;|&#\d+;/gi, " ").replace(/\s+/g, " ").trim();
}

/**
 * @param {string} kind
 * @param {string} text
 */
function element(kind, text) {
  const made = document.createElement(kind);
  made.textContent = text;
  return made;
}

function showCounts() {
  parts.progress.textContent = decided ? (parts.progress.dataset.one ?? "").replace("{count}", whole.format(decided)) : "";
  parts.outbox.hidden = outbox.count === 0;
  parts.outbox.textContent = (parts.outbox.dataset.text ?? "").replace("{count}", whole.format(outbox.count));
}

/** @param {string} text */
function tell(text) {
  parts.problem.textContent = text;
  parts.problem.hidden = text === "";
}

// What is decided

/**
 * @param {string} code
 * @param {string} name
 */
function choose(code, name) {
  decide({ category: code, ...chosenCopies() }, name, true);
}

/**
 * @param {Partial<import("./outbox.js").Decision>} what
 * @param {string} said
 * @param {boolean} counts
 */
function decide(what, said, counts) {
  const card = cards.first;
  if (!card) return;
  const took_ms = Math.round(performance.now() - shownAt);
  const key = outbox.decide({ job_id: card.job_id, index: card.index, took_ms, by: person, ...what });
  past.push({ card, key, counts });
  if (past.length > KEPT) past.shift();
  decided += Number(counts);
  cards.next();
  parts.said.textContent = said;
  show();
}

/** Which copies the same is decided about. */
function chosenCopies() {
  const card = cards.first;
  if (!card || card.copies.count === 0 || !parts.allCopies.checked) return {};
  const boxes = [...parts.copyList.querySelectorAll("input")];
  if (boxes.every((box) => box.checked)) return { copies: /** @type {const} */ (true) };
  const chosen = new Set(boxes.filter((box) => box.checked).map((box) => box.value));
  const also = card.copies.items.filter((copy) => chosen.has(placeOf(copy))).map(({ job_id, index }) => ({ job_id, index }));
  return also.length > 0 ? { also } : {};
}

function undo() {
  const last = past.pop();
  if (!last) {
    if (decided === 0) outbox.undo(person);
    return;
  }
  if (!outbox.withdraw(last.key)) outbox.undo(person);
  decided -= Number(last.counts);
  cards.putBack(last.card);
  show();
  showCounts();
}

function skip() {
  decide({ skip: true }, "", false);
}

// Dialogs

function search() {
  parts.search.value = "";
  showFound();
  dialogs.search.showModal();
}

function showFound() {
  const found = choices?.find(parts.search.value) ?? [];
  parts.found.replaceChildren(...found.map((choice, place) => {
    const row = element("li", choice.name);
    row.id = `found-${place}`;
    row.setAttribute("role", "option");
    row.setAttribute("aria-selected", String(place === 0));
    row.dataset.code = choice.code;
    if (choice.path) row.append(Object.assign(element("span", choice.path), { className: "quiet path" }));
    row.addEventListener("click", () => chooseFound(row));
    return row;
  }));
  showSelected();
}

/** @returns {HTMLElement | null} */
function selected() {
  return parts.found.querySelector('[aria-selected="true"]');
}

/** @param {1 | -1} step */
function move(step) {
  const rows = [...parts.found.children], now = selected();
  if (rows.length === 0) return;
  const place = (rows.indexOf(now ?? rows[0]) + step + rows.length) % rows.length;
  rows.forEach((row, number) => row.setAttribute("aria-selected", String(number === place)));
  rows[place].scrollIntoView({ block: "nearest" });
  showSelected();
}

function showSelected() {
  const row = selected();
  parts.search.setAttribute("aria-activedescendant", row?.id ?? "");
  parts.guideline.textContent = choices?.byCode.get(row?.dataset.code ?? "")?.guideline ?? "";
}

/** @param {HTMLElement | null} row */
function chooseFound(row) {
  const choice = choices?.byCode.get(row?.dataset.code ?? "");
  if (!choice) return;
  dialogs.search.close();
  choose(choice.code, choice.name);
}

function zoom() {
  const link = cards.first?.item.picture_url;
  if (!link) return;
  parts.large.src = address + link.slice(1);
  parts.large.alt = parts.picture.alt;
  dialogs.zoom.showModal();
}

function none() {
  if (!cards.first) return;
  parts.note.value = "";
  dialogs.none.returnValue = "";
  dialogs.none.showModal();
}

/** @type {Record<string, () => void>} */
const ACTS = { search, none, skip, undo, zoom, help: () => dialogs.help.showModal() };
/** @type {Record<string, () => void>} */
const KEYS = { "/": search, n: none, s: skip, u: undo, z: zoom, "?": ACTS.help, c: () => { parts.allCopies.checked = !parts.allCopies.checked; } };

// Events

root.addEventListener("click", (event) => {
  const act = event.target instanceof Element ? event.target.closest("[data-act]")?.getAttribute("data-act") : null;
  if (act) ACTS[act]?.();
});
document.addEventListener("keydown", (event) => {
  const target = event.target instanceof Element ? event.target : null;
  if (event.ctrlKey || event.metaKey || event.altKey || root.querySelector("dialog[open]")) return;
  if (target?.matches("input:not([type=checkbox]), textarea, select")) return;
  const candidate = /^[1-9]$/.test(event.key) ? candidates[Number(event.key) - 1] : undefined;
  const isFree = target === null || !target.matches("a, button, summary");
  if (candidate && cards.first) choose(candidate.code, candidate.name);
  else if (event.key === "Enter" && isFree && cards.first) choose(candidates[0].code, candidates[0].name);
  else if (KEYS[event.key]) KEYS[event.key]();
  else return;
  event.preventDefault();
});
parts.search.addEventListener("input", showFound);
parts.search.addEventListener("keydown", (event) => {
  if (event.key === "ArrowDown") move(1);
  else if (event.key === "ArrowUp") move(-1);
  else if (event.key === "Enter") chooseFound(selected());
  else return;
  event.preventDefault();
});
dialogs.none.addEventListener("close", () => {
  if (dialogs.none.returnValue !== "none") return;
  const note = parts.note.value.trim();
  decide({ none_of_these: true, ...(note && { note }), ...chosenCopies() }, parts.memory.dataset.none ?? "", true);
});
cards.addEventListener("change", () => { if (parts.card.hidden) show(); });
outbox.addEventListener("change", showCounts);
outbox.addEventListener("sent", () => tell(""));
outbox.addEventListener("problem", (event) => {
  const { problem, entry, stays } = /** @type {CustomEvent<{ problem: Problem, entry: import("./outbox.js").Entry, stays: boolean }>} */ (event).detail;
  tell(problem.message);
  if (problem.status === 401) parts.problem.append(" ", Object.assign(element("a", signIn), { href: signIn, target: "_blank" }));
  const refused = stays ? -1 : past.findIndex(({ key }) => key === entry.key);
  if (refused >= 0) {
    const [{ card, counts }] = past.splice(refused, 1);
    decided -= Number(counts);
    cards.putBack(card);
    show();
  }
});
addEventListener("pagehide", () => cards.release());

// The beginning

async function begin() {
  outbox.start();
  showCounts();
  const fetched = cards.fill();
  const taxonomy = await api.get("v1/taxonomy");
  choices = new Choices(taxonomy.categories, language);
  await fetched;
  show();
}

/** @param {unknown} error */
function failed(error) {
  tell(error instanceof Problem ? error.message : String(error));
  setTimeout(() => void begin().catch(failed), 3000);
}

void begin().then(() => parts.title.focus()).catch(failed);
