// Probabilities (or plain numbers) of the classes: as it is, and of a changed sound beside it.

import { h, percent, signed } from "./dom.js";

const ARROWS_FROM = 0.005; // the arrows themselves are drawn by the style sheet

export function barRows({ labels, row, probabilities, scores, heard, heardAs, unit }) {
  const values = probabilities ?? scores; // numbers without probabilities are shown as they are
  const number = (value) => (probabilities ? percent(value) : signed(value ?? NaN));
  const bar = (kind, value) => {
    const fill = h("span", { class: `fill ${kind}` });
    fill.style.width = `${probabilities ? 100 * (value ?? 0) : 0}%`;
    return fill;
  };
  const heading = h("div", { class: "bar-row bar-head", role: "row" },
    h("span", { role: "columnheader" }, "class"), h("span", { role: "columnheader", class: "track-head" }, probabilities || !scores ? "probability" : unit),
    h("span", { role: "columnheader" }, "as it is"), h("span", { role: "columnheader" }, heard ? heardAs : ""));
  return [heading, ...labels.map((label, n) => {
    const before = values?.[n];
    const now = heard?.[n];
    const rose = now !== undefined && before !== undefined && before !== null ? now - before : 0;
    const way = rose > ARROWS_FROM ? "up" : rose < -ARROWS_FROM ? "down" : "";
    return h("div", { class: `bar-row${label === row.class ? " is-true" : ""}${label === row.predicted ? " is-predicted" : ""}`, role: "row" },
      h("span", { role: "rowheader", class: "ipa" }, label),
      h("span", { class: "track", "aria-hidden": "true" }, bar(heard ? "before" : "now", before), heard ? bar("now", now) : null),
      h("span", { role: "cell", class: "number" }, values ? number(before) : ""),
      h("span", { role: "cell", class: `number ${way}` }, heard ? number(now) : ""));
  })];
}
