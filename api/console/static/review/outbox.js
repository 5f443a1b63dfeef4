// @ts-check
/**
 * Decisions on their way to the service. They are kept in the browser until the service has acknowledged them, so none is
 * lost if it, the network or this page goes away; each has a key, so none counts twice.
 */

import { newKey, Problem } from "./api.js";

/** @typedef {{ job_id: string, index: number, category?: string, none_of_these?: true, skip?: true, note?: string,
 *   copies?: true, also?: { job_id: string, index: number }[], took_ms: number, by: string }} Decision */
/** @typedef {{ key: string, path: string, body: object, place: string }} Entry */

const SHORTEST_WAIT_MS = 500, LONGEST_WAIT_MS = 10_000;

export class Outbox extends EventTarget {
  /**
   * @param {import("./api.js").Api} api
   * @param {string} name of the place in the browser's storage, one per tenant and person; each request has a place of
   *   its own behind it, so that several pages at once lose nothing of one another
   */
  constructor(api, name) {
    super();
    this.api = api;
    this.name = name;
    /** @type {Entry[]} */
    this.entries = Object.keys(localStorage)
      .filter((place) => place.startsWith(`${name}:`))
      .sort()
      .map((place) => JSON.parse(localStorage.getItem(place) ?? "null"));
    this.sending = false;
    this.wait = 0;
    addEventListener("online", () => this.#soon(0));
  }

  get count() {
    return this.entries.length;
  }

  /** Begin with what an earlier page has left. */
  start() {
    this.#soon(0);
  }

  /**
   * @param {Decision} decision
   * @returns {string} its key
   */
  decide(decision) {
    return this.#add("v1/decisions", { decisions: [decision] });
  }

  /** @param {string} by */
  undo(by) {
    return this.#add("v1/decisions/undo", { count: 1, by });
  }

  /**
   * Take a request back, if it has not been sent.
   * @param {string} key
   * @returns {boolean} whether it was taken back
   */
  withdraw(key) {
    const place = this.entries.findIndex((entry) => entry.key === key);
    if (place < 0 || (place === 0 && this.sending)) return false;
    this.#remove(this.entries[place]);
    return true;
  }

  /**
   * @param {string} path
   * @param {object} body
   */
  #add(path, body) {
    const key = newKey();
    const entry = { key, path, body, place: `${this.name}:${String(Date.now()).padStart(15, "0")}:${key}` };
    this.entries.push(entry);
    localStorage.setItem(entry.place, JSON.stringify(entry));
    this.dispatchEvent(new Event("change"));
    this.#soon(0);
    return key;
  }

  /** @param {Entry} entry */
  #remove(entry) {
    this.entries.splice(this.entries.indexOf(entry), 1);
    localStorage.removeItem(entry.place);
    this.dispatchEvent(new Event("change"));
  }

  /** @param {number} wait in milliseconds */
  #soon(wait) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.#send(), wait);
  }

  async #send() {
    if (this.sending) return;
    this.sending = true;
    try {
      while (this.entries.length > 0) {
        const [entry] = this.entries;
        const { path, body, key } = entry;
        const answer = await this.api.post(path, body, { key });
        this.wait = 0;
        this.#remove(entry);
        this.dispatchEvent(new CustomEvent("sent", { detail: { key, path, answer } }));
      }
    } catch (error) {
      this.#failed(error instanceof Problem ? error : new Problem(0, String(error)));
    } finally {
      this.sending = false;
    }
  }

  /** @param {Problem} problem */
  #failed(problem) {
    // A session that has ended is begun again on another page, and then this is sent.
    const stays = problem.passes || problem.status === 401 || problem.status === 403;
    const [entry] = this.entries;
    if (!stays) this.#remove(entry);
    this.dispatchEvent(new CustomEvent("problem", { detail: { problem, entry, stays } }));
    this.wait = stays ? Math.min(Math.max(this.wait * 2, SHORTEST_WAIT_MS, problem.waitS * 1000), LONGEST_WAIT_MS) : 0;
    this.#soon(this.wait);
  }
}
