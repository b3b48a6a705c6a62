// The tokens: filters, confusion matrix, and a table that holds only the rows one sees.

import { getJson } from "./api.js";
import { byId, complain, debounced, h, percent } from "./dom.js";

const ROW = 28;
const PAGE = 100;
const PAGES_KEPT = 40;
const COLUMNS = [
  ["class", "Class"], ["predicted", "Taken for"], ["confidence", "Conf."], ["share", "Share"], ["word", "Word"], ["speaker", "Speaker"], ["token", "Token"],
];
const MARGIN_ROWS = 12;

export class TokenList {
  constructor({ onopen }) {
    this.onopen = onopen;
    this.order = "";
    this.pages = new Map();
    this.total = 0;
    this.selected = null;
    this.version = 0;
  }

  async show(run) {
    this.run = run;
    this.buildFilters();
    this.buildTable();
    await this.reload({ toChosen: true });
  }

  get wanted() {
    const given = Object.fromEntries(new FormData(byId("filters")));
    return { run: this.run.number, ...given, order: this.order };
  }

  buildFilters() {
    const { choices } = this.run;
    const option = (value, text) => h("option", { value }, text);
    const select = (name, label, entries, all = "all") =>
      h("label", {}, h("span", {}, label), h("select", { name }, option("", all), ...entries.map(([value, count]) => option(value, `${value} (${count})`))));
    const named = { tested: "tested", right: "right", wrong: "wrong", untested: "not tested" };
    const number = (name, about) => h("input", { name, type: "number", min: 0, max: 1, step: 0.05, placeholder: name.startsWith("min") ? "0" : "1", "aria-label": about });
    const speakers = choices.speaker_count > choices.speaker.length
      ? h("label", {}, h("span", {}, "Speaker"), h("input", { name: "speaker", type: "search", autocomplete: "off", placeholder: `one of ${choices.speaker_count}` }))
      : select("speaker", "Speaker", choices.speaker);
    // Tokens that were trained on say nothing about the network: they are out unless asked for.
    const untested = choices.outcome.some(([value, count]) => value === "untested" && count > 0);
    this.outcome = h("select", { name: "outcome" },
      ...choices.outcome.filter(([, count]) => count > 0).map(([value, count]) => h("option", { value, defaultSelected: untested && value === "tested" }, `${named[value]} (${count})`)));
    this.outcome.prepend(h("option", { value: "", defaultSelected: !untested }, "all"));
    if (!untested) this.outcome.querySelector("[value=tested]")?.remove();
    byId("filters").replaceChildren(
      select("class", "Class", choices.class),
      select("predicted", "Taken for", choices.predicted),
      h("label", {}, h("span", {}, "Outcome"), this.outcome),
      speakers,
      h("fieldset", {}, h("legend", {}, "Confidence"), number("min_confidence", "Lowest confidence"), "–", number("max_confidence", "Highest confidence")),
      h("fieldset", { title: choices.share_of ? `Share of the run's map inside ${choices.share_of} of the token` : "This run has no shares" },
        h("legend", {}, `Share in ${choices.share_of || "formants"}`), number("min_share", "Lowest share"), "–", number("max_share", "Highest share")),
      h("label", { class: "wide" }, h("span", {}, "Find"), h("input", { name: "find", type: "search", placeholder: "word, phone or name", autocomplete: "off", spellcheck: false })),
    );
    byId("filters").oninput = debounced(150, () => this.reload());
    byId("filters").onsubmit = (event) => event.preventDefault();
    byId("clear").onclick = () => { byId("filters").reset(); this.reload(); };
  }

  buildTable() {
    const head = h("div", { class: "t-row t-head", role: "row" }, COLUMNS.map(([name, label]) =>
      h("button", { type: "button", role: "columnheader", class: `c-${name}`, dataset: { order: name }, title: `Order by ${label.toLowerCase()}`, onclick: () => this.sort(name) }, label)));
    this.head = head;
    this.body = h("div", { class: "t-body", role: "rowgroup" });
    this.scroller = h("div", { class: "t-scroll", tabIndex: 0, "aria-label": "Tokens; arrow keys choose one", onscroll: () => this.fill() }, this.body);
    this.scroller.addEventListener("keydown", (event) => this.keys(event));
    byId("table").setAttribute("role", "table");
    byId("table").setAttribute("aria-label", "Tokens");
    byId("table").replaceChildren(head, this.scroller);
    new ResizeObserver(() => this.fill()).observe(this.scroller);
  }

