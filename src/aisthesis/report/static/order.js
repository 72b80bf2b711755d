"use strict";
// Which images are shown, and in which order: a pure function of the controls' values.
(() => {
  /** A fact of an image; consensus and controversy depend on the kind of map. */
  aisthesis.fact = (image, key, kind) =>
    key === "consensus" || key === "controversy" ? (image[key][kind] ?? null) : image[key];

  /** Indices of the images that fit, in order; those whose fact is not known come last. */
  aisthesis.order = (images, { sort, kind, find, ranges, marked }) => {
    const wanted = find.trim().toLowerCase();
    const fits = (image) =>
      image.name.toLowerCase().includes(wanted) &&
      (!marked || image.marked.includes(kind)) &&
      ranges.every(({ key, from, to }) => {
        const value = aisthesis.fact(image, key, kind);
        return value !== null && value >= from && value <= to;
      });
    const order = images.map((_, k) => k).filter((k) => fits(images[k]));
    const [key, direction] = sort.split(":");
    if (key === "study") return order;
    const value = (k) => aisthesis.fact(images[k], key, kind);
    return order.sort((a, b) => {
      if (value(a) === null || value(b) === null) return (value(a) === null) - (value(b) === null);
      return Number(direction) * (value(a) - value(b));
    });
  };
})();
