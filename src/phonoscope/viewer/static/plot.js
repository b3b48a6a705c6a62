// One token as a picture that one can read off and drag on: waveform, spectrogram with map, tiers, profile.

import { h } from "./dom.js";
import { AXIS, GAP, LEFT, TIER, WAVE, paintAbove, paintBelow } from "./paint.js";
import { inks } from "./palette.js";
import { Scale, cellAt } from "./scale.js";
import { trackUnder } from "./tracks.js";

export class Plot {
  constructor({ onband, onstretch, oncursor, ontoken, ongrab, label }) {
    Object.assign(this, { onband, onstretch, oncursor, ontoken, ongrab });
    this.below = h("canvas", { role: "presentation" });
    this.above = h("canvas", { tabIndex: 0, role: "img", "aria-label": label, class: "above" });
    this.element = h("div", { class: "plot" }, this.below, this.above);
    this.tiers = [];
    this.options = { opacity: 0.7, threshold: 0, range: 50, outline: false, formants: true };
    this.pointer = null;
    this.cursor = null;
    this.band = null;
    this.stretch = null;
    this.playing = null;
    this.handles = null;
    new ResizeObserver(() => this.draw()).observe(this.element);
    this.listen();
  }

  // What is drawn; parts that are missing are left out.
  show(given) {
    Object.assign(this, given);
    this.draw();
  }

  get side() {
    return this.pictureHeight ? 0 : Math.min(126, Math.max(80, this.width * 0.15));
  }

  layout() {
    this.width = this.element.clientWidth;
    const wanted = this.pictureHeight ?? Math.min(440, this.width * 0.5, Math.max(230, window.innerHeight * 0.4));
    const tiers = this.tiers.length * TIER;
    this.height = WAVE + GAP + wanted + AXIS + tiers + 4;
    this.element.style.height = `${this.height}px`;
    const right = this.width - this.side - (this.side ? 10 : 2);
    const top = WAVE + GAP;
    this.hertz = new Scale(0, this.top_hz ?? 4000, top + wanted, top);
    this.seconds = new Scale(this.from ?? 0, this.to ?? 1, LEFT, right);
    this.tierTop = top + wanted + AXIS;
  }

