"use strict";
// Cells of a matrix say all they know below it, for the pointer and for the arrow keys.
(() => {
  const STEPS = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] };

  document.querySelectorAll("[data-matrix]").forEach((figure) => {
    const readout = figure.querySelector("[data-readout]");
    const table = figure.querySelector(".drawing");
    const rows = [...table.querySelectorAll("[data-row]")].map((row) => [...row.children]);
    const told = (cell) => cell && "line" in cell.dataset;
    let focused = null;

    const say = (cell) => {
      readout.textContent = told(cell) ? cell.dataset.line : readout.dataset.rest;
      readout.classList.toggle("said", Boolean(told(cell)));
    };
    const cells = rows.flat().filter(told);
    cells.forEach((cell, k) => { cell.tabIndex = k === 0 ? 0 : -1; });

    table.addEventListener("focusin", (event) => {
      focused = event.target.closest("[data-line]");
      cells.forEach((cell) => { cell.tabIndex = cell === focused ? 0 : -1; });
      say(focused);
    });
    table.addEventListener("focusout", () => { focused = null; say(null); });
    table.addEventListener("pointerover", (event) => {
      const cell = event.target.closest("[data-line]");
      if (told(cell)) say(cell);
    });
    table.addEventListener("pointerleave", () => say(focused));
    table.addEventListener("keydown", (event) => {
      const step = STEPS[event.key];
      const cell = event.target.closest("[data-line]");
      if (!step || !cell) return;
      event.preventDefault();
      event.stopPropagation();
      let y = rows.findIndex((row) => row.includes(cell));
      let x = rows[y].indexOf(cell);
      do {
        y += step[0];
        x += step[1];
      } while (rows[y]?.[x] && !told(rows[y][x]));
      rows[y]?.[x]?.focus();
    });
    say(null);
  });
})();
