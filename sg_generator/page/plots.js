// The session as two drawings. Each says in a sentence, and in a table, what it shows.

import { el, svg } from "./dom.js";

const HEIGHT = 200;
const LEFT = 44;
const RIGHT = 12;
const TOP = 18;
const BOTTOM = 28;
const FLOOR = HEIGHT - BOTTOM;

const scale = (from, to, start, end) => (value) => start + ((value - from) / (to - from)) * (end - start);
const line = (x1, y1, x2, y2, name) => svg("line", { x1, y1, x2, y2, class: name });
const text = (x, y, words, anchor, name) => svg("text", { x, y, "text-anchor": anchor, class: name }, words);
const path = (points, name) => svg("path", { d: points.map(([x, y], i) => `${i ? "L" : "M"}${x} ${y}`).join(""), class: name });
const tenths = (value) => Math.round(value * 10) / 10;
const signed = (value) => `${value > 0 ? "+" : value < 0 ? "−" : ""}${Math.abs(value)}`;

function table(head, rows) {
  const cells = (row) => [el("th", { scope: "row" }, row[0]), ...row.slice(1).map((cell) => el("td", {}, cell))];
  return el(
    "details",
    {},
    el("summary", {}, "As a table"),
    el(
      "div",
      { class: "scroll" },
      el(
        "table",
        {},
        el("thead", {}, el("tr", {}, ...head.map((cell) => el("th", { scope: "col" }, cell)))),
        el("tbody", {}, ...rows.map((row) => el("tr", {}, ...cells(row)))),
      ),
    ),
  );
}

/** `draw(right)` draws between LEFT and `right`, in pixels: letters keep their size on a phone. */
function fill(figure, title, summary, draw, data) {
  const open = figure.querySelector("details")?.open ?? false;
  const picture = svg("svg", { role: "img", "aria-label": summary });
  figure.replaceChildren(
    el("figcaption", {}, title),
    el("p", { class: "summary", "aria-hidden": "true" }, summary),
    picture,
    data,
  );
  figure.querySelector("details").open = open;
  keepDrawn(picture, draw);
}

/** Draws, and draws again whenever the picture has got another width. */
function keepDrawn(picture, draw) {
  const observer = new ResizeObserver(([{ contentRect }]) => {
    if (!picture.isConnected) observer.disconnect();
    else if (contentRect.width > 0) picture.replaceChildren(...draw(contentRect.width - RIGHT));
  });
  observer.observe(picture);
}

function scoreSummary(takes) {
  const last = takes.at(-1);
  const best = Math.max(...takes.map(({ score }) => score));
  if (takes.length === 1) return `One take, score ${tenths(last.score)}.`;
  return `${takes.length} takes. Last ${tenths(last.score)}, best ${tenths(best)}.`;
}

const scoreDrawing = (takes) => (right) => {
  const y = scale(0, 100, FLOOR, TOP);
  const x = takes.length > 1 ? scale(0, takes.length - 1, LEFT + 10, right - 10) : () => (LEFT + right) / 2;
  const at = (name) => takes.flatMap((take, i) => (Number.isFinite(take[name]) ? [[x(i), y(take[name])]] : []));
  const points = at("score");
  const [lastX, lastY] = points.at(-1);
  return [
    ...[0, 50, 100].flatMap((v) => [line(LEFT, y(v), right, y(v), "axis"), text(LEFT - 8, y(v) + 4, v, "end")]),
    path(at("average"), "average"),
    path(points, "curve"),
    ...points.map(([cx, cy]) => svg("circle", { cx, cy, r: takes.length > 40 ? 3 : 5, class: "dot" })),
    text(lastX, lastY + (lastY > TOP + 24 ? -12 : 22), tenths(takes.at(-1).score), "middle", "value"),
    text(LEFT, HEIGHT - 8, "first take", "start"),
    ...(takes.length > 1 ? [text(right, HEIGHT - 8, "last take", "end")] : []),
  ];
};

const scoreRow = (take, index) => [
  String(index + 1),
  String(tenths(take.score)),
  Number.isFinite(take.trend) ? signed(tenths(take.trend)) : "–",
  `${Math.round(take.tempo_bpm)} bpm`,
];

/** Scores of a session's takes, oldest first, with the running average that the trend is against. */
export function drawScores(figure, takes) {
  figure.hidden = takes.length === 0;
  if (takes.length === 0) return;
  const rows = table(["Take", "Score", "Trend", "Tempo"], takes.map(scoreRow));
  fill(figure, "Scores, and your average (dashed)", scoreSummary(takes), scoreDrawing(takes), rows);
}

const known = (errors) => errors.map((value, beat) => ({ value, beat })).filter(({ value }) => Number.isFinite(value));
const lateness = (value) => (Math.round(value) === 0 ? "on time" : `${Math.abs(Math.round(value))} ms ${value > 0 ? "late" : "early"}`);

// In 6/8 and 12/8 the coach counts eighths; the metronome, and the place in the chart, go by three of them.
const unitOf = (errors) => (errors.length % 6 === 0 ? "eighth" : "beat");

function beatSummary(errors) {
  const unit = unitOf(errors);
  const worst = known(errors).reduce((a, b) => (Math.abs(b.value) > Math.abs(a.value) ? b : a));
  const which = known(errors).length < errors.length ? " that had enough notes" : "";
  if (Math.abs(worst.value) < 10) return `Every ${unit}${which} within 10 ms.`;
  return `Furthest off on ${unit} ${worst.beat + 1}: ${lateness(worst.value)} on average.`;
}

function beatBar({ value, beat }, x, y, width) {
  const top = Math.min(y(0), y(value));
  const late = value > 0;
  return [
    svg("rect", {
      x: x(beat) - width / 2,
      y: top,
      width,
      height: Math.max(2, Math.abs(y(value) - y(0))),
      rx: 2,
      class: late ? "late" : "early",
    }),
    text(x(beat), late ? top - 6 : y(value) + 16, signed(Math.round(value)), "middle", "value"),
  ];
}

const beatDrawing = (errors) => (right) => {
  const most = Math.max(20, ...known(errors).map(({ value }) => Math.abs(value)));
  const y = scale(-most * 1.3, most * 1.3, FLOOR, TOP);
  const step = (right - LEFT) / errors.length;
  const x = (beat) => LEFT + step * (beat + 0.5);
  const name = (beat) => (step < 60 ? `${beat + 1}` : `${unitOf(errors)} ${beat + 1}`);
  return [
    line(LEFT, y(0), right, y(0), "zero"),
    text(LEFT - 8, TOP + 10, "late", "end"),
    text(LEFT - 8, FLOOR, "early", "end"),
    ...known(errors).flatMap((one) => beatBar(one, x, y, Math.min(56, step * 0.5))),
    ...errors.map((_, beat) => text(x(beat), HEIGHT - 6, name(beat), "middle")),
  ];
};

/** Mean timing error of each beat of the bar in ms, late positive; null where there was too little to tell. */
export function drawBeats(figure, errors) {
  const tellable = Boolean(errors) && known(errors).length > 0;
  figure.hidden = !tellable;
  if (!tellable) return;
  const rows = errors.map((value, beat) => [String(beat + 1), Number.isFinite(value) ? lateness(value) : "too few notes"]);
  const unit = unitOf(errors);
  const data = table([unit === "beat" ? "Beat" : "Eighth", "You were"], rows);
  fill(figure, `Your last take, ${unit} by ${unit}`, beatSummary(errors), beatDrawing(errors), data);
}
