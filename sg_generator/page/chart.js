// The chart: bars in a grid like a lead sheet, the chord that sounds lit.

import { chordParts } from "./chords.js";
import { barSeconds } from "./meter.js";
import { el } from "./dom.js";

function chordElement({ symbol, at }) {
  const { root, quality, bass } = chordParts(symbol);
  return el(
    "span",
    { class: "chord", "data-at": at, "data-symbol": symbol },
    el("span", { class: "chord-root" }, root),
    quality ? el("span", { class: "chord-quality" }, quality) : null,
    bass ? el("span", { class: "chord-bass" }, bass) : null,
  );
}

function barElement(number, chords) {
  const same = [
    el("span", { class: "repeat", "aria-hidden": "true" }, "%"),
    el("span", { class: "visually-hidden" }, "same chord"),
  ];
  return el("li", { class: "bar", "data-bar": number }, ...(chords.length ? chords.map(chordElement) : same));
}

/** The chords that change within each bar of a clip. */
function byBar(clip) {
  const seconds = barSeconds(clip);
  const grid = Array.from({ length: clip.bars }, () => []);
  for (const chord of clip.chords) grid[Math.floor(chord.at / seconds + 1e-6)]?.push(chord);
  return grid;
}

export class Chart {
  #list;
  #chords = [];
  #bars = [];
  #lit = null;
  #litBar = null;

  constructor(list) {
    this.#list = list;
  }

  draw(clip) {
    const bars = byBar(clip).map((chords, index) => barElement(index + 1, chords));
    this.#list.replaceChildren(...bars);
    this.#list.hidden = false;
    this.#bars = bars;
    this.#chords = [...this.#list.querySelectorAll(".chord")];
    this.#lit = this.#litBar = null;
  }

  /** Lights the chord that sounds at `seconds` of the clip, and its bar. */
  light(seconds, bar) {
    const chord = this.#chords.findLast((one) => Number(one.dataset.at) <= seconds + 1e-6) ?? null;
    this.#mark(chord, this.#bars[bar - 1] ?? null);
  }

  dark() {
    this.#mark(null, null);
  }

  #mark(chord, bar) {
    if (chord !== this.#lit) {
      this.#lit?.removeAttribute("aria-current");
      chord?.setAttribute("aria-current", "true");
      this.#lit = chord;
    }
    if (bar === this.#litBar) return;
    this.#litBar?.classList.remove("now");
    bar?.classList.add("now");
    bar?.scrollIntoView({ block: "nearest" });
    this.#litBar = bar;
  }
}
