// One's own voice: a recording dropped on the page, from which the stretch to explain is chosen with the mouse.

import { getArrays, send } from "./api.js";
import { byId, complain, h, say } from "./dom.js";
import { Plot } from "./plot.js";

const MOST_BYTES = 20 * 2 ** 20;

export class OwnVoice {
  constructor({ onexplain, run }) {
    Object.assign(this, { onexplain, run });
    byId("open-own").addEventListener("click", () => byId("own-file").click());
    byId("own-file").addEventListener("change", (event) => {
      if (event.target.files.length) this.take(event.target.files[0]);
      event.target.value = "";
    });
    let depth = 0;
    const hasFiles = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
    window.addEventListener("dragenter", (event) => { if (hasFiles(event)) { depth += 1; byId("drop").hidden = false; } });
    window.addEventListener("dragleave", () => { depth = Math.max(0, depth - 1); if (!depth) byId("drop").hidden = true; });
    window.addEventListener("dragover", (event) => { if (hasFiles(event)) event.preventDefault(); });
    window.addEventListener("drop", (event) => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      depth = 0;
      byId("drop").hidden = true;
      if (event.dataTransfer.files.length) this.take(event.dataTransfer.files[0]);
    });
  }

  async take(file) {
    if (file.size > MOST_BYTES) {
      say("Recordings of more than 20 MB are refused; cut out what is to be explained first.", { fault: true });
      return;
    }
    try {
      this.recording = await send("POST", "own", { name: file.name.slice(0, 200) }, file, "application/octet-stream");
      await this.show();
    } catch (error) {
      complain(error);
    }
  }

  async show() {
    const run = this.run();
    const { name, seconds, sample_rate, number } = this.recording;
    const picture = await getArrays("own", { run: run.number, number });
    const plot = new Plot({
      label: `Overview of ${name}: drag along the waveform or the spectrogram to choose the stretch to explain`,
      onstretch: (stretch) => this.choose(stretch),
    });
    // The picture is dragged along too: here there is no band to choose.
    plot.zoneOf = ({ x, y }) => (x >= plot.seconds.from - 4 && y <= plot.hertz.from ? "wave" : null);
    plot.pictureHeight = 150;
    const edge = (which) => h("input", {
      type: "number", min: 0, max: seconds, step: 0.001, "aria-label": `${which} of the stretch, s`, dataset: { own: which },
      onchange: () => plot.setStretch({ start: Number(this.start.value), end: Number(this.end.value) }),
    });
    [this.start, this.end] = [edge("start"), edge("end")];
    this.explain = h("button", { type: "button", class: "primary", disabled: true, onclick: () => this.explainIt() }, "Explain this stretch");
    const rate = sample_rate === run.sample_rate ? `${sample_rate} Hz, as the classifier takes it` : `${sample_rate} Hz, resampled to the ${run.sample_rate} Hz of the classifier`;
    const deaf = sample_rate / 2 < run.max_hz ? ` · nothing above ${Math.round(sample_rate / 2)} Hz in it, which the network would hear` : "";
    byId("own").hidden = false;
    byId("own").replaceChildren(
      h("header", { class: "panel-head" },
        h("div", {}, h("h2", { class: "heading" }, name), h("p", { class: "facts quiet" }, `${seconds.toFixed(2)} s · ${rate}${deaf} · kept in memory only`)),
        h("button", { type: "button", class: "link", onclick: () => { byId("own").hidden = true; } }, "close")),
      plot.element,
      h("div", { class: "row" }, h("span", {}, "Drag along the sound, or type:"), this.start, h("span", {}, "to"), this.end, h("span", {}, "s"), this.explain));
    plot.show({ picture, from: 0, to: seconds, top_hz: run.max_hz, start: undefined });
    this.plot = plot;
    byId("own").scrollIntoView({ block: "nearest" });
  }

  choose(stretch) {
    if (stretch) {
      this.start.value = stretch.start.toFixed(3);
      this.end.value = stretch.end.toFixed(3);
    }
    this.stretch = stretch;
    this.explain.disabled = !stretch || stretch.end - stretch.start < 0.01 || stretch.end - stretch.start > 10;
  }

  explainIt() {
    const { start, end } = this.stretch;
    this.onexplain(`own:${this.recording.number}:${start.toFixed(4)}-${end.toFixed(4)}`);
  }
}
