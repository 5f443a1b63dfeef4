// @ts-check
/** Requests to the API, as the page's session. */

/** A problem document of the API, or a service that does not answer. */
export class Problem extends Error {
  /**
   * @param {number} status 0 if there was no answer
   * @param {string} detail
   * @param {number} waitS seconds after which the service wants the request again
   */
  constructor(status, detail, waitS = 0) {
    super(detail);
    this.status = status;
    this.waitS = waitS;
  }

  /** Whether the same request may be answered later. */
  get passes() {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }
}

export class Api {
  /**
   * @param {string} root
   * @param {string} csrf
   */
  constructor(root, csrf) {
    this.root = root;
    this.csrf = csrf;
  }

  /**
   * @param {string} path below the root, without a slash in front
   * @returns {Promise<any>}
   */
  get(path) {
    return this.#asked("GET", path);
  }

  /**
   * @param {string} path
   * @param {object} body
   * @param {{ key?: string, keepalive?: boolean }} options
   * @returns {Promise<any>}
   */
  post(path, body, { key, keepalive = false } = {}) {
    return this.#asked("POST", path, body, key, keepalive);
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {object} [body]
   * @param {string} [key]
   * @param {boolean} [keepalive]
   */
  async #asked(method, path, body, key, keepalive) {
    /** @type {Record<string, string>} */
    const headers = { "X-CSRF-Token": this.csrf };
    if (body) headers["Content-Type"] = "application/json";
    if (key) headers["Idempotency-Key"] = key;
    let answer;
    try {
      answer = await fetch(this.root + path, { method, headers, keepalive, body: body && JSON.stringify(body) });
    } catch (error) {
      throw new Problem(0, String(error));
    }
    const document = await answer.json().catch(() => ({}));
    if (!answer.ok) throw new Problem(answer.status, document.detail ?? answer.statusText, Number(answer.headers.get("Retry-After")));
    return document;
  }
}

/** A name that no other request has. `randomUUID` is missing where a page is not served over HTTPS. */
export function newKey() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
