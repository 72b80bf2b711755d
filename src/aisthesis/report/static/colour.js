"use strict";
// Small maps to coloured pixels, by the same rules as the figures.
const aisthesis = (() => {
  const GRID = 224;

  const decode = (map) => {
    if (map.values) return map.values;
    const bytes = Uint8Array.from(atob(map.data), (c) => c.charCodeAt(0));
    const view = new DataView(bytes.buffer);
    map.values = Float64Array.from({ length: map.h * map.w }, (_, k) => view.getInt16(2 * k, true) * map.unit);
    return map.values;
  };

  // Half-pixel centres, edges repeated: [left cell, right cell, share of the right one].
  const axis = (cells) =>
    Array.from({ length: GRID }, (_, k) => {
      const place = Math.max(((k + 0.5) * cells) / GRID - 0.5, 0);
      const left = Math.min(Math.floor(place), cells - 1);
      return [left, Math.min(left + 1, cells - 1), place - left];
    });

  /** Standardised pixels of a map, or null where it has none. */
  const standardised = (map, zero) => {
    if (!map || map.flat || !(map.sd > 0)) return null;
    const values = decode(map);
    const rows = axis(map.h);
    const columns = axis(map.w);
    const centre = zero === "mean" ? map.mean : 0;
    const out = new Float64Array(GRID * GRID);
    rows.forEach(([top, bottom, down], y) => {
      columns.forEach(([left, right, across], x) => {
        const above = values[top * map.w + left] * (1 - across) + values[top * map.w + right] * across;
        const below = values[bottom * map.w + left] * (1 - across) + values[bottom * map.w + right] * across;
        out[y * GRID + x] = (above * (1 - down) + below * down - centre) / map.sd;
      });
    });
    return out;
  };

  const colourAt = (anchors, strength) => {
    const place = ((strength + 1) / 2) * (anchors.length - 1);
    const left = Math.min(Math.floor(place), anchors.length - 2);
    const share = place - left;
    return [0, 1, 2].map((c) => anchors[left][c] * (1 - share) + anchors[left + 1][c] * share);
  };

  /** Paint standardised pixels: alpha grows with strength, so zero lets the photograph through. */
  const paint = (canvas, pixels, { limit, anchors, opacity, sign }) => {
    canvas.width = canvas.height = GRID;
    const context = canvas.getContext("2d");
    const image = context.createImageData(GRID, GRID);
    pixels.forEach((value, k) => {
      const strength = Math.min(1, Math.max(-1, value / limit));
      if ((sign === "positive" && strength < 0) || (sign === "negative" && strength > 0)) return;
      const [red, green, blue] = colourAt(anchors, strength);
      image.data.set([red, green, blue, 255 * opacity * Math.abs(strength)], 4 * k);
    });
    context.putImageData(image, 0, 0);
  };

  return { GRID, standardised, paint, colourAt };
})();
