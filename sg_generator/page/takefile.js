// A take as a MIDI file: chosen or dropped, looked at, and turned into what the API takes.

import { byId } from "./dom.js";

// In base64 it has to fit into the 256 KiB of a request.
const MOST_BYTES = 190 * 1024;

/** What is wrong with a file, in a sentence; "" if it may be sent. */
async function problemOf(file) {
  if (file.size > MOST_BYTES) {
    return `${file.name} has ${Math.ceil(file.size / 1024)} KiB; a take may have ${MOST_BYTES / 1024} KiB. Export this clip's bars alone.`;
  }
  const head = await file.slice(0, 4).text();
  return head === "MThd" ? "" : `${file.name} is no MIDI file. Export your take as a Standard MIDI File (.mid).`;
}

async function base64Of(file) {
  const bytes = new Uint8Array(await file.arrayBuffer());
  let binary = "";
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary);
}

const hasFiles = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");

/** `send(base64, name)` gets a good file, `complain(text)` what is wrong with another one. */
export function acceptFiles(send, complain) {
  const take = async (file) => {
    if (!file) return;
    const problem = await problemOf(file).catch(() => `${file.name} cannot be read. Choose a MIDI file (.mid).`);
    complain(problem);
    if (!problem) await send(await base64Of(file), file.name);
  };
  byId("take-file").addEventListener("change", ({ target }) => {
    take(target.files[0]);
    target.value = "";
  });
  acceptDrops(take);
}

/** A file dropped beside the field must not replace the page, so the whole page takes it. */
function acceptDrops(take) {
  const field = byId("drop");
  document.addEventListener("dragover", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    field.classList.add("over");
  });
  document.addEventListener("dragleave", (event) => event.relatedTarget ?? field.classList.remove("over"));
  document.addEventListener("drop", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    field.classList.remove("over");
    take(event.dataTransfer.files[0]);
  });
}
