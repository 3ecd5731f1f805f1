// Plays a clip on time. A short timer looks a little ahead; the audio clock alone says when a note sounds.
// Events: "start", "end" (the clip is over), "stop" (the player stopped it).

import { barSeconds, beatSeconds, beatsPerBar } from "./meter.js";
import { Synth } from "./synth.js";

const TICK_MS = 25;
const LOOK_AHEAD_S = 0.1;
const HIDDEN_LOOK_AHEAD_S = 1.5; // a hidden tab's timers run once a second
const LEAD_IN_S = 0.12;
const TOO_LATE_S = 0.15; // a note that was missed by more is left out, not played as part of a burst

function clicksOf(clip) {
  const perBar = beatsPerBar(clip.meter);
  const beat = beatSeconds(clip);
  return Array.from({ length: perBar * clip.bars }, (_, i) => ({ at: i * beat, accented: i % perBar === 0 }));
}

/** Everything that one round of the clip plays, in order. */
function eventsOf(clip) {
  const clicks = clicksOf(clip).map((click) => ({ ...click, part: "click" }));
  return [...clip.notes, ...clicks].sort((a, b) => a.at - b.at);
}

export class Player extends EventTarget {
  loop = false;
  countIn = true;
  metronome = false;
  #context = null;
  #synth = null;
  #outputs = {};
  #clip = null;
  #events = [];
  #timer = null;
  #origin = 0; // audio time of the first beat of the round that is being scheduled
  #start = 0; // audio time of the clip's first beat in its first round
  #index = 0;
  #volume = 0.8;

  /** The clip to play: {meter, bars, seconds, notes: [{part, pitch, velocity, at, duration}]}. */
  load(clip) {
    this.stop();
    this.#clip = clip;
    this.#events = eventsOf(clip);
  }

  get playing() {
    return this.#timer !== null;
  }

  get clip() {
    return this.#clip;
  }

  set volume(level) {
    this.#volume = level;
    this.#outputs.band?.gain.setTargetAtTime(level, this.#context.currentTime, 0.02);
  }

  setMetronome(on) {
    this.metronome = on;
    this.#outputs.metronome?.gain.setTargetAtTime(on ? 1 : 0, this.#context.currentTime, 0.005);
  }

  /** Starts from the first bar. Has to be called from a key press or a tap, or browsers keep silent. */
  async start() {
    if (!this.#clip || this.playing) return;
    this.#open();
    const resumed = this.#context.resume();
    this.#synth.prepare(this.#clip.notes.filter(({ part }) => part === "comp").map(({ pitch }) => pitch));
    await resumed;
    if (this.playing) return;
    this.#begin();
  }

  #open() {
    if (this.#context) return;
    this.#context = new AudioContext({ latencyHint: "interactive" });
    // A browser may silence a page (a call comes, the loudspeaker goes): what is not heard is not played.
    this.#context.addEventListener("statechange", () => this.#context.state !== "running" && this.stop());
    const safety = new DynamicsCompressorNode(this.#context, { threshold: -14, ratio: 4 });
    safety.connect(this.#context.destination);
    const output = (gain) => {
      const node = new GainNode(this.#context, { gain });
      node.connect(safety);
      return node;
    };
    this.#outputs = { band: output(this.#volume), metronome: output(this.metronome ? 1 : 0), countIn: output(1) };
    this.#synth = new Synth(this.#context, this.#outputs.band);
  }

  #begin() {
    const now = this.#context.currentTime + LEAD_IN_S;
    this.#start = now + (this.countIn ? barSeconds(this.#clip) : 0);
    this.#origin = this.#start;
    this.#index = 0;
    if (this.countIn) this.#scheduleCountIn(now);
    this.#timer = setInterval(() => this.#pump(), TICK_MS);
    this.#pump();
    this.dispatchEvent(new Event("start"));
  }

  #scheduleCountIn(from) {
    for (let i = 0; i < beatsPerBar(this.#clip.meter); i += 1) {
      this.#synth.click(this.#outputs.countIn, i === 0, from + i * beatSeconds(this.#clip));
    }
  }

  /** Hands to the audio clock all that is due soon. */
  #pump() {
    const now = this.#context.currentTime;
    const horizon = now + (document.hidden ? HIDDEN_LOOK_AHEAD_S : LOOK_AHEAD_S);
    while (this.#nextTime() < horizon) {
      if (this.#index < this.#events.length) this.#play(this.#events[this.#index++], now);
      else if (this.loop) this.#nextRound();
      else break;
    }
    // A wireless headphone is heard late: until then the player plays along.
    const over = this.#origin + this.#clip.seconds + (this.#context.outputLatency || 0);
    if (!this.loop && now >= over) this.#finish("end");
  }

  #nextTime() {
    return this.#origin + (this.#events[this.#index]?.at ?? this.#clip.seconds);
  }

  #nextRound() {
    this.#origin += this.#clip.seconds;
    this.#index = 0;
  }

  #play(event, now) {
    const when = this.#origin + event.at;
    if (when < now - TOO_LATE_S) return;
    if (event.part === "click") this.#synth.click(this.#outputs.metronome, event.accented, when);
    else if (event.part === "bass") this.#synth.bass(event, when);
    else this.#synth.pluck(event, when);
  }

  stop() {
    if (this.playing) this.#finish("stop");
  }

  #finish(how) {
    clearInterval(this.#timer);
    this.#timer = null;
    if (how === "stop") this.#synth.silence();
    this.dispatchEvent(new Event(how));
  }

  /** Seconds since the clip's first beat when the music is over; a loop has no end. */
  get until() {
    return this.loop ? Infinity : this.#origin + this.#clip.seconds - this.#start;
  }

  /**
   * Seconds since the clip's first beat of what is heard at a moment of `performance.now()`: negative in the
   * count-in, growing on over the rounds of a loop.
   */
  heardAt(moment = performance.now()) {
    const { contextTime, performanceTime } = this.#context.getOutputTimestamp();
    if (performanceTime) return contextTime + (moment - performanceTime) / 1000 - this.#start;
    const latency = this.#context.outputLatency || this.#context.baseLatency || 0;
    return this.#context.currentTime - latency + (moment - performance.now()) / 1000 - this.#start;
  }
}
