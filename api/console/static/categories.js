// @ts-check
/** Another file of categories: what it would change is shown first, then it is put in force. */

/** @typedef {{ changes: { code: string, detail: string, needs_training: boolean }[], not_listed: number, changed: boolean }} Changes */

const section = /** @type {HTMLElement} */ (document.querySelector("#change"));
const { put: address = "", etag = "", csrf = "" } = section.dataset;

/**
 * @template {HTMLElement} T
 * @param {string} name
 * @param {{ new (): T }} kind
 * @returns {T}
 */
function field(name, kind) {
  const found = section.querySelector(`[data-field=${name}]`);
  if (!(found instanceof kind)) throw new Error(`the page has no ${name}`);
  return found;
}

const file = field("file", HTMLInputElement), problem = field("problem", HTMLElement), preview = field("preview", HTMLElement);
const summary = field("summary", HTMLElement), changes = field("changes", HTMLUListElement), button = field("put", HTMLButtonElement);

/**
 * @param {boolean} only whether to say only what would change
 * @returns {Promise<Changes | null>}
 */
async function send(only) {
  const chosen = file.files?.[0];
  if (!chosen) return null;
  const headers = { "Content-Type": "text/csv", "X-CSRF-Token": csrf, ...(only ? {} : { "If-Match": etag }) };
  problem.hidden = true;
  const answer = await fetch(only ? `${address}?dry_run=true` : address, { method: "PUT", headers, body: await chosen.arrayBuffer() }).catch(() => null);
  const document = await answer?.json().catch(() => null);
  if (answer?.ok) return document;
  problem.textContent = document?.detail ?? String(answer?.statusText ?? "");
  problem.hidden = false;
  preview.hidden = true;
  return null;
}

file.addEventListener("change", async () => {
  const found = await send(true);
  if (!found) return;
  const count = found.changes.length + found.not_listed;
  summary.textContent = count ? (summary.dataset.text ?? "").replace("{count}", String(count)) : summary.dataset.none ?? "";
  changes.replaceChildren(...found.changes.map(({ detail, needs_training }) => {
    const row = document.createElement("li"), badge = document.createElement("span");
    badge.className = needs_training ? "badge busy" : "badge good";
    badge.textContent = (needs_training ? changes.dataset.later : changes.dataset.now) ?? "";
    row.append(detail, " ", badge);
    return row;
  }));
  button.hidden = count === 0;
  preview.hidden = false;
  summary.focus();
});
button.addEventListener("click", async () => {
  button.disabled = true;
  if (await send(false)) location.reload();
  button.disabled = false;
});
