// What outlives a reload of this tab: the session, its clip, what was typed. Nothing leaves the browser's own store.

const read = (name) => sessionStorage.getItem(`sg.${name}`);
const write = (name, value) => sessionStorage.setItem(`sg.${name}`, value);

function newId() {
  const id = crypto.randomUUID();
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
