// Hz and s to pixels and back, and round numbers for the ticks.

export class Scale {
  constructor(low, high, from, to) {
    Object.assign(this, { low, high, from, to });
  }

  at(value) {
    return this.from + ((value - this.low) / (this.high - this.low)) * (this.to - this.from);
  }

  back(pixel) {
    return this.low + ((pixel - this.from) / (this.to - this.from)) * (this.high - this.low);
  }

  holds(pixel) {
    return pixel >= Math.min(this.from, this.to) && pixel <= Math.max(this.from, this.to);
  }

  ticks(about) {
    const raw = (this.high - this.low) / Math.max(1, about);
    const power = 10 ** Math.floor(Math.log10(raw));
    const step = [1, 2, 5, 10].map((n) => n * power).find((n) => n >= raw * 0.999);
    const found = [];
    for (let n = Math.ceil(this.low / step - 1e-9); n * step <= this.high + 1e-9 * step; n += 1) found.push(n * step);
    return { step, values: found };
  }
}

export function tickText(value, step) {
  const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  return value.toFixed(digits);
}

// First place at or behind a value in a rising array of edges, as the number of the cell that holds it; -1 outside.
export function cellAt(edges, value) {
  if (value < edges[0] || value > edges[edges.length - 1]) return -1;
  let low = 0;
  let high = edges.length - 2;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (value < edges[middle + 1]) high = middle;
    else low = middle + 1;
  }
  return low;
}
