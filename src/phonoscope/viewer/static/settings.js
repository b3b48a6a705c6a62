// How maps and pictures are shown: one set of settings for all panels of the page.

import { getJson } from "./api.js";
import { byId, complain, debounced, h } from "./dom.js";

const EXAMPLES = { smooth: "gradient, samples=16", var: "gradient, samples=16" };

export class Settings extends EventTarget {
  constructor() {
    super();
    this.values = {
      map: "", options: "", target: "predicted", versus: "", layer: "",
      opacity: 0.7, threshold: 0, outline: false, formants: true,
      window: "wide", full: false, range: 50, heard: false, around: 0.25,
    };
    this.methods = [];
    this.stored = [];
  }

  set(changes, kind) {
    Object.assign(this.values, changes);
    this.dispatchEvent(new CustomEvent(kind ?? "look"));
  }

  // What names the map in a request; null for no map.
  asked() {
    const { map, options, target, versus, layer } = this.values;
    if (!map) return null;
    if (map.startsWith("run:")) return { stored: map.slice(4) };
    const name = map.slice(4);
    const given = options.trim();
    return { method: given ? `${name}(${given})` : name, target, versus, layer };
  }

  get computed() {
    return this.values.map.startsWith("new:");
  }

  build(run) {
    this.stored = run.stored;
    this.values.map ||= run.stored.length ? `run:${run.stored[0]}` : "";
    const form = byId("settings");
    const range = (name, label, low, high, step, kind = "look") =>
      h("label", { class: "slider" }, h("span", {}, label),
        h("input", {
          type: "range", name, min: low, max: high, step, value: this.values[name], "aria-label": label,
          oninput: (event) => {
            const value = Number(event.target.value);
            event.target.nextSibling.value = name === "range" ? `${value} dB` : `${Math.round(100 * value)} %`;
            this.set({ [name]: value }, kind);
          },
        }),
        h("output", {}, name === "range" ? `${this.values[name]} dB` : `${Math.round(100 * this.values[name])} %`));
    const tick = (name, label, kind, title) =>
      h("label", { class: "tick", title }, h("input", {
        type: "checkbox", name, checked: this.values[name],
        onchange: (event) => this.set({ [name]: event.target.checked }, kind),
      }), label);
    this.choice = h("select", { name: "map", "aria-label": "Method", onchange: (event) => this.choose(event.target.value) });
    this.options = h("input", {
      name: "options", type: "text", size: 26, spellcheck: false, autocomplete: "off", maxLength: 200,
      "aria-label": "Options of the method", oninput: debounced(700, () => this.set({ options: this.options.value }, "map")),
    });
    const classes = () => run.labels.map((label) => h("option", { value: label }, label));
    const fixed = (value, text) => h("option", { value }, text);
    this.target = h("select", { name: "target", onchange: (event) => this.set({ target: event.target.value }, "map") },
      fixed("predicted", "predicted class"), fixed("true", "true class"), ...classes());
    this.versus = h("select", { name: "versus", onchange: (event) => this.set({ versus: event.target.value }, "map") },
      fixed("", "nothing else"), fixed("predicted", "predicted class"), fixed("true", "true class"), ...classes());
    this.layer = h("input", {
      name: "layer", type: "text", size: 10, placeholder: "its own choice", spellcheck: false, autocomplete: "off",
      oninput: debounced(700, () => this.set({ layer: this.layer.value.trim() }, "map")),
    });
    this.asking = h("span", { class: "asking" },
      h("label", {}, h("span", {}, "options"), this.options),
      h("label", {}, h("span", {}, "of"), this.target),
      h("label", {}, h("span", {}, "against"), this.versus),
      h("label", {}, h("span", {}, "layer"), this.layer));
    this.summary = h("p", { class: "summary quiet", id: "method-summary" });
    form.replaceChildren(
      h("div", { class: "row" }, h("label", {}, h("span", {}, "Map"), this.choice),
        range("opacity", "opacity", 0, 1, 0.05), range("threshold", "threshold", 0, 0.95, 0.05),
        tick("outline", "outline", "look", "Draw the borders of the strongest cells instead of colour")),
      this.asking,
      this.summary,
      h("div", { class: "row" },
        tick("formants", "formants", "look", "Tracks (small) and measured values at 20, 50 and 80 % (large)"),
        range("range", "range", 30, 70, 5),
        h("label", {}, h("span", {}, "window"), h("select", {
          name: "window", onchange: (event) => this.set({ window: event.target.value }, "picture"),
        }, fixed("wide", "5 ms, wide band"), fixed("narrow", "30 ms, narrow band"))),
        h("label", {}, h("span", {}, "around"), h("select", {
          name: "around", title: "How much sound is shown around the token (Z)", onchange: (event) => this.set({ around: Number(event.target.value) }, "around"),
        }, fixed("0.25", "250 ms"), fixed("0.1", "100 ms"), fixed("0.02", "20 ms"))),
        tick("full", "full band", "picture", "Up to half the sample rate, beyond what the network hears"),
        tick("heard", "show what is played", "picture", "Draw the sound that was last played: masked or filtered")),
    );
    for (const name of ["window", "around", "target", "versus"]) form.elements[name].value = String(this.values[name]);
    form.addEventListener("submit", (event) => event.preventDefault());
    this.list();
  }

