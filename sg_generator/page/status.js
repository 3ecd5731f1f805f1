// Who is there: the generator, the coach, the AI. Asked now and then while the page is seen.

import { api } from "./api.js";
import { byId, write } from "./dom.js";

const EVERY_MS = 10_000;

function words({ worker, ai }) {
  if (!worker?.alive) return ["trouble", "The coach is not running. Start it with “sg-hybrid run”."];
  return ["ready", ai?.enabled ? "Coach ready, AI tips on" : "Coach ready, AI tips off"];
}

function tell(state, text) {
  const place = byId("status");
  place.dataset.state = state;
  write(place, text);
}

/** `learned({workerAlive, aiOn})` is called with every answer. */
export function watchStatus(learned) {
  const look = async () => {
    if (document.hidden) return;
    try {
      const status = await api.status();
      tell(...words(status));
      learned({ workerAlive: Boolean(status.worker?.alive), aiOn: Boolean(status.ai?.enabled) });
    } catch (error) {
      tell("trouble", error.message);
    }
  };
  setInterval(look, EVERY_MS);
  document.addEventListener("visibilitychange", look);
  return look();
}
