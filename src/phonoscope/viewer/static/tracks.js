// Formant tracks that can be grabbed: where they lie, which one is under the pointer, how they are drawn.

import { CUES } from "./cues.js";

const REACH = { mouse: 8, pen: 12, touch: 20 }; // pixels

// Frequency of a track at a time of the picture; null beside it. `longer` is the factor of the token's duration.
function hertzAt({ time, longer, start }, track, s) {
  const at = start + (s - start) / longer;
  if (at < time[0] - 0.01 || at > time.at(-1) + 0.01) return null;
  const after = time.findIndex((one) => one >= at);
  if (after <= 0) return track[after < 0 ? time.length - 1 : 0];
  const share = (at - time[after - 1]) / (time[after] - time[after - 1]);
  return track[after - 1] + share * (track[after] - track[after - 1]);
}

// The tracks as they were moved: in parallel on the Bark scale, by the same for all times.
const led = ({ cue, track, by }) => track.map((hertz) => CUES[cue].back(CUES[cue].to(hertz) + by));

// Track under a point of the picture, if any: its name, and its frequency there.
export function trackUnder(plot, { x, y, s }, kind) {
  const { handles } = plot;
  if (!handles || x < plot.seconds.at(plot.start) - 4 || x > plot.seconds.at(plot.end) + 4) return null;
  let nearest = null;
  for (const one of handles.tracks) {
    if (one.fixed) continue;
    const hz = hertzAt(handles, led(one), s);
    const away = hz === null ? Infinity : Math.abs(plot.hertz.at(hz) - y);
    if (away <= (REACH[kind] ?? REACH.mouse) && away < (nearest?.away ?? Infinity)) nearest = { cue: one.cue, hz, away };
  }
  return nearest;
}

export function paintTracks(plot, pen) {
  const { handles, ink } = plot;
  const x = (time) => plot.seconds.at(handles.start + (time - handles.start) * handles.longer);
  const line = (track) => {
    pen.beginPath();
    track.forEach((hertz, n) => pen[n ? "lineTo" : "moveTo"](x(handles.time[n]), plot.hertz.at(hertz)));
    pen.stroke();
  };
  pen.save();
  pen.beginPath();
  pen.rect(plot.seconds.from, plot.hertz.to, plot.seconds.to - plot.seconds.from, plot.hertz.from - plot.hertz.to);
  pen.clip();
  pen.lineJoin = "round";
  for (const one of handles.tracks) {
    const held = handles.held === one.cue;
    const path = led(one);
    pen.globalAlpha = one.fixed ? 0.5 : 1;
    if (one.by) {
      pen.setLineDash([3, 4]);
      pen.lineWidth = 1.4;
      pen.strokeStyle = ink.formant;
      line(one.track);
      pen.setLineDash([]);
    }
    pen.strokeStyle = ink.paper;
    pen.lineWidth = held ? 7 : 5.5;
    line(path);
    pen.strokeStyle = one.by || held ? ink.accent : ink.formant;
    pen.lineWidth = held ? 4 : 2.6;
    line(path);
    measured(plot, pen, one);
    name(plot, pen, one, plot.seconds.at(plot.start) - 4, plot.hertz.at(path[0]));
  }
  pen.globalAlpha = 1;
  pen.restore();
}

// What was measured in the changed sound: a dot in the middle, a cross where the stimulus missed.
function measured(plot, pen, { achieved, missed }) {
  if (achieved === null || achieved === undefined) return;
  const [x, y] = [plot.seconds.at((plot.start + plot.end) / 2), plot.hertz.at(achieved)];
  pen.lineWidth = 2;
  if (missed) {
    pen.strokeStyle = plot.ink.for;
    pen.beginPath();
    for (const side of [-1, 1]) {
      pen.moveTo(x - 5, y - 5 * side);
      pen.lineTo(x + 5, y + 5 * side);
    }
    pen.stroke();
    return;
  }
  pen.fillStyle = plot.ink.paper;
  pen.strokeStyle = plot.ink.ink;
  pen.beginPath();
  pen.arc(x, y, 3.8, 0, 7);
  pen.fill();
  pen.stroke();
}

function name(plot, pen, { cue }, x, y) {
  pen.font = "600 11px system-ui, sans-serif";
  pen.textAlign = "right";
  pen.textBaseline = "middle";
  const width = pen.measureText(CUES[cue].name).width;
  pen.fillStyle = plot.ink.paper;
  pen.globalAlpha *= 0.85;
  pen.fillRect(x - width - 3, y - 7, width + 5, 14);
  pen.globalAlpha = 1;
  pen.fillStyle = plot.ink.ink;
  pen.fillText(CUES[cue].name, x, y);
}