  list() {
    const option = (value, text) => h("option", { value }, text);
    const families = { layer: "of a layer", input: "of the input", perturbation: "by perturbation", audio: "by filtering the sound", wrapper: "around another method" };
    const groups = Object.entries(families).map(([family, label]) =>
      h("optgroup", { label: `compute, ${label}` },
        this.methods.filter((m) => m.family === family).map((m) => option(`new:${m.name}`, m.name))));
    this.choice.replaceChildren(
      option("", "none"),
      h("optgroup", { label: "in the run" }, this.stored.map((name) => option(`run:${name}`, name))),
      ...(this.methods.length ? groups : []),
    );
    this.choice.value = this.values.map;
    this.describe();
  }

  // The list comes with the network, which takes seconds to load: asked for when the first token is on the page.
  async load() {
    if (this.methods.length || this.loading) return;
    this.loading = true;
    try {
      this.methods = await getJson("methods");
      this.list();
    } catch (error) {
      this.loading = false;
      complain(error);
    }
  }

  choose(map) {
    this.choice.value = map;
    if (this.choice.value !== map) return;
    const method = this.methods.find((m) => `new:${m.name}` === map);
    this.options.value = EXAMPLES[method?.name] ?? "";
    this.set({ map, options: this.options.value }, "map");
    this.describe();
  }

  describe() {
    const method = this.methods.find((m) => `new:${m.name}` === this.values.map);
    this.asking.hidden = !this.computed;
    this.summary.textContent = method ? `${method.name}: ${method.summary}` : "";
    this.summary.hidden = !method;
    const defaults = Object.entries(method?.options ?? {}).map(([name, value]) => `${name}=${value}`).join(", ");
    this.options.placeholder = defaults || "none";
    this.options.title = defaults ? `Defaults: ${defaults}` : "This method has no options";
  }

  // The next or previous method of the list, for the keyboard.
  step(by) {
    const all = [...this.choice.options].map((option) => option.value);
    const place = all.indexOf(this.values.map);
    this.choose(all[(place + by + all.length) % all.length]);
  }

  nudge(name, by) {
    const slider = byId("settings").elements[name];
    slider.value = Number(slider.value) + by;
    slider.dispatchEvent(new Event("input", { bubbles: true }));
  }

  flip(name) {
    const control = byId("settings").elements[name];
    if (control.type === "checkbox") control.checked = !control.checked;
    else control.selectedIndex = (control.selectedIndex + 1) % control.options.length;
    control.dispatchEvent(new Event("change", { bubbles: true }));
  }
}
