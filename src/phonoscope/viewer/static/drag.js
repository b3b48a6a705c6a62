// Cues of the token moved by hand: formant tracks dragged on the picture, sliders for all, and what is heard then.

import { getArrays, getJson } from "./api.js";
import { CUES, FORMANTS, asText, bounds, near, numberOf, rises, sameMove, shiftOf, told } from "./cues.js";
import { complain, h, latest, percent } from "./dom.js";
import { Plane } from "./plane.js";
import { shifted, tiersOf } from "./tiers.js";

const REST_MS = 140; // a sound is played when the pointer has rested so long

export class Mover {
  constructor(panel) {
    this.panel = panel;
    this.opener = h("button", {
      type: "button", "aria-expanded": "false", onclick: () => this.toggle(), title: "Drag formants, F0, duration and tilt, and hear what the network hears (E)",
    }, "Move cues…");
    this.element = h("section", { class: "mover", hidden: true, "aria-label": "Cues moved by hand" });
    this.plane = new Plane({
      onwalk: (values, phase) => this.walk(values, phase),
      asked: () => this.panel.asked,
      others: () => this.values,
    });
    this.clear();
    this.ask = latest((how) => this.askNow(how));
    this.build();
  }

  build() {
    const button = (text, title, onclick, more = {}) => h("button", { type: "button", title, onclick, ...more }, text);
    this.undoing = button("Undo", "Undo (U)", () => this.undo());
    this.redoing = button("Redo", "Redo (Shift U)", () => this.redo());
    this.resetting = button("As recorded", "All cues where they were", () => this.commit({}));
    this.comparing = button("▶ A–B", "The token as it is, then changed (V)", () => this.compare());
    this.peeking = button("Show original", "The picture as recorded, and back (D)", () => this.peek(), { "aria-pressed": "false" });
    this.loud = h("input", { type: "checkbox", checked: true });
    this.verdict = h("p", { role: "status" });
    this.words = h("ul", { class: "words" });
    this.saying = h("div", { class: "verdict", hidden: true }, this.verdict, this.words);
    this.rows = h("div", { class: "cues", role: "group", "aria-label": "Cues" });
    this.hint = h("p", { class: "hint quiet" });
    this.element.append(
      h("div", { class: "mover-left" }, this.rows,
        h("div", { class: "row" }, this.undoing, this.redoing, this.resetting, this.comparing, this.peeking,
          h("label", { class: "tick" }, this.loud, "play as it moves")),
        this.hint),
      this.plane.element);
  }

  // Everything about the last token is forgotten.
  clear() {
    clearTimeout(this.resting);
    Object.assign(this, { cues: null, values: {}, trying: null, past: [], future: [], found: null, peeked: false });
    this.plane?.clear(null);
    if (this.panel.buttons) this.panel.buttons.moved.disabled = true;
  }

  get opened() {
    return !this.element.hidden;
  }

  get current() {
    return this.trying ?? this.values;
  }

  get moving() {
    return this.opened && this.cues !== null && Object.keys(this.current).length > 0;
  }

  get asked() {
    return asText(this.current);
  }

  // What is heard, and what it is called above its column.
  get heard() {
    return this.moving && this.found ? [this.found.probabilities ?? this.found.scores, "changed"] : [null, ""];
  }

  toggle(open = !this.opened) {
    this.element.hidden = this.saying.hidden = !open;
    this.opener.setAttribute("aria-expanded", open);
    if (open) this.load();
    else this.close();
  }

  // From the address of the page: opened, and moved as soon as there is a token.
  open(values) {
    this.wanted = values;
    this.toggle(true);
  }

  close() {
    this.clear();
    this.element.hidden = this.saying.hidden = true;
    this.words.replaceChildren();
    this.opener.setAttribute("aria-expanded", "false");
    this.panel.onmove?.({});
    if (this.panel.facts_ && !this.panel.gone) {
      const { end } = this.panel.facts_;
      this.panel.plot.show({ handles: null, changed: false, end, tiers: tiersOf(this.panel.facts_) });
      this.panel.show(null);
      this.panel.element.classList.remove("changed");
      this.panel.loadPicture();
    }
  }

