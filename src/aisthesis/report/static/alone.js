"use strict";
// Pictures and panels stand in rows that do not end with a single one: of the numbers of columns
// that fit, the largest that leaves none alone; else one more, or the first takes a row.
(() => {
  const least = 150;  // px of a column
  const seen = new WeakMap();
  const arrange = (grid) => {
    const n = grid.children.length;
    const key = `${grid.clientWidth} ${n}`;
    if (!grid.clientWidth || seen.get(grid) === key) return;
    seen.set(grid, key);
    grid.style.gridTemplateColumns = "";
    const fits = getComputedStyle(grid).gridTemplateColumns.split(" ").length;
    const ends = (columns) => columns < 2 || n <= columns || n % columns !== 1;
    let columns = fits;
    while (columns > 2 && !ends(columns)) columns -= 1;
    if (!ends(columns) && ends(fits + 1) && grid.clientWidth / (fits + 1) >= least) columns = fits + 1;
    grid.classList.toggle("first-alone", !ends(columns));
    if (columns !== fits) grid.style.gridTemplateColumns = `repeat(${columns}, minmax(0, 1fr))`;
  };
  const watcher = new ResizeObserver((entries) => {
    requestAnimationFrame(() => entries.forEach((entry) => arrange(entry.target)));
  });
  document.querySelectorAll(".pictures, .scatters, .cards").forEach((grid) => watcher.observe(grid));
})();
