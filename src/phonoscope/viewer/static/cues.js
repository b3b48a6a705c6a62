// The cues that can be moved: their names, units, and the scale on which equal steps are equal.

const same = (value) => value;
const toBark = (hertz) => (26.81 * hertz) / (1960 + hertz) - 0.53; // Traunmüller (1990), as phonoscope.scales
const fromBark = (bark) => (1960 * (bark + 0.53)) / (26.81 - (bark + 0.53));
const toSemitones = (hertz) => 12 * Math.log2(hertz);
const fromSemitones = (semitones) => 2 ** (semitones / 12);

const formant = (number) => ({
  name: `F${number}`, unit: "Hz", step: 0.05, to: toBark, back: fromBark, digits: 0, shift: "Bark", formant: number,
});

export const CUES = {
  f1: formant(1),
  f2: formant(2),
  f3: formant(3),
  f4: formant(4),
  f0: { name: "F0", unit: "Hz", step: 0.1, to: toSemitones, back: fromSemitones, digits: 0, shift: "st" },
  duration: { name: "Duration", unit: "ms", step: 1, to: (s) => 1000 * s, back: (ms) => ms / 1000, digits: 0, shift: "ms", times: 1000 },
  tilt: { name: "Tilt", unit: "dB/oct", step: 0.1, to: same, back: same, digits: 1, shift: "dB/oct" },
};

export const FORMANTS = ["f1", "f2", "f3", "f4"];
const LEAST_GAP_HZ = 200; // formants that are led nearer to each other cannot both be where they should be

const minus = (text) => text.replace("-", "−");

export const numberOf = (cue, value) => ((CUES[cue].times ?? 1) * value).toFixed(CUES[cue].digits);

export const told = (cue, value) => (value === null || value === undefined ? "not measured" : `${minus(numberOf(cue, value))} ${CUES[cue].unit}`);

// How far a cue was moved, on its own scale: "−1.3 Bark".
export function shiftOf(cue, before, value) {
  const { to, shift } = CUES[cue];
  const by = to(value) - to(before);
  if (cue === "duration") return `${by < 0 ? "−" : "+"}${Math.abs(100 * (value / before - 1)).toFixed(0)} %`;
  return `${by < 0 ? "−" : "+"}${Math.abs(by).toFixed(1)} ${shift}`;
}

export const near = (cue, a, b) => Math.abs(CUES[cue].to(a) - CUES[cue].to(b)) < CUES[cue].step / 10;

// Range in which a cue may lie, among its own limits and the formants that were led somewhere.
export function bounds(cue, limits, values) {
  let [low, high] = limits;
  const place = FORMANTS.indexOf(cue);
  if (place >= 0) {
    FORMANTS.forEach((other, n) => {
      if (n === place || values[other] === undefined) return;
      const nearest = values[other] + (place - n) * LEAST_GAP_HZ;
      if (n < place) low = Math.max(low, nearest);
      else high = Math.min(high, nearest);
    });
  }
  return [low, Math.max(low, high)];
}

// Whether formants that are led somewhere stay in their order.
export const rises = (values) => FORMANTS.every((cue) => {
  if (values[cue] === undefined) return true;
  const [low, high] = bounds(cue, [0, Infinity], values);
  return values[cue] >= low - 1e-6 && values[cue] <= high + 1e-6;
});

export const sameMove = (a, b) => Object.keys(CUES).every((cue) => a[cue] === b[cue]);

// As sent in a request or kept in the address of the page.
export const asText = (values) => Object.fromEntries(Object.entries(values).map(([cue, value]) => [cue, String(Number(value.toPrecision(7)))]));
