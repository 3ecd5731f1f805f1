// The session's story: what the coach said of each take, drawn.

import { api } from "./api.js";
import { byId, show } from "./dom.js";
import { drawBeats, drawScores } from "./plots.js";

// The coach's word is seen before it is in the session's book; so the book is looked into again.
const LOOK_AFTER_MS = [0, 300, 900, 2700];

const pause = (ms) => new Promise((done) => setTimeout(done, ms));

/** Whether the book ends with the take that the coach spoke of. */
function isTold(takes, { clip_id: clip, envelope }) {
  const last = takes.at(-1);
  return last?.clip_id === clip && last.timestamp === envelope.deterministic.created_at_utc;
}

export class Story {
  #sessionId;
  #looking = 0;
  #asked = 0;

  constructor(sessionId) {
    this.#sessionId = sessionId;
  }

  /** Draws what there is now; `errors` are the last take's by beat, if they are known before the book has them. */
  async draw(errors) {
    const mine = ++this.#asked;
    const { takes } = await api.story(this.#sessionId);
    if (mine !== this.#asked) return takes; // a later look sees more
    show(byId("story-empty"), takes.length === 0);
    drawScores(byId("scores"), takes);
    drawBeats(byId("beats"), errors === undefined ? takes.at(-1)?.error_by_beat_ms : errors);
    return takes;
  }

  /** Draws a take that was coached (an object of /clips/{id}/coaching), as soon as the book has it. */
  async add(coaching) {
    if (!coaching.envelope) return;
    const errors = coaching.take?.error_by_beat_ms ?? null;
    drawBeats(byId("beats"), errors);
    const mine = ++this.#looking;
    for (const ms of LOOK_AFTER_MS) {
      await pause(ms);
      if (mine !== this.#looking || isTold(await this.draw(errors), coaching)) return;
    }
  }
}
