// Paints the layers of a plot. Every cell lies between its own edges in Hz and s; nothing is stretched to fit.

import { h } from "./dom.js";
import { levelColours } from "./palette.js";
import { Scale, tickText } from "./scale.js";
import { paintTracks } from "./tracks.js";

export const LEFT = 52;
export const WAVE = 44;
export const AXIS = 34;
export const TIER = 22;
export const GAP = 6;

const IPA = '"Charis SIL", "Doulos SIL", "Gentium Plus", "Noto Sans", "DejaVu Sans", system-ui, sans-serif';

export function paintBelow(plot) {
  const pen = plot.context(plot.below);
  if (plot.picture) {
    drawPicture(plot, pen);
    drawWave(plot, pen);
  }
  // A map explains the recorded sound, so that it is not drawn over a changed one.
  const map = plot.map && !plot.changed;
  if (map) {
    drawVeil(plot, pen);
    drawMap(plot, pen);
  }
  drawOutside(plot, pen);
  if (plot.options.formants && !plot.handles) drawFormants(plot, pen);
  drawAxes(plot, pen);
  drawTiers(plot, pen);
  if (map) drawProfile(plot, pen);
}

function clip(plot, pen, run) {
  pen.save();
  pen.beginPath();
  pen.rect(plot.seconds.from, plot.hertz.to, plot.seconds.to - plot.seconds.from, plot.hertz.from - plot.hertz.to);
  pen.clip();
  run();
  pen.restore();
}

function drawPicture(plot, pen) {
  const { level, first_hz, step_hz, first_s, step_s, range_db } = plot.picture;
  const [rows, columns] = level.shape;
  const colours = levelColours(plot.ink, range_db, plot.options.range);
  const key = `${plot.options.range} ${plot.ink.low} ${plot.ink.high}`;
  if (plot.drawn !== plot.picture || plot.drawnKey !== key) {
    const image = new ImageData(columns, rows);
    const pixels = new Uint32Array(image.data.buffer);
    for (let row = 0; row < rows; row += 1) {
      const target = (rows - 1 - row) * columns;
      for (let column = 0; column < columns; column += 1) pixels[target + column] = colours[level[row * columns + column]];
    }
    plot.image = h("canvas", { width: columns, height: rows });
    plot.image.getContext("2d").putImageData(image, 0, 0);
    [plot.drawn, plot.drawnKey] = [plot.picture, key];
  }
  // Frames and bins are equally spaced, so the picture as a whole lies between the outermost edges.
  const left = plot.seconds.at(first_s - step_s / 2);
  const right = plot.seconds.at(first_s + (columns - 0.5) * step_s);
  const top = plot.hertz.at(first_hz + (rows - 0.5) * step_hz);
  const bottom = plot.hertz.at(first_hz - step_hz / 2);
  clip(plot, pen, () => {
    pen.fillStyle = `rgb(${plot.ink.low.join(" ")})`;
    pen.fillRect(plot.seconds.from, plot.hertz.to, plot.seconds.to - plot.seconds.from, plot.hertz.from - plot.hertz.to);
    pen.imageSmoothingEnabled = true;
    pen.drawImage(plot.image, left, top, right - left, bottom - top);
  });
}

function drawWave(plot, pen) {
  const { samples, sample_rate, shown_start } = plot.picture;
  const middle = WAVE / 2;
  const largest = samples.reduce((most, sample) => Math.max(most, Math.abs(sample)), 1);
  pen.fillStyle = plot.ink.muted;
  for (let x = Math.floor(plot.seconds.from); x < plot.seconds.to; x += 1) {
    const begin = Math.round((plot.seconds.back(x) - shown_start) * sample_rate);
    const end = Math.max(begin + 1, Math.round((plot.seconds.back(x + 1) - shown_start) * sample_rate));
    let [low, high] = [0, 0];
    for (let n = Math.max(0, begin); n < Math.min(end, samples.length); n += 1) {
      low = Math.min(low, samples[n]);
      high = Math.max(high, samples[n]);
    }
    const top = middle - (high / largest) * (middle - 2);
    pen.fillRect(x, top, 1, Math.max(0.6, ((high - low) / largest) * (middle - 2)));
  }
}

// Speech is paler under a map, or colours could not be told on black.
function drawVeil(plot, pen) {
  if (plot.options.outline || plot.start === undefined) return;
  clip(plot, pen, () => {
    pen.fillStyle = plot.ink.paper;
    pen.globalAlpha = 0.55 * plot.options.opacity;
    const [left, right] = [plot.seconds.at(plot.start), plot.seconds.at(plot.end)];
    pen.fillRect(left, plot.hertz.to, right - left, plot.hertz.from - plot.hertz.to);
    pen.globalAlpha = 1;
  });
}