  // What can be moved in the token of the panel, and, from the address of the page, where to.
  async load(values = this.wanted) {
    if (!this.opened || !this.panel.facts_) {
      this.wanted = values;
      return;
    }
    this.wanted = null;
    const { token } = this.panel;
    this.verdict.textContent = "measuring …";
    try {
      const cues = await getJson("cues", this.panel.asked, this.panel.only("cues"));
      if (token !== this.panel.token || !this.opened) return;
      this.cues = cues;
      this.plane.clear({ ...cues, labels: this.panel.facts_.labels });
      this.buildRows();
      this.commit(this.known(values ?? {}), { first: true });
    } catch (error) {
      if (error.name === "AbortError") return;
      this.verdict.textContent = error.message;
    }
  }

  // Values that this token can take, of those that an address names.
  known(values) {
    const kept = {};
    for (const [cue, value] of Object.entries(values)) {
      const { limits } = this.cues.cues[cue];
      if (limits && value >= limits[0] && value <= limits[1]) kept[cue] = value;
    }
    return rises(kept) ? kept : {};
  }

  buildRows() {
    const { cues } = this.cues;
    this.controls = {};
    const head = ["", "", "intended", "moved by", "achieved"].map((text) => h("span", {}, text));
    this.rows.replaceChildren(h("div", { class: "cue cue-head", "aria-hidden": "true" }, ...head), ...Object.keys(CUES).map((cue) => {
      const { before, limits } = cues[cue];
      const { name, step, to, unit, times = 1 } = CUES[cue];
      const least = limits ? Math.ceil((to(limits[0]) - to(before)) / step) * step : 0;
      const most = limits ? Math.floor((to(limits[1]) - to(before)) / step) * step : 0;
      const slide = (done) => this.slide(cue, Number(slider.value), done);
      const slider = h("input", {
        type: "range", min: least, max: most, step, value: 0, disabled: !limits, "aria-label": name, dataset: { cue },
        oninput: () => slide(false), onchange: () => slide(true),
      });
      const number = h("input", {
        type: "number", step: CUES[cue].digits ? 0.1 : 1, disabled: !limits, "aria-label": `${name}, ${unit}`, dataset: { number: cue },
        onchange: () => this.type(cue, number.value === "" ? before : Number(number.value) / times),
      });
      this.controls[cue] = { slider, number, by: h("span", { class: "by" }), achieved: h("output", { class: "achieved" }) };
      return h("div", { class: "cue", dataset: { row: cue } }, h("span", {}, name), slider,
        h("span", { class: "aim" }, number, ` ${unit}`), this.controls[cue].by, this.controls[cue].achieved);
    }));
    const why = [...new Set(Object.values(cues).map((one) => one.absent).filter(Boolean))];
    const sentence = (text) => `${text[0].toUpperCase()}${text.slice(1)}${text.endsWith(")") || text.endsWith("'") ? "" : "."}`;
    this.hint.replaceChildren("Drag a formant track on the spectrogram, or walk over the plane. ",
      ...why.map((text) => h("strong", {}, `${text.includes("pip install") ? "F0 and duration stay: " : ""}${text.includes("pip install") ? text : sentence(text)} `)));
  }

  // A formant track held on the picture, from one frequency to another.
  drag(cue, { from, to }, phase) {
    const { to: scale, back } = CUES[cue];
    if (phase === "cancelled") {
      this.show({ held: null });
      this.leave();
      return;
    }
    const start = this.values[cue] ?? this.cues.cues[cue].before;
    const value = back(scale(start) + scale(Math.max(50, to)) - scale(from));
    this.held = phase === "done" ? null : cue;
    this.lead({ [cue]: value }, phase === "done");
  }

