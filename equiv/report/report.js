"use strict";

// Two charts of which one lights up where the other is touched, and the pictures that were taken there.
function linkCharts(root) {
  const data = JSON.parse(root.querySelector("script").textContent);
  const output = root.parentElement.querySelector(":scope > output");
  const film = films.get(root.parentElement.querySelector(".pictures"));
  const resting = output.textContent;
  const sides = {};
  let axes = [0, 1];

  for (const name of ["a", "b"]) {
    const svg = root.querySelector(`svg[data-side="${name}"]`);
    sides[name] = {
      name, svg, ...data[name],
      dots: [...svg.querySelectorAll(".dot")],
      near: svg.querySelector(".near"), image: svg.querySelector(".image"), brush: svg.querySelector(".brush"),
      other: () => sides[name === "a" ? "b" : "a"],
    };
  }

  const placed = (side, at) => [at[axes[0]], side.y - at[axes[1]]];
  const point = (side, index) => placed(side, side.at[index]);

  function pointer(side, event) {
    const box = side.svg.getBoundingClientRect(), view = side.svg.viewBox.baseVal;
    return [(event.clientX - box.left) * view.width / box.width, (event.clientY - box.top) * view.height / box.height];
  }

  function nearest(side, [x, y]) {
    let best = -1, least = Infinity;
    (data.held ? data.held[side.name] : side.at).forEach((at, i) => {
      const [px, py] = placed(side, at), d = (px - x) ** 2 + (py - y) ** 2;
      if (d < least) { least = d; best = i; }
    });
    return best;
  }

  function put(mark, [x, y]) {
    mark.setAttribute("transform", `translate(${x} ${y})`);
    mark.classList.add("on");
  }

  function rest() {
    root.querySelectorAll(".mark.on").forEach((mark) => mark.classList.remove("on"));
    output.textContent = resting;
  }

  // The moment of the pictures: where each network puts that input, and where the map carries it.
  function showMoment(k) {
    rest();
    const { a, b } = sides;
    put(a.near, placed(a, data.held.a[k]));
    put(b.near, placed(b, data.held.b[k]));
    put(b.image, placed(b, data.held.a[k]));
    output.textContent = data.held.said[k];
  }

  function show(side, index) {
    if (index < 0) return rest();
    if (data.held) return film.go(index);
    rest();
    side.current = index;
    const other = side.other(), A = side.name.toUpperCase(), B = other.name.toUpperCase();
    put(side.near, point(side, index));
    let text = `Point ${side.index[index]} of ${A} at ${side.u[index]}. `;
    const image = side.link ? side.link[index] : -1;
    if (image < 0) {
      text += `It has no known image in ${B}.`;
    } else {
      put(other.near, point(other, image));
      if (side.place) {
        const [x, y] = point(side, index);
        put(other.image, data.kind === "line" ? [x, data.middle] : [x, y]);
      }
      text += data.paired
        ? `The same input in ${B} lies at ${other.u[image]}`
        : `Its image in ${B} is at the cross; the nearest of ${B}'s points is ${other.index[image]} at ${other.u[image]}`;
      text += side.gap ? `, ${side.gap[index]} away.` : ".";
    }
    output.textContent = text;
  }

  function light(side, inside) {
    const other = side.other(), here = new Set(inside);
    const there = new Set();
    if (side.link) {
      if (data.paired) inside.forEach((i) => there.add(side.link[i]));
      else other.link.forEach((i, j) => { if (here.has(i)) there.add(j); });
    }
    for (const [one, lit] of [[side, here], [other, there]]) {
      one.svg.classList.toggle("busy", inside.length > 0);
      one.dots.forEach((dot, i) => dot.classList.toggle("lit", lit.has(i)));
    }
    if (inside.length)
      output.textContent = `${here.size} points of ${side.name.toUpperCase()} are marked, and their images: ${there.size} points of ${other.name.toUpperCase()}.`;
  }

  function clear(side) {
    for (const one of [side, side.other()]) {
      one.brush.classList.remove("on");
      one.svg.classList.remove("busy");
      one.dots.forEach((dot) => dot.classList.remove("lit"));
    }
    rest();
  }

  for (const side of Object.values(sides)) {
    let start = null, moved = false;
    side.svg.addEventListener("pointerdown", (event) => {
      start = pointer(side, event); moved = false;
      side.svg.setPointerCapture(event.pointerId);
    });
    side.svg.addEventListener("pointermove", (event) => {
      const now = pointer(side, event);
      if (!start) {
        if (!side.svg.classList.contains("busy")) show(side, nearest(side, now));
        return;
      }
      moved = moved || Math.hypot(now[0] - start[0], now[1] - start[1]) > 6;
      if (!moved) return;
      rest();
      const [x0, x1] = [start[0], now[0]].sort((p, q) => p - q), [y0, y1] = [start[1], now[1]].sort((p, q) => p - q);
      side.other().brush.classList.remove("on");
      for (const [key, value] of Object.entries({ x: x0, y: y0, width: x1 - x0, height: y1 - y0 })) side.brush.setAttribute(key, value);
      side.brush.classList.add("on");
      const inside = [];
      side.at.forEach((_, i) => { const [x, y] = point(side, i); if (x >= x0 && x <= x1 && y >= y0 && y <= y1) inside.push(i); });
      light(side, inside);
    });
    side.svg.addEventListener("pointerup", (event) => {
      if (start && !moved) { clear(side); show(side, nearest(side, pointer(side, event))); }
      start = null;
    });
    side.svg.addEventListener("pointercancel", () => { start = null; });
    // What a finger or the pictures have chosen stays.
    side.svg.addEventListener("pointerleave", (event) => {
      if (!start && event.pointerType === "mouse" && !data.held && !side.svg.classList.contains("busy")) rest();
    });
    side.svg.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 }[event.key];
      if (event.key === "Escape") clear(side);
      if (!step) return;
      event.preventDefault();
      if (data.held) return film.step(step);
      const rank = side.current === undefined ? -1 : side.order.indexOf(side.current);
      show(side, side.order[(rank + step + side.order.length) % side.order.length]);
    });
  }

  if (data.held) film.watch(showMoment);

  const choice = root.parentElement.querySelector("select");
  if (choice) choice.addEventListener("change", () => {
    axes = choice.value.split(",").map(Number);
    for (const side of Object.values(sides)) {
      clear(side);
      side.svg.querySelectorAll("[data-axes]").forEach((grid) => grid.toggleAttribute("hidden", grid.dataset.axes !== choice.value));
      side.dots.forEach((dot, i) => { const [x, y] = point(side, i); dot.setAttribute("cx", x); dot.setAttribute("cy", y); });
    }
  });
}

