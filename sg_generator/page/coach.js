// What the coach says of the take. The hint is the coach's; AI tips stand beside it, as another voice.

import { byId, el, say, show, write } from "./dom.js";

const VERDICTS = { pass: "Passed", struggle: "Getting there", fail: "Not yet" };
const STATES = {
  no_take: "Play a take. The coach's word is here the moment it ends.",
  waiting: "Listening to your take…",
  deaf: "Your take is kept, but the coach is not running. Start “sg-hybrid run”; the hint then comes by itself.",
  refused: "The coach could not use this take.",
};
const TEXTS = ["coaching_tip", "timing_insight", "exercise_hint"];
const ORIGINS = { live: "Written for this take", prepared: "Prepared while you played" };

const signed = (value) => (value > 0 ? `+${value}` : `${value}`.replace("-", "−"));

function trendWords(trend) {
  if (trend === null || trend === undefined) return "no take to compare with yet";
  const rounded = Math.round(trend * 10) / 10;
  return rounded === 0 ? "as your takes before" : `${signed(rounded)} against your takes before`;
}

function fillTexts(element, texts) {
  const present = [...element.children].map(({ textContent }) => textContent);
  if (present.join("\n") !== texts.join("\n")) element.replaceChildren(...texts.map((text) => el("p", { dir: "auto" }, text)));
}

function fillTip(id, tip, origin) {
  const texts = TEXTS.map((name) => tip?.[name]).filter(Boolean);
  show(byId(id), texts.length > 0);
  fillTexts(byId(`${id}-text`), texts);
  write(byId(`${id}-origin`), tip ? [origin, tip.model_id].filter(Boolean).join(" · ") : "");
}

export class Coach {
  #latest = null;
  #status = { workerAlive: true, aiOn: false };

  /** What the coach said last: an object of /clips/{id}/coaching, or null. */
  get latest() {
    return this.#latest;
  }

  /** Whether anybody listens, and whether an AI tip may be waited for. */
  set status(status) {
    this.#status = status;
    if (this.#latest) this.show(this.#latest);
  }

  clear() {
    this.show({ state: "no_take", envelope: null, queued: null, take: null });
  }

  show(coaching) {
    this.#latest = coaching;
    const words = coaching.envelope?.deterministic ?? null;
    this.#showState(coaching, words);
    if (words) this.#showHint(words, coaching.take);
    show(byId("hint"), words !== null);
    show(byId("next-round"), words !== null);
    this.#showTips(coaching, words);
  }

  #showState({ state, error }, words) {
    const deaf = state === "waiting" && !this.#status.workerAlive;
    const text = words ? "" : STATES[deaf ? "deaf" : state];
    const why = state === "refused" && error ? ` ${error.message}` : "";
    say(byId("coach-state"), text + why);
  }

  #showHint(words, take) {
    write(byId("score"), String(Math.round(words.score * 10) / 10));
    write(byId("verdict"), VERDICTS[words.take_result]);
    write(byId("trend"), trendWords(words.score_trend));
    write(byId("hint-text"), words.coach_hint);
    const unsure = take?.timing_measurable === false;
    say(byId("hint-note"), unsure ? "Your timing could not be measured: too few notes, or a grid that is too fine at this tempo." : "");
  }

  #showTips({ envelope, origin, queued }, words) {
    fillTip("ai-tip", envelope?.ai, ORIGINS[origin] ?? "");
    fillTip("queued-tip", queued, "It came too late for that take");
    const waiting = words && this.#status.aiOn && !envelope.ai && !queued;
    say(byId("ai-state"), waiting ? "No AI tip yet. If it comes late, it waits for your next take." : "");
  }
}
