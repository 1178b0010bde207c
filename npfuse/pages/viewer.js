"use strict";

// The viewer: two pictures of a scene under one slider, zoomed and panned together, with their histograms and scores.
// Every text from outside is set as text, never as HTML. Nothing is fetched: pictures are data URIs in the page.

const element = (tag, attributes = {}, ...children) => {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value !== null) made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
};

const drawing = (tag, attributes = {}) => {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
};

const clamp = (value, least, most) => Math.min(Math.max(value, least), most);

const KINDS = { exposure: "Exposures", label: "Label", result: "Results", map: "Maps: which exposure where" };
const KEYS = [
  ["← →", "move the slider"],
  ["t", "toggle: all left, all right"],
  ["x", "swap left and right"],
  ["1 … 9", "picture on the right; with Shift, on the left"],
  ["m", "map of the result on the right, and back"],
  ["+ −", "zoom; the wheel and two fingers do, too"],
  ["Shift + arrows", "move the zoomed picture; so does dragging, which moves the slider before"],
  ["0", "the whole picture"],
  ["?", "show or hide these keys"],
];

class Viewer {
  constructor(root, scene) {
    this.scene = scene;
    this.position = 50; // of the divider, in percent of the stage
    this.view = { scale: 1, x: 0, y: 0 }; // of both pictures, in CSS pixels of the stage
    this.pointers = new Map();
    const results = scene.layers.map((layer, i) => (layer.kind === "result" ? i : -1)).filter((i) => i >= 0);
    const last = scene.layers.map((layer, i) => (layer.kind === "exposure" ? i : -1)).filter((i) => i >= 0).pop();
    this.shown = { left: results.length > 1 ? results[0] : (last ?? 0), right: results[results.length > 1 ? 1 : 0] ?? 0 };
    this.build(root);
    this.show();
  }

  build(root) {
    const { width, height } = this.scene;
    this.images = {};
    this.captions = {};
    this.selects = {};
    this.histograms = {};
    const layers = ["left", "right"].map((side) => {
      this.images[side] = element("img", { alt: "", draggable: "false" });
      this.captions[side] = element("div", { class: `caption ${side}` });
      return element("div", { class: `layer ${side}` }, this.images[side], this.captions[side]);
    });
    this.right = layers[1];
    this.handle = element("div", { class: "handle", "aria-hidden": "true" }, element("span", {}, "⇔"));
    this.stage = element(
      "div",
      { class: "stage", tabindex: "0", role: "group", "aria-label": "pictures; keys are listed below" },
      ...layers,
      this.handle,
    );
    this.stage.style.aspectRatio = `${width} / ${height}`;
    const wide = `min(100%, calc(78vh * ${width / height}))`;
    this.stage.style.width = wide;
    this.slider = element("input", {
      type: "range", min: "0", max: "100", step: "0.5", value: "50", "aria-label": "divider between left and right",
      oninput: () => this.move(Number(this.slider.value)),
    });
    this.slider.style.width = wide; // the knob stands below the divider
    for (const side of ["left", "right"]) {
      this.selects[side] = element("select", {
        "aria-label": `picture on the ${side}`,
        onchange: (event) => { this.shown[side] = Number(event.target.value); this.show(); },
      });
      for (const [kind, title] of Object.entries(KINDS)) {
        const group = element("optgroup", { label: title });
        this.scene.layers.forEach((layer, i) => {
          if (layer.kind === kind) group.append(element("option", { value: i }, layer.title));
        });
        if (group.children.length) this.selects[side].append(group);
      }
      this.histograms[side] = element("figure", { class: "histogram" });
    }
    const button = (text, title, action) => element("button", { type: "button", title, onclick: action }, text);
    const map = button("map", "which exposure where (m)", () => this.map());
    map.disabled = !this.scene.layers.some((layer) => layer.kind === "map");
    const bar = element(
      "div",
      { class: "bar" },
      element("label", {}, "left ", this.selects.left),
      element("label", {}, "right ", this.selects.right),
      button("swap", "swap left and right (x)", () => this.swap()),
      button("toggle", "all left, all right (t)", () => this.toggle()),
      map,
      button("−", "zoom out (-)", () => this.zoom(1 / 1.5)),
      button("+", "zoom in (+)", () => this.zoom(1.5)),
      button("fit", "the whole picture (0)", () => this.fit()),
    );
    const { full_height: rows, full_width: columns } = this.scene;
    this.reduced = rows > height ? `reduced copies: ${height}x${width} of ${rows}x${columns} pixels (height x width)` : "\u00a0";
    this.readout = element("p", { class: "readout" }, this.reduced);
    this.legend = element("p", { class: "legend" });
    for (const { title, colour } of this.scene.legend ?? []) {
      const swatch = element("span", { class: "swatch" });
      swatch.style.background = colour;
      this.legend.append(swatch, `${title} `);
    }
    this.help = element("details", { class: "keys" }, element("summary", {}, "Keys"));
    const list = element("dl");
    for (const [key, meaning] of KEYS) list.append(element("dt", {}, key), element("dd", {}, meaning));
    this.help.append(list);
    const notes = element("ul", { class: "notes" });
    for (const note of this.scene.notes ?? []) notes.append(element("li", {}, note));
    root.replaceChildren(
      bar, this.stage, this.slider, this.readout, this.legend,
      element("div", { class: "histograms" }, this.histograms.left, this.histograms.right),
      this.scores(), notes, this.help,
    );
    this.listen();
  }

