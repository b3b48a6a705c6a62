// The page as a whole: which run and tokens are open, the keyboard, light and dark.

import { getJson } from "./api.js";
import { CUES, asText } from "./cues.js";
import { byId, complain, h, say } from "./dom.js";
import { TokenList } from "./list.js";
import { Notes } from "./notes.js";
import { OwnVoice } from "./own.js";
import { Panel } from "./panel.js";
import { Settings } from "./settings.js";

const KEYS = [
  [["J", "↓"], "next token", ["j", "ArrowDown"], () => list.step(1)],
  [["K", "↑"], "previous token", ["k", "ArrowUp"], () => list.step(-1)],
  [["Space"], "play as it is", [" "], () => main().play("plain")],
  [["O"], "play only what the network used", ["o"], () => main().play("only")],
  [["W"], "play without what the network used", ["w"], () => main().play("without")],
  [["B"], "play without the band", ["b"], () => main().play("band")],
  [["E"], "move cues: formants, F0, duration, tilt", ["e"], () => main().mover.toggle()],
  [["C"], "play with the cues moved", ["c"], () => main().play("moved")],
  [["V"], "play as it is, then with the cues moved", ["v"], () => main().mover.compare()],
  [["D"], "the picture as recorded, and back", ["d"], () => main().mover.peek()],
  [["U", "Shift U"], "undo, redo a move of cues", ["u", "U"], (event) => (event.shiftKey ? main().mover.redo() : main().mover.undo())],
  [["X"], "no band", ["x"], () => main().plot.setBand(null)],
  [["M", "Shift M"], "next, previous method", ["m", "M"], (event) => settings.step(event.shiftKey ? -1 : 1)],
  [["[", "]"], "less, more of the map", ["[", "]"], (event) => settings.nudge("opacity", event.key === "]" ? 0.1 : -0.1)],
  [[",", "."], "lower, higher threshold", [",", "."], (event) => settings.nudge("threshold", event.key === "." ? 0.05 : -0.05)],
  [["L"], "outline or colour", ["l"], () => settings.flip("outline")],
  [["F"], "formants on or off", ["f"], () => settings.flip("formants")],
  [["S"], "wide or narrow band", ["s"], () => settings.flip("window")],
  [["Z"], "nearer, and back", ["z"], () => settings.flip("around")],
  [["H"], "what the network hears, or the full band", ["h"], () => settings.flip("full")],
  [["P"], "pin this token beside the next ones; again: one token", ["p"], () => togglePin()],
  [["R"], "the same token in the other run", ["r"], () => toggleRuns()],
  [["N"], "note on this token", ["n"], () => notes.add(main())],
  [["/"], "find a token", ["/"], () => { showView("list"); byId("filters").elements.find.focus(); }],
  [["T"], "light, dark, or as the system has it", ["t"], () => turnTheme()],
  [["?"], "these keys", ["?"], () => openHelp()],
];

const settings = new Settings();
const panels = [];
let runs = [];
let run = null;
let compared = null;

const main = () => panels[0];

settings.addEventListener("around", () => together());

const list = new TokenList({ onopen: (token) => openToken(token) });
const notes = new Notes({ onopen: (token) => list.find(token).then(() => openToken(token)), wanted: () => list.wanted });

function panel(title, more = {}) {
  const made = new Panel(settings, {
    title,
    onopen: (token) => list.find(token).then(() => openToken(token)),
    onready: () => together(),
    onmark: (one) => notes.add(one),
    ...more,
  });
  made.several = runs.length > 1;
  panels.push(made);
  byId("panels").append(made.element);
  byId("panels").dataset.count = panels.length;
  return made;
}

// What is looked at stands in the address: run, token, and where its cues were moved to.
function keepInAddress(token, values = {}) {
  history.replaceState(null, "", `#${new URLSearchParams({ run: run.number, token, ...asText(values) })}`);
}

async function openToken(token) {
  keepInAddress(token, main().mover.wanted ?? {});
  showView("stage");
  const second = compared === "run" ? openOther(token) : null;
  await main().open(run, token);
  await second;
  settings.load();
}

// The second panel follows in the other run, as long as that has the token.
async function openOther(token) {
  const other = runs[(run.number + 1) % runs.length];
  const { known } = token.startsWith("own:") ? { known: true } : await getJson("place", { run: other.number, token });
  if (known) await panels[1].open(other, token);
  else panels[1].state.textContent = `${other.name} does not have this token.`;
}

// Tokens side by side share their scales: as many pixels to a second, one limit of the colours.
function together() {
  const open = panels.filter((one) => one.facts_);
  const longest = 2 * settings.values.around + Math.max(...open.map(({ facts_ }) => facts_.end - facts_.start));
  const limit = panels.length > 1 ? Math.max(...open.map((one) => one.ownLimit || 0)) : 0;
  const profiles = open.flatMap((one) => Array.from(one.map?.profile ?? [], Math.abs));
  for (const one of open) {
    one.plot.profileLimit = panels.length > 1 ? Math.max(...profiles, 1e-12) : 0;
    const { start, end } = one.facts_;
    const middle = (start + end) / 2;
    one.plot.show({ from: middle - longest / 2, to: middle + longest / 2 });
    if (one.sharedLimit !== limit) {
      one.sharedLimit = limit;
      one.look();
    }
  }
}

function second(kind) {
  if (panels[1]) panels.pop().destroy();
  compared = kind;
  byId("panels").dataset.count = panels.length;
  if (!kind) {
    together();
    return null;
  }
  return panel("Token beside", { onclose: () => second(null) });
}

