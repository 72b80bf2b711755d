"use strict";
// The reader's choice of theme outlives the page where the browser lets it.
(() => {
  const root = document.documentElement;
  root.classList.add("js");
  const button = document.querySelector("[data-theme-toggle]");
  const system = window.matchMedia("(prefers-color-scheme: dark)");
  const remembered = () => {
    try { return localStorage.getItem("aisthesis-theme"); } catch { return null; }
  };
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);
  const label = () => { button.textContent = isDark() ? "Light theme" : "Dark theme"; };
  const kept = remembered();
  if (kept === "light" || kept === "dark") root.dataset.theme = kept;
  button.hidden = false;
  button.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    try { localStorage.setItem("aisthesis-theme", root.dataset.theme); } catch { /* not kept */ }
    label();
  });
  system.addEventListener("change", label);
  label();
})();