// A cell's colour strength: its share of the limit, nothing below the threshold.
function strengthOf(plot, value) {
  const share = Math.min(1, Math.abs(value) / (plot.limit || 1));
  return share >= plot.options.threshold && value !== 0 ? share : 0;
}

function drawMap(plot, pen) {
  const { values, edges_hz, edges_s } = plot.map;
  const [rows, columns] = values.shape;
  clip(plot, pen, () => {
    for (let row = 0; row < rows; row += 1) {
      const top = plot.snap(plot.hertz.at(edges_hz[row + 1]));
      const bottom = plot.snap(plot.hertz.at(edges_hz[row]));
      for (let column = 0; column < columns; column += 1) {
        const value = values[row * columns + column];
        const strength = strengthOf(plot, value);
        if (!strength) continue;
        const left = plot.snap(plot.seconds.at(edges_s[column]));
        const right = plot.snap(plot.seconds.at(edges_s[column + 1]));
        if (!plot.options.outline) {
          pen.globalAlpha = strength * plot.options.opacity;
          pen.fillStyle = value > 0 ? plot.ink.for : plot.ink.against;
          pen.fillRect(left, top, right - left, bottom - top);
        } else {
          outlineCell(plot, pen, { row, column, value, left, right, top, bottom });
        }
      }
    }
    pen.globalAlpha = 1;
  });
}

// Lines between cells that are shown and cells that are not: the picture below stays as it is.
function outlineCell(plot, pen, { row, column, value, left, right, top, bottom }) {
  const { values } = plot.map;
  const [rows, columns] = values.shape;
  const level = Math.max(plot.options.threshold, 0.5);
  const inside = (r, c) => {
    const other = r >= 0 && r < rows && c >= 0 && c < columns ? values[r * columns + c] : 0;
    return other * value > 0 && Math.abs(other) / (plot.limit || 1) >= level;
  };
  if (!inside(row, column)) return;
  pen.globalAlpha = Math.max(0.35, plot.options.opacity);
  pen.strokeStyle = value > 0 ? plot.ink.for : plot.ink.against;
  pen.lineWidth = 2;
  pen.beginPath();
  const line = (x, y, u, v) => { pen.moveTo(x, y); pen.lineTo(u, v); };
  if (!inside(row + 1, column)) line(left, top, right, top);
  if (!inside(row - 1, column)) line(left, bottom, right, bottom);
  if (!inside(row, column - 1)) line(left, top, left, bottom);
  if (!inside(row, column + 1)) line(right, top, right, bottom);
  pen.stroke();
}

// What the network does not hear is there to see and to play, but pale.
function drawOutside(plot, pen) {
  if (plot.start === undefined) return;
  clip(plot, pen, () => {
    pen.fillStyle = plot.ink.paper;
    pen.globalAlpha = 0.45;
    const [left, right] = [plot.seconds.at(plot.start), plot.seconds.at(plot.end)];
    pen.fillRect(plot.seconds.from, plot.hertz.to, left - plot.seconds.from, plot.hertz.from - plot.hertz.to);
    pen.fillRect(right, plot.hertz.to, plot.seconds.to - right, plot.hertz.from - plot.hertz.to);
    if (plot.heard_hz < plot.top_hz) pen.fillRect(left, plot.hertz.to, right - left, plot.hertz.at(plot.heard_hz) - plot.hertz.to);
    pen.globalAlpha = 1;
  });
}

function drawFormants(plot, pen) {
  clip(plot, pen, () => {
    pen.fillStyle = plot.ink.formant;
    pen.strokeStyle = plot.ink.paper;
    pen.lineWidth = 1;
    for (const track of plot.tracks?.frequency ?? []) {
      track.forEach((hertz, n) => {
        if (hertz === null) return;
        pen.beginPath();
        pen.arc(plot.seconds.at(plot.tracks.time[n]), plot.hertz.at(hertz), 1.7, 0, 7);
        pen.fill();
      });
    }
    for (const percent of plot.formants ? [20, 50, 80] : []) {
      const x = plot.seconds.at(plot.start + ((plot.end - plot.start) * percent) / 100);
      for (const k of [1, 2, 3, 4]) {
        const hertz = plot.formants[`f${k}_${percent}`];
        if (hertz === undefined) continue;
        pen.beginPath();
        pen.arc(x, plot.hertz.at(hertz), 3.6, 0, 7);
        pen.fill();
        pen.stroke();
      }
    }
  });
}