  context(canvas) {
    const ratio = window.devicePixelRatio || 1;
    canvas.width = Math.round(this.width * ratio);
    canvas.height = Math.round(this.height * ratio);
    const pen = canvas.getContext("2d");
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, this.width, this.height);
    this.snap = (pixel) => Math.round(pixel * ratio) / ratio;
    return pen;
  }

  draw() {
    if (!this.element.isConnected || this.element.clientWidth === 0) return;
    this.layout();
    this.ink = inks();
    paintBelow(this);
    paintAbove(this);
  }

  drawAbove() {
    paintAbove(this);
  }

  place(event) {
    const box = this.above.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    return { x, y, s: this.seconds.back(x), hz: this.hertz.back(y) };
  }

  // Level in dB and value of the map under a point.
  under({ s, hz }) {
    const found = {};
    if (this.picture) {
      const { level, first_hz, step_hz, first_s, step_s, range_db } = this.picture;
      const [row, column] = [Math.round((hz - first_hz) / step_hz), Math.round((s - first_s) / step_s)];
      if (row >= 0 && row < level.shape[0] && column >= 0 && column < level.shape[1]) {
        found.db = -range_db * (1 - level[row * level.shape[1] + column] / 255);
      }
    }
    if (this.map && !this.changed) {
      const [row, column] = [cellAt(this.map.edges_hz, hz), cellAt(this.map.edges_s, s)];
      if (row >= 0 && column >= 0) found.value = this.map.values[row * this.map.values.shape[1] + column];
    }
    return found;
  }

  point(cursor) {
    this.cursor = cursor;
    this.drawAbove();
    this.oncursor?.(cursor);
  }

  zoneOf({ x, y }) {
    if (x < this.seconds.from - 4 || x > this.seconds.to + 4) return null;
    if (y < WAVE) return "wave";
    if (y >= this.hertz.to && y <= this.hertz.from) return "picture";
    return y >= this.tierTop ? "tiers" : null;
  }

  trackAt(at, event) {
    return this.zoneOf(at) === "picture" ? trackUnder(this, at, event.pointerType) : null;
  }

  listen() {
    const canvas = this.above;
    canvas.addEventListener("pointerdown", (event) => {
      if (event.button !== 0 || !this.hertz) return;
      const at = this.place(event);
      const track = this.trackAt(at, event);
      this.pointer = { zone: track ? "track" : this.zoneOf(at), from: at, moved: false, track };
      if (this.pointer.zone) canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!this.hertz) return;
      const at = this.place(event);
      const held = this.pointer;
      if (!held) canvas.dataset.zone = this.trackAt(at, event) ? "track" : this.zoneOf(at) ?? "";
      if (held && Math.hypot(at.x - held.from.x, at.y - held.from.y) > 3) held.moved = true;
      if (held?.moved && held.zone === "track") this.ongrab(held.track.cue, { from: held.track.hz, to: held.track.hz + at.hz - held.from.hz }, "moving");
      if (held?.moved && held.zone === "picture") this.dragBand(held.from.hz, at.hz, false);
      if (held?.moved && (held.zone === "wave")) this.dragStretch(held.from.s, at.s, false);
      const inside = this.zoneOf(at) === "picture";
      this.point(inside ? { s: at.s, hz: at.hz } : null);
    });
    const release = (event) => {
      const held = this.pointer;
      this.pointer = null;
      if (held?.zone === "track") {
        const to = held.track.hz + this.place(event).hz - held.from.hz;
        this.ongrab(held.track.cue, { from: held.track.hz, to }, event.type === "pointercancel" || !held.moved ? "cancelled" : "done");
      }
      if (!held || held.zone === "track" || event.type === "pointercancel") return;
      const at = this.place(event);
      if (held.moved && held.zone === "picture") this.dragBand(held.from.hz, at.hz, true);
      else if (held.moved && held.zone === "wave") this.dragStretch(held.from.s, at.s, true);
      else if (held.zone === "wave") this.setStretch(null, true);
      else if (held.zone === "picture") this.setBand(null, true);
      else if (held.zone === "tiers") this.clickTier(at);
    };
    canvas.addEventListener("pointerup", release);
    canvas.addEventListener("pointercancel", release);
    canvas.addEventListener("pointerleave", () => { if (!this.pointer && document.activeElement !== canvas) this.point(null); });
    canvas.addEventListener("keydown", (event) => this.keys(event));
  }

  clickTier({ s, y }) {
    const tier = this.tiers[Math.floor((y - this.tierTop) / TIER)];
    const entry = tier?.entries.find((one) => one.token && s >= one.start && s <= one.end);
    if (entry && !entry.current) this.ontoken?.(entry.token);
  }

  dragBand(a, b, done) {
    const clip = (hz) => Math.min(this.top_hz, Math.max(0, hz));
    const [low, high] = [clip(Math.min(a, b)), clip(Math.max(a, b))];
    if (high - low >= 10) this.setBand({ low, high, keep: this.band?.keep ?? false }, done);
  }

  dragStretch(a, b, done) {
    const clip = (s) => Math.min(this.seconds.high, Math.max(Math.max(0, this.seconds.low), s));
    const [start, end] = [clip(Math.min(a, b)), clip(Math.max(a, b))];
    if (end - start >= 0.003) this.setStretch({ start, end }, done);
  }

  setBand(band, done = true) {
    if (!this.onband) return;
    this.band = band;
    if (this.hertz) this.drawAbove();
    this.onband(band, done);
  }

  setStretch(stretch, done = true) {
    if (!this.onstretch) return;
    this.stretch = stretch;
    if (this.seconds) this.drawAbove();
    this.onstretch(stretch, done);
  }

  // Arrows read the picture off without a mouse; with Shift they move the band.
  keys(event) {
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
    if (!step || event.altKey || event.ctrlKey || event.metaKey || !this.hertz) return;
    event.preventDefault();
    event.stopPropagation();
    const [dx, dy] = step;
    if (event.shiftKey) {
      const middle = this.heard_hz ? this.heard_hz / 2 : this.top_hz / 2;
      const { low, high, keep } = this.band ?? { low: middle - 250, high: middle + 250, keep: false };
      const half = Math.max(25, (high - low) / 2 + dx * 25);
      const centre = Math.min(this.top_hz - half, Math.max(half, (low + high) / 2 + dy * 50));
      this.setBand({ low: Math.max(0, centre - half), high: Math.min(this.top_hz, centre + half), keep });
      return;
    }
    const now = this.cursor ?? { s: (this.start + this.end) / 2, hz: this.top_hz / 2 };
    const s = Math.min(this.seconds.high, Math.max(this.seconds.low, now.s + dx * 0.002));
    this.point({ s, hz: Math.min(this.top_hz, Math.max(0, now.hz + dy * 20)) });
  }
}
