// The page's parts, put together: make a clip, play it, hand the take over, show what comes back.

import { api, follow, Unreachable } from "./api.js";
import { Chart } from "./chart.js";
import { Coach } from "./coach.js";
import { byId, say, show } from "./dom.js";
import { Instrument } from "./instrument.js";
import { Player } from "./player.js";
import { Recorder } from "./recorder.js";
import { session } from "./session.js";
import { Setup } from "./setup.js";
import { listenForKeys } from "./shortcuts.js";
import { watchStatus } from "./status.js";
import { Story } from "./story.js";
import { acceptFiles } from "./takefile.js";
import { Transport } from "./transport.js";

let begun = false;
let unreached = false; // the notice says that nobody answers
function complain(error) {
  unreached = error instanceof Unreachable;
  say(byId("notice"), error ? error.message : "");
}
const complainOfTake = (text) => say(byId("take-error"), text);
const reporting =
  (work) =>
  (...given) =>
    work(...given).catch(complain);

const player = new Player();
const chart = new Chart(byId("chart"));
const transport = new Transport(player, chart);
const recorder = new Recorder();
const coach = new Coach();
const story = new Story(session.id);
const setup = new Setup(make, complain);
const instrument = new Instrument(hear, complainOfTake);
let unfollow = () => {};
let wanted = null; // the clip that was asked for last

const counted = (count, thing) => `${count} ${thing}${count === 1 ? "" : "s"}`;

// A clip

async function make(request, form) {
  complain(null);
  const sessionId = session.id;
  const { clip_id: id } = await api.generate({ ...request, session_id: sessionId });
  await open(id, form.progression);
  if (session.id !== sessionId) return; // a new session has begun meanwhile
  session.clip = id;
  session.form = form;
  session.seed = request.seed ?? 0;
  if (setup.changed) return; // the player types on: the next chords stay in sight, and the cursor in them
  byId("setup-box").open = false;
  byId("play").focus();
}

async function open(id, progression) {
  wanted = id;
  const clip = await api.clip(id);
  await kept?.();
  if (wanted !== id) return; // the player did not wait, and made another one
  unfollow();
  player.load(clip);
  chart.draw(clip);
  titleOf(clip, progression);
  for (const part of ["transport", "clip-facts"]) show(byId(part), true);
  show(byId("chart-empty"), false);
  transport.rest();
  complainOfTake("");
  say(byId("take-state"), "");
  coach.clear();
  unfollow = follow(id, hearCoach);
}

function titleOf(clip, progression) {
  const titled = (select, name) => byId(select).querySelector(`[value="${CSS.escape(name)}"]`)?.textContent;
  const style = titled("style", clip.style) ?? clip.style;
  byId("clip-title").textContent = (progression && titled("progression", progression)) || "Your own progression";
  const unit = clip.meter.endsWith("/8") ? "quarter notes a minute" : "bpm"; // there a beat is three eighths
  byId("clip-facts").textContent = `${style} · ${Math.round(clip.tempo)} ${unit} · ${clip.meter} · ${counted(clip.bars, "bar")}`;
}

// A take

let kept = null; // sends the last take again, if nobody answered
let sent = 0; // how often a take was sent

function hear(data, moment) {
  if (player.playing && recorder.hear(data, player.heardAt(moment))) say(byId("take-count"), `${counted(recorder.count, "note")} heard`);
}

function beginTake() {
  recorder.clear();
  if (!instrument.connected) return;
  complainOfTake("");
  say(byId("take-state"), "Recording. Play!");
}

async function endTake() {
  const notes = recorder.take(Math.min(player.heardAt(), player.until), player.clip.seconds);
  recorder.clear();
  say(byId("take-count"), "");
  const { id } = player.clip;
  if (notes.length > 0) await send(() => api.sendNotes(id, notes), `Your take of ${counted(notes.length, "note")} went to the coach.`);
  else say(byId("take-state"), instrument.connected ? "No note was played." : "");
}

async function sendFile(base64, name) {
  if (!player.clip) return complainOfTake("Make a clip first: a take is measured against its clip.");
  const { id } = player.clip;
  await send(() => api.sendFile(id, base64), `${name} went to the coach.`);
}

async function send(sending, done) {
  const mine = ++sent;
  kept = null;
  complainOfTake("");
  say(byId("take-state"), "");
  try {
    await sending();
    if (mine === sent) say(byId("take-state"), done);
  } catch (error) {
    if (mine !== sent) return; // the newer take counts
    if (error instanceof Unreachable) kept = () => send(sending, done);
    complainOfTake(kept ? `${error.message} Your take is kept, and sent as soon as it answers.` : error.message);
  }
}

// The coach's word

function hearCoach(coaching) {
  coach.show(coaching);
  story.add(coaching).catch(complain);
}

/** The same progression with what the coach decided, in another variation. */
async function nextRound() {
  const { decision } = coach.latest.envelope.deterministic;
  setup.again(player.clip.tempo + decision.tempo_delta_bpm);
  const { density_bucket, syncopation_bucket } = decision;
  const decided = { density_bucket, syncopation_bucket, seed: session.seed + 1 };
  await setup.submit((request, form) => make({ ...request, ...decided }, form));
}

function newSession() {
  session.renew();
  location.reload();
}

// Beginning

player.addEventListener("start", beginTake);
player.addEventListener("end", endTake);
player.addEventListener("stop", endTake);
acceptFiles(sendFile, complainOfTake);
byId("next-round").addEventListener("click", reporting(nextRound));
byId("new-session").addEventListener("click", newSession);
const keys = {
  " ": () => transport.playOrStop(),
  l: () => transport.toggle("loop"),
  m: () => transport.toggle("metronome"),
  c: () => transport.toggle("count-in"),
};
listenForKeys(keys, () => player.clip !== null);
async function reopen() {
  await open(session.clip, session.form?.progression);
  if (!setup.changed) byId("setup-box").open = false;
}

/** A clip that is gone is said; if nobody answers, all of it is tried again. */
function unlessGone(error) {
  if (error instanceof Unreachable) throw error;
  complain(error);
}

const begin = reporting(async () => {
  await setup.load();
  const isWanted = wanted === null || wanted === session.clip; // or the player makes another one already
  if (session.clip && !player.clip && isWanted) await reopen().catch(unlessGone);
  await story.draw();
  begun = true;
});

/** Somebody answers: again, if nobody did before. */
function answered(status) {
  coach.status = status;
  kept?.();
  if (!unreached) return;
  complain(null);
  if (!begun) begin();
}

watchStatus(answered);
begin();