// Rows of pictures of which the slider shows one moment.
function playPictures(root) {
  const slider = root.querySelector("input"), button = root.querySelector("button"), told = root.querySelector("output");
  const moments = JSON.parse(root.querySelector("script").textContent);
  let timer = null, watcher = () => {};

  function show() {
    const k = Number(slider.value);
    root.querySelectorAll(".frames .sprite").forEach((sprite) => {
      sprite.style.backgroundPosition = `0 ${moments.length > 1 ? 100 * k / (moments.length - 1) : 0}%`;
    });
    told.textContent = moments[k];
    slider.setAttribute("aria-valuetext", moments[k]);
    watcher(k);
  }

  function go(k) {
    slider.value = (k + moments.length) % moments.length;
    show();
  }

  function stop() {
    clearInterval(timer);
    timer = null;
    button.textContent = "Play";
  }

  slider.addEventListener("input", show);
  button.addEventListener("click", () => {
    if (timer) return stop();
    button.textContent = "Stop";
    timer = setInterval(() => go(Number(slider.value) + 1), 120);
  });
  slider.addEventListener("pointerdown", stop);
  show();
  films.set(root, {
    go: (k) => { stop(); go(k); },
    step: (k) => { stop(); go(Number(slider.value) + k); },
    watch: (each) => { watcher = each; },
  });
}

// What is told of the mark nearest to the pointer or the finger, and of words with a question mark.
function tell() {
  const tip = document.querySelector("#tip");

  function put(text, box) {
    tip.textContent = text;
    tip.classList.toggle("on", Boolean(text));
    if (!text) return;
    const wide = document.documentElement.clientWidth, left = box.left + box.width / 2 - tip.offsetWidth / 2;
    const above = box.top - tip.offsetHeight - 8;
    tip.style.left = `${Math.max(8, Math.min(left, wide - tip.offsetWidth - 8))}px`;
    tip.style.top = `${above > 8 ? above : box.bottom + 8}px`;
  }

  function nearest(svg, event) {
    let best = null, least = 24 ** 2;
    for (const one of svg.querySelectorAll("[data-said]")) {
      const box = one.getBoundingClientRect();
      const x = Math.max(box.left - event.clientX, 0, event.clientX - box.right);
      const y = Math.max(box.top - event.clientY, 0, event.clientY - box.bottom);
      const far = x * x + y * y;
      if (far < least) { least = far; best = one; }
    }
    return best;
  }

  function point(event) {
    const why = event.target.closest?.(".why"), svg = event.target.closest?.("svg");
    if (why) return event.type === "pointermove" ? undefined : put(why.dataset.said, why.getBoundingClientRect());
    const one = svg && !svg.dataset.side ? nearest(svg, event) : null;
    put(one ? one.dataset.said : "", one?.getBoundingClientRect());
  }

  // The sentence of a question mark is the browser's own hint until it is asked for here.
  document.querySelectorAll(".why").forEach((one) => { one.dataset.said = one.title; });
  addEventListener("pointermove", (event) => { if (event.pointerType === "mouse" && !tip.matches(".asked")) point(event); });
  addEventListener("click", (event) => {
    point(event);
    tip.classList.toggle("asked", Boolean(event.target.closest(".why")));
  });
  addEventListener("keydown", (event) => { if (event.key === "Escape") { tip.classList.remove("asked"); put(""); } });
  addEventListener("scroll", () => { tip.classList.remove("asked"); put(""); }, { passive: true });
}

const films = new Map();
document.querySelectorAll(".pictures").forEach(playPictures);
document.querySelectorAll(".charts").forEach(linkCharts);
tell();
