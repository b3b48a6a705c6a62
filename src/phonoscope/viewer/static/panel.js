// One token: its picture, its sounds, what the network makes of it, and what it makes of it without a band.

import { getArrays, getJson, getSound } from "./api.js";
import { barRows } from "./bars.js";
import { complain, debounced, h, latest, percent, signed } from "./dom.js";
import { Mover } from "./drag.js";
import { Plot } from "./plot.js";
import { tiersOf } from "./tiers.js";

const SOUNDS = {
  plain: ["As it is", "Space", "The recording"],
  only: ["Only what it used", "O", "Only where the map speaks for the class"],
  without: ["Without it", "W", "Everything but where the map speaks for the class"],
  band: ["Band-stop", "B", "Without the band dragged on the spectrogram"],
  moved: ["Changed", "C", "With the cues where they were moved to"],
};

export class Panel {
  constructor(settings, { onopen, onready, onclose, onmark, onmove, title }) {
    Object.assign(this, { settings, onopen, onready, onclose, onmark, onmove });
    this.plot = new Plot({
      label: "Spectrogram",
      onband: (band, done) => this.changeBand(band, done),
      onstretch: () => this.showStretch(),
      oncursor: (cursor) => this.read(cursor),
      ontoken: (token) => this.onopen?.(token),
      ongrab: (cue, by, phase) => this.mover.drag(cue, by, phase),
    });
    this.audio = h("audio", { preload: "auto", class: "player", "aria-label": "Sound of the token" });
    this.last = "plain";
    this.mover = new Mover(this);
    this.build(title);
    this.changed = {
      look: () => this.look(),
      map: () => this.loadMap(),
      picture: () => this.loadPicture(),
    };
    for (const [kind, run] of Object.entries(this.changed)) settings.addEventListener(kind, run);
    this.follow();
  }

  build(title) {
    this.heading = h("h2", { class: "heading" });
    this.facts = h("p", { class: "facts quiet" });
    this.output = h("output", { class: "readout", "aria-live": "off" });
    this.scaleText = h("span", { class: "scale-text" });
    this.scale = h("div", { class: "scale", hidden: true }, h("span", { class: "bar", "aria-hidden": "true" }), this.scaleText);
    this.state = h("p", { class: "state quiet", role: "status" });
    this.buttons = {};
    const sounds = Object.entries(SOUNDS).map(([what, [name, key, about]]) => {
      this.buttons[what] = h("button", {
        type: "button", title: `${about} (${key})`, dataset: { play: what }, onclick: () => this.play(what),
      }, h("span", { "aria-hidden": "true" }, "▶ "), name);
      return this.buttons[what];
    });
    this.part = h("select", { "aria-label": "How much is played" },
      h("option", { value: "around" }, "with what is around"),
      h("option", { value: "token" }, "the token alone"),
      h("option", { value: "stretch", disabled: true }, "the stretch selected"));
    const edge = (name) => h("input", {
      type: "number", min: 0, step: 10, "aria-label": `${name} edge of the band, Hz`, dataset: { edge: name },
      onchange: () => this.typeBand(),
    });
    [this.low, this.high] = [edge("low"), edge("high")];
    this.keep = h("select", { "aria-label": "What happens to the band", onchange: () => this.typeBand() },
      h("option", { value: "0" }, "is taken out"), h("option", { value: "1" }, "is all there is"));
    this.clearBand = h("button", { type: "button", class: "link", onclick: () => this.plot.setBand(null), title: "No band (X)" }, "clear");
    this.speed = h("output", { class: "speed quiet" });
    this.bars = h("div", { class: "bars", role: "table", "aria-label": "Probabilities of the classes" });
    this.mark = h("button", { type: "button", onclick: () => this.onmark?.(this), title: "Keep this token with a note (N)" }, "Note…");
    const close = this.onclose ? h("button", { type: "button", class: "link", onclick: this.onclose, title: "One token again" }, "close") : null;
    this.element = h("article", { class: "panel", "aria-label": title },
      h("header", { class: "panel-head" }, h("div", {}, this.heading, this.facts), h("div", { class: "panel-tools" }, this.mover.opener, this.mark, close)),
      h("div", { class: "figure" }, this.plot.element),
      h("div", { class: "under" }, this.output, this.scale),
      this.state,
      this.mover.saying,
      h("div", { class: "controls" }, h("div", {},
        h("div", { class: "row sounds", role: "group", "aria-label": "Play" }, ...sounds, this.part, this.audio),
        h("div", { class: "row band" }, h("label", {}, h("span", {}, "Band"), this.low), h("span", {}, "to"), this.high, h("span", {}, "Hz"),
        this.keep, this.clearBand, this.speed,
        h("p", { class: "hint quiet" }, "Drag up or down on the spectrogram for a band; along on the waveform for a stretch of time."))),
      this.bars),
      this.mover.element);
  }

