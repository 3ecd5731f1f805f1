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
  return last?.clip_id === clip && last.score === envelope.deterministic.score;
}

export class Story {
  #sessionId;
  #looking = 0;

  constructor(sessionId) {
    this.#sessionId = sessionId;
  }

  /** Draws what there is now. */
  async draw() {
    const { takes } = await api.story(this.#sessionId);
    show(byId("story-empty"), takes.length === 0);
    drawScores(byId("scores"), takes);
    drawBeats(byId("beats"), takes.at(-1)?.error_by_beat_ms);
    return takes;
  }

  /** Draws a take that was coached (an object of /clips/{id}/coaching), as soon as the book has it. */
  async add(coaching) {
    if (!coaching.envelope) return;
    drawBeats(byId("beats"), coaching.take?.error_by_beat_ms);
    const mine = ++this.#looking;
    for (const ms of LOOK_AFTER_MS) {
      await pause(ms);
      if (mine !== this.#looking || isTold(await this.draw(), coaching)) return;
    }
  }
}
