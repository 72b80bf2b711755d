"use strict";
// Small maps to coloured pixels, by the same rules as the figures.
const aisthesis = (() => {
  const GRID = 224;

  // Half-pixel centres, edges repeated: [left cell, right cell, share of the right one].
  const axis = (cells, from, to) =>
    Array.from({ length: GRID }, (_, k) => {
      const place = Math.max((from + ((k + 0.5) * (to - from)) / GRID) * cells - 0.5, 0);
      const left = Math.min(Math.floor(place), cells - 1);
      return [left, Math.min(left + 1, cells - 1), place - left];
    });

  const WHOLE = [0, 0, 1, 1];
  /** Pixels of a part of a map (left, top, width, height), row by row, from `centre` in `unit`s. */
  const upsampled = ({ values, w, h }, centre, unit, [x0, y0, width, height] = WHOLE) => {
    const rows = axis(h, y0, y0 + height);
    const columns = axis(w, x0, x0 + width);
    const out = new Float64Array(GRID * GRID);
    for (let y = 0; y < GRID; y += 1) {
      const [top, bottom, down] = rows[y];
      for (let x = 0; x < GRID; x += 1) {
        const [left, right, across] = columns[x];
        const above = values[top * w + left] * (1 - across) + values[top * w + right] * across;
        const below = values[bottom * w + left] * (1 - across) + values[bottom * w + right] * across;
        out[y * GRID + x] = (above * (1 - down) + below * down - centre) / unit;
      }
    }
    return out;
  };

  const zScores = (pixels) => {
    const mean = pixels.reduce((sum, value) => sum + value, 0) / pixels.length;
    const sd = Math.sqrt(pixels.reduce((sum, value) => sum + (value - mean) ** 2, 0) / pixels.length);
    const largest = pixels.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    return sd > 1e-6 * largest ? pixels.map((value) => (value - mean) / sd) : null;
  };

  /** The values themselves, or z-scores about the map's mean; null where there is nothing to see.
      Of a part of the map (left, top, width, height, in shares of it) where one is given. */
  const standardised = (map, zero, part = WHOLE) => {
    if (!map) return null;
    if (String(part) !== String(WHOLE)) {
      const pixels = upsampled(map, 0, 1, part);
      return zero === "mean" ? zScores(pixels) : pixels.some((value) => value !== 0) ? pixels : null;
    }
    if (zero === "mean") return map.sd > 0 ? upsampled(map, map.mean, map.sd) : null;
    return map.values.some((value) => value !== 0) ? upsampled(map, 0, 1) : null;
  };

  /** Write the colour of each pixel: alpha grows with strength, so zero lets the photograph through. */
  const colour = (pixels, into, { limit, anchors, opacity, sign }) => {
    const last = anchors.length - 2;
    for (let k = 0; k < pixels.length; k += 1) {
      const strength = Math.min(1, Math.max(-1, pixels[k] / limit));
      if ((sign === "positive" && strength < 0) || (sign === "negative" && strength > 0)) continue;
      const place = ((strength + 1) / 2) * (last + 1);
      const left = Math.min(Math.floor(place), last);
      const share = place - left;
      for (let c = 0; c < 3; c += 1) {
        into[4 * k + c] = anchors[left][c] * (1 - share) + anchors[left + 1][c] * share;
      }
      into[4 * k + 3] = 255 * opacity * Math.abs(strength);
    }
    return into;
  };

  const paint = (canvas, pixels, options) => {
    canvas.width = canvas.height = GRID;
    const context = canvas.getContext("2d");
    const image = context.createImageData(GRID, GRID);
    colour(pixels, image.data, options);
    context.putImageData(image, 0, 0);
  };

  const PLACES = [["upper left", "top", "upper right"], ["left", "centre", "right"], ["lower left", "bottom", "lower right"]];

  /** Say where the pixels are highest and lowest, for whoever does not see them. */
  const words = (pixels) => {
    let [most, least] = [0, 0];
    for (let k = 1; k < pixels.length; k += 1) {
      if (pixels[k] > pixels[most]) most = k;
      if (pixels[k] < pixels[least]) least = k;
    }
    const third = (place) => Math.floor((3 * place) / GRID);
    const where = (k) => PLACES[third(Math.floor(k / GRID))][third(k % GRID)];
    return `highest at the ${where(most)}, lowest at the ${where(least)}`;
  };

  /** The two digits of a scale's limit, as captions elsewhere say it. */
  const limitText = (limit) => {
    if (limit >= 1e-3 && limit < 1e6) return Number(limit.toPrecision(2)).toLocaleString("en-US", { maximumFractionDigits: 10 });
    const [mantissa, exponent] = limit.toExponential(1).split("e");
    const raised = [...String(Number(exponent))].map((c) => (c === "-" ? "\u207b" : "\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079"[Number(c)]));
    return `${mantissa} \u00d7 10${raised.join("")}`;
  };

  return { GRID, limitText, standardised, colour, paint, words };
})();