  listen() {
    const place = (event) => {
      const box = this.stage.getBoundingClientRect();
      return { x: event.clientX - box.left, y: event.clientY - box.top };
    };
    this.handle.addEventListener("pointerdown", (event) => {
      this.handle.setPointerCapture(event.pointerId);
      event.stopPropagation();
    });
    this.handle.addEventListener("pointermove", (event) => {
      if (this.handle.hasPointerCapture(event.pointerId)) this.move((100 * place(event).x) / this.stage.clientWidth);
    });
    this.stage.addEventListener("pointerleave", () => { this.readout.textContent = this.reduced; });
    this.stage.addEventListener("wheel", (event) => {
      if (event.deltaY > 0 && this.view.scale === 1) return; // the whole picture is shown: the page scrolls
      event.preventDefault();
      this.zoom(Math.exp(-event.deltaY / 400), place(event));
    }, { passive: false });
    this.stage.addEventListener("dblclick", (event) => {
      if (this.view.scale > 1) this.fit();
      else this.zoom(this.scene.width / this.stage.clientWidth * 2, place(event));
    });
    this.stage.addEventListener("pointerdown", (event) => {
      this.stage.setPointerCapture(event.pointerId);
      this.pointers.set(event.pointerId, place(event));
    });
    const lift = (event) => this.pointers.delete(event.pointerId);
    this.stage.addEventListener("pointerup", lift);
    this.stage.addEventListener("pointercancel", lift);
    this.stage.addEventListener("pointermove", (event) => {
      const now = place(event), before = this.pointers.get(event.pointerId);
      this.read(now);
      if (!before) return;
      const others = [...this.pointers].filter(([id]) => id !== event.pointerId).map(([, at]) => at);
      if (others.length) {
        const [other] = others, length = (a) => Math.hypot(a.x - other.x, a.y - other.y);
        this.zoom(length(now) / Math.max(length(before), 1), { x: (now.x + other.x) / 2, y: (now.y + other.y) / 2 });
      } else if (this.view.scale > 1) this.pan(now.x - before.x, now.y - before.y);
      else this.move(this.position + (100 * (now.x - before.x)) / this.stage.clientWidth);
      this.pointers.set(event.pointerId, now);
    });
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.tagName === "SELECT") return;
    const digit = /^Digit([1-9])$/.exec(event.code);
    const steps = { ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
    if (digit) this.choose(event.shiftKey ? "left" : "right", Number(digit[1]) - 1);
    else if (steps && event.shiftKey) this.pan(60 * steps[0], 60 * steps[1]);
    else if (steps && steps[0] && event.target !== this.slider) this.move(this.position - 2 * steps[0]);
    else if (event.key === "t") this.toggle();
    else if (event.key === "x") this.swap();
    else if (event.key === "m") this.map();
    else if (event.key === "+" || event.key === "=") this.zoom(1.5);
    else if (event.key === "-") this.zoom(1 / 1.5);
    else if (event.key === "0") this.fit();
    else if (event.key === "?") this.help.open = !this.help.open;
    else return;
    event.preventDefault();
  }

  choose(side, index) {
    if (index >= this.scene.layers.length) return;
    this.shown[side] = index;
    this.show();
  }

  swap() {
    this.shown = { left: this.shown.right, right: this.shown.left };
    this.show();
  }

  toggle() {
    this.move(this.position >= 50 ? 0 : 100);
  }

  // From a result to its map, and from a map to its result; from anything else to the first map.
  map() {
    const { layers } = this.scene, layer = layers[this.shown.right];
    let next = layer.kind === "map" ? layer.of : layers.findIndex((other) => other.kind === "map" && other.of === this.shown.right);
    if (next < 0) next = layers.findIndex((other) => other.kind === "map");
    if (next >= 0) this.choose("right", next);
  }

  move(position) {
    this.position = clamp(position, 0, 100);
    this.slider.value = this.position;
    this.right.style.clipPath = `inset(0 0 0 ${this.position}%)`;
    this.handle.style.left = `${this.position}%`;
    this.captions.left.hidden = this.position < 12;
    this.captions.right.hidden = this.position > 88;
  }

