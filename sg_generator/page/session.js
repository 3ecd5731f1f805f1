// What outlives a reload of this tab: the session, its clip, what was typed. Nothing leaves the browser's own store.

const read = (name) => sessionStorage.getItem(`sg.${name}`);
const write = (name, value) => sessionStorage.setItem(`sg.${name}`, value);

/** A random UUID. `crypto.randomUUID` is missing where the page comes from another machine: that is plain HTTP. */
function randomId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/u, "$1-$2-$3-$4-");
}

function newId() {
  const id = randomId();
  write("session", id);
  return id;
}

export const session = {
  get id() {
    return read("session") ?? newId();
  },
  get clip() {
    return read("clip");
  },
  set clip(id) {
    write("clip", id);
  },
  /** Which variation of its progression the clip is. */
  get seed() {
    return Number(read("seed") ?? 0);
  },
  set seed(number) {
    write("seed", number);
  },
  get form() {
    return JSON.parse(read("form") ?? "null");
  },
  set form(values) {
    write("form", JSON.stringify(values));
  },
  /** A new session: a new id, no clip; what was typed stays. */
  renew() {
    sessionStorage.removeItem("sg.clip");
    return newId();
  },
};