  destroy() {
    for (const [kind, run] of Object.entries(this.changed)) this.settings.removeEventListener(kind, run);
    this.audio.pause();
    this.gone = true;
    this.mover.close();
    this.element.remove();
  }

  // Only the newest request of a kind may change the panel.
  only(kind) {
    this.aborts ??= {};
    this.aborts[kind]?.abort();
    this.aborts[kind] = new AbortController();
    return { signal: this.aborts[kind].signal };
  }

  get asked() {
    return { run: this.run.number, token: this.token };
  }

  get top() {
    return this.settings.values.full ? this.run.sample_rate / 2 : this.run.max_hz;
  }

  async open(run, token) {
    [this.run, this.token] = [run, token];
    this.audio.pause();
    const begun = performance.now();
    try {
      const facts = await getJson("token", this.asked, this.only("facts"));
      if (this.token !== token || this.gone) return;
      const same = this.facts_?.labels.join() === facts.labels.join();
      this.facts_ = facts;
      this.heard = null;
      this.mover.clear();
      this.describe();
      const band = same ? this.plot.band : null;
      this.plot.show({
        start: facts.start, end: facts.end, heard_hz: facts.max_hz,
        top_hz: this.top, formants: facts.formants, tracks: null, map: null, picture: null,
        tiers: tiersOf(facts), cursor: null, stretch: null, band, playing: null, handles: null, changed: false,
      });
      this.showStretch();
      this.showBars();
      this.onready?.(this);
      await this.loadPicture();
      this.element.dataset.ready = Math.round(performance.now() - begun);
      this.loadMap();
      this.loadTracks();
      this.mover.load();
      if (band) this.hear();
    } catch (error) {
      if (error.name === "AbortError") return;
      this.state.textContent = error.message;
      complain(error);
    }
  }

  describe() {
    const { row, start, end, own, sample_rate } = this.facts_;
    const { predicted } = row;
    const wrong = !own && predicted !== null && predicted !== row.class;
    this.heading.replaceChildren(
      h("span", { class: "ipa" }, own ? "your voice" : (row.class ?? "")),
      predicted !== null && predicted !== undefined ? h("span", { class: wrong ? "predicted wrong" : own ? "predicted own" : "predicted" }, wrong || own ? ` → ${predicted}` : " ✓") : "",
      h("span", { class: "confidence" }, row.predicted === null ? ` not tested${row.split ? ` (${row.split})` : ""}` : ` ${percent(row.confidence)}`));
    const said = [
      own ? null : this.token,
      row.word ? `“${row.word}”` : null,
      row.speaker ? `speaker ${row.speaker}` : null,
      `${start.toFixed(3)}–${end.toFixed(3)} s, ${Math.round(1000 * (end - start))} ms`,
      `heard at ${sample_rate} Hz`,
      this.several ? this.run.name : null,
    ];
    this.facts.textContent = said.filter(Boolean).join(" · ");
    this.state.textContent = "";
    this.mark.hidden = own;
    const verdict = predicted ? [`classified as ${predicted}`, percent(row.confidence)].filter(Boolean).join(", ") : "not tested";
    this.plot.above.setAttribute("aria-label",
      `Spectrogram of ${own ? "your voice" : `a token of ${row.class}`}, ${verdict}, 0 to ${Math.round(this.top)} Hz, ` +
      `${start.toFixed(3)} to ${end.toFixed(3)} s. Arrow keys move a cursor that reads off Hz and seconds; with Shift they move a band to take out.`);
  }

  async loadPicture() {
    if (!this.facts_) return;
    if (this.mover.moving) {
      this.mover.ask({});
      return;
    }
    const { window, heard } = this.settings.values;
    const changed = heard && this.last !== "plain" ? this.soundAsked(this.last) : {};
    try {
      const picture = await getArrays("picture", { ...this.asked, ...(changed ?? {}), window, top_hz: this.top }, this.only("picture"));
      this.plot.show({ picture, top_hz: this.top });
    } catch (error) {
      complain(error);
    }
  }