  zoom(factor, at) {
    const { clientWidth: width, clientHeight: height } = this.stage;
    const { x, y } = at ?? { x: width / 2, y: height / 2 };
    const most = Math.max(4, (16 * this.scene.width) / width);
    const scale = clamp(this.view.scale * factor, 1, most), ratio = scale / this.view.scale;
    this.view = { scale, x: x - ratio * (x - this.view.x), y: y - ratio * (y - this.view.y) };
    this.place();
  }

  pan(x, y) {
    this.view.x += x;
    this.view.y += y;
    this.place();
  }

  fit() {
    this.view = { scale: 1, x: 0, y: 0 };
    this.place();
  }

  place() {
    const { view, stage } = this;
    view.x = clamp(view.x, stage.clientWidth * (1 - view.scale), 0);
    view.y = clamp(view.y, stage.clientHeight * (1 - view.scale), 0);
    const enlarged = (view.scale * stage.clientWidth) / this.scene.width;
    for (const image of Object.values(this.images)) {
      image.style.transform = `translate(${view.x}px, ${view.y}px) scale(${view.scale})`;
      image.style.imageRendering = enlarged > 2 ? "pixelated" : "auto";
    }
    this.stage.classList.toggle("zoomed", view.scale > 1);
  }

  show() {
    let mapped = false;
    for (const side of ["left", "right"]) {
      const layer = this.scene.layers[this.shown[side]];
      this.images[side].src = layer.src;
      this.images[side].alt = layer.title;
      this.captions[side].textContent = layer.title;
      this.selects[side].value = this.shown[side];
      this.histograms[side].replaceChildren(...histogram(layer));
      mapped ||= layer.kind === "map";
    }
    this.legend.hidden = !mapped;
    this.pixels = {};
    this.move(this.position);
    this.place();
  }

  // Say the values under the pointer, of both pictures as they are shown.
  read(at) {
    const column = Math.floor(((at.x - this.view.x) / this.view.scale / this.stage.clientWidth) * this.scene.width);
    const row = Math.floor(((at.y - this.view.y) / this.view.scale / this.stage.clientHeight) * this.scene.height);
    if (column < 0 || row < 0 || column >= this.scene.width || row >= this.scene.height) return;
    const place = [row * this.scene.full_height / this.scene.height, column * this.scene.full_width / this.scene.width].map(Math.floor);
    const values = ["left", "right"].map((side) => {
      this.pixels[side] ??= this.canvas(this.images[side]);
      return this.pixels[side] ? `${side} ${[...this.pixels[side].getImageData(column, row, 1, 1).data].slice(0, 3).join(" ")}` : "";
    });
    this.readout.textContent = `row ${place[0]}, column ${place[1]}: ${values.join(", ")}`;
  }

  canvas(image) {
    if (!image.complete || !image.naturalWidth) return undefined;
    const canvas = element("canvas", { width: image.naturalWidth, height: image.naturalHeight });
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.drawImage(image, 0, 0);
    return context;
  }

  scores() {
    const rows = this.scene.layers.filter((layer) => layer.scores);
    const columns = [...new Set(rows.flatMap((layer) => Object.keys(layer.scores)))];
    if (!columns.length) return element("div");
    const head = element("tr", {}, element("th", { scope: "col" }, "result"));
    for (const column of columns) head.append(element("th", { scope: "col" }, column));
    const body = element("tbody");
    for (const layer of rows) {
      const row = element("tr", {}, element("th", { scope: "row" }, layer.title));
      for (const column of columns) row.append(element("td", {}, layer.scores[column] ?? "–"));
      body.append(row);
    }
    return element("div", { class: "scroll" }, element("table", { class: "scores" }, element("thead", {}, head), body));
  }
}

const histogram = (layer) => {
  if (!layer.histogram) return [];
  const picture = drawing("svg", { viewBox: "0 0 256 64", preserveAspectRatio: "none", role: "img" });
  picture.setAttribute("aria-label", `histogram of ${layer.title}`);
  const most = Math.max(1, ...layer.histogram.flat());
  layer.histogram.forEach((counts, channel) => {
    const points = counts.map((count, level) => `${level},${(64 * (1 - Math.sqrt(count / most))).toFixed(1)}`);
    picture.append(drawing("polygon", { points: `0,64 ${points.join(" ")} 255,64`, class: "rgb"[channel] }));
  });
  return [picture, element("figcaption", {}, `${layer.title}: ${layer.black} black, ${layer.white} white`)];
};

const themes = () => {
  const choices = ["auto", "light", "dark"];
  let chosen = 0;
  const button = element("button", { type: "button", class: "theme", title: "colours of the page" }, "colours: auto");
  button.addEventListener("click", () => {
    chosen = (chosen + 1) % choices.length;
    button.textContent = `colours: ${choices[chosen]}`;
    document.documentElement.dataset.theme = choices[chosen];
  });
  return button;
};

const sceneOf = (id) => JSON.parse(document.getElementById(id).textContent);
