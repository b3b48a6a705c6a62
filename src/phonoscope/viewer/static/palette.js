// Inks of the canvas, taken from the style sheet so that light and dark agree with the rest of the page.

const NAMES = ["ink", "muted", "rule", "paper", "accent", "for", "against", "formant", "quiet"];

export function inks() {
  const style = getComputedStyle(document.documentElement);
  const found = Object.fromEntries(NAMES.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
  return { ...found, low: rgb(style.getPropertyValue("--low")), high: rgb(style.getPropertyValue("--high")) };
}

export function rgb(text) {
  const hex = text.trim().replace("#", "");
  return [0, 2, 4].map((place) => parseInt(hex.slice(place, place + 2), 16));
}

// Level 0…255 (bottom of the sent range … loudest) to a colour; `shown` of `sent` dB are spread over the palette.
export function levelColours({ low, high }, sent, shown) {
  const table = new Uint32Array(256);
  for (let level = 0; level < 256; level += 1) {
    const below = sent * (1 - level / 255);
    const share = Math.min(1, Math.max(0, 1 - below / shown));
    const [r, g, b] = low.map((from, channel) => Math.round(from + (high[channel] - from) * share));
    table[level] = (255 << 24) | (b << 16) | (g << 8) | r;
  }
  return table;
}

// Colours of classes, as in the report (Paul Tol's bright scheme); more classes begin anew, and are told by their labels.
const CLASSES = ["#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377"];

export const classColour = (place) => CLASSES[Math.max(0, place) % CLASSES.length];
