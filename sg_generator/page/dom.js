// The few things that every part of the page does with the document. Text enters as text, never as markup.

const SVG = "http://www.w3.org/2000/svg";

/** The element with this id; a page without it is broken, and says so. */
export function byId(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no element #${id}`);
  return found;
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

/** A new HTML element: el("p", {class: "note"}, "text", otherElement). */
export const el = (tag, attributes = {}, ...children) => fill(document.createElement(tag), attributes, children);

/** The same for SVG. */
export const svg = (tag, attributes = {}, ...children) =>
  fill(document.createElementNS(SVG, tag), attributes, children);

/** Shows or hides an element, for eyes and screen readers alike. */
export function show(element, visible) {
  element.hidden = !visible;
}

/** Sets a text, unless it stands there already: a screen reader reads out again what is set again. */
export function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Sets a text, or hides its element when there is nothing to say. */
export function say(element, text) {
  write(element, text ?? "");
  show(element, Boolean(text));
}

/** A toggle button's state. */
export function press(button, pressed) {
  button.setAttribute("aria-pressed", String(pressed));
}

export const isPressed = (button) => button.getAttribute("aria-pressed") === "true";
