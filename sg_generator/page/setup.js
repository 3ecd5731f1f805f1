// The form: what to play over. Problems that the server names are shown at their field.

import { api } from "./api.js";
import { barsIn } from "./chords.js";
import { byId, el, say } from "./dom.js";
import { session } from "./session.js";

// The request's fields, and the inputs where the player sets them.
const FIELDS = { chords: "chords", style: "style", tempo_bpm: "tempo", bars: "bars", meter: "meter", key: "key" };
// A short form is played more than once.
const ENOUGH_BARS = 8;
// A clip takes a few hundredths of a second; whoever waits longer is told that it goes on.
const PATIENCE_MS = 400;
const INPUTS = Object.values(FIELDS);

const numberIn = (input) => (input.value.trim() === "" ? null : Number(input.value));

/** The whole request that the form asks for (without session). */
function requestIn() {
  const key = byId("key").value.trim();
  return {
    chords: barsIn(byId("chords").value),
    style: byId("style").value,
    tempo_bpm: numberIn(byId("tempo")),
    bars: numberIn(byId("bars")),
    meter: byId("meter").value,
    ...(key ? { key } : {}),
  };
}

const withinLimits = (input, words) =>
  input.value.trim() === "" || !input.validity.valid ? `${words}, ${input.min} to ${input.max}.` : null;

/** The whole number of beats a minute that the field takes and that is nearest to `tempo`. */
const playable = (tempo, { min, max }) => Math.min(Number(max), Math.max(Number(min), Math.round(tempo)));

/** What can be said without asking the server: [input's id, message], or null. */
function firstGap({ chords }) {
  if (chords.length === 0) return ["chords", "Type at least one chord, for example Dm7."];
  const tempo = withinLimits(byId("tempo"), "Type a tempo in beats a minute");
  if (tempo) return ["tempo", tempo];
  const bars = withinLimits(byId("bars"), "Type a number of bars");
  return bars ? ["bars", bars] : null;
}

function clearErrors() {
  for (const id of INPUTS) {
    byId(id).removeAttribute("aria-invalid");
    say(byId(`${id}-error`), "");
  }
}

/** Puts a message at an input, and the player's cursor there. */
function complain(id, message) {
  const input = byId(id);
  byId("setup-box").open = true;
  input.setAttribute("aria-invalid", "true");
  say(byId(`${id}-error`), message);
  input.focus();
}

/** Where a chord of a bar (counted from 0) stands in what was typed, or -1. */
function placeOf(chord, bar, typed) {
  let from = 0;
  for (const before of barsIn(typed).slice(0, bar).join(" ").split(" ")) from = typed.indexOf(before, from) + before.length;
  return typed.indexOf(chord, from);
}

/** A bar that cannot be read: named, and the chord that the message quotes selected. */
function complainOfBar(bar, message) {
  complain("chords", `Bar ${bar + 1}: ${message}`);
  const input = byId("chords");
  const chord = /'([^']+)'/u.exec(message)?.[1] ?? "";
  const at = placeOf(chord, bar, input.value);
  if (chord && at >= 0) input.setSelectionRange(at, at + chord.length);
}

export class Setup {
  #progressions = [];
  #loading = null;
  #complain;

  /**
   * `make(request, form)` is called with what the player asked for, and with how the form said it. What it throws
   * about a field is shown there, the rest goes to `complain`.
   */
  constructor(make, complainElsewhere) {
    this.#complain = complainElsewhere;
    byId("setup").addEventListener("submit", (event) => {
      event.preventDefault();
      this.submit(make);
    });
    byId("progression").addEventListener("change", (event) => this.#pick(event.target.value));
    byId("chords").addEventListener("input", () => (byId("progression").value = ""));
    byId("chords").addEventListener("keydown", submitOnEnter);
    this.#restore(session.form); // at once: who types while the server is slow, or away, must not lose that
  }

  /** Fetches what there is to choose from, once. */
  load() {
    this.#loading ??= this.#fetch().catch((error) => {
      this.#loading = null;
      throw error;
    });
    return this.#loading;
  }

  async #fetch() {
    const [styles, progressions] = await Promise.all([api.styles(), api.progressions()]);
    this.#progressions = progressions;
    byId("style").replaceChildren(...styles.map(({ name, title }) => el("option", { value: name }, title)));
    byId("progression").append(...progressions.map(({ name, title }) => el("option", { value: name }, title)));
    this.#choose(session.form);
  }

  #restore(values) {
    for (const [id, value] of Object.entries(values ?? {})) byId(id).value = value;
  }

  /** Restores what could not be chosen before the server had named it; chords typed meanwhile are no named progression. */
  #choose(values) {
    if (!values) return;
    byId("style").value = values.style;
    if (!this.changed) byId("progression").value = values.progression;
  }

  /** Whether other chords stand there now than the present clip was asked for with. */
  get changed() {
    return byId("chords").value !== session.form?.chords;
  }

  #pick(name) {
    const found = this.#progressions.find((one) => one.name === name);
    if (!found) return;
    clearErrors();
    this.#fill({ ...found, bars: found.bars * Math.ceil(ENOUGH_BARS / found.bars) });
  }

  /** Shows a request in the form. */
  #fill({ chords, style, tempo_bpm: tempo, bars, meter, key }) {
    byId("chords").value = chords.join(" | ");
    byId("style").value = style;
    byId("tempo").value = tempo;
    byId("bars").value = bars;
    byId("meter").value = meter;
    byId("key").value = key ?? "";
  }

  /** Shows what the present clip was asked for with, whatever was typed since, but at another tempo. */
  again(tempo) {
    this.#restore(session.form);
    byId("tempo").value = playable(tempo, byId("tempo"));
  }

  async submit(make) {
    if (byId("make").disabled) return undefined;
    clearErrors();
    const gap = firstGap(requestIn());
    if (gap) return complain(...gap);
    const pressed = document.activeElement === byId("make");
    byId("make").disabled = true; // which takes the focus from it
    const waiting = setTimeout(() => say(byId("making"), "Making the clip …"), PATIENCE_MS);
    try {
      await this.load(); // or there is no style yet
      const form = Object.fromEntries([...INPUTS, "progression"].map((id) => [id, byId(id).value]));
      await make(requestIn(), form);
    } catch (error) {
      this.#refused(error);
    } finally {
      clearTimeout(waiting);
      say(byId("making"), "");
      byId("make").disabled = false;
      if (pressed && document.activeElement === document.body) byId("make").focus();
    }
  }

  #refused(error) {
    const id = FIELDS[error.field];
    if (id === "chords" && error.index !== null) complainOfBar(error.index, error.message);
    else if (id) complain(id, error.message);
    else this.#complain(error);
  }
}

function submitOnEnter(event) {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  event.target.form.requestSubmit();
}