function drawAxes(plot, pen) {
  const [left, right, top, bottom] = [plot.seconds.from, plot.seconds.to, plot.hertz.to, plot.hertz.from];
  pen.strokeStyle = plot.ink.muted;
  pen.lineWidth = 1;
  pen.strokeRect(Math.round(left) - 0.5, Math.round(top) - 0.5, Math.round(right - left) + 1, Math.round(bottom - top) + 1);
  pen.fillStyle = plot.ink.ink;
  pen.font = "11px system-ui, sans-serif";
  pen.textAlign = "right";
  pen.textBaseline = "middle";
  const hz = plot.hertz.ticks(Math.max(3, (bottom - top) / 50));
  for (const value of hz.values) {
    const y = Math.round(plot.hertz.at(value)) + 0.5;
    pen.fillText(tickText(value, hz.step), left - 7, Math.max(top + 5, Math.min(bottom - 4, y)));
    tick(pen, left - 5, y, left - 1, y);
  }
  pen.save();
  pen.translate(10, (top + bottom) / 2);
  pen.rotate(-Math.PI / 2);
  pen.textAlign = "center";
  pen.fillStyle = plot.ink.muted;
  pen.fillText("Frequency (Hz)", 0, 0);
  pen.restore();
  pen.textAlign = "center";
  pen.textBaseline = "top";
  const s = plot.seconds.ticks(Math.max(4, (right - left) / 80));
  for (const value of s.values) {
    if (value < -1e-9) continue;
    const x = Math.round(plot.seconds.at(value)) + 0.5;
    pen.fillStyle = plot.ink.ink;
    pen.fillText(tickText(value, s.step), Math.min(x, right - 12), bottom + 6);
    tick(pen, x, bottom + 1, x, bottom + 4);
  }
  pen.fillStyle = plot.ink.muted;
  pen.textAlign = "left";
  pen.fillText("Time (s)", left, bottom + 20);
  if (plot.start === undefined) return;
  pen.strokeStyle = plot.ink.accent;
  pen.setLineDash([5, 3]);
  for (const value of [plot.start, plot.end]) {
    const x = Math.round(plot.seconds.at(value)) + 0.5;
    tick(pen, x, 0, x, bottom);
  }
  pen.setLineDash([]);
}

function tick(pen, x, y, u, v) {
  pen.beginPath();
  pen.moveTo(x, y);
  pen.lineTo(u, v);
  pen.stroke();
}

function drawTiers(plot, pen) {
  plot.tiers.forEach(({ name, entries }, row) => {
    const top = plot.tierTop + row * TIER;
    pen.fillStyle = plot.ink.muted;
    pen.font = "11px system-ui, sans-serif";
    pen.textAlign = "right";
    pen.textBaseline = "middle";
    pen.fillText(name, LEFT - 7, top + TIER / 2);
    pen.save();
    pen.beginPath();
    pen.rect(plot.seconds.from - 1, top, plot.seconds.to - plot.seconds.from + 2, TIER + 1);
    pen.clip();
    for (const entry of entries) drawEntry(plot, pen, entry, top);
    pen.restore();
    pen.strokeStyle = plot.ink.rule;
    pen.strokeRect(plot.seconds.from - 0.5, Math.round(top) + 0.5, plot.seconds.to - plot.seconds.from + 1, TIER);
  });
}

function drawEntry(plot, pen, { start, end, text, current, faint }, top) {
  const [left, right] = [plot.seconds.at(start), plot.seconds.at(end)];
  if (current) {
    pen.globalAlpha = 0.16;
    pen.fillStyle = plot.ink.accent;
    pen.fillRect(left, top, right - left, TIER);
    pen.globalAlpha = 1;
  }
  if (!faint) {
    pen.strokeStyle = current ? plot.ink.accent : plot.ink.muted;
    for (const x of [left, right]) tick(pen, Math.round(x) + 0.5, top, Math.round(x) + 0.5, top + TIER);
  }
  pen.fillStyle = faint ? plot.ink.muted : plot.ink.ink;
  pen.font = `${current ? "600 " : ""}${faint ? 12 : 13}px ${IPA}`;
  pen.textAlign = "center";
  pen.textBaseline = "middle";
  const [from, to] = [Math.max(left, plot.seconds.from), Math.min(right, plot.seconds.to)];
  if (to - from > 5) pen.fillText(text, (from + to) / 2, top + TIER / 2 + 0.5, Math.max(6, to - from - 3));
}

