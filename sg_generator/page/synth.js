// The band: a plucked string for the chords, a round bass, a click. Sounds are made here, no sample is loaded.

const STRING_SECONDS = 2.2;
const RELEASE_S = 0.06;

const frequency = (pitch) => 440 * 2 ** ((pitch - 69) / 12);

/** Noise that is the same every time, so that a note sounds the same every time. */
function noise(length, seed) {
  const samples = new Float32Array(length);
  let state = seed >>> 0 || 1;
  for (let i = 0; i < length; i += 1) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    samples[i] = state / 2 ** 31 - 1;
  }
  return samples;
}

/** The pick: noise with its edge taken off, so that a string does not begin with a hiss. */
function pickNoise(period, pitch) {
  const samples = noise(period, pitch * 7919);
  for (let i = 1; i < period; i += 1) samples[i] = 0.55 * samples[i - 1] + 0.45 * samples[i];
  return samples;
}

/** The delay line's length in samples; averaging two neighbours takes half a sample off the round trip. */
const linePeriod = (pitch, rate) => Math.max(2, Math.round(rate / frequency(pitch) + 0.5));

/** Karplus and Strong's string: a burst of noise that runs round a delay line and loses its edge on the way. */
function stringSamples(pitch, rate) {
  const period = linePeriod(pitch, rate);
  const line = pickNoise(period, pitch);
  const out = new Float32Array(Math.ceil(STRING_SECONDS * rate));
  const loss = 0.9965 - 0.00003 * pitch;
  for (let i = 0, at = 0; i < out.length; i += 1) {
    const next = at + 1 === period ? 0 : at + 1;
    out[i] = line[at];
    line[at] = loss * 0.5 * (line[at] + line[next]);
    at = next;
  }
  return out;
}

function fadeOutEnd(samples, rate) {
  const tail = Math.floor(0.2 * rate);
  for (let i = 0; i < tail; i += 1) samples[samples.length - 1 - i] *= i / tail;
  return samples;
}

export class Synth {
  #context;
  #output;
  #strings = new Map();
  #voices = new Set();

  constructor(context, output) {
    this.#context = context;
    this.#output = output;
  }

  /** Makes the strings of these pitches now, so that no note waits for its string. */
  prepare(pitches) {
    for (const pitch of new Set(pitches)) this.#string(pitch);
  }

  #string(pitch) {
    if (!this.#strings.has(pitch)) {
      const rate = this.#context.sampleRate;
      const samples = fadeOutEnd(stringSamples(pitch, rate), rate);
      const buffer = this.#context.createBuffer(1, samples.length, rate);
      buffer.copyToChannel(samples, 0);
      this.#strings.set(pitch, buffer);
    }
    return this.#strings.get(pitch);
  }

  /** A chord note. `velocity` 1..127, times in seconds of the audio clock. */
  pluck({ pitch, velocity, duration }, when) {
    const rate = this.#context.sampleRate;
    const inTune = frequency(pitch) / (rate / (linePeriod(pitch, rate) - 0.5));
    const source = new AudioBufferSourceNode(this.#context, { buffer: this.#string(pitch), playbackRate: inTune });
    const tone = new BiquadFilterNode(this.#context, { type: "lowpass", frequency: 1400 + velocity * 26, Q: 0.4 });
    this.#sound(source, tone, 0.5 * (velocity / 127) ** 1.6, when, Math.min(duration, STRING_SECONDS - 0.1));
  }

  /** A bass note: a triangle behind a filter that closes while it rings. */
  bass({ pitch, velocity, duration }, when) {
    const source = new OscillatorNode(this.#context, { type: "triangle", frequency: frequency(pitch) });
    const tone = new BiquadFilterNode(this.#context, { type: "lowpass", frequency: 900, Q: 0.7 });
    tone.frequency.setValueAtTime(900, when);
    tone.frequency.exponentialRampToValueAtTime(260, when + Math.min(0.5, duration + 0.05));
    this.#sound(source, tone, 0.62 * (velocity / 127) ** 1.3, when, duration);
  }

  /** The metronome, to an output of its own. */
  click(output, accented, when) {
    const source = new OscillatorNode(this.#context, { type: "sine", frequency: accented ? 1760 : 1175 });
    const gain = new GainNode(this.#context, { gain: 0 });
    gain.gain.setValueAtTime(accented ? 0.5 : 0.32, when);
    gain.gain.exponentialRampToValueAtTime(0.001, when + 0.05);
    source.connect(gain).connect(output);
    this.#run(source, gain, when, when + 0.06);
  }

  #sound(source, tone, level, when, duration) {
    const gain = new GainNode(this.#context, { gain: 0 });
    const end = when + Math.max(0.05, duration);
    gain.gain.setValueAtTime(0, when);
    gain.gain.linearRampToValueAtTime(level, when + 0.004);
    gain.gain.setTargetAtTime(0, end, RELEASE_S / 3);
    source.connect(tone).connect(gain).connect(this.#output);
    this.#run(source, gain, when, end + RELEASE_S * 2);
  }

  #run(source, gain, start, end) {
    const voice = { source, gain };
    this.#voices.add(voice);
    source.onended = () => {
      this.#voices.delete(voice);
      gain.disconnect();
    };
    source.start(start);
    source.stop(end);
  }

  /** Ends every voice, also those that wait for their time. */
  silence() {
    const now = this.#context.currentTime;
    for (const { source, gain } of this.#voices) {
      gain.gain.cancelScheduledValues(now);
      gain.gain.setTargetAtTime(0, now, 0.008);
      source.stop(now + 0.04);
    }
  }
}
