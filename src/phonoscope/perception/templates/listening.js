"use strict";
// A listening test: what was answered is kept in the browser after each trial, and saved as CSV by the participant.
(() => {
  const test = JSON.parse(document.getElementById("experiment").textContent);
  const at = (id) => document.getElementById(id);
  const SHELF = `phonoscope-listening-${test.id}`;
  const CODE = /^[\p{L}\p{N}][\p{L}\p{N}._-]{0,39}$/u;
  const GAP_MS = 500; // from an answer to the next sound
  const trials = test.stimuli.length * test.repeats;
  let audio = null, playing = null, state = null, onset = null, coming = 0;
  const decoded = new Map();

  // State: { participant, order: [stimulus …], answers: [[position of the label, seconds] …] }
  const kept = () => {
    try {
      const found = JSON.parse(localStorage.getItem(SHELF));
      return found && found.order.length === trials ? found : null;
    } catch { return null; }
  };
  const keep = () => {
    try { localStorage.setItem(SHELF, JSON.stringify(state)); } catch {
      at("trouble").textContent = "This browser does not keep answers: do not close or reload the page before you have saved them.";
    }
  };

  const numbers = (text) => { // a random sequence that follows from a text (xmur3, mulberry32)
    let seed = 1779033703 ^ text.length;
    for (const letter of text) seed = Math.imul(seed ^ letter.codePointAt(0), 3432918353), seed = (seed << 13) | (seed >>> 19);
    return () => {
      seed = (seed + 0x6d2b79f5) | 0;
      let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
      t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
      return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
    };
  };
  const shuffled = (participant) => {
    const random = numbers(test.id + participant), order = [];
    for (let round = 0; round < test.repeats; round += 1) {
      const all = test.stimuli.map((_, number) => number);
      for (let n = all.length - 1; n > 0; n -= 1) {
        const other = Math.floor(random() * (n + 1));
        [all[n], all[other]] = [all[other], all[n]];
      }
      if (all.length > 1 && all[0] === order[order.length - 1]) all.push(all.shift()); // none twice in a row
      order.push(...all);
    }
    return order;
  };

  const show = (name) => {
    for (const section of document.querySelectorAll("section")) section.hidden = section.id !== name;
    document.querySelector(`#${name} h2`).focus();
    window.scrollTo(0, 0);
  };
  const say = (text) => { at("said").textContent = text; };

  const ready = async () => {
    audio ??= new AudioContext();
    if (audio.state === "suspended") await audio.resume();
  };
  const sound = async (number) => {
    if (!decoded.has(number)) {
      const bytes = Uint8Array.from(atob(test.sounds[number]), (letter) => letter.charCodeAt(0));
      decoded.clear(); // one at a time is enough
      decoded.set(number, await audio.decodeAudioData(bytes.buffer));
    }
    return decoded.get(number);
  };
  const stop = () => { if (playing) playing.stop(); playing = null; };
  const play = async (number) => {
    await ready();
    const buffer = await sound(number);
    stop();
    playing = audio.createBufferSource();
    playing.buffer = buffer;
    playing.connect(audio.destination);
    playing.start();
    return performance.now() + 1000 * (audio.outputLatency || audio.baseLatency || 0);
  };

  const enable = (on) => { for (const button of at("answers").children) button.disabled = !on; };
  const next = async () => {
    const mine = ++coming, done = state.answers.length;
    onset = null;
    if (done >= trials) { stop(); show("end"); say("All sounds are answered. Save your answers."); return; }
    enable(false);
    for (const button of at("answers").children) button.classList.remove("taken");
    at("progress").value = done / trials;
    at("count").textContent = `${done + 1} / ${trials}`;
    if (at("trial").hidden) show("trial");
    else at("question").focus(); // a key pressed twice does not answer the next one
    await new Promise((go) => { setTimeout(go, GAP_MS); });
    if (mine !== coming) return;
    try { onset = await play(state.order[done]); } catch (fault) {
      at("trouble").textContent = `This browser cannot play the sound: ${fault.message}`;
      return;
    }
    if (mine !== coming) { stop(); onset = null; return; }
    enable(true);
    say(`Sound ${done + 1} of ${trials}`);
  };
  const answer = (label) => {
    if (onset === null || at("trial").hidden) return;
    const seconds = Math.max(0, (performance.now() - onset) / 1000);
    onset = null;
    state.answers.push([label, Number(seconds.toFixed(3))]);
    keep();
    at("answers").children[label].classList.add("taken");
    const done = state.answers.length;
    if (test.pause && done < trials && done % test.pause === 0) rest(true);
    else next();
  };
  const rest = (earned) => {
    coming += 1;
    stop();
    onset = null;
    at("break-heading").textContent = earned ? "A break" : "Paused";
    at("break-text").textContent = `${state.answers.length} of ${trials} sounds are answered. Go on when you like; your answers are kept.`;
    show("break");
  };
  const again = async () => {
    if (onset !== null) { await play(state.order[state.answers.length]); say("Again"); }
  };

  const begin = () => { at("trouble").textContent = ""; keep(); next(); };
  const welcome = () => {
    const left = kept();
    at("left").hidden = !left;
    if (left) {
      const done = left.answers.length;
      at("left-text").textContent = done < trials
        ? `Participant ${left.participant} has answered ${done} of ${trials} sounds here.`
        : `The answers of participant ${left.participant} are still here.`;
      at("resume").textContent = done < trials ? `Go on as ${left.participant}` : "Show them";
    }
    show("welcome");
  };
  at("start").addEventListener("submit", (event) => {
    event.preventDefault();
    const participant = at("code").value.trim().normalize("NFC"), left = kept();
    const fits = CODE.test(participant);
    at("code-fault").textContent = fits ? "" : "Give a code of letters and digits, 40 at most.";
    at("code").setAttribute("aria-invalid", String(!fits));
    if (!fits) { at("code").focus(); return; }
    if (left && left.participant !== participant
      && !window.confirm(`The answers of ${left.participant} are still here and would be lost. Begin as ${participant} all the same?`)) return;
    state = left && left.participant === participant ? left : { participant, order: shuffled(participant), answers: [] };
    ready();
    begin();
  });
  at("resume").addEventListener("click", () => { state = kept(); ready(); begin(); });
  at("sample").addEventListener("click", () => { play(0); });
  at("replay").addEventListener("click", again);
  at("pause").addEventListener("click", () => rest(false));
  at("on").addEventListener("click", next);
  at("again").addEventListener("click", () => { at("code").value = ""; welcome(); });

  const cell = (value) => (/[",\r\n]/.test(value) ? `"${String(value).replaceAll('"', '""')}"` : String(value));
  const table = () => {
    const own = ["file", "token", "class", "cue", "step", "achieved", "unit"];
    const places = own.map((name) => test.columns.indexOf(name));
    const more = test.columns.map((_, n) => n).filter((n) => !places.includes(n));
    const rows = [["participant", "trial", ...own, "answer", "seconds", ...more.map((n) => test.columns[n])]];
    state.answers.forEach(([label, seconds], trial) => {
      const stimulus = test.stimuli[state.order[trial]];
      rows.push([state.participant, trial + 1, ...places.map((n) => stimulus[n]), test.labels[label], seconds, ...more.map((n) => stimulus[n])]);
    });
    return rows.map((row) => row.map(cell).join(",")).join("\n") + "\n";
  };
  for (const button of document.querySelectorAll(".save")) {
    button.addEventListener("click", () => {
      const link = document.createElement("a");
      link.href = URL.createObjectURL(new Blob([table()], { type: "text/csv;charset=utf-8" }));
      link.download = `answers-${state.participant}.csv`;
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 10000);
      say("Saved.");
    });
  }

  test.labels.forEach((label, number) => {
    const button = document.createElement("button"), key = document.createElement("kbd");
    button.type = "button";
    button.disabled = true;
    button.setAttribute("aria-keyshortcuts", test.keys[number]);
    key.textContent = test.keys[number];
    key.setAttribute("aria-hidden", "true");
    button.append(label, key);
    button.addEventListener("click", () => answer(number));
    at("answers").append(button);
  });
  document.addEventListener("keydown", (event) => {
    if (at("trial").hidden || event.repeat || event.ctrlKey || event.altKey || event.metaKey) return;
    const label = test.keys.indexOf(event.key.toLowerCase());
    if (label >= 0) answer(label);
    else if (event.key === " " && !event.target.closest("button")) again();
    else if (event.key.toLowerCase() === "p" && !test.keys.includes("p")) rest(false);
    else return;
    event.preventDefault();
  });
  welcome();
})();