// The map summed over time, cell by cell, beside the axis it belongs to.
function drawProfile(plot, pen) {
  const { profile, edges_hz } = plot.map;
  const [left, right] = [plot.width - plot.side, plot.width - 22];
  const limit = plot.profileLimit || Math.max(...Array.from(profile, Math.abs), 1e-12);
  const across = new Scale(-limit, limit, left, right);
  const least = Math.min(...profile);
  if (least >= 0) across.low = 0;
  const zero = across.at(0);
  profile.forEach((value, row) => {
    const top = Math.max(plot.snap(plot.hertz.at(edges_hz[row + 1])), plot.hertz.to);
    const bottom = plot.snap(plot.hertz.at(edges_hz[row]));
    if (bottom <= plot.hertz.to) return;
    pen.fillStyle = value > 0 ? plot.ink.for : plot.ink.against;
    pen.globalAlpha = 0.8;
    pen.fillRect(Math.min(zero, across.at(value)), top, Math.abs(across.at(value) - zero), Math.max(0.7, bottom - top - 0.4));
    pen.globalAlpha = 1;
  });
  pen.strokeStyle = plot.ink.muted;
  tick(pen, Math.round(zero) + 0.5, plot.hertz.to, Math.round(zero) + 0.5, plot.hertz.from);
  pen.fillStyle = plot.ink.muted;
  pen.font = "11px system-ui, sans-serif";
  pen.textBaseline = "top";
  pen.textAlign = "right";
  pen.fillText("Profile", plot.width - 2, plot.hertz.from + 6);
  pen.fillText(`±${limit.toPrecision(2)}`, plot.width - 2, plot.hertz.from + 20);
  if (!plot.formants || !plot.options.formants) return;
  pen.strokeStyle = plot.ink.formant;
  pen.lineWidth = 1.5;
  for (const k of [1, 2, 3, 4]) {
    const hertz = plot.formants[`f${k}_50`];
    if (hertz === undefined || hertz > plot.top_hz) continue;
    const y = plot.hertz.at(hertz);
    tick(pen, right - 1, y, right + 5, y);
    pen.fillStyle = plot.ink.muted;
    pen.textBaseline = "middle";
    pen.fillText(`F${k}`, plot.width - 1, y);
  }
  pen.lineWidth = 1;
}

// Band, stretch, cursor and the place that is playing: drawn anew at every move of the mouse.
export function paintAbove(plot) {
  const pen = plot.context(plot.above);
  const [left, right, top, bottom] = [plot.seconds.from, plot.seconds.to, plot.hertz.to, plot.hertz.from];
  const ink = plot.ink;
  if (plot.handles) paintTracks(plot, pen);
  if (plot.band) {
    const [high, low] = [plot.hertz.at(Math.min(plot.band.high, plot.top_hz)), plot.hertz.at(plot.band.low)];
    pen.fillStyle = ink.accent;
    pen.globalAlpha = 0.2;
    if (plot.band.keep) {
      pen.fillRect(left, top, right - left, high - top);
      pen.fillRect(left, low, right - left, bottom - low);
    } else pen.fillRect(left, high, right - left, low - high);
    pen.globalAlpha = 1;
    pen.strokeStyle = ink.accent;
    pen.lineWidth = 1.5;
    for (const y of [high, low]) tick(pen, left, y, right, y);
    tag(plot, pen, `${Math.round(plot.band.high)} Hz`, right - 4, high - 8, "right");
    tag(plot, pen, `${Math.round(plot.band.low)} Hz`, right - 4, low + 9, "right");
  }
  if (plot.stretch) {
    const [from, to] = [plot.seconds.at(plot.stretch.start), plot.seconds.at(plot.stretch.end)];
    pen.fillStyle = ink.formant;
    pen.globalAlpha = 0.28;
    pen.fillRect(from, 0, to - from, WAVE);
    pen.globalAlpha = 1;
    pen.strokeStyle = ink.formant;
    for (const x of [from, to]) tick(pen, x, 0, x, bottom);
    tag(plot, pen, `${(1000 * (plot.stretch.end - plot.stretch.start)).toFixed(0)} ms`, (from + to) / 2, 8, "center");
  }
  pen.lineWidth = 1;
  if (plot.cursor) {
    const [x, y] = [plot.seconds.at(plot.cursor.s), plot.hertz.at(plot.cursor.hz)];
    pen.strokeStyle = ink.ink;
    pen.globalAlpha = 0.55;
    pen.setLineDash([2, 2]);
    tick(pen, left, y, plot.width - 2, y);
    tick(pen, x, 0, x, plot.tierTop + plot.tiers.length * TIER);
    pen.setLineDash([]);
    pen.globalAlpha = 1;
    tag(plot, pen, `${Math.round(plot.cursor.hz)}`, left - 3, y, "right");
  }
  if (plot.playing !== null) {
    const x = plot.seconds.at(plot.playing);
    pen.strokeStyle = ink.for;
    if (plot.seconds.holds(x)) tick(pen, x, 0, x, bottom);
  }
}

function tag(plot, pen, text, x, y, align) {
  pen.font = "600 11px system-ui, sans-serif";
  pen.textAlign = align;
  pen.textBaseline = "middle";
  const width = pen.measureText(text).width + 6;
  const left = align === "right" ? x - width + 3 : align === "center" ? x - width / 2 : x - 3;
  pen.fillStyle = plot.ink.paper;
  pen.globalAlpha = 0.85;
  pen.fillRect(left, y - 7, width, 14);
  pen.globalAlpha = 1;
  pen.fillStyle = plot.ink.ink;
  pen.fillText(text, x, y);
}