  keys(event) {
    const rows = Math.max(1, Math.floor(this.scroller.clientHeight / ROW) - 1);
    const by = { ArrowDown: 1, ArrowUp: -1, PageDown: rows, PageUp: -rows, Home: -this.total, End: this.total }[event.key];
    if (!by) return;
    event.preventDefault();
    event.stopPropagation();
    this.step(by);
  }

  sort(name) {
    this.order = this.order === name ? `-${name}` : this.order === `-${name}` ? "" : name;
    for (const button of this.head.children) {
      const own = button.dataset.order;
      const kind = this.order === own ? "ascending" : this.order === `-${own}` ? "descending" : "none";
      button.setAttribute("aria-sort", kind);
    }
    this.reload();
  }

  async reload({ toChosen = false } = {}) {
    const version = (this.version += 1);
    try {
      const [first, confusions] = await Promise.all([getJson("tokens", { ...this.wanted, offset: 0, limit: PAGE }), getJson("confusions", this.wanted)]);
      if (version !== this.version) return;
      this.pages = new Map([[0, first.rows]]);
      this.columns = first.columns;
      this.total = first.total;
      this.place = this.selected === null ? null : (await getJson("place", { ...this.wanted, token: this.selected })).place;
      if (version !== this.version) return;
      byId("count").textContent = `${this.total.toLocaleString("en")} of ${this.run.count.toLocaleString("en")} tokens`;
      byId("table").setAttribute("aria-rowcount", this.total);
      this.body.style.height = `${this.total * ROW}px`;
      this.scroller.scrollTop = !toChosen || this.place === null ? 0 : Math.max(0, (this.place - 3) * ROW);
      this.drawMatrix(confusions);
      this.fill();
    } catch (error) {
      complain(error);
    }
  }

  async page(number) {
    if (!this.pages.has(number)) {
      const version = this.version;
      const coming = getJson("tokens", { ...this.wanted, offset: number * PAGE, limit: PAGE }).then((found) => found.rows);
      this.pages.set(number, coming);
      try {
        const rows = await coming;
        if (version === this.version) this.pages.set(number, rows);
      } catch (error) {
        this.pages.delete(number);
        throw error;
      }
      if (this.pages.size > PAGES_KEPT) this.pages.delete([...this.pages.keys()].find((other) => Math.abs(other - number) > 2));
    }
    return this.pages.get(number);
  }

  async row(place) {
    const rows = await this.page(Math.floor(place / PAGE));
    return rows[place % PAGE];
  }

  // Puts the rows that can be seen on the page; those that are not there yet follow when they come.
  fill() {
    const { scrollTop, clientHeight } = this.scroller;
    const first = Math.max(0, Math.floor(scrollTop / ROW) - MARGIN_ROWS);
    const last = Math.min(this.total, Math.ceil((scrollTop + clientHeight) / ROW) + MARGIN_ROWS);
    const version = this.version;
    const missing = new Set();
    const shown = [];
    for (let place = first; place < last; place += 1) {
      const rows = this.pages.get(Math.floor(place / PAGE));
      if (Array.isArray(rows)) shown.push(this.drawRow(place, rows[place % PAGE]));
      else missing.add(Math.floor(place / PAGE));
    }
    this.body.replaceChildren(...shown);
    clearTimeout(this.fetching);
    if (missing.size) {
      this.fetching = setTimeout(() => {
        Promise.all([...missing].map((number) => this.page(number))).then(() => { if (version === this.version) this.fill(); }).catch(complain);
      }, 60);
    }
  }

