// Marks and notes: kept with the run, exported for Praat and R.

import { exportAddress, getJson, send } from "./api.js";
import { byId, complain, debounced, h, say } from "./dom.js";

export class Notes {
  constructor({ onopen, wanted }) {
    Object.assign(this, { onopen, wanted });
    this.kept = [];
  }

  async show(run) {
    this.run = run;
    try {
      const { notes, saved } = await getJson("notes", { run: run.number });
      this.take(notes, saved);
    } catch (error) {
      complain(error);
    }
  }

  take(notes, saved) {
    this.kept = notes;
    this.saved = saved;
    byId("note-count").textContent = notes.length;
    if (byId("notes").open) this.draw();
  }

  // Keeps a token with the stretch and the band that are selected, and lets one write.
  async add(panel) {
    const { stretch, band } = panel.plot;
    const note = { token: panel.token, text: "", start: stretch?.start, end: stretch?.end, low: band?.low, high: band?.high };
    try {
      const { note: made, saved } = await send("POST", "notes", { run: this.run.number }, JSON.stringify(note));
      this.take([...this.kept, made], saved);
      this.open(made.id);
    } catch (error) {
      complain(error);
    }
  }

  open(id) {
    this.draw();
    if (!byId("notes").open) byId("notes").showModal();
    byId("notes").querySelector(id ? `[data-note="${Number(id)}"] textarea` : "button")?.focus();
  }

  draw() {
    const close = h("button", { type: "button", class: "link close", onclick: () => byId("notes").close() }, "close");
    const link = (text, of, as) => h("a", { class: "button", href: exportAddress({ ...this.wanted(), run: this.run.number, of, as }), download: "", dataset: { export: `${of}-${as}` } }, text);
    byId("notes").replaceChildren(
      h("header", {}, h("h2", { id: "notes-title" }, "Notes"), close),
      h("p", { class: "quiet" }, this.saved ? "Kept in notes.json of the run." : "The run folder cannot be written: export before the viewer is stopped."),
      this.kept.length ? h("ol", { class: "notes" }, this.kept.map((note) => this.drawNote(note)))
        : h("p", {}, "Nothing is marked yet: N keeps the token on the page, with the stretch and the band selected on it."),
      h("div", { class: "exports" },
        h("span", {}, "Marked tokens:"), link("CSV", "notes", "csv"), link("TextGrid", "notes", "textgrid"),
        h("span", {}, "Tokens of the table as filtered:"), link("CSV", "filtered", "csv"), link("TextGrid", "filtered", "textgrid")));
  }

  drawNote(note) {
    const stretch = note.start === null ? "" : ` · ${note.start.toFixed(3)}–${note.end.toFixed(3)} s`;
    const band = note.low === null ? "" : ` · ${Math.round(note.low)}–${Math.round(note.high)} Hz`;
    const text = h("textarea", { rows: 2, maxLength: 2000, "aria-label": `Note on ${note.token}`, oninput: debounced(400, () => this.save(note, text.value)) });
    text.value = note.text;
    return h("li", { dataset: { note: note.id } },
      h("div", { class: "note-head" },
        h("button", { type: "button", class: "link", onclick: () => { byId("notes").close(); this.onopen(note.token); } }, note.token),
        h("span", { class: "quiet" }, `${stretch}${band}`),
        h("button", { type: "button", class: "link", "aria-label": `Remove the note on ${note.token}`, onclick: () => this.remove(note) }, "remove")),
      text);
  }

  async save(note, text) {
    try {
      note.text = text;
      const { saved } = await send("POST", "notes", { run: this.run.number }, JSON.stringify(note));
      this.saved = saved;
    } catch (error) {
      complain(error);
    }
  }

  async remove(note) {
    try {
      const { notes, saved } = await send("DELETE", "notes", { run: this.run.number, id: note.id });
      this.take(notes, saved);
      say("Removed.");
    } catch (error) {
      complain(error);
    }
  }
}
