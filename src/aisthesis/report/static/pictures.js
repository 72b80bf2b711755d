"use strict";
// Pictures of one image: the photograph with its crop, and maps over it. Names are set as text only.
(() => {
  const element = (tag, className, text) => {
    const made = document.createElement(tag);
    if (className) made.className = className;
    if (text !== undefined) made.textContent = text;
    return made;
  };
  /** A number with a real minus sign and no negative zero. */
  const say = (value, digits = 2) => {
    if (value === null) return "–";
    const size = Math.abs(value);
    // What has one digit is in rating units, which may be of any size.
    const odd = digits === 1 && size !== 0 && (size < 1e-6 || size >= 1e9);
    if (odd) return `${value < 0 ? "\u2212" : ""}${aisthesis.limitText(size)}`;
    const text = size.toFixed(digits);
    return value < 0 && Number(text) !== 0 ? `\u2212${text}` : text;
  };

  const place = (box, crop) => {
    const [left, top, width, height] = crop || [0, 0, 1, 1];
    Object.assign(box.style, {
      left: `${100 * left}%`, top: `${100 * top}%`, width: `${100 * width}%`, height: `${100 * height}%`,
    });
  };

  const figure = (picture, title, note) => {
    const made = element("figure");
    const caption = element("figcaption", "", title);
    if (note) caption.append(element("small", "", note));
    made.append(picture, caption);
    return made;
  };

  aisthesis.pictures = (data, store) => {
    const photograph = (index, className, alt) => {
      const { size } = data.images[index];
      const address = store.photograph(index);
      const picture = element("div", "picture");
      if (size) picture.style.aspectRatio = `${size[0]} / ${size[1]}`;
      if (!address) {
        picture.classList.add("empty");
        picture.style.aspectRatio = "1";
        return picture;
      }
      const img = element("img", className);
      img.src = address;
      img.alt = alt;
      picture.append(img);
      return picture;
    };

    /** The photograph, with a frame around what the networks saw. */
    const original = (index) => {
      const image = data.images[index];
      const picture = photograph(index, "", `Photograph ${image.name}`);
      if (!image.photograph) picture.append(element("span", "absent", "photograph not available"));
      const crops = image.photograph ? image.crops.filter((box) => box) : [];
      const different = new Map(crops.map((box) => [String(box), box]));
      different.forEach((box) => {
        const frame = element("span", "crop");
        place(frame, box);
        picture.append(frame);
      });
      return figure(picture, crops.length ? "photograph and crop" : "photograph", image.rating === null ? "" : `rated ${say(image.rating, 1)}`);
    };

    /** Pixels over the pale photograph, or a picture that says there are none. */
    const overlay = (index, pixels, limit, crop, title, note, look) => {
      const image = data.images[index];
      if (!pixels) {
        const picture = element("div", "picture");
        picture.append(element("span", "absent", "no map, or a flat one"));
        return figure(picture, title, note);
      }
      const picture = photograph(index, "ground", "");
      const box = image.photograph ? crop : null;
      if (image.photograph) picture.append(element("span", "veil"));
      if (box) {
        const outside = element("span", "outside");
        place(outside, box);
        picture.append(outside);
      }
      const canvas = element("canvas");
      canvas.setAttribute("role", "img");
      canvas.setAttribute("aria-label", `${look.name} map of ${title} over ${image.name}: ${aisthesis.words(pixels)}`);
      place(canvas, box);
      aisthesis.paint(canvas, pixels, { limit, anchors: data.anchors, opacity: look.opacity, sign: look.sign });
      picture.append(canvas);
      return figure(picture, title, note);
    };

    /** What has the strongest colour: a value of the map, or a z-score. */
    const limitOf = (index, k, look) => (look.zero === "mean" ? data.limit : data.images[index].limits[look.kind]?.[k]);

    const ofBackbone = (index, k, look) => {
      const pixels = aisthesis.standardised(store.maps(index, look.kind)[k], look.zero);
      const prediction = data.images[index].predictions[k];
      const note = [
        pixels && look.zero !== "mean" ? `full colour \u00b1${aisthesis.limitText(limitOf(index, k, look))}` : "",
        prediction === null ? "" : `predicts ${say(prediction, 1)}`,
      ].filter(Boolean).join(", ");
      return overlay(index, pixels, limitOf(index, k, look), store.crop(index, k), data.backbones[k], note, look);
    };

    const difference = (index, a, b, look) => {
      const maps = store.maps(index, look.kind);
      // Two maps' values have units of their own; each is taken in parts of its full colour.
      const [one, other] = [a, b].map((k) =>
        aisthesis.standardised(maps[k], look.zero)?.map((value) => value / limitOf(index, k, look)));
      const pixels = one && other ? one.map((value, k) => value - other[k]) : null;
      const note = `difference of the two, each in ${look.zero === "mean" ? "SDs" : "parts of its full colour"}`;
      const title = `${data.backbones[a]} \u2212 ${data.backbones[b]}`;
      return overlay(index, pixels, 1, store.crop(index, a), title, note, look);
    };

    /** All figures of an image, as the controls want them. */
    const figures = (index, look) => {
      if (look.layout === "two") {
        const [a, b] = look.two;
        return [original(index), ofBackbone(index, a, look), ofBackbone(index, b, look), difference(index, a, b, look)];
      }
      return [original(index), ...data.backbones.map((_, k) => ofBackbone(index, k, look))];
    };

    return { figures, element, say };
  };
})();
