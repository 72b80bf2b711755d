"use strict";
// Switches choose which panels of their board are shown. Without this script all are.
(() => {
  const KEYS = ["kind", "metric", "view"];

  const apply = (board, bar) => {
    const chosen = {};
    bar.querySelectorAll("[data-switch]:checked").forEach((input) => {
      chosen[input.dataset.switch] = input.value;
    });
    board.querySelectorAll("[data-panels]").forEach((group) => {
      let shown = 0;
      group.querySelectorAll(":scope > .panel").forEach((panel) => {
        const fits = KEYS.every(
          (key) => !(key in panel.dataset) || !(key in chosen) || panel.dataset[key] === chosen[key],
        );
        panel.hidden = !fits;
        if (fits && panel.tagName !== "DETAILS") shown += 1;
      });
      const otherwise = group.querySelector("[data-otherwise]");
      if (otherwise) otherwise.hidden = shown > 0;
    });
  };

  document.querySelectorAll("[data-switchboard]").forEach((board) => {
    const bar = board.querySelector("[data-switches]");
    if (!bar) return;
    bar.hidden = false;
    bar.addEventListener("change", () => apply(board, bar));
    apply(board, bar);
  });
})();