  drawRow(place, values) {
    const row = Object.fromEntries(this.columns.map((name, n) => [name, values[n]]));
    const wrong = row.predicted !== null && row.predicted !== row.class;
    const chosen = row.token === this.selected;
    const cell = (name, text, kind = "") => h("span", { role: "cell", class: `c-${name} ${kind}`, title: name === "token" ? text : null },
      name === "token" ? h("bdi", { dir: "ltr" }, text) : (text ?? ""));
    const element = h("div", {
      class: `t-row${chosen ? " chosen" : ""}${wrong ? " is-wrong" : ""}`, role: "row", "aria-rowindex": place + 1, "aria-selected": chosen,
      dataset: { token: row.token }, onclick: () => this.choose(place),
    },
    cell("class", row.class, "ipa"), cell("predicted", row.predicted ?? "–", "ipa"), cell("confidence", percent(row.confidence)),
    cell("share", row.share === null ? "" : row.share.toFixed(2)), cell("word", row.word), cell("speaker", row.speaker), cell("token", row.token));
    element.style.transform = `translateY(${place * ROW}px)`;
    return element;
  }

  async choose(place) {
    if (place < 0 || place >= this.total) return;
    const version = this.version;
    try {
      const values = await this.row(place);
      if (version !== this.version || !values) return;
      this.place = place;
      this.selected = values[this.columns.indexOf("token")];
      const top = place * ROW;
      const { scrollTop, clientHeight } = this.scroller;
      if (top < scrollTop || top + ROW > scrollTop + clientHeight) this.scroller.scrollTop = Math.max(0, top - clientHeight / 2);
      this.fill();
      this.onopen(this.selected);
    } catch (error) {
      complain(error);
    }
  }

  // Token by name, wherever it stands; it may lie outside the filters.
  async find(token) {
    this.selected = token;
    try {
      this.place = (await getJson("place", { ...this.wanted, token })).place;
      if (this.place !== null) this.scroller.scrollTop = Math.max(0, (this.place - 3) * ROW);
      this.fill();
    } catch (error) {
      complain(error);
    }
  }

  step(by) {
    const from = this.place ?? (by > 0 ? -1 : this.total);
    this.choose(Math.min(this.total - 1, Math.max(0, from + by)));
  }

  drawMatrix({ labels, counts }) {
    const form = byId("filters").elements;
    const [trueNow, predictedNow] = [form.class.value, form.predicted.value];
    const head = h("tr", {}, h("td", {}), ...labels.map((label) => h("th", { scope: "col", class: "ipa" }, label)));
    const rows = counts.map((row, i) => {
      const sum = row.reduce((a, b) => a + b, 0);
      return h("tr", {}, h("th", { scope: "row", class: "ipa" }, labels[i]), ...row.map((count, j) => {
        const share = sum ? count / sum : 0;
        const on = trueNow === labels[i] && predictedNow === labels[j];
        const button = h("button", {
          type: "button", "aria-pressed": on, disabled: count === 0, class: i === j ? "right" : "error",
          "aria-label": `${labels[i]} taken for ${labels[j]}: ${count} tokens, ${percent(share)}`,
          title: `${labels[i]} taken for ${labels[j]}: ${count}, ${percent(share)} of its tokens`,
          dataset: { true: labels[i], predicted: labels[j] },
          onclick: () => this.filterPair(on ? ["", ""] : [labels[i], labels[j]]),
        }, count ? count.toLocaleString("en") : "");
        button.style.setProperty("--share", share.toFixed(3));
        return h("td", {}, button);
      }));
    });
    byId("matrix").replaceChildren(h("table", { class: labels.length > 8 ? "small" : "" }, h("thead", {}, head), h("tbody", {}, ...rows)));
  }

  filterPair([trueClass, predicted]) {
    const form = byId("filters").elements;
    const pick = (control, value) => {
      if (value && ![...control.options].some((option) => option.value === value)) control.append(h("option", { value }, value));
      control.value = value;
    };
    pick(form.class, trueClass);
    pick(form.predicted, predicted);
    // The matrix counts tested tokens: the outcome must not stand against the pair.
    form.outcome.value = [...form.outcome.options].find((option) => option.defaultSelected).value;
    this.reload();
  }
}
