// A MIDI instrument, where the browser can hear one. Every input is heard, or the one that the player picks.

import { byId, el, show } from "./dom.js";

const canHear = () => typeof navigator.requestMIDIAccess === "function";

export class Instrument {
  #access = null;
  #picked = ""; // also while it is unplugged
  #hear;
  #complain;

  /** `hear(data, timeStamp)` gets every message, `complain(text)` what went wrong. */
  constructor(hear, complain) {
    this.#hear = hear;
    this.#complain = complain;
    show(byId("midi-none"), !canHear());
    show(byId("midi"), canHear());
    byId("midi-connect").addEventListener("click", () => this.#connect());
    byId("midi-input").addEventListener("change", ({ target }) => {
      this.#picked = target.value;
      this.#listen();
    });
  }

  get connected() {
    return this.#access !== null && this.#access.inputs.size > 0;
  }

  async #connect() {
    this.#complain("");
    try {
      this.#access = await navigator.requestMIDIAccess({ sysex: false });
    } catch {
      this.#complain("The browser did not allow MIDI. Allow it in the address bar, or drop a recorded take.");
      return;
    }
    this.#access.addEventListener("statechange", () => this.#list());
    this.#list();
    show(byId("midi-connect"), false);
    show(byId("midi-device"), true);
    byId("midi-input").focus();
  }

  #list() {
    const inputs = [...this.#access.inputs.values()];
    const first = inputs.length ? "Any instrument" : "None found: plug one in";
    const options = inputs.map(({ id, name }) => el("option", { value: id }, name || "Unnamed instrument"));
    byId("midi-input").replaceChildren(el("option", { value: "" }, first), ...options);
    byId("midi-input").value = this.#access.inputs.has(this.#picked) ? this.#picked : "";
    this.#listen();
  }

  #listen() {
    const picked = byId("midi-input").value;
    for (const input of this.#access.inputs.values()) {
      const heard = picked === "" || input.id === picked;
      input.onmidimessage = heard ? ({ data, timeStamp }) => this.#hear(data, timeStamp) : null;
    }
  }
}
