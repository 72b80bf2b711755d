"use strict";
// Which images are shown, and in which order: a pure function of the controls' values.
(() => {
  const BY_KIND = ["consensus", "controversy", "divided"];

  /** A fact of an image; some depend on the kind of map. */
  aisthesis.fact = (image, key, kind) => (BY_KIND.includes(key) ? (image[key][kind] ?? null) : image[key]);

  /** Indices of the images that fit, in order; those whose fact is not known come last. */
  aisthesis.order = (images, { sort, kind, find, ranges }) => {
    const wanted = find.trim().toLowerCase();
    const fits = (image) =>
      image.name.toLowerCase().includes(wanted) &&
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
