/* The page asks for itself every few seconds and puts in what has changed; scroll position, focus and what was opened stay. */
"use strict";
(() => {
  const INTERVAL = 5000;
  const state = document.getElementById("refresh");
  const heard = document.getElementById("heard");
  const button = document.createElement("button");
  let paused = false;
  let timer = 0;
  const verdict = (root) => root.getElementById("verdict").textContent;
  let said = verdict(document);

  const opened = (section) => new Map(Array.from(section.querySelectorAll("details[data-key]"), (one) => [one.dataset.key, one.open]));
  const place = (section) => {
    const focused = document.activeElement;
    const all = Array.from(section.querySelectorAll("a, summary, [tabindex]"));
    const at = all.indexOf(focused);
    return at < 0 ? null : { at, key: focused.parentElement.dataset.key };
  };
  const focusAgain = (section, from) => {
    const all = Array.from(section.querySelectorAll("a, summary, [tabindex]"));
    const same = from.key && all.find((one) => one.parentElement.dataset.key === from.key);
    const target = same || all[from.at];
    if (target) target.focus({ preventScroll: true });
  };

  const put = (fresh) => {
    const x = window.scrollX;
    const y = window.scrollY;
    for (const section of document.querySelectorAll("[data-live]")) {
      const other = fresh.getElementById(section.id);
      if (!other) continue;
      const open = opened(section);
      for (const one of other.querySelectorAll("details[data-key]"))
        if (open.has(one.dataset.key)) one.open = open.get(one.dataset.key);
      if (section.innerHTML === other.innerHTML) continue;
      const focused = place(section);
      section.replaceChildren(...Array.from(other.childNodes, (node) => document.importNode(node, true)));
      if (focused) focusAgain(section, focused);
    }
    document.title = fresh.title;
    window.scrollTo({ left: x, top: y, behavior: "instant" });
    if (verdict(document) !== said) heard.textContent = said = verdict(document);
  };

  const isSelecting = () => {
    const selection = document.getSelection();
    return selection && !selection.isCollapsed;
  };

  const refresh = async () => {
    clearTimeout(timer);
    if (!paused && !document.hidden && !isSelecting()) {
      try {
        const answer = await fetch(location.origin + location.pathname + location.search, { cache: "no-store", credentials: "same-origin" });
        if (!answer.ok) throw new Error(String(answer.status));
        put(new DOMParser().parseFromString(await answer.text(), "text/html"));
        document.body.dataset.refreshed = String(Number(document.body.dataset.refreshed || 0) + 1);
        state.textContent = "";
        state.className = "";
      } catch (error) {
        if (state.textContent === "") state.textContent = "No answer since " + new Date().toLocaleTimeString() + ": what you see is old.";
        state.className = "state page";
      }
    }
    timer = setTimeout(refresh, INTERVAL);
  };

  button.type = "button";
  button.textContent = "Pause";
  button.addEventListener("click", () => {
    paused = !paused;
    button.textContent = paused ? "Go on" : "Pause";
    if (!paused) refresh();
  });
  state.before(button);
  document.addEventListener("visibilitychange", () => { if (!document.hidden) refresh(); });
  timer = setTimeout(refresh, INTERVAL);
})();