  async loadTracks() {
    try {
      this.plot.show({ tracks: await getJson("tracks", this.asked, this.only("tracks")) });
    } catch (error) {
      if (error.name !== "AbortError") this.state.textContent = error.message;
    }
  }

  async loadMap() {
    if (!this.facts_) return;
    const asked = this.mapAsked();
    const { signal } = this.only("map");
    if (!asked) {
      this.setMap(null);
      return;
    }
    this.state.textContent = asked.stored ? "" : `computing ${asked.method} …`;
    this.element.dataset.computing = "yes";
    try {
      // A moment's pause, so that going through tokens quickly does not compute a map of each.
      if (!asked.stored) await new Promise((resolve) => { setTimeout(resolve, 200); });
      if (signal.aborted) return;
      const map = await getArrays("map", { ...this.asked, ...asked }, { signal });
      this.setMap(map);
      this.state.textContent = describeMap(map, asked);
    } catch (error) {
      if (error.name === "AbortError") return;
      this.setMap(null);
      this.state.textContent = error.message;
    }
    delete this.element.dataset.computing;
  }

  // The map that is shown; a token without a stored map gets none.
  mapAsked() {
    const asked = this.settings.asked();
    if (asked?.stored && !this.facts_.stored.includes(asked.stored)) return this.facts_.own ? { method: asked.stored, target: "predicted" } : null;
    if (asked?.target === "true" && this.facts_.own) return { ...asked, target: "predicted" };
    return asked;
  }

  setMap(map) {
    delete this.element.dataset.computing;
    this.map = map;
    this.ownLimit = map ? limitOf(map.values) : 0;
    this.ownMost = map ? map.values.reduce((most, value) => Math.max(most, Math.abs(value)), 0) : 0;
    this.buttons.only.disabled = this.buttons.without.disabled = !map;
    this.plot.show({ map });
    this.look();
    this.onready?.(this);
  }

  // Colours over the same limit in panels that are compared.
  look() {
    const { opacity, threshold, range, outline, formants } = this.settings.values;
    const limit = this.sharedLimit || this.ownLimit;
    this.scale.hidden = !this.map;
    if (this.map) this.scaleText.textContent = `−${limit.toPrecision(2)} … +${limit.toPrecision(2)} ${this.map.units} a cell${limit < this.ownMost ? " and beyond" : ""}: against … for ${this.map.target}`;
    this.plot.show({ limit, options: { opacity, threshold, range, outline, formants } });
  }

  read(cursor) {
    if (!cursor) {
      this.output.textContent = "";
      return;
    }
    const { db, value } = this.plot.under(cursor);
    const parts = [`${cursor.s.toFixed(3)} s`, `${Math.round(cursor.hz)} Hz`];
    if (db !== undefined) parts.push(`${db < -69.5 ? "≤ −70" : db.toFixed(0).replace("-", "−")} dB`);
    if (value !== undefined) parts.push(`map ${signed(value)}`);
    this.output.textContent = parts.join("   ");
    this.output.setAttribute("aria-live", document.activeElement === this.plot.above ? "polite" : "off");
  }

  showStretch() {
    const option = this.part.querySelector("[value=stretch]");
    option.disabled = !this.plot.stretch;
    if (this.plot.stretch) this.part.value = "stretch";
    else if (this.part.value === "stretch") this.part.value = "around";
  }

  changeBand(band, done) {
    this.low.value = band ? Math.round(band.low) : "";
    this.high.value = band ? Math.round(band.high) : "";
    this.keep.value = band?.keep ? "1" : "0";
    this.buttons.band.lastChild.textContent = band?.keep ? "Band alone" : "Band-stop";
    this.buttons.band.disabled = !band;
    this.element.dataset.band = band ? `${Math.round(band.low)}-${Math.round(band.high)}` : "";
    if (!band) {
      this.speed.textContent = "";
      this.show(...this.mover.heard);
      return;
    }
    this.hear();
    if (done && this.settings.values.heard && this.last === "band") this.loadPicture();
  }

  typeBand() {
    const [low, high] = [Number(this.low.value), Number(this.high.value)];
    const keep = this.keep.value === "1";
    if (this.low.value !== "" && this.high.value !== "" && high - low >= 10) {
      this.plot.setBand({ low: Math.max(0, low), high: Math.min(this.top, high), keep });
    }
  }