  slide(cue, by, done) {
    const { to, back } = CUES[cue];
    const { before } = this.cues.cues[cue];
    this.lead({ [cue]: by === 0 ? before : back(to(before) + by) }, done);
  }

  type(cue, value) {
    if (Number.isFinite(value)) this.lead({ [cue]: value }, true);
    else this.refresh();
  }

  // Some cues to new values: tried while something is held, kept when it is let go.
  lead(wanted, done) {
    const values = { ...this.values };
    for (const cue of Object.keys(wanted)) delete values[cue];
    for (const [cue, value] of Object.entries(wanted)) {
      const { before, limits } = this.cues.cues[cue];
      const [low, high] = bounds(cue, limits, values);
      values[cue] = Math.min(high, Math.max(low, value));
      if (near(cue, values[cue], before)) delete values[cue];
    }
    if (done) {
      this.commit(values);
      return;
    }
    this.trying = values;
    this.refresh();
    this.ask({});
  }

  commit(values, { first = false, forget = false } = {}) {
    this.trying = null;
    this.held = null;
    if (!first && !forget && !sameMove(values, this.values)) {
      this.past.push(this.values);
      this.future = [];
    }
    this.values = values;
    this.panel.onmove?.(values);
    this.refresh();
    this.ask({ begun: performance.now(), play: !first });
  }

  undo() {
    if (!this.past.length) return;
    this.future.push(this.values);
    this.commit(this.past.pop(), { forget: true });
  }

  redo() {
    if (!this.future.length) return;
    this.past.push(this.values);
    this.commit(this.future.pop(), { forget: true });
  }

  // What was only tried is forgotten.
  leave() {
    clearTimeout(this.resting);
    this.held = null;
    if (!this.trying) return;
    this.trying = null;
    this.refresh();
    this.ask({});
  }

  // A point of the plane: pointed at, chosen, or left.
  walk(values, phase) {
    if (!this.cues) return;
    if (phase === "left") this.leave();
    else if (phase === "chosen") this.lead(values, true);
    else {
      this.lead(values, false);
      clearTimeout(this.resting);
      this.resting = setTimeout(() => { if (this.trying) this.ask({ play: true }); }, REST_MS);
    }
  }

  async askNow({ begun = null, play = false }) {
    if (!this.opened || !this.cues) return;
    const [{ token, settings, top }, values, sent] = [this.panel, this.current, performance.now()];
    const { window } = settings.values;
    try {
      const found = await getArrays("moved", { ...this.panel.asked, ...asText(values), window, top_hz: top });
      if (token !== this.panel.token || !this.opened) return;
      this.found = found;
      this.peeked = false;
      this.shown = values;
      this.took = performance.now() - (begun ?? sent);
      this.plane.heard(values, found);
      this.show({});
      Object.assign(this.panel.element.dataset, { move: JSON.stringify(asText(values)), movedMs: found.ms.toFixed(1) });
      if (begun !== null) this.panel.element.dataset.movedWhole = this.took.toFixed(1);
      if (play && this.loud.checked && sameMove(values, this.current) && Object.keys(values).length) await this.panel.play("moved", { quiet: true });
    } catch (error) {
      complain(error);
    }
  }

