// The chart: bars in a grid like a lead sheet, the chord that sounds lit.

import { chordParts } from "./chords.js";
import { barSeconds } from "./meter.js";
import { el } from "./dom.js";

// A clip counts a beat in whole microseconds, so over 256 bars its chords stray from the bar lines by up to 1 ms.
const NEARLY_S = 0.005;

function symbolParts(symbol) {
  const { root, quality, bass } = chordParts(symbol);
  return [
    el("span", { class: "chord-root" }, root),
    quality ? el("span", { class: "chord-quality" }, quality) : null,
    bass ? el("span", { class: "chord-bass" }, bass) : null,
  ];
}

const repeatParts = () => [
  el("span", { "aria-hidden": "true" }, "%"),
  el("span", { class: "visually-hidden" }, "same chord"),
];

/** A chord, from `at` seconds on; `repeat` draws the sign for a bar like the one before. */
const chordElement = ({ symbol, at, repeat }) =>
  el("span", { class: repeat ? "chord repeat" : "chord", "data-at": at }, ...(repeat ? repeatParts() : symbolParts(symbol)));

/** The chords of each bar of a clip. What goes on over a bar line stands there again. */
function barsOf(clip) {
  const seconds = barSeconds(clip);
  let sounding = null;
  return Array.from({ length: clip.bars }, (_, bar) => {
    const start = bar * seconds;
    const changes = clip.chords.filter(({ at }) => at >= start - NEARLY_S && at < start + seconds - NEARLY_S);
    const goesOn = sounding !== null && !(changes[0]?.at <= start + NEARLY_S);
    const held = goesOn ? [{ symbol: sounding, at: start, repeat: changes.length === 0 }] : [];
    sounding = changes.at(-1)?.symbol ?? sounding;
    return [...held, ...changes];
  });
}

function isInSight(element) {
  const { top, bottom } = element.getBoundingClientRect();
  return bottom > 0 && top < window.innerHeight;
}

export class Chart {
  #list;
  #chords = [];
  #lit = null;

  constructor(list) {
    this.#list = list;
  }

  draw(clip) {
    const bars = barsOf(clip).map((chords) => el("li", { class: "bar" }, ...chords.map(chordElement)));
    this.#list.replaceChildren(...bars);
    this.#list.hidden = false;
    this.#chords = [...this.#list.querySelectorAll(".chord")];
    this.#lit = null;
  }

  /** Lights the chord that sounds at `seconds` of the clip. */
  light(seconds) {
    this.#mark(this.#chords.findLast((one) => Number(one.dataset.at) <= seconds + NEARLY_S) ?? null);
  }

  dark() {
    this.#mark(null);
  }

  #mark(chord) {
    if (chord === this.#lit) return;
    const follow = this.#lit === null || isInSight(this.#lit); // or the player has scrolled away to read
    this.#lit?.removeAttribute("aria-current");
    chord?.setAttribute("aria-current", "true");
    if (follow) chord?.closest(".bar").scrollIntoView({ block: "nearest" });
    this.#lit = chord;
  }
}