  async hearBand() {
    const { band } = this.plot;
    if (!band) return;
    const begun = performance.now();
    const token = this.token;
    try {
      const { probabilities, scores, ms } = await getJson("hear", { ...this.asked, ...this.soundAsked("band") });
      if (this.token !== token || !this.plot.band) return;
      this.show(probabilities ?? scores, band.keep ? "band alone" : "without band");
      this.speed.textContent = `heard in ${Math.round(ms)} ms (${Math.round(performance.now() - begun)} ms with the way)`;
      this.element.dataset.heardMs = ms.toFixed(1);
    } catch (error) {
      complain(error);
    }
  }

  // What is heard of a changed sound, beside the token as it is; null for nothing.
  show(heard, heardAs = "") {
    Object.assign(this, { heard, heardAs });
    this.showBars();
  }

  showBars() {
    const { heard, heardAs } = this;
    this.bars.replaceChildren(...barRows({ ...this.facts_, heard, heardAs, unit: this.run.unit }));
  }

  // What names a sound in a request; null where there is none.
  soundAsked(what) {
    if (what === "band") {
      const { band } = this.plot;
      return band ? { what, low: band.low.toFixed(1), high: band.high.toFixed(1), keep: band.keep ? 1 : 0 } : null;
    }
    if (what === "plain") return { what };
    if (what === "moved") return this.mover.moving ? { what, ...this.mover.asked } : null;
    return this.map ? { what, ...this.mapAsked(), threshold: this.settings.values.threshold } : null;
  }

  // Sounds that nobody asked for by hand may be refused by the browser: `quiet` then says nothing.
  async play(what, { quiet = false } = {}) {
    const sound = this.soundAsked(what);
    if (!sound) {
      this.state.textContent = { band: "Drag a band on the spectrogram first.", moved: "Move a cue first (E)." }[what] ?? "Choose a map first.";
      return;
    }
    const part = this.part.value;
    const { stretch } = this.plot;
    const within = part === "stretch" && stretch ? { begin: stretch.start, end: stretch.end } : {};
    this.offset = part === "stretch" && stretch ? stretch.start : part === "token" ? this.facts_.start : this.facts_.shown_start;
    try {
      const blob = await getSound({ ...this.asked, ...sound, part, ...within });
      if (this.source) URL.revokeObjectURL(this.source);
      this.source = URL.createObjectURL(blob);
      this.audio.src = this.source;
      this.last = what;
      this.element.dataset.played = what;
      await this.audio.play();
      if (this.settings.values.heard) this.loadPicture();
    } catch (error) {
      if (!quiet || error.name !== "NotAllowedError") complain(error);
    }
  }

  follow() {
    const step = () => {
      this.plot.playing = this.audio.ended || this.audio.paused ? null : this.offset + this.audio.currentTime;
      if (this.plot.seconds) this.plot.drawAbove();
      if (this.plot.playing !== null) requestAnimationFrame(step);
    };
    this.audio.addEventListener("playing", step);
    this.audio.addEventListener("ended", step);
    for (const what of ["band", "only", "without", "moved"]) this.buttons[what].disabled = true;
    this.hear = debouncedFirst(latest(() => this.hearBand()));
  }
}

// At once the first time, and not more often than every 30 ms.
function debouncedFirst(run) {
  let last = 0;
  const later = debounced(30, () => { last = performance.now(); run(); });
  return () => {
    if (performance.now() - last > 30) {
      last = performance.now();
      run();
    } else later();
  };
}

// Where colours end: the largest cell, or the 99th percentile of many, lest one outlier make all others pale.
function limitOf(values) {
  const sizes = Float64Array.from(values, Math.abs).sort();
  return sizes[sizes.length < 200 ? sizes.length - 1 : Math.floor(0.99 * (sizes.length - 1))] || sizes.at(-1);
}

function describeMap(map, asked) {
  const parts = [`${map.values.shape[0]} × ${map.values.shape[1]} cells`];
  if (map.layer && !["input", "sound"].includes(map.layer)) parts.push(`layer ${map.layer}`);
  parts.push(`each sees about ${Math.round(map.resolution_hz)} Hz`);
  if (!asked.stored) parts.push(map.seconds < 0.1 ? `${Math.round(1000 * map.seconds)} ms` : `${map.seconds.toFixed(1)} s`);
  return `${map.method} of ${map.target}: ${parts.join(", ")}`;
}
