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

  /** The part of the photograph that two crops share; null where they share none. */
  const common = (one, other) => {
    const [a, b] = [one ?? [0, 0, 1, 1], other ?? [0, 0, 1, 1]];
    const [left, top] = [Math.max(a[0], b[0]), Math.max(a[1], b[1])];
    const width = Math.min(a[0] + a[2], b[0] + b[2]) - left;
    const height = Math.min(a[1] + a[3], b[1] + b[3]) - top;
    return width > 0 && height > 0 ? [left, top, width, height] : null;
  };
  /** A part of the photograph in shares of a crop. */
  const within = (part, crop) => {
    const [left, top, width, height] = crop ?? [0, 0, 1, 1];
    return [(part[0] - left) / width, (part[1] - top) / height, part[2] / width, part[3] / height];
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
      const [cropA, cropB] = [store.crop(index, a), store.crop(index, b)];
      const apart = String(cropA) !== String(cropB);
      // As agreement compares them: place by place, over what both networks saw.
      const part = apart ? common(cropA, cropB) : cropA;
      const shares = (k) => (apart ? within(part, store.crop(index, k)) : undefined);
      // Two maps' values have units of their own; each is taken in parts of its full colour.
      const [one, other] = apart && !part ? [] : [a, b].map((k) =>
        aisthesis.standardised(maps[k], look.zero, shares(k))?.map((value) => value / limitOf(index, k, look)));
      const pixels = one && other ? one.map((value, k) => value - other[k]) : null;
      const where = apart ? ", over the part of the photograph that both saw" : "";
      const note = `difference of the two, each in ${look.zero === "mean" ? "SDs" : "parts of its full colour"}${where}`;
      const title = `${data.backbones[a]} \u2212 ${data.backbones[b]}`;
      return overlay(index, pixels, 1, part, title, note, look);
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
