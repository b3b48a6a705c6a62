// Elements made from plain values. Text that comes from data is only ever set as text.

export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    const aria = name.startsWith("aria-"); // its states are the words "true" and "false"
    if (value === null || value === undefined || (value === false && !aria)) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "class") element.className = value;
    else if (name === "dataset") Object.assign(element.dataset, value);
    else if (name in element && !aria && name !== "list" && name !== "role") element[name] = value;
    else element.setAttribute(name, value === true && !aria ? "" : String(value));
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

export const byId = (name) => document.getElementById(name);

let hiding = 0;

export function say(text, { fault = false } = {}) {
  const box = byId("message");
  box.textContent = text;
  box.classList.toggle("fault", fault);
  box.hidden = false;
  clearTimeout(hiding);
  hiding = setTimeout(() => { box.hidden = true; }, fault ? 8000 : 3000);
}

export const complain = (error) => {
  if (error.name !== "AbortError") say(error.message, { fault: true });
};

export function debounced(wait, run) {
  let timer = 0;
  return (...given) => {
    clearTimeout(timer);
    timer = setTimeout(() => run(...given), wait);
  };
}

// One question at a time; while the answer is on its way only the newest waits.
export function latest(run) {
  let [asking, waiting] = [false, null];
  return async function ask(...given) {
    if (asking) {
      waiting = given;
      return;
    }
    asking = true;
    try {
      await run(...given);
    } finally {
      asking = false;
    }
    if (!waiting) return;
    const next = waiting;
    waiting = null;
    await ask(...next);
  };
}

export const percent = (share) => (share === null || share === undefined ? "" : `${(100 * share).toFixed(share > 0.9995 ? 0 : 1)} %`);

export const signed = (value, digits = 3) => `${value < 0 ? "−" : "+"}${Math.abs(value).toPrecision(digits)}`;