  // The answer: picture, tracks, bars, measured values, words.
  show({ held = this.held }) {
    this.held = held;
    const { found, panel } = this;
    if (!found) return;
    const moved = Object.keys(this.shown).length > 0;
    const { facts_ } = panel;
    panel.plot.show({
      picture: found, end: found.end, top_hz: panel.top, changed: moved, tiers: shifted(tiersOf(facts_), facts_.end, found.end - facts_.end),
    });
    panel.show(...(moved ? [found.probabilities ?? found.scores, "changed"] : [null, ""]));
    panel.buttons.moved.disabled = !moved;
    panel.element.classList.toggle("changed", moved);
    const { probabilities: p, predicted } = this.cues;
    const sure = (values, label) => (values ? ` ${percent(values[facts_.labels.indexOf(label)])}` : "");
    const asIs = `${predicted}${sure(p, predicted)}`;
    this.verdict.replaceChildren(
      "Heard as ", h("strong", { class: `ipa${found.predicted === predicted ? "" : " turned"}` }, found.predicted), sure(found.probabilities, found.predicted),
      h("span", { class: "quiet" }, moved ? `; as recorded ${asIs} · answered in ${Math.round(this.took)} ms` : ", as recorded"));
    this.words.replaceChildren(...found.words.map((text) => h("li", {}, text)));
    this.refresh();
  }

  // Sliders, numbers and tracks to where the cues are to be now; measured values of the last answer.
  refresh() {
    if (!this.cues) return;
    const values = this.current;
    for (const [cue, { slider, number, by, achieved }] of Object.entries(this.controls)) {
      const { before, limits } = this.cues.cues[cue];
      const value = values[cue] ?? before;
      const now = this.found?.cues[cue];
      const moved = values[cue] !== undefined;
      slider.value = limits ? CUES[cue].to(value) - CUES[cue].to(before) : 0;
      slider.setAttribute("aria-valuetext", limits ? `${told(cue, value)}${moved ? `, ${shiftOf(cue, before, value)}` : ", as recorded"}` : "stays");
      number.value = value === null ? "" : numberOf(cue, value);
      by.textContent = moved ? shiftOf(cue, before, value) : "";
      achieved.value = now ? told(cue, now.achieved) : "";
      achieved.classList.toggle("missed", Boolean(now?.missed));
      if (now?.missed) achieved.value += " missed";
      slider.closest(".cue").classList.toggle("moved", moved);
    }
    this.undoing.disabled = !this.past.length;
    this.redoing.disabled = !this.future.length;
    this.resetting.disabled = this.comparing.disabled = this.peeking.disabled = !Object.keys(values).length;
    this.peeking.setAttribute("aria-pressed", this.peeked);
    this.panel.plot.handles = this.peeked ? null : this.handles(values);
    if (this.panel.plot.seconds) this.panel.plot.drawAbove();
    this.plane.show(values, this.found);
  }

  handles(values) {
    const { cues, time, frequency } = this.cues;
    const { start } = this.panel.facts_;
    const tracks = FORMANTS.flatMap((cue, n) => {
      const { before, limits } = cues[cue];
      const track = frequency[n];
      if (!track?.length || track.some((hertz) => hertz === null)) return [];
      const { to } = CUES[cue];
      const now = this.found?.cues[cue];
      const by = values[cue] === undefined ? 0 : to(values[cue]) - to(before);
      return [{ cue, track, by, fixed: !limits, achieved: now?.achieved, missed: now?.missed }];
    });
    const longer = values.duration === undefined ? 1 : values.duration / cues.duration.before;
    return tracks.length ? { time, tracks, longer, start, held: this.held } : null;
  }

  // The picture as recorded, and back.
  async peek() {
    if (!this.moving) return;
    this.peeked = !this.peeked;
    const { plot, facts_ } = this.panel;
    try {
      if (this.peeked) {
        const { window } = this.panel.settings.values;
        const picture = await getArrays("picture", { ...this.panel.asked, window, top_hz: this.panel.top });
        plot.show({ picture, end: facts_.end, tiers: tiersOf(facts_), changed: false });
        this.refresh();
      } else this.show({});
    } catch (error) {
      complain(error);
    }
  }

  async compare() {
    if (!this.moving) return;
    const { audio } = this.panel;
    await this.panel.play("plain");
    const source = audio.src;
    audio.addEventListener("ended", () => {
      if (audio.src === source && this.moving) setTimeout(() => this.panel.play("moved"), 250);
    }, { once: true });
  }
}
