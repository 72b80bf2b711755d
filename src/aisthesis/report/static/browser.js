"use strict";
// The image browser: controls, keys, and what they change. Nothing is drawn before it is near the view.
document.addEventListener("DOMContentLoaded", () => {
  const holder = document.querySelector("[data-browser]");
  if (!holder) return;
  const data = JSON.parse(document.getElementById("browser-data").textContent);
  const store = aisthesis.store(data);
  const pictures = aisthesis.pictures(data, store);
  const { say } = pictures;
  const find = (selector) => holder.querySelector(selector);
  const control = (name) => find(`[name="${name}"]`);
  const chosen = (name) => find(`[name="${name}"]:checked`)?.value;
  const state = { order: [], at: 0, started: false };
  const RANGED = ["rating", "error", "consensus", "controversy"];
  const DIVIDED = { key: "divided", from: data.dividedFrom, to: 1 };
  const strip = aisthesis.strip(find("[data-strip]"), data, store, pictures, (index) => go(state.order.indexOf(index)));

  const look = () => ({
    kind: chosen("kind"),
    name: data.names[chosen("kind")],
    sign: chosen("sign"),
    zero: chosen("zero"),
    opacity: Number(control("opacity").value),
    layout: chosen("layout") ?? "all",
    two: [Number(control("minuend")?.value), Number(control("subtrahend")?.value)],
  });

  const divided = (image) => (aisthesis.fact(image, "divided", chosen("kind")) ?? 0) >= data.dividedFrom;

  const facts = (image) => {
    const fact = (key) => aisthesis.fact(image, key, chosen("kind"));
    const words = { error: "prediction error", consensus: "consensus", controversy: "controversy" };
    return [
      image.rating === null ? "no human rating" : `human rating ${say(image.rating, 1)}`,
      ...Object.keys(words).filter((key) => fact(key) !== null)
        .map((key) => `${words[key]} ${say(fact(key), key === "error" ? 1 : 2)}`),
      image.split ? `${image.split} image` : "",
      divided(image) ? "same rating, other map" : "",
    ].filter(Boolean).join(" \u00b7 ");
  };

  /** Say what the colours are: the values themselves, or the distance from each map's mean. */
  const explain = ({ kind, zero }) => {
    holder.querySelectorAll("[data-scale]").forEach((one) => { one.hidden = one.dataset.scale !== zero; });
    find("[data-meaning]").textContent = zero === "mean" ? data.relative
      : `White is zero. ${data.meanings[kind]} Full colour is each map\u2019s own strongest value, which stands below it, in ${data.units[kind]}.`;
  };

  const show = () => {
    const none = state.order.length === 0;
    find("[data-none]").hidden = !none;
    find(".viewer").hidden = none;
    const two = find("[data-two]");
    if (two) two.hidden = look().layout !== "two";
    if (none || !state.started) return;
    const index = state.order[state.at];
    const image = data.images[index];
    find("[data-name]").textContent = image.name;
    find("[data-place]").textContent = `${state.at + 1} of ${state.order.length}`;
    find("[data-facts]").textContent = facts(image);
    explain(look());
    const drawn = find("[data-pictures]");
    drawn.classList.toggle("two", look().layout === "two");
    drawn.replaceChildren(...pictures.figures(index, look()));
    strip.mark(index);
  };

  const go = (to) => {
    if (!state.order.length) return;
    state.at = Math.min(Math.max(to, 0), state.order.length - 1);
    show();
  };

  /** Bounds of a fact over all images, and the part of them that the sliders choose. */
  const bounds = (key) => {
    const values = data.images.map((image) => aisthesis.fact(image, key, chosen("kind"))).filter((v) => v !== null);
    return values.length ? [Math.min(...values), Math.max(...values)] : null;
  };
  const range = (key) => {
    const ends = bounds(key);
    const holderOf = find(`[data-range="${key}"]`);
    holderOf.hidden = !ends || ends[0] === ends[1];
    if (holderOf.hidden) return null;
    const share = (end) => Number(control(`${key}-${end}`).value) / 100;
    const at = (part) => ends[0] + part * (ends[1] - ends[0]);
    const [from, to] = [at(share("from")), at(share("to"))];
    holderOf.querySelector("output").textContent = `${say(from)} to ${say(to)}`;
    if (share("from") === 0 && share("to") === 1) return null;
    // The ends themselves are in, whatever rounding says.
    return { key, from: share("from") === 0 ? -Infinity : from, to: share("to") === 1 ? Infinity : to };
  };

  const arrange = (keep) => {
    const before = keep ? state.order[state.at] : undefined;
    state.order = aisthesis.order(data.images, {
      sort: control("sort").value,
      kind: chosen("kind"),
      find: control("find").value,
      ranges: [...RANGED.map(range).filter(Boolean), ...(control("marked").checked ? [DIVIDED] : [])],
    });
    state.at = Math.max(0, state.order.indexOf(before));
    const marked = data.images.filter(divided).length;
    find("[data-marked-field]").hidden = marked === 0 && !control("marked").checked;
    find("[data-marked-count]").textContent = marked;
    if (state.started) strip.fill(state.order);
    show();
  };

  const reset = () => {
    control("find").value = "";
    control("marked").checked = false;
    RANGED.forEach((key) => { control(`${key}-from`).value = 0; control(`${key}-to`).value = 100; });
    arrange(true);
  };

  const start = () => {
    if (state.started) return;
    state.started = true;
    arrange(true);
  };

  const cycle = (name) => {
    const choices = [...holder.querySelectorAll(`[name="${name}"]`)];
    const next = choices[(choices.findIndex((input) => input.checked) + 1) % choices.length];
    if (next) next.click();
  };

  const inView = () => {
    const box = holder.getBoundingClientRect();
    return box.top < window.innerHeight * 0.7 && box.bottom > window.innerHeight * 0.3;
  };
  document.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || !inView()) return;
    const typing = event.target.closest('input[type="search"], select, textarea');
    const outside = event.target !== document.body && !holder.contains(event.target);
    const to = { ArrowLeft: state.at - 1, ArrowRight: state.at + 1, Home: 0, End: state.order.length - 1 }[event.key];
    if (to !== undefined && !event.target.closest("input, select, textarea")) {
      event.preventDefault();
      go(to);
    }
    const name = { k: "kind", s: "sign", z: "zero", l: "layout" }[event.key.toLowerCase()];
    if (name && !typing && !outside) cycle(name);
  });

  // Whoever uses the pointer keeps the keys for the pictures: a switch, slider or list that was
  // clicked gives them back. Whoever comes to a control by keyboard has that control's own keys.
  let pointed = false;
  document.addEventListener("pointerdown", () => { pointed = true; }, true);
  document.addEventListener("keydown", () => { pointed = false; }, true);
  const giveBack = (event) => {
    const { target } = event;
    const done = event.type === "change" || ["radio", "checkbox"].includes(target.type) || target.closest("summary");
    if (pointed && done && target.type !== "search") holder.focus({ preventScroll: true });
  };
  holder.addEventListener("click", giveBack);
  holder.addEventListener("change", giveBack);

  control("previous").addEventListener("click", () => go(state.at - 1));
  control("next").addEventListener("click", () => go(state.at + 1));
  control("reset").addEventListener("click", reset);
  holder.addEventListener("input", (event) => {
    const looks = ["sign", "zero", "opacity", "layout", "minuend", "subtrahend"];
    if (looks.includes(event.target.name)) show();
    else arrange(event.target.name === "kind");
  });
  const browsed = new Set(data.images.map((image) => image.name));
  aisthesis.browses = (name) => browsed.has(name);
  aisthesis.browse = (name) => {
    start();
    reset();
    go(state.order.findIndex((index) => data.images[index].name === name));
    holder.scrollIntoView({ block: "start" });
    control("next").focus({ preventScroll: true });
  };
  document.querySelectorAll("[data-open]").forEach((button) => {
    if (!browsed.has(button.dataset.open)) return;  // a dot of an image that is not in the browser
    button.hidden = false;
    button.classList.add("opens");
    button.addEventListener("click", () => aisthesis.browse(button.dataset.open));
  });

  RANGED.forEach((key) => { control(`${key}-from`).value = 0; control(`${key}-to`).value = 100; });
  holder.hidden = false;
  arrange(false);
  new IntersectionObserver((entries, watcher) => {
    if (!entries.some((entry) => entry.isIntersecting)) return;
    watcher.disconnect();
    start();
  }, { rootMargin: "800px" }).observe(holder);
});
