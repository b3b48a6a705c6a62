"use strict";
// Keys: j and k go from part to part, o opens and closes all explanations. Sounds get one button each.
(() => {
  const stops = [...document.querySelectorAll("section > h2")];
  stops.forEach((stop) => { stop.tabIndex = -1; });
  const here = () => {
    const focused = stops.indexOf(document.activeElement);
    if (focused >= 0) return focused; // scrolling may still be under way
    const passed = stops.filter((stop) => stop.getBoundingClientRect().top < 80);
    return passed.length - 1;
  };
  const go = (number) => {
    const stop = stops[Math.min(Math.max(number, 0), stops.length - 1)];
    stop.focus({ preventScroll: true });
    stop.scrollIntoView();
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || event.target.closest("input, audio")) return;
    if (event.key === "j") go(here() + 1);
    else if (event.key === "k") go(here() - 1);
    else if (event.key === "o") {
      const folds = [...document.querySelectorAll("details")];
      const open = folds.some((fold) => !fold.open);
      folds.forEach((fold) => { fold.open = open; });
    }
  });
  const sounds = [...document.querySelectorAll(".sound audio")];
  sounds.forEach((sound) => {
    const button = document.createElement("button");
    const name = sound.parentElement.querySelector("span");
    button.type = "button";
    button.textContent = name.textContent;
    button.setAttribute("aria-label", sound.getAttribute("aria-label"));
    const show = () => { button.setAttribute("aria-pressed", String(!sound.paused)); };
    button.addEventListener("click", () => {
      const play = sound.paused;
      sounds.forEach((other) => { other.pause(); other.currentTime = 0; });
      if (play) sound.play();
    });
    ["play", "pause", "ended"].forEach((kind) => sound.addEventListener(kind, show));
    show();
    sound.removeAttribute("controls");
    name.replaceWith(button);
  });
  addEventListener("beforeprint", () => {
    document.querySelectorAll(".plate details").forEach((fold) => { fold.open = true; });
  });
})();
