// The generator's HTTP API (docs/api.md), and the shape in which the page uses its answers.

const FIELD = /^([a-z_]+)(?:\[(\d+)\])?(?:\.\w+)*(?:: | (?='))/u;

/**
 * The server said no. "chords[1] 'Xyz': …" names a field and a place in it: those are `field` and `index` (null if
 * there is none), and the message is what follows.
 */
export class ApiError extends Error {
  constructor(code, message) {
    const [start, field, index] = FIELD.exec(message) ?? ["", ""];
    const words = message.slice(start.length);
    super(words.charAt(0).toUpperCase() + words.slice(1));
    this.code = code;
    this.field = field;
    this.index = index === undefined ? null : Number(index);
  }
}

/** Nobody answered. */
export class Unreachable extends Error {
  constructor() {
    super("The generator does not answer. Is “sg-generator serve” still running on this machine?");
  }
}

// Whoever does not say for so long how things stand does not answer, though the connection is there.
const STATUS_WITHIN_MS = 5000;

const clipPath = (clipId, rest) => `/clips/${encodeURIComponent(clipId)}/${rest}`;

async function answerOf(path, options) {
  try {
    const response = await fetch(path, { cache: "no-store", ...options });
    return await response.json();
  } catch {
    throw new Unreachable();
  }
}

async function call(path, options) {
  const answer = await answerOf(path, options);
  if (answer.status === "failed") throw new ApiError(answer.error_code, answer.error_message);
  return answer;
}

const post = (path, body) =>
  call(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });

const note = (part) => (one) => ({
  part,
  pitch: one.pitch,
  velocity: one.velocity,
  at: one.time_s,
  duration: one.duration_s,
});

/** The clip as the player wants it: times in seconds from its first beat. */
function clipOf(answer) {
  const { comp = [], bass = [] } = answer.tracks;
  return {
    id: answer.clip_id,
    sessionId: answer.session_id,
    style: answer.style,
    tempo: answer.tempo_bpm,
    meter: answer.meter,
    key: answer.key ?? null,
    bars: answer.bars,
    seconds: answer.duration_s,
    chords: answer.chords.map(({ time_s: at, symbol }) => ({ at, symbol })),
    notes: [...comp.map(note("comp")), ...bass.map(note("bass"))],
  };
}

// To 0.1 ms, as a browser tells times: a long take has to fit into a request.
const rounded = (seconds) => Math.round(seconds * 1e4) / 1e4;
const wireNote = ({ pitch, velocity, at, duration }) => ({
  time_s: rounded(at),
  pitch,
  velocity,
  duration_s: rounded(duration),
});

export const api = {
  status: () => call("/status", { signal: AbortSignal.timeout(STATUS_WITHIN_MS) }),
  styles: async () => (await call("/styles")).styles,
  progressions: async () => (await call("/progressions")).progressions,
  generate: (request) => post("/generate", request),
  clip: async (clipId) => clipOf(await call(clipPath(clipId, "notes"))),
  story: (sessionId) => call(`/sessions/${encodeURIComponent(sessionId)}`),
  sendNotes: (clipId, notes) => post(clipPath(clipId, "take"), { take: { notes: notes.map(wireNote) } }),
  sendFile: (clipId, base64) => post(clipPath(clipId, "take"), { take: { midi_base64: base64 } }),
};

const EVENTS = ["state", "take", "coach", "ai_coach", "queued", "error"];

const ASK_AGAIN_MS = 2000;

/**
 * Follows a clip's coaching live; `hear(coaching)` gets each change. Returns what ends it. A browser has six
 * connections to a server for all its tabs, and a stream holds one: a tab that is not seen lets it go.
 */
export function follow(clipId, hear) {
  let source = null;
  let asking = null;
  let told = ""; // a new connection begins with what may have been told before
  const tell = (coaching) => {
    const text = JSON.stringify(coaching);
    if (source === null || text === told) return; // let go, while the answer was on its way
    told = text;
    hear(coaching);
  };
  const letGo = () => {
    source?.close();
    source = null;
    clearInterval(asking);
    asking = null;
  };
  const listen = () => {
    source = new EventSource(clipPath(clipId, "events"));
    for (const name of EVENTS) source.addEventListener(name, ({ data }) => data && tell(JSON.parse(data)));
    // A lost connection is an "error" without data: the browser connects again. If the server has no place for one
    // more listener the source is closed for good; then the page asks.
    source.addEventListener("error", ({ target }) => {
      if (target.readyState === EventSource.CLOSED) asking ??= setInterval(() => ask(clipId, tell), ASK_AGAIN_MS);
    });
  };
  const look = () => {
    if (document.hidden) letGo();
    else if (source === null) listen();
  };
  document.addEventListener("visibilitychange", look);
  look();
  return () => {
    document.removeEventListener("visibilitychange", look);
    letGo();
  };
}

/** One look at a clip's coaching; without an answer the next look will do. */
const ask = (clipId, hear) => call(clipPath(clipId, "coaching")).then(hear, () => {});
