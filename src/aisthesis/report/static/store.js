"use strict";
// Maps and photographs lie in the page as text; each is decoded when it is first looked at.
aisthesis.store = (data) => {
  const KEPT = 24;
  const decoded = new Map();

  const blob = (kind, index) => document.getElementById(`${kind}-${index}`)?.textContent ?? "";

  const decode = (index) => {
    const bytes = Uint8Array.from(atob(blob("maps", index)), (c) => c.charCodeAt(0));
    const view = new DataView(bytes.buffer);
    const found = {};
    let offset = 0;
    data.kinds.forEach((kind) => {
      // A large study's page has other explainers' maps of some images only.
      found[kind] = (data.images[index].maps[kind] ?? data.backbones.map(() => null)).map((facts, k) => {
        if (!facts) return null;
        const [h, w] = data.shapes[kind][k];
        const [unit, mean, sd] = facts;
        const start = offset;
        offset += 2 * h * w;
        const values = Float64Array.from({ length: h * w }, (_, c) => view.getInt16(start + 2 * c, true) * unit);
        return { h, w, values, mean, sd };
      });
    });
    return found;
  };

  /** Every backbone's map of an image, null where there is none. */
  const maps = (index, kind) => {
    const found = decoded.get(index) ?? decode(index);
    decoded.delete(index);
    decoded.set(index, found);
    if (decoded.size > KEPT) decoded.delete(decoded.keys().next().value);
    return found[kind];
  };

  const photograph = (index) => {
    const address = data.images[index].photograph;
    if (address === "inline") return `data:image/jpeg;base64,${blob("photograph", index)}`;
    return address;
  };

  const crop = (index, backbone) => {
    const { crops } = data.images[index];
    return crops.length === 1 ? crops[0] : crops[backbone];
  };

  return { maps, photograph, crop };
};
