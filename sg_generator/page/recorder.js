// What is played on a MIDI instrument while the clip runs, in seconds of the clip.

const NOTE_OFF = 0x80;
const NOTE_ON = 0x90;
// The first beat may be played a little early; what comes before that belongs to the count-in.
const EARLY_S = 0.12;
const SHORTEST_S = 0.02;
const LONGEST_S = 60; // what the API takes

const lengthOf = (from, to) => Math.min(LONGEST_S, Math.max(SHORTEST_S, to - from));

const kindOf = ([status, , velocity]) => {
  const kind = status & 0xf0;
  if (kind === NOTE_ON && velocity > 0) return "on";
  return kind === NOTE_ON || kind === NOTE_OFF ? "off" : null;
};

/**
 * The notes of a take. `seconds` is the length of the clip; in a loop the times run on over its rounds.
 */
export class Recorder {
  #notes = [];
  #open = new Map();

  clear() {
    this.#notes = [];
    this.#open.clear();
  }

  get count() {
    return this.#notes.length;
  }

  /** One MIDI message (`data` as Web MIDI gives it) at a time of the clip. Says whether a note began. */
  hear(data, at) {
    const kind = kindOf(data);
    if (kind === "on") this.#noteOn(data[1], data[2], at);
    if (kind === "off") this.#noteOff(data[1], at);
    return kind === "on" && at >= -EARLY_S;
  }

  #noteOn(pitch, velocity, at) {
    this.#noteOff(pitch, at);
    if (at < -EARLY_S) return;
    const note = { pitch, velocity, at, duration: null };
    this.#open.set(pitch, note);
    this.#notes.push(note);
  }

  #noteOff(pitch, at) {
    const note = this.#open.get(pitch);
    if (!note) return;
    note.duration = lengthOf(note.at, at);
    this.#open.delete(pitch);
  }

  /**
   * The take that ended `heard` seconds after the first beat: one round. In a loop it is the last whole round, or
   * the first one as far as it went. A note that came a little early belongs to the round that it leads into; where
   * the music ended with its round there is none.
   */
  take(heard, seconds) {
    const rounds = Math.floor((heard + EARLY_S) / seconds);
    const from = Math.max(0, rounds - 1) * seconds;
    const end = from + seconds;
    const until = heard > end + EARLY_S ? end - EARLY_S : end;
    const inRound = ({ at }) => at >= from - EARLY_S && at < until;
    return this.#notes.filter(inRound).map((note) => ({
      ...note,
      at: Math.max(0, note.at - from),
      duration: note.duration ?? lengthOf(note.at, heard),
    }));
  }
}
