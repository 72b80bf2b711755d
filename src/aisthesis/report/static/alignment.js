"use strict";
// One network at a time in all sections; without this script all are shown, one below the other.
(() => {
  const groups = [...document.querySelectorAll("[data-networks]")]
    .map((element) => ({ element, panels: [...element.querySelectorAll(":scope > [data-network]")] }))
    .filter((group) => group.panels.length > 1);

  const choose = (group, position) => {
    group.panels.forEach((panel, k) => {
      panel.hidden = k !== position;
      group.buttons[k].setAttribute("aria-selected", String(k === position));
      group.buttons[k].tabIndex = k === position ? 0 : -1;
    });
  };

  groups.forEach((group, g) => {
    const list = document.createElement("div");
    list.className = "networks-list";
    list.setAttribute("role", "tablist");
    list.setAttribute("aria-label", "Network");
    group.buttons = group.panels.map((panel, k) => {
      const button = document.createElement("button");
      button.type = "button";
      button.id = `network-${g}-${k}`;
      button.textContent = panel.dataset.network;
      button.setAttribute("role", "tab");
      panel.id = `network-panel-${g}-${k}`;
      panel.setAttribute("role", "tabpanel");
      panel.setAttribute("aria-labelledby", button.id);
      button.setAttribute("aria-controls", panel.id);
      button.addEventListener("click", () => groups.forEach((other) => choose(other, k)));
      list.append(button);
      return button;
    });
    list.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      const now = group.panels.findIndex((panel) => !panel.hidden);
      const next = (now + step + group.panels.length) % group.panels.length;
      groups.forEach((other) => choose(other, next));
      group.buttons[next].focus();
      event.preventDefault();
    });
    group.element.prepend(list);
    group.element.classList.add("live");
    choose(group, 0);
  });
})();
