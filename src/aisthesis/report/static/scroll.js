"use strict";
// Tables that are wider than their box are marked, so that the style can show that they scroll.
(() => {
  const boxes = [...document.querySelectorAll(".scroll")];
  const mark = () => boxes.forEach((box) => box.classList.toggle("wider", box.scrollWidth > box.clientWidth + 1));
  const watcher = new ResizeObserver(mark);
  boxes.forEach((box) => watcher.observe(box));
  mark();
})();