function togglePin() {
  if (compared === "pin") {
    second(null);
    return;
  }
  const { run: itsRun, token } = main();
  if (token) second("pin").open(itsRun, token);
}

function toggleRuns() {
  if (runs.length < 2) {
    say("Only one run is open; start the viewer with two: phonoscope view RUN RUN2");
    return;
  }
  if (compared === "run") {
    second(null);
    return;
  }
  second("run");
  if (main().token) openOther(main().token).catch(complain);
}

async function openRun(number, token) {
  run = runs[number];
  byId("run-name").textContent = run.title ? `${run.name}: ${run.title}` : run.name;
  byId("run-name").title = run.question;
  document.title = `${run.name} – phonoscope`;
  settings.values.map = "";
  settings.build(run);
  list.selected = token ?? null;
  await Promise.all([list.show(run), notes.show(run)]);
  if (token) await openToken(token);
  else if (list.total) await list.choose(0);
  if (window.matchMedia("(max-width: 760px)").matches && !token) showView("list");
}

function buildRunChoice() {
  if (runs.length < 2) return;
  byId("run-choice").replaceChildren(h("label", { class: "run-choice" }, h("span", {}, "Run"), h("select", {
    "aria-label": "Run", onchange: (event) => { second(null); openRun(Number(event.target.value)).catch(complain); },
  }, runs.map((one) => h("option", { value: one.number }, `${one.name} (${one.count.toLocaleString("en")} tokens)`)))),
  h("button", { type: "button", title: "The same token in both runs (R)", onclick: toggleRuns }, "Side by side"));
}

function showView(view) {
  document.body.dataset.view = view;
  for (const button of document.querySelectorAll("[data-show]")) button.setAttribute("aria-pressed", button.dataset.show === view);
}

const THEMES = { "": ["◐", "as the system has it"], light: ["☀", "light"], dark: ["☾", "dark"] };

function setTheme(theme) {
  if (theme) document.documentElement.dataset.theme = theme;
  else delete document.documentElement.dataset.theme;
  byId("theme").textContent = THEMES[theme][0];
  byId("theme").setAttribute("aria-label", `Colours: ${THEMES[theme][1]}`);
  try {
    localStorage.setItem("theme", theme);
  } catch { /* storage switched off: the choice lasts as long as the page */ }
  redraw();
}

function turnTheme() {
  const all = Object.keys(THEMES);
  setTheme(all[(all.indexOf(document.documentElement.dataset.theme ?? "") + 1) % all.length]);
}

const redraw = () => panels.forEach((one) => { one.plot.draw(); one.mover.plane.draw(); });

function openHelp() {
  const dialog = byId("help");
  dialog.replaceChildren(
    h("header", {}, h("h2", { id: "help-title" }, "Keys"), h("button", { type: "button", class: "link close", onclick: () => dialog.close() }, "close")),
    h("dl", { class: "keys" }, KEYS.map(([shown, does]) => [h("dt", {}, shown.map((key) => [h("kbd", {}, key), " "])), h("dd", {}, does)])),
    h("p", { class: "quiet" }, "On the spectrogram: drag up or down for a band, or, where cues are moved, drag a formant track; arrow keys read off Hz and seconds, with Shift they move the band. On the waveform: drag along for a stretch."),
    h("p", { class: "quiet" }, "Sounds that are masked keep cells in proportion to the map, or those above the threshold where one is set."));
  if (!dialog.open) dialog.showModal();
}

function pressed(event) {
  const field = event.target.closest("input:not([type=range]):not([type=checkbox]), select, textarea");
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "z" && main()?.mover.opened && !field) {
    event.preventDefault();
    if (event.shiftKey) main().mover.redo();
    else main().mover.undo();
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  const { target } = event;
  if (field) return;
  if (event.key === " " && target.closest("button, summary, a, input")) return;
  const found = KEYS.find(([, , keys]) => keys.includes(event.key));
  if (!found || !main()?.facts_) return;
  if (target.type === "range" && event.key.startsWith("Arrow")) return;
  event.preventDefault();
  found[3](event);
}

async function start() {
  // The token has made a cookie: it need not stay in the address.
  const { hash } = location;
  history.replaceState(null, "", `/${hash}`);
  let theme = "";
  try {
    theme = localStorage.getItem("theme") ?? "";
  } catch { /* storage switched off */ }
  setTheme(theme in THEMES ? theme : "");
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  byId("theme").addEventListener("click", turnTheme);
  byId("open-help").addEventListener("click", openHelp);
  byId("open-notes").addEventListener("click", () => notes.open());
  for (const button of document.querySelectorAll("[data-show]")) button.addEventListener("click", () => { showView(button.dataset.show); redraw(); list.fill(); });
  document.addEventListener("keydown", pressed);
  new OwnVoice({ run: () => run, onexplain: (token) => openToken(token) });
  runs = await getJson("runs");
  panel("Token", { onmove: (values) => { if (main().token) keepInAddress(main().token, values); } });
  buildRunChoice();
  const asked = new URLSearchParams(hash.slice(1));
  const moved = Object.keys(CUES).filter((cue) => Number.isFinite(parseFloat(asked.get(cue)))).map((cue) => [cue, parseFloat(asked.get(cue))]);
  if (moved.length) main().mover.open(Object.fromEntries(moved));
  const number = Number(asked.get("run") ?? 0);
  await openRun(runs[number] ? number : 0, asked.get("token"));
}

start().catch(complain);
