// @ts-check
/** Cards to review, fetched ahead with their pictures, so that the next one is there when a key is pressed. */

/** @typedef {{ code: string, name: string, confidence: number }} Category */
/** @typedef {{ category: { code: string, name: string } | null, by: string, match: "same" | "near" }} Memory */
/** @typedef {{ id: string, index: number, category: Category & { path: Category[] }, alternatives: Category[],
 *   memory: Memory | null, provisional: boolean, metadata: Record<string, unknown> | null }} Result */
/** @typedef {{ title: string | null, description: string | null, image_url: string | null, picture_url: string | null, result: Result }} Item */
/** @typedef {{ job_id: string, index: number, item: Item, reserved_until: string,
 *   copies: { count: number, items: { job_id: string, index: number, id: string, title: string | null }[] } }} Card */
/** @typedef {{ phrases: { text: string }[], picture_changed_answer: boolean, picture: "looked_at" | "not_looked_at" | null,
 *   branches: { text: Category | null, image: Category | null } }} Explanation */

const AHEAD = 20, FEW = 8, EXPLAINED = 2, MINUTES = 15, PICTURE = 640;

/** Tells by `change` that cards have come, or that none is left. */
export class Cards extends EventTarget {
  /**
   * @param {import("./api.js").Api} api
   * @param {{ job: string, category: string, person: string }} wanted
   */
  constructor(api, wanted) {
    super();
    this.api = api;
    this.wanted = wanted;
    /** @type {Card[]} */
    this.waiting = [];
    /** @type {Map<string, Promise<Explanation | null>>} */
    this.explanations = new Map();
    /** @type {Map<string, HTMLImageElement>} */
    this.pictures = new Map();
    /** @type {Promise<void> | null} */
    this.fetching = null;
    this.isEnd = false;
  }

  /** The card to show; `undefined` while none has been fetched, or if none is left.
   * @returns {Card | undefined} */
  get first() {
    return this.waiting[0];
  }

  /** Go on to the next card, and fetch more in time. */
  next() {
    const card = this.waiting.shift();
    if (card) this.#forget(card);
    this.#prepare();
    if (this.waiting.length <= (this.isEnd ? 0 : FEW)) void this.fill().catch(() => {});
  }

  /** @param {Card} card that comes before all others */
  putBack(card) {
    this.waiting.unshift(card);
    this.#prepare();
  }

  /**
   * Leave out what is decided, such as the copies of a card.
   * @param {{ job_id: string, index: number }[]} items
   */
  leaveOut(items) {
    const places = new Set(items.map(placeOf));
    this.waiting = this.waiting.filter((card) => !places.has(placeOf(card)));
  }

  /** Fetch more cards; one request at a time. */
  fill() {
    this.fetching ??= this.#fetch().finally(() => { this.fetching = null; });
    return this.fetching;
  }

  async #fetch() {
    const { job, category, person } = this.wanted;
    const asked = { limit: AHEAD, minutes: MINUTES, by: person, ...(job && { job_id: job }), ...(category && { category }) };
    /** @type {{ cards: Card[] }} */
    const { cards } = await this.api.post("v1/review/next", asked);
    const known = new Set(this.waiting.map(placeOf));
    this.waiting.push(...cards.filter((card) => !known.has(placeOf(card))));
    this.isEnd = cards.length === 0;
    this.#prepare();
    this.dispatchEvent(new Event("change"));
  }

  /** Give back what was not decided, so that others get it. */
  release() {
    if (this.waiting.length === 0) return;
    const items = this.waiting.map(({ job_id, index }) => ({ job_id, index }));
    void this.api.post("v1/review/release", { by: this.wanted.person, items }, { keepalive: true }).catch(() => {});
  }

  /** @param {Card} card */
  pictureOf(card) {
    const link = card.item.picture_url;
    return link && `${this.api.root}${link.slice(1)}?size=${PICTURE}`;
  }

  /**
   * Why an item got its answer; null if nobody can tell.
   * @param {Card} card
   */
  explanationOf(card) {
    const place = placeOf(card);
    let found = this.explanations.get(place);
    if (!found) {
      found = this.api.get(`v1/jobs/${card.job_id}/items/${card.index}/explanation`).catch(() => null);
      this.explanations.set(place, found);
    }
    return found;
  }

  #prepare() {
    for (const card of this.waiting) {
      const link = this.pictureOf(card);
      if (!link || this.pictures.has(link)) continue;
      const image = new Image();
      image.src = link;
      this.pictures.set(link, image);
    }
    for (const card of this.waiting.slice(0, EXPLAINED)) void this.explanationOf(card);
  }

  /** @param {Card} card */
  #forget(card) {
    this.explanations.delete(placeOf(card));
    this.pictures.delete(this.pictureOf(card) ?? "");
  }
}

/** @param {{ job_id: string, index: number }} item */
export function placeOf({ job_id, index }) {
  return `${job_id}/${index}`;
}
