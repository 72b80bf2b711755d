"use strict";
// Dots of many images, drawn as one path: which of them a pointer is at, and what it opens.
(() => {
  const NEAR = 6;  // units of the drawing

  const nearest = (path, event) => {
    const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(path.getScreenCTM().inverse());
    const places = path.getAttribute("d").matchAll(/M([-.\d]+) ([-.\d]+)/g);
    const away = Array.from(places, ([, x, y]) => Math.hypot(x - at.x, y - at.y));
    const least = away.reduce((best, one, k) => (one < away[best] ? k : best), 0);
    return away[least] <= NEAR ? Number(path.dataset.dots.split(" ")[least]) : null;
  };

  document.querySelectorAll("[data-dotted]").forEach((holder) => {
    const names = JSON.parse(holder.dataset.dotted);
    holder.previousElementSibling.querySelector("[data-pointed]").hidden = false;
    const found = (event) => {
      const path = event.target.closest("[data-dots]");
      return path && names[nearest(path, event)];
    };
    holder.addEventListener("pointermove", (event) => {
      const path = event.target.closest("[data-dots]");
      if (!path) return;
      const name = found(event);
      let title = path.querySelector("title");
      if (!title) {
        title = document.createElementNS(path.namespaceURI, "title");
        path.append(title);
      }
      title.textContent = name ?? "";
      path.classList.toggle("opens", Boolean(name && aisthesis.browses?.(name)));
    });
    holder.addEventListener("click", (event) => {
      const name = found(event);
      if (name && aisthesis.browses?.(name)) aisthesis.browse(name);
    });
  });
})();
