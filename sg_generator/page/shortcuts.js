// Keys for the transport. They stay away from whoever types, from buttons (Space presses those) and from the
// browser's own shortcuts, and can be switched off.

import { byId } from "./dom.js";

const OFF = "sg.shortcuts.off";
const TYPING = "textarea, select, input:not([type=range], [type=checkbox])";
const PRESSED_BY_SPACE = "button, a[href], summary, [type=checkbox], [type=file]";

const taken = ({ target, key }) => target.matches?.(TYPING) || (key === " " && target.matches?.(PRESSED_BY_SPACE));

/** `actions` maps keys (lower case) to what they do while `ready()`. */
export function listenForKeys(actions, ready) {
  const box = byId("shortcuts");
  box.checked = localStorage.getItem(OFF) === null;
  box.addEventListener("change", () => (box.checked ? localStorage.removeItem(OFF) : localStorage.setItem(OFF, "1")));
  document.addEventListener("keydown", (event) => {
    const action = actions[event.key?.toLowerCase()]; // a browser that fills in a field sends keydown without a key
    const modified = event.ctrlKey || event.metaKey || event.altKey || event.repeat;
    if (!action || !ready() || !box.checked || modified || taken(event)) return;
    event.preventDefault();
    action();
  });
}
