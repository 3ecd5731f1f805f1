// Chord symbols as people type them: split into bars for the server, drawn for the eye.

const SYMBOL = /^([A-G])([#b♯♭]?)(.*?)(?:\/([A-G])([#b♯♭]?))?$/u;

// What stands in parentheses belongs to its chord: "C7(b9, 13)".
const tokensIn = (text) => text.match(/(?:\([^()]*\)|[^\s;,])+/gu) ?? [];

/**
 * The bars of a typed progression. With bar lines "Dm7 G7 | Cmaj7" is two bars; without them each chord is a bar.
 * Whether a symbol can be read is for the server to say.
 */
export function barsIn(text) {
  if (!/[|\n]/u.test(text.trim())) return tokensIn(text);
  return text
    .split(/[|\n]/u)
    .map((bar) => tokensIn(bar).join(" "))
    .filter((bar) => bar !== "");
}

const accidental = (sign) => ({ b: "♭", "#": "♯" })[sign] ?? sign;
const quality = (text) => text.replace(/b(?=\d)/gu, "♭").replace(/#(?=\d)/gu, "♯");

/** A symbol in its parts, with real accidentals: {root, quality, bass}. What is no letter name stays whole. */
export function chordParts(symbol) {
  const match = SYMBOL.exec(symbol);
  if (!match) return { root: symbol, quality: "", bass: "" };
  const [, letter, sign, rest, bass, bassSign] = match;
  return {
    root: letter + accidental(sign),
    quality: quality(rest),
    bass: bass ? `/${bass}${accidental(bassSign)}` : "",
  };
}
