// The buttons under the chart, and what they show while the clip runs.

import { byId, isPressed, press } from "./dom.js";
import { barAndBeat, beatSeconds } from "./meter.js";

const TOGGLES = { loop: "loop", metronome: "metronome", "count-in": "countIn" };

function words(clip, heard) {
  const { bar, beat } = barAndBeat(clip, heard);
  return `Bar ${bar} of ${clip.bars}, beat ${beat}`;
}

export class Transport {
  #player;
  #chart;
  #frame = null;

  constructor(player, chart) {
    this.#player = player;
    this.#chart = chart;
    byId("play").addEventListener("click", () => this.playOrStop());
    byId("volume").addEventListener("input", ({ target }) => (player.volume = target.value / 100));
    for (const id of Object.keys(TOGGLES)) byId(id).addEventListener("click", () => this.toggle(id));
    player.addEventListener("start", () => this.#running(true));
    player.addEventListener("stop", () => this.#running(false));
    player.addEventListener("end", () => this.#running(false));
  }

  playOrStop() {
    if (this.#player.playing) this.#player.stop();
    else this.#player.start();
  }

  toggle(id) {
    const on = !isPressed(byId(id));
    press(byId(id), on);
    if (id === "metronome") this.#player.setMetronome(on);
    else this.#player[TOGGLES[id]] = on;
  }

  #running(on) {
    const button = byId("play");
    button.toggleAttribute("data-playing", on);
    button.setAttribute("aria-label", on ? "Stop" : "Play");
    cancelAnimationFrame(this.#frame);
    if (on) this.#draw();
    else this.rest();
  }

  /** Back to the first bar. */
  rest() {
    this.#chart.dark();
    byId("position").textContent = words(this.#player.clip, 0);
    byId("progress").style.transform = "scaleX(0)";
  }

  #draw() {
    const clip = this.#player.clip;
    const heard = this.#player.heardAt();
    if (heard < 0) this.#countIn(clip, heard);
    else if (heard < this.#player.until) this.#round(clip, heard % clip.seconds); // or the player is about to stop
    this.#frame = requestAnimationFrame(() => this.#draw());
  }

  #countIn(clip, heard) {
    const beats = Math.ceil(-heard / beatSeconds(clip));
    byId("position").textContent = `Count-in, ${beats} to go`;
  }

  #round(clip, heard) {
    this.#chart.light(heard);
    byId("position").textContent = words(clip, heard);
    byId("progress").style.transform = `scaleX(${heard / clip.seconds})`;
  }
}
