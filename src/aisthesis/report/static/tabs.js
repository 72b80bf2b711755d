"use strict";
// Without this script every panel is shown, one below the other.
(() => {
  const groups = [];

  const select = (group, name, focus) => {
    group.panels.forEach((panel, k) => {
      const chosen = panel.dataset.tab === name;
      panel.hidden = !chosen;
      group.buttons[k].setAttribute("aria-selected", String(chosen));
      group.buttons[k].tabIndex = chosen ? 0 : -1;
      if (chosen && focus) group.buttons[k].focus();
    });
  };

  document.querySelectorAll("[data-tabs]").forEach((element, g) => {
    const panels = [...element.querySelectorAll(":scope > .tab-panel")];
    if (panels.length < 2) return;
    const list = document.createElement("div");
    list.className = "tab-list";
    list.setAttribute("role", "tablist");
    const group = { panels, buttons: [] };
    panels.forEach((panel, k) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = panel.dataset.tab;
      button.id = `tab-${g}-${k}`;
      button.setAttribute("role", "tab");
      panel.id = panel.id || `tab-panel-${g}-${k}`;
      button.setAttribute("aria-controls", panel.id);
      panel.setAttribute("role", "tabpanel");
      panel.setAttribute("aria-labelledby", button.id);
      button.addEventListener("click", () => select(group, panel.dataset.tab, false));
      group.buttons.push(button);
      list.append(button);
    });
    list.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      const now = panels.findIndex((panel) => !panel.hidden);
      const next = panels[(now + step + panels.length) % panels.length];
      select(group, next.dataset.tab, true);
      event.preventDefault();
      event.stopPropagation();
    });
    element.prepend(list);
    element.classList.add("live");
    groups.push(group);
    select(group, panels[0].dataset.tab, false);
  });
})();
