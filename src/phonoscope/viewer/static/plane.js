// The plane of two cues: which class is heard where, walked over with the mouse, a finger or the arrow keys.

import { send } from "./api.js";
import { CUES, asText, near, rises, told } from "./cues.js";
import { complain, h, percent } from "./dom.js";
import { classColour, inks } from "./palette.js";
import { Scale } from "./scale.js";

const LEFT = 50;
const BOTTOM = 36;
const EDGE = 10;
const LARGEST = 400;
const SIZES = [7, 11, 15, 21];
const AIR = 0.9; // Bark around the classes' means
const AT_ONCE = 22;
const STEP = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export class Plane {
  constructor({ onwalk, asked, others }) {
    Object.assign(this, { onwalk, asked, others });
    this.first = "f1";
    this.second = "f2";
    this.count = 11;
    this.cells = new Map();
    this.canvas = h("canvas", { tabIndex: 0, role: "img", class: "plane-canvas" });
    const choice = (which, label) => h("select", {
      "aria-label": label, dataset: { plane: which }, onchange: (event) => this.choose(which, event.target.value),
    });
    this.choices = { second: choice("second", "Cue from left to right"), first: choice("first", "Cue from top to bottom") };
    this.size = h("select", { "aria-label": "Places along each cue", onchange: (event) => { this.count = Number(event.target.value); this.forget(); this.draw(); } },
      SIZES.map((n) => h("option", { value: n, selected: n === this.count }, `${n} × ${n}`)));
    this.filling = h("button", { type: "button", onclick: () => this.fill(), title: "Ask the network at every place of the plane" }, "Fill");
    this.readout = h("output", { class: "plane-readout", "aria-live": "polite" });
    this.key = h("p", { class: "plane-key quiet" });
    this.element = h("figure", { class: "plane", "aria-label": "Territory map" },
      h("figcaption", { class: "row" }, h("span", { class: "quiet" }, "Plane"), this.choices.first, h("span", { class: "quiet" }, "×"), this.choices.second, this.size, this.filling),
      h("div", { class: "plane-box" }, this.canvas), this.readout, this.key);
    new ResizeObserver(() => this.draw()).observe(this.element);
    this.listen();
  }

  // A new token, or none.
  clear(facts) {
    this.facts = facts;
    this.values = {};
    this.pointed = null;
    this.forget();
    if (facts) {
      const can = Object.keys(CUES).filter((cue) => facts.cues[cue].limits);
      if (!can.includes(this.first) || !can.includes(this.second)) [this.first, this.second] = can.includes("f1") && can.includes("f2") ? ["f1", "f2"] : can;
      for (const [which, select] of Object.entries(this.choices)) {
        select.replaceChildren(...can.map((cue) => h("option", { value: cue, selected: cue === this[which] }, CUES[cue].name)));
        select.value = this[which];
      }
    }
    this.element.hidden = !facts || !this.second;
    this.draw();
  }

  forget() {
    this.cells.clear();
    this.run = (this.run ?? 0) + 1; // a filling that is under way ends
    this.filling.textContent = "Fill";
    this.element.dataset.filled = "0";
  }

  choose(which, cue) {
    const other = which === "first" ? "second" : "first";
    if (this[other] === cue) this.choices[other].value = this[other] = this[which];
    this[which] = cue;
    this.forget();
    this.onwalk({}, "left");
    this.draw();
  }

  // Range of a cue on the plane, on its own scale: what the classes and the token span, or all that is allowed.
  span(cue) {
    const { to, formant } = CUES[cue];
    const { before, limits } = this.facts.cues[cue];
    const [least, most] = limits.map(to);
    if (!formant) return [least, most];
    const places = [before, ...this.facts.means.map((mean) => mean[cue]).filter((value) => value !== null && value !== undefined)].map(to);
    const [low, high] = places.length > 3 ? [Math.min(...places) - AIR, Math.max(...places) + AIR] : [to(before) - 3, to(before) + 3];
    return [Math.max(least, low), Math.min(most, high)];
  }

  layout() {
    const width = Math.max(220, Math.min(LARGEST, this.element.clientWidth));
    this.width = width;
    this.height = width - EDGE;
    this.canvas.style.width = `${width}px`;
    this.canvas.style.height = `${this.height}px`;
    const [right, bottom] = [width - EDGE, this.height - BOTTOM];
    const [x, y] = [this.span(this.second), this.span(this.first)];
    // As on a vowel chart: F2 falls to the right, F1 falls upwards. Other cues rise to the right and upwards.
    this.across = CUES[this.second].formant ? new Scale(x[0], x[1], right, LEFT) : new Scale(x[0], x[1], LEFT, right);
    this.down = CUES[this.first].formant ? new Scale(y[0], y[1], EDGE, bottom) : new Scale(y[0], y[1], bottom, EDGE);
  }

  at(scale, cue, value) {
    return scale.at(CUES[cue].to(value));
  }

  cellOf(values) {
    const place = (scale, cue) => {
      const share = (CUES[cue].to(values[cue]) - scale.low) / (scale.high - scale.low);
      return share >= 0 && share <= 1 ? Math.min(this.count - 1, Math.floor(share * this.count)) : -1;
    };
    const [i, j] = [place(this.down, this.first), place(this.across, this.second)];
    return i < 0 || j < 0 ? null : `${i} ${j}`;
  }

  valuesOf(i, j) {
    const value = (scale, cue, n) => CUES[cue].back(scale.low + ((n + 0.5) / this.count) * (scale.high - scale.low));
    return { [this.first]: value(this.down, this.first, i), [this.second]: value(this.across, this.second, j) };
  }

  // Where the cues are to be now, and what was answered last.
  show(values, found) {
    const key = JSON.stringify(asText({ ...values, [this.first]: 0, [this.second]: 0 }));
    if (this.facts && key !== this.key_) {
      this.key_ = key;
      this.forget();
    }
    this.values = values;
    this.found = found;
    this.draw();
  }

  heard(values, found) {
    if (!this.facts || !this.across) return;
    const own = this.full(values);
    this.note(own, found.predicted, found.probabilities, [this.first, this.second].some((cue) => found.cues[cue].missed));
    this.readout.value = this.said(own, found);
  }

  note(values, label, probabilities, missed) {
    const cell = this.cellOf(values);
    if (!cell) return;
    this.cells.set(cell, { label, missed, p: probabilities?.[this.facts.labels.indexOf(label)] ?? 1 });
    this.element.dataset.filled = this.cells.size;
  }

  full(values) {
    return Object.fromEntries([this.first, this.second].map((cue) => [cue, values[cue] ?? this.facts.cues[cue].before]));
  }

  said(values, { predicted, probabilities }) {
    const where = [this.first, this.second].map((cue) => `${CUES[cue].name} ${told(cue, values[cue])}`).join(", ");
    return `${where}: ${predicted}${probabilities ? ` ${percent(probabilities[this.facts.labels.indexOf(predicted)])}` : ""}`;
  }

  // All places that were not asked yet, some at a time, so that the page stays awake and shows them as they come.
  async fill() {
    if (!this.facts) return;
    const begun = performance.now();
    const run = (this.run += 1);
    const others = this.others();
    const wanted = [];
    for (let i = 0; i < this.count; i += 1) {
      for (let j = 0; j < this.count; j += 1) {
        const values = this.valuesOf(i, j);
        if (!this.cells.has(`${i} ${j}`) && rises({ ...others, ...values })) wanted.push(values);
      }
    }
    try {
      for (let first = 0; first < wanted.length; first += AT_ONCE) {
        this.filling.textContent = `${Math.round((100 * first) / wanted.length)} %`;
        const some = wanted.slice(first, first + AT_ONCE);
        const moves = some.map((values) => Object.fromEntries(Object.entries(asText({ ...others, ...values })).map(([cue, text]) => [cue, Number(text)])));
        const answers = await send("POST", "heard", this.asked(), JSON.stringify({ moves }));
        if (run !== this.run) return;
        answers.forEach((answer, n) => this.note(some[n], answer.predicted, answer.probabilities, answer.missed));
        this.draw();
      }
      this.element.dataset.fillMs = Math.round(performance.now() - begun);
    } catch (error) {
      complain(error);
    }
    if (run === this.run) this.filling.textContent = "Fill";
  }

  listen() {
    const { canvas } = this;
    const values = (event) => {
      if (!this.facts || !this.across) return null;
      const box = canvas.getBoundingClientRect();
      const [x, y] = [event.clientX - box.left, event.clientY - box.top];
      if (!this.across.holds(x) || !this.down.holds(y)) return null;
      const found = { [this.first]: CUES[this.first].back(this.down.back(y)), [this.second]: CUES[this.second].back(this.across.back(x)) };
      return rises({ ...this.others(), ...found }) ? found : null;
    };
    const point = (found, phase) => {
      if (!found && phase !== "left") return;
      this.pointed = phase === "over" ? found : null;
      this.onwalk(found ?? {}, phase);
    };
    canvas.addEventListener("pointerdown", (event) => { if (event.button === 0 && values(event)) canvas.setPointerCapture(event.pointerId); });
    canvas.addEventListener("pointermove", (event) => point(values(event), "over"));
    canvas.addEventListener("pointerup", (event) => { if (event.button === 0) point(values(event), "chosen"); });
    for (const kind of ["pointerleave", "pointercancel"]) canvas.addEventListener(kind, () => { if (this.pointed) point(null, "left"); });
    canvas.addEventListener("keydown", (event) => this.keys(event));
  }

  // Arrows go by a place of the plane, with Shift by a quarter of one.
  keys(event) {
    const step = STEP[event.key];
    if (!step || event.altKey || event.ctrlKey || event.metaKey || !this.facts) return;
    event.preventDefault();
    event.stopPropagation();
    const now = this.full(this.values);
    const by = (scale, cue, pixels) => {
      const cell = (scale.high - scale.low) / this.count / (event.shiftKey ? 4 : 1);
      const moved = CUES[cue].to(now[cue]) + pixels * cell * Math.sign(scale.to - scale.from);
      return CUES[cue].back(Math.min(scale.high, Math.max(scale.low, moved)));
    };
    const values = { [this.first]: by(this.down, this.first, step[1]), [this.second]: by(this.across, this.second, step[0]) };
    if (rises({ ...this.others(), ...values })) this.onwalk(values, "chosen");
  }

  draw() {
    if (!this.facts || this.element.hidden || !this.element.clientWidth) return;
    this.layout();
    const ratio = window.devicePixelRatio || 1;
    this.canvas.width = Math.round(this.width * ratio);
    this.canvas.height = Math.round(this.height * ratio);
    const pen = this.canvas.getContext("2d");
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.ink = inks();
    this.drawCells(pen);
    this.drawAxes(pen);
    this.drawMeans(pen);
    this.drawToken(pen);
    const labels = [...new Set([...this.cells.values()].filter((cell) => !cell.missed).map((cell) => cell.label))];
    const missed = [...this.cells.values()].filter((cell) => cell.missed).length;
    this.key.textContent = [
      this.facts.means.length ? "Letters: means of the talkers’ own vowels." : "", "Ring: as recorded.",
      labels.length ? `Heard so far: ${labels.join(", ")}.` : "", missed ? `${missed} hatched: missed, not coloured.` : "",
    ].filter(Boolean).join(" ");
    const now = this.full(this.values);
    this.canvas.setAttribute("aria-label", `Plane of ${CUES[this.first].name} and ${CUES[this.second].name}: ${[this.first, this.second].map((cue) => `${CUES[cue].name} ${told(cue, now[cue])}`).join(", ")}. Arrow keys move both.`);
  }

  drawCells(pen) {
    const edges = (scale, n) => [0, 1].map((by) => scale.at(scale.low + ((n + by) / this.count) * (scale.high - scale.low)));
    pen.font = "10px system-ui, sans-serif";
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    for (const [name, { label, p, missed }] of this.cells) {
      const [i, j] = name.split(" ").map(Number);
      const [[x, u], [y, v]] = [edges(this.across, j), edges(this.down, i)];
      const [left, top, wide, high] = [Math.min(x, u), Math.min(y, v), Math.abs(u - x), Math.abs(v - y)];
      if (missed) {
        hatch(pen, left, top, wide, high, this.ink.muted);
        continue;
      }
      pen.globalAlpha = 0.2 + 0.6 * p;
      pen.fillStyle = classColour(this.facts.labels.indexOf(label));
      pen.fillRect(left + 0.5, top + 0.5, wide - 1, high - 1);
      pen.globalAlpha = 1;
      if (wide < 17) continue;
      pen.fillStyle = this.ink.ink;
      pen.fillText(label, left + wide / 2, top + high / 2, wide - 2);
    }
  }

  drawAxes(pen) {
    const [left, right] = [LEFT, this.width - EDGE];
    const [top, bottom] = [EDGE, this.height - BOTTOM];
    pen.strokeStyle = this.ink.muted;
    pen.strokeRect(left - 0.5, top - 0.5, right - left + 1, bottom - top + 1);
    pen.font = "11px system-ui, sans-serif";
    pen.fillStyle = this.ink.ink;
    const ticks = (cue, scale) => {
      const [low, high] = [scale.low, scale.high].map(CUES[cue].back).map((value) => value * (CUES[cue].times ?? 1));
      return new Scale(low, high, 0, 1).ticks(5).values.map((value) => ({ value, at: this.at(scale, cue, value / (CUES[cue].times ?? 1)) }));
    };
    pen.textBaseline = "top";
    pen.textAlign = "center";
    let last = Infinity;
    for (const { value, at } of ticks(this.second, this.across).sort((a, b) => b.at - a.at)) {
      if (last - at < 34) continue;
      last = at;
      pen.fillRect(Math.round(at), bottom, 1, 4);
      pen.fillText(String(value).replace("-", "−"), Math.min(at, right - 10), bottom + 6);
    }
    pen.textBaseline = "middle";
    pen.textAlign = "right";
    for (const { value, at } of ticks(this.first, this.down)) {
      pen.fillRect(left - 4, Math.round(at), 4, 1);
      pen.fillText(String(value).replace("-", "−"), left - 7, at);
    }
    pen.fillStyle = this.ink.muted;
    pen.textAlign = "center";
    pen.textBaseline = "alphabetic";
    const title = (cue) => `${CUES[cue].name} (${CUES[cue].unit})`;
    pen.fillText(title(this.second), (left + right) / 2, this.height - 4);
    pen.save();
    pen.translate(11, (top + bottom) / 2);
    pen.rotate(-Math.PI / 2);
    pen.fillText(title(this.first), 0, 0);
    pen.restore();
  }

  drawMeans(pen) {
    pen.font = "600 15px \"Charis SIL\", \"Doulos SIL\", \"Gentium Plus\", \"Noto Sans\", \"DejaVu Sans\", system-ui, sans-serif";
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    for (const mean of this.facts.means) {
      const [x, y] = [mean[this.second], mean[this.first]];
      if (typeof x !== "number" || typeof y !== "number") continue;
      const [at, up] = [this.at(this.across, this.second, x), this.at(this.down, this.first, y)];
      if (!this.across.holds(at) || !this.down.holds(up)) continue;
      pen.lineWidth = 4;
      pen.lineJoin = "round";
      pen.strokeStyle = this.ink.paper;
      pen.strokeText(mean.label, at, up);
      pen.fillStyle = this.ink.ink;
      pen.fillText(mean.label, at, up);
    }
  }

  // The token as recorded (ring), where it is to be (dot), and where it was measured, if that is elsewhere.
  drawToken(pen) {
    pen.save();
    pen.beginPath();
    pen.rect(LEFT, EDGE, this.width - EDGE - LEFT, this.height - BOTTOM - EDGE);
    pen.clip();
    this.drawPlaces(pen);
    pen.restore();
  }

  drawPlaces(pen) {
    const place = (values) => [this.at(this.across, this.second, values[this.second]), this.at(this.down, this.first, values[this.first])];
    const circle = ([x, y], radius) => { pen.beginPath(); pen.arc(x, y, radius, 0, 7); };
    const recorded = this.full({});
    const ring = (radius, colour, width) => {
      pen.strokeStyle = colour;
      pen.lineWidth = width;
      circle(place(recorded), radius);
      pen.stroke();
    };
    ring(7, this.ink.paper, 5);
    ring(7, this.ink.ink, 2);
    const now = this.full(this.values);
    if ([this.first, this.second].every((cue) => near(cue, now[cue], recorded[cue]))) return;
    const at = place(now);
    const measured = this.found && Object.fromEntries([this.first, this.second].map((cue) => [cue, this.found.cues[cue].achieved]));
    pen.strokeStyle = pen.fillStyle = this.ink.ink;
    pen.lineWidth = 1.5;
    if (measured && Object.values(measured).every(Number.isFinite)) {
      pen.beginPath();
      pen.moveTo(...at);
      pen.lineTo(...place(measured));
      pen.stroke();
    }
    pen.fillStyle = this.ink.paper;
    circle(at, 7);
    pen.fill();
    pen.fillStyle = this.ink.accent;
    circle(at, 5);
    pen.fill();
  }
}

function hatch(pen, left, top, wide, high, colour) {
  pen.save();
  pen.beginPath();
  pen.rect(left + 0.5, top + 0.5, wide - 1, high - 1);
  pen.clip();
  pen.strokeStyle = colour;
  pen.globalAlpha = 0.5;
  pen.lineWidth = 1;
  for (let x = left - high; x < left + wide; x += 5) {
    pen.beginPath();
    pen.moveTo(x, top + high);
    pen.lineTo(x + high, top);
    pen.stroke();
  }
  pen.restore();
}
