"use strict";
// The image browser. Everything that comes from the study is set as text, never as markup.
(() => {
  const holder = document.querySelector("[data-browser]");
  if (!holder) return;
  const data = JSON.parse(document.getElementById("browser-data").textContent);
  const find = (selector) => holder.querySelector(selector);
  const control = (name) => find(`[name="${name}"]`);
  const chosen = (name) => find(`[name="${name}"]:checked`)?.value;
  const state = { order: data.images.map((_, k) => k), at: 0 };

  const element = (tag, className, text) => {
    const made = document.createElement(tag);
    if (className) made.className = className;
    if (text !== undefined) made.textContent = text;
    return made;
  };
  const say = (value, digits = 2) =>
    value === null ? "–" : value.toFixed(digits).replace("-", "\u2212");

  const place = (box, crop) => {
    const [left, top, width, height] = crop || [0, 0, 1, 1];
    Object.assign(box.style, {
      left: `${100 * left}%`, top: `${100 * top}%`, width: `${100 * width}%`, height: `${100 * height}%`,
    });
  };

  const photograph = (image, className) => {
    const picture = element("div", "picture");
    if (!image.thumbnail) {
      picture.classList.add("empty");
      return picture;
    }
    const img = element("img", className);
    img.src = image.thumbnail;
    img.alt = "";
    picture.append(img);
    return picture;
  };

  const figure = (picture, title, note) => {
    const made = element("figure");
    const caption = element("figcaption", "", title);
    if (note) caption.append(element("small", "", note));
    made.append(picture, caption);
    return made;
  };

  const original = (image) => {
    const picture = photograph(image, "");
    if (image.thumbnail) picture.querySelector("img").alt = `Photograph ${image.name}`;
    const crop = image.crops.find((box) => box);
    if (crop && image.thumbnail) {
      const frame = element("span", "crop");
      place(frame, crop);
      picture.append(frame);
    }
    return figure(picture, "photograph", image.rating === null ? "" : `rated ${say(image.rating, 1)}`);
  };

  const overlay = (image, pixels, crop, title, note) => {
    if (!pixels) {
      const picture = element("div", "picture");
      picture.append(element("span", "absent", "no map, or a flat one"));
      return figure(picture, title, note);
    }
    const picture = photograph(image, "ground");
    const box = image.thumbnail ? crop : null;
    if (image.thumbnail) picture.append(element("span", "veil"));
    if (box) {
      const outside = element("span", "outside");
      place(outside, box);
      picture.append(outside);
    }
    const canvas = element("canvas");
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", `Map of ${title} over ${image.name}`);
    place(canvas, box);
    aisthesis.paint(canvas, pixels, {
      limit: data.limit, anchors: data.anchors,
      opacity: Number(control("opacity").value), sign: chosen("sign"),
    });
    picture.append(canvas);
    return figure(picture, title, note);
  };

  const difference = (image, maps) => {
    const first = control("minuend");
    if (!first || first.value === "") return null;
    const [a, b] = [Number(first.value), Number(control("subtrahend").value)];
    const [one, other] = [a, b].map((k) => aisthesis.standardised(maps[k], chosen("zero")));
    const pixels = one && other ? one.map((value, k) => value - other[k]) : null;
    return overlay(image, pixels, image.crops[a], `${data.backbones[a]} \u2212 ${data.backbones[b]}`, "difference of the two maps");
  };

  const show = () => {
    const none = state.order.length === 0;
    find("[data-none]").hidden = !none;
    find(".viewer").hidden = none;
    if (none) return;
    const image = data.images[state.order[state.at]];
    const maps = image.maps[chosen("kind")];
    find("[data-name]").textContent = image.name;
    find("[data-place]").textContent = `${state.at + 1} of ${state.order.length}`;
    find("[data-facts]").textContent = [
      image.rating === null ? "no human rating" : `human rating ${say(image.rating, 1)}`,
      image.error === null ? "" : `prediction error ${say(image.error, 1)}`,
      image.consensus === null ? "" : `consensus ${say(image.consensus)}`,
      image.controversy === null ? "" : `controversy ${say(image.controversy)}`,
      image.split ? `${image.split} image` : "",
    ].filter(Boolean).join(" \u00b7 ");
    const panels = data.backbones.map((label, k) => {
      const pixels = aisthesis.standardised(maps[k], chosen("zero"));
      const prediction = image.predictions[k];
      const note = prediction === null ? "" : `predicts ${say(prediction, 1)}`;
      return overlay(image, pixels, image.crops[k], label, note);
    });
    const contrast = difference(image, maps);
    find("[data-pictures]").replaceChildren(original(image), ...panels, ...(contrast ? [contrast] : []));
    mark();
  };

  const mark = () => {
    const strip = find("[data-strip]");
    strip.querySelectorAll("[aria-current]").forEach((button) => button.removeAttribute("aria-current"));
    const button = strip.children[state.at];
    button.setAttribute("aria-current", "true");
    strip.scrollTo({ left: button.offsetLeft - strip.offsetLeft - strip.clientWidth / 2 + button.offsetWidth / 2 });
  };

  const go = (to) => {
    if (!state.order.length) return;
    state.at = Math.min(Math.max(to, 0), state.order.length - 1);
    show();
  };

  const fillStrip = () => {
    const buttons = state.order.map((index, k) => {
      const image = data.images[index];
      const button = element("button");
      button.type = "button";
      button.title = image.name;
      const mini = element(image.thumbnail ? "img" : "span", "mini");
      if (image.thumbnail) {
        mini.loading = "lazy";
        mini.decoding = "async";
        mini.src = image.thumbnail;
        mini.alt = image.name;
      }
      button.append(mini, say(image.rating, 1));
      button.addEventListener("click", () => go(k));
      return button;
    });
    find("[data-strip]").replaceChildren(...buttons);
  };

  const arrange = () => {
    const [key, direction] = control("sort").value.split(":");
    const wanted = control("find").value.toLowerCase();
    const order = data.images.map((_, k) => k).filter((k) => data.images[k].name.toLowerCase().includes(wanted));
    if (key !== "study") {
      const value = (k) => data.images[k][key];
      order.sort((a, b) => {
        if (value(a) === null || value(b) === null) return (value(a) === null) - (value(b) === null);
        return Number(direction) * (value(a) - value(b));
      });
    }
    state.order = order;
    state.at = 0;
    fillStrip();
    show();
  };

  const inView = () => {
    const box = holder.getBoundingClientRect();
    return box.top < window.innerHeight * 0.7 && box.bottom > window.innerHeight * 0.3;
  };
  document.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || !inView()) return;
    if (event.target.closest("input, select, textarea, [role=tab]")) return;
    const to = { ArrowLeft: state.at - 1, ArrowRight: state.at + 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    go(to);
  });

  control("previous").addEventListener("click", () => go(state.at - 1));
  control("next").addEventListener("click", () => go(state.at + 1));
  holder.addEventListener("input", (event) => {
    if (event.target.name === "sort" || event.target.name === "find") arrange();
    else show();
  });
  holder.hidden = false;
  arrange();
})();
