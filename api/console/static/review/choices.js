// @ts-check
/** Every category that can be chosen, found by words of its name in any language, or by its code. */

/** @typedef {{ code: string, name: string, names: Record<string, string>, parent: string | null, guideline: string | null,
 *   leaf: boolean, state: string }} Category */
/** @typedef {{ code: string, name: string, path: string, guideline: string | null, leaf: boolean, names: string[], text: string }} Choice */

const MOST = 12;

export class Choices {
  /**
   * @param {Category[]} categories
   * @param {string} language
   */
  constructor(categories, language) {
    const all = new Map(categories.map((category) => [category.code, category]));
    /** @param {Category} category */
    const nameOf = (category) => category.names[language] ?? category.name;
    /** @type {Choice[]} */
    this.choices = categories
      .filter(({ state }) => state !== "merged" && state !== "retired")
      .map((category) => {
        const above = [];
        for (let one = all.get(category.parent ?? ""); one; one = all.get(one.parent ?? "")) above.unshift(nameOf(one));
        const names = [category.code, category.name, ...Object.values(category.names)].map(plain);
        return {
          code: category.code, name: nameOf(category), path: above.join(" › "), guideline: category.guideline, leaf: category.leaf,
          names, text: [...names, plain(above.join(" "))].join(" "),
        };
      });
    this.byCode = new Map(this.choices.map((choice) => [choice.code, choice]));
  }

  /**
   * The choices in which every word begins some word: first those with a name that begins so, and leaves before groups.
   * @param {string} words
   */
  find(words) {
    const sought = plain(words).split(" ").filter(Boolean);
    const found = this.choices.filter(({ text }) => sought.every((word) => ` ${text}`.includes(` ${word}`)));
    /** @param {Choice} choice */
    const rank = ({ names, leaf }) => (sought.length > 0 && names.some((name) => name.startsWith(sought[0])) ? 0 : 2) + (leaf ? 0 : 1);
    return found.sort((one, other) => rank(one) - rank(other)).slice(0, MOST);
  }
}

/** @param {string} text in lower case, without accents and signs */
export function plain(text) {
  return text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase().replace(/[^\p{L}\p{N}]+/gu, " ").trim();
}
