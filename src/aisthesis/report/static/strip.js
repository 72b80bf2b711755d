"use strict";
// The strip of small photographs; a photograph is fetched when its button comes near the view.
aisthesis.strip = (holder, data, store, { element, say }, choose) => {
  const buttons = new Map();
  const watcher = new IntersectionObserver((entries) => {
    entries.filter((entry) => entry.isIntersecting).forEach(({ target }) => {
      watcher.unobserve(target);
      const img = target.querySelector("img");
      if (img) img.src = store.photograph(Number(target.dataset.index));
    });
  }, { root: holder, rootMargin: "0px 400px" });

  const make = (index) => {
    const image = data.images[index];
    const button = element("button");
    button.type = "button";
    button.title = image.name;
    button.dataset.index = index;
    const mini = element(image.photograph ? "img" : "span", "mini");
    if (image.photograph) mini.alt = image.name;
    button.append(mini, say(image.rating, 1));
    button.addEventListener("click", () => choose(index));
    watcher.observe(button);
    return button;
  };

  const fill = (order) => {
    order.forEach((index) => { if (!buttons.has(index)) buttons.set(index, make(index)); });
    holder.replaceChildren(...order.map((index) => buttons.get(index)));
  };

  const mark = (index) => {
    holder.querySelectorAll("[aria-current]").forEach((button) => button.removeAttribute("aria-current"));
    const button = buttons.get(index);
    if (!button) return;
    button.setAttribute("aria-current", "true");
    holder.scrollTo({ left: button.offsetLeft - holder.offsetLeft - holder.clientWidth / 2 + button.offsetWidth / 2 });
  };

  return { fill, mark };
};
