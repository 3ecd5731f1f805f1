// Time in bars. A clip's own length says how long a bar is, whatever its meter counts.

/** Felt beats of a bar: "4/4" → 4; three eighths are one beat in "6/8" → 2 and "12/8" → 4. */
export function beatsPerBar(meter) {
  const [upper, lower] = meter.split("/").map(Number);
  return lower === 8 && upper % 3 === 0 ? upper / 3 : upper;
}

export const barSeconds = ({ seconds, bars }) => seconds / bars;

export const beatSeconds = (clip) => barSeconds(clip) / beatsPerBar(clip.meter);

/** A moment of a clip in words of music: bar and beat, both counted from 1. */
export function barAndBeat(clip, seconds) {
  const beat = Math.floor(seconds / beatSeconds(clip) + 1e-6);
  const perBar = beatsPerBar(clip.meter);
  return { bar: Math.floor(beat / perBar) + 1, beat: (beat % perBar) + 1 };
}
