// Put into the page before its own scripts: what sounds and when, how loud it is, and a MIDI instrument to play on.
(() => {
  const voices = [];
  const voiceOf = new Map();
  const spy = (prototype, name, note) => {
    const real = prototype[name];
    prototype[name] = function (...given) {
      note(this, ...given);
      return real.apply(this, given);
    };
  };
  const started = (kind) => (node, when) => {
    const voice = { kind: node.type === "sine" ? "click" : kind, start: when ?? 0, stop: null, ended: false };
    voices.push(voice);
    voiceOf.set(node, voice);
    node.addEventListener("ended", () => (voice.ended = true));
    window.audio.context = node.context;
  };
  spy(AudioBufferSourceNode.prototype, "start", started("comp"));
  spy(AudioScheduledSourceNode.prototype, "start", started("bass"));
  spy(AudioScheduledSourceNode.prototype, "stop", (node, when) => (voiceOf.get(node).stop = when ?? 0));
  spy(AudioNode.prototype, "connect", (node, target) => {
    if (!(target instanceof AudioDestinationNode)) return;
    window.audio.meter = new AnalyserNode(node.context, { fftSize: 2048 });
    node.connect(window.audio.meter);
  });

  window.audio = {
    voices,
    context: null,
    meter: null,
    /** The loudest sample of the last `ms` milliseconds. */
    async peak(ms) {
      const samples = new Float32Array(2048);
      const until = performance.now() + ms;
      let loudest = 0;
      while (performance.now() < until) {
        this.meter.getFloatTimeDomainData(samples);
        for (const sample of samples) loudest = Math.max(loudest, Math.abs(sample));
        await new Promise((done) => setTimeout(done, 15));
      }
      return loudest;
    },
    /** When (by performance.now()) a moment of the audio clock is heard. */
    heardAt(when) {
      const { contextTime, performanceTime } = this.context.getOutputTimestamp();
      return performanceTime + (when - contextTime) * 1000;
    },
  };

  const input = { id: "one", name: "Test keys", onmidimessage: null };
  const access = new EventTarget();
  access.inputs = new Map([[input.id, input]]);
  window.midi = {
    access,
    play: (data, timeStamp) => input.onmidimessage?.({ data: new Uint8Array(data), timeStamp }),
  };
})();
