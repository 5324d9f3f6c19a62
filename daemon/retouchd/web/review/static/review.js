"use strict";
// The review page's own script: no library, no build. The page works as a list without it; the script adds the
// photo, the keys and the changes. Nothing it gets from the server is ever put into the page as HTML.

const byId = (id) => document.getElementById(id);
const all = (query) => [...document.querySelectorAll(query)];

async function send(path, body) {
  const options = { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
  const answer = await fetch(path, options);
  const told = await answer.json();
  if (!answer.ok) throw new Error(told.failed || answer.statusText);
  return told;
}

function say(text) {
  const place = byId("says");
  if (place && place.textContent !== text) place.textContent = text;
}

async function progress() {
  try {
    const answer = await fetch("/progress");
    if (answer.ok) say((await answer.json()).says);
  } catch {
    say("retouchd does not answer");
  }
}

for (const button of all("[data-post]")) {
  button.addEventListener("click", async () => {
    if (!window.confirm(button.dataset.confirm)) return;
    try {
      await send(button.dataset.post, {});
      location.reload();
    } catch (error) {
      say(error.message);
    }
  });
}

if (!document.querySelector('form[action="/login"]')) {
  progress();
  setInterval(progress, 3000);
}

// ---------------------------------------------------------------------------------------------------------------
// One photo. Coordinates: "photo" is the photo as stored; "upright" is that turned by its EXIF orientation;
// "screen" is pixels of the canvas. The tiles are as stored, and the canvas turns them.

class Photo {
  constructor(canvas) {
    this.canvas = canvas;
    this.draw2d = canvas.getContext("2d", { alpha: false });
    this.base = `/photo/${canvas.dataset.photo}`;
    this.stamp = canvas.dataset.stamp;
    this.tiles = new Map();
    this.about = null;
    this.split = 0.5;
    this.outlines = true;
    this.scale = 1;
    this.x = 0; // the upright point at the screen's left upper corner
    this.y = 0;
    this.fitting = true;
    this.overview = new Image();
    this.overview.onload = () => this.ask();
    this.overview.src = `${this.base}/view.jpg?s=${this.stamp}`;
    new ResizeObserver(() => this.resized()).observe(canvas);
  }

  async open() {
    const answer = await fetch(`${this.base}/about`);
    if (!answer.ok) throw new Error((await answer.json()).failed);
    this.about = await answer.json();
    this.fit();
  }

  get turned() { return this.about.orientation >= 5; }
  get width() { return this.turned ? this.about.height : this.about.width; }
  get height() { return this.turned ? this.about.width : this.about.height; }

  // The matrix from stored to upright coordinates.
  get turn() {
    const w = this.about.width, h = this.about.height;
    return {
      1: [1, 0, 0, 1, 0, 0], 2: [-1, 0, 0, 1, w, 0], 3: [-1, 0, 0, -1, w, h], 4: [1, 0, 0, -1, 0, h],
      5: [0, 1, 1, 0, 0, 0], 6: [0, 1, -1, 0, h, 0], 7: [0, -1, -1, 0, h, w], 8: [0, -1, 1, 0, 0, w],
    }[this.about.orientation] || [1, 0, 0, 1, 0, 0];
  }

  matrix() {
    const dpr = window.devicePixelRatio || 1;
    const view = new DOMMatrix([this.scale * dpr, 0, 0, this.scale * dpr, -this.x * this.scale * dpr, -this.y * this.scale * dpr]);
    return view.multiply(new DOMMatrix(this.turn));
  }

  toPhoto(screenX, screenY) {
    const dpr = window.devicePixelRatio || 1;
    return this.matrix().inverse().transformPoint(new DOMPoint(screenX * dpr, screenY * dpr));
  }

  resized() {
    const dpr = window.devicePixelRatio || 1;
    this.canvas.width = Math.max(1, Math.round(this.canvas.clientWidth * dpr));
    this.canvas.height = Math.max(1, Math.round(this.canvas.clientHeight * dpr));
    if (this.fitting) this.fit(); else this.ask();
  }

  fit() {
    if (!this.about) { this.ask(); return; }
    this.fitting = true;
    const w = this.canvas.clientWidth, h = this.canvas.clientHeight;
    this.scale = Math.min(w / this.width, h / this.height) || 1;
    this.x = (this.width - w / this.scale) / 2;
    this.y = (this.height - h / this.scale) / 2;
    this.ask();
  }

  zoom(scale, atX, atY) {
    if (!this.about) return;
    const cx = atX ?? this.canvas.clientWidth / 2, cy = atY ?? this.canvas.clientHeight / 2;
    const x = this.x + cx / this.scale, y = this.y + cy / this.scale;
    this.fitting = false;
    this.scale = Math.min(8, Math.max(0.01, scale));
    this.x = x - cx / this.scale;
    this.y = y - cy / this.scale;
    this.hold();
  }

  move(dx, dy) {
    this.fitting = false;
    this.x -= dx / this.scale;
    this.y -= dy / this.scale;
    this.hold();
  }

  // The photo cannot be pushed out of sight.
  hold() {
    const w = this.canvas.clientWidth / this.scale, h = this.canvas.clientHeight / this.scale;
    this.x = Math.min(Math.max(this.x, -w / 2), this.width - w / 2);
    this.y = Math.min(Math.max(this.y, -h / 2), this.height - h / 2);
    this.ask();
  }

  show(box) {
    if (!this.about || box.length !== 4) return;
    const middle = new DOMMatrix(this.turn).transformPoint(new DOMPoint(box[0] + box[2] / 2, box[1] + box[3] / 2));
    if (this.scale < 1) { this.scale = 1; this.fitting = false; }
    this.x = middle.x - this.canvas.clientWidth / 2 / this.scale;
    this.y = middle.y - this.canvas.clientHeight / 2 / this.scale;
    this.hold();
  }

  ask() {
    if (this.asked) return;
    this.asked = true;
    requestAnimationFrame(() => { this.asked = false; this.draw(); });
  }

  draw() {
    const g = this.draw2d, w = this.canvas.width, h = this.canvas.height;
    g.setTransform(1, 0, 0, 1, 0, 0);
    g.fillStyle = "#000";
    g.fillRect(0, 0, w, h);
    if (!this.about) { this.drawOverview(); return; }
    this.drawOverview();
    this.missing = false;
    const line = Math.round(this.split * w);
    this.side("before", 0, line);
    this.side("after", line, w);
    g.setTransform(1, 0, 0, 1, 0, 0);
    if (line > 0 && line < w) {
      g.fillStyle = "#fff";
      g.fillRect(line - 1, 0, 2, h);
    }
    if (this.outlines) this.drawSpots();
    this.canvas.setAttribute("aria-busy", String(this.missing));
    if (this.missing) this.drawWaiting();
    const zoom = this.fitting ? "fit" : String(this.scale * (window.devicePixelRatio || 1));
    for (const button of all("[data-zoom]")) button.setAttribute("aria-pressed", String(button.dataset.zoom === zoom));
  }

  // Until the tiles are there: the result on few pixels, which lies ready. It is upright already.
  drawOverview() {
    const g = this.draw2d, picture = this.overview;
    if (!picture.complete || !picture.naturalWidth) return;
    const dpr = window.devicePixelRatio || 1;
    if (!this.about) {
      const scale = Math.min(this.canvas.width / picture.naturalWidth, this.canvas.height / picture.naturalHeight);
      const w = picture.naturalWidth * scale, h = picture.naturalHeight * scale;
      g.drawImage(picture, (this.canvas.width - w) / 2, (this.canvas.height - h) / 2, w, h);
      return;
    }
    g.setTransform(this.scale * dpr, 0, 0, this.scale * dpr, -this.x * this.scale * dpr, -this.y * this.scale * dpr);
    g.drawImage(picture, 0, 0, this.width, this.height);
  }

  // Until then both sides show the result, which nobody should take for the photo as it was.
  drawWaiting() {
    const g = this.draw2d, dpr = window.devicePixelRatio || 1, text = "loading before and after …";
    g.setTransform(1, 0, 0, 1, 0, 0);
    g.font = `${15 * dpr}px system-ui, sans-serif`;
    const wide = g.measureText(text).width + 24 * dpr;
    g.fillStyle = "#000c";
    g.fillRect(12 * dpr, 12 * dpr, wide, 32 * dpr);
    g.fillStyle = "#ececec";
    g.fillText(text, 24 * dpr, 33 * dpr);
  }

  side(which, from, to) {
    if (to <= from) return;
    const g = this.draw2d, dpr = window.devicePixelRatio || 1, { tile, levels, width, height } = this.about;
    const level = Math.min(levels - 1, Math.max(0, Math.floor(Math.log2(1 / (this.scale * dpr)) + 0.01)));
    const step = 2 ** level, span = tile * step;
    g.save();
    g.setTransform(1, 0, 0, 1, 0, 0);
    g.beginPath();
    g.rect(from, 0, to - from, this.canvas.height);
    g.clip();
    g.setTransform(this.matrix());
    g.imageSmoothingEnabled = this.scale < 2;
    const back = this.matrix().inverse();
    const corners = [[from, 0], [to, 0], [from, this.canvas.height], [to, this.canvas.height]]
      .map(([x, y]) => back.transformPoint(new DOMPoint(x, y)));
    const low = (axis) => Math.max(0, Math.floor(Math.min(...corners.map((c) => c[axis])) / span));
    const high = (axis, size) => Math.min(Math.ceil(Math.max(...corners.map((c) => c[axis])) / span), Math.ceil(size / span));
    for (let row = low("y"); row < high("y", height); row += 1) {
      for (let column = low("x"); column < high("x", width); column += 1) {
        const picture = this.tile(which, level, column, row);
        if (picture.complete && picture.naturalWidth) {
          g.drawImage(picture, column * span, row * span, picture.naturalWidth * step, picture.naturalHeight * step);
        } else {
          this.missing = true;
        }
      }
    }
    g.restore();
  }

  tile(which, level, column, row) {
    const key = `${which}/${level}/${column}_${row}.jpg`;
    let picture = this.tiles.get(key);
    if (!picture) {
      picture = new Image();
      picture.onload = () => this.ask();
      picture.onerror = () => say("a part of the photo cannot be shown: is the original still there?");
      picture.src = `${this.base}/${key}?s=${this.stamp}`;
      this.tiles.set(key, picture);
      if (this.tiles.size > 600) this.tiles.delete(this.tiles.keys().next().value);
    }
    return picture;
  }

  drawSpots() {
    const g = this.draw2d, matrix = this.matrix(), dpr = window.devicePixelRatio || 1;
    const colours = { heal: "#8fe388", healed: "#8fe388", review: "#ffb454", failed: "#ffb454", kept: "#9cc9ff", keep: "#9cc9ff", reject: "#d0d0d0" };
    g.setTransform(1, 0, 0, 1, 0, 0);
    for (const spot of desk.spots) {
      const [x, y, w, h] = spot.box;
      const a = matrix.transformPoint(new DOMPoint(x, y)), b = matrix.transformPoint(new DOMPoint(x + w, y + h));
      const rx = Math.abs(b.x - a.x) / 2 + 4 * dpr, ry = Math.abs(b.y - a.y) / 2 + 4 * dpr;
      const now = spot === desk.now;
      for (const [colour, width] of [["#000", now ? 6 : 3.5], [now ? "#ffd37a" : colours[spot.wish || spot.decision] || "#fff", now ? 3 : 1.5]]) {
        g.strokeStyle = colour;
        g.lineWidth = width * dpr;
        g.setLineDash(spot.decision === "kept" && !spot.wish ? [4 * dpr, 4 * dpr] : []);
        g.beginPath();
        g.ellipse((a.x + b.x) / 2, (a.y + b.y) / 2, rx, ry, 0, 0, 2 * Math.PI);
        g.stroke();
      }
    }
    g.setLineDash([]);
  }
}

// ---------------------------------------------------------------------------------------------------------------
// The spots of the photo and what a person says about them.

const desk = { spots: [], now: null, photo: null, adding: false };

function listed(item) {
  const spot = { item, box: JSON.parse(item.dataset.box), decision: item.dataset.decision, wish: "" };
  const chosen = item.querySelector("input:checked");
  spot.was = chosen ? chosen.value : "";
  for (const choice of item.querySelectorAll("input")) {
    choice.addEventListener("change", () => wish(spot, choice.value));
  }
  item.querySelector(".go").addEventListener("click", () => { select(spot); desk.photo.show(spot.box); });
  item.addEventListener("focusin", () => select(spot));
  return spot;
}

function wish(spot, value) {
  spot.wish = value === spot.was ? "" : value;
  const choice = spot.item.querySelector(`input[value="${value}"]`);
  for (const input of spot.item.querySelectorAll("input")) input.checked = input === choice;
  spot.item.classList.toggle("changed", Boolean(spot.wish));
  counted();
}

function dials() {
  return ["strength", "sensitivity"].filter((id) => byId(id).value !== byId(id).dataset.was);
}

function counted() {
  const number = desk.spots.filter((s) => s.wish).length + dials().length;
  byId("many").textContent = String(number);
  byId("apply").disabled = number === 0;
  desk.photo.ask();
}

function select(spot) {
  if (desk.now === spot) return;
  if (desk.now) desk.now.item.classList.remove("now");
  desk.now = spot;
  spot.item.classList.add("now");
  desk.photo.ask();
}

function step(by) {
  if (!desk.spots.length) return;
  const place = desk.spots.indexOf(desk.now);
  const next = desk.spots[(place + by + desk.spots.length) % desk.spots.length] || desk.spots[0];
  select(next);
  next.item.querySelector(".go").focus({ preventScroll: true });
  next.item.scrollIntoView({ block: "nearest" });
  desk.photo.show(next.box);
}

// A spot that nobody found: a circle of 24 screen pixels around the place.
function add(point, radius) {
  const { width, height } = desk.photo.about;
  const r = Math.max(3, Math.round(radius));
  const x = Math.max(0, Math.round(point.x) - r), y = Math.max(0, Math.round(point.y) - r);
  const box = [x, y, Math.min(2 * r, width - x), Math.min(2 * r, height - y)];
  if (box[2] < 1 || box[3] < 1) return;
  const item = document.createElement("li");
  item.className = "spot review changed";
  item.dataset.box = JSON.stringify(box);
  item.dataset.decision = "review";
  const number = desk.spots.length + 1;
  const go = document.createElement("button");
  go.type = "button";
  go.className = "go";
  go.textContent = `${number}. added, ${box[2]} px`;
  const choice = document.createElement("div");
  choice.className = "choice";
  for (const [value, word] of [["heal", "Heal"], ["", "Leave"]]) {
    const label = document.createElement("label"), input = document.createElement("input");
    input.type = "radio";
    input.name = `s${number}`;
    input.value = value;
    label.append(input, ` ${word}`);
    choice.append(label);
  }
  item.append(go, choice);
  byId("spots").prepend(item);
  const spot = listed(item);
  desk.spots.unshift(spot);
  wish(spot, "heal");
  select(spot);
}

async function apply() {
  const spots = desk.spots.filter((s) => s.wish).map((s) => ({ box: s.box, wish: s.wish }));
  const body = { spots };
  for (const id of dials()) body[id] = Number(byId(id).value);
  if (!spots.length && !dials().length) return;
  byId("apply").disabled = true;
  try {
    await send(`${desk.photo.base}/decide`, body);
    byId("state").hidden = false;
    desk.waiting = true;
  } catch (error) {
    say(error.message);
    counted();
  }
}

async function approve() {
  const button = byId("approve"), yes = button.getAttribute("aria-pressed") !== "true";
  try {
    await send(`${desk.photo.base}/approve`, { approved: yes });
    button.setAttribute("aria-pressed", String(yes));
    button.textContent = yes ? "Approved" : "Approve";
  } catch (error) {
    say(error.message);
  }
}

// While a photo is done again, ask for it; when the new result is there, show it at the same place.
async function watch() {
  if (!desk.waiting) return;
  try {
    const told = await (await fetch(`${desk.photo.base}/state`)).json();
    if (told.pending) return;
    const { scale, x, y, fitting, split } = desk.photo;
    sessionStorage.setItem("view", JSON.stringify({ photo: desk.photo.base, scale, x, y, fitting, split }));
    location.reload();
  } catch { /* asked again in a second */ }
}

function setSplit(share) {
  desk.photo.split = Math.min(1, Math.max(0, share));
  byId("split").value = String(Math.round(100 * desk.photo.split));
  desk.photo.ask();
}

function setZoom(value) {
  if (value === "fit") desk.photo.fit(); else desk.photo.zoom(Number(value) / (window.devicePixelRatio || 1));
}

function toggle(button) {
  const on = button.getAttribute("aria-pressed") !== "true";
  button.setAttribute("aria-pressed", String(on));
  if (button.dataset.toggle === "outlines") desk.photo.outlines = on;
  else { desk.adding = on; byId("canvas").classList.toggle("adding", on); }
  desk.photo.ask();
}

function follow(id) {
  const link = byId(id);
  if (link) location.href = link.href;
}

const KEYS = {
  j: () => step(1), k: () => step(-1),
  h: () => desk.now && wish(desk.now, "heal"), l: () => desk.now && wish(desk.now, "keep"),
  x: () => desk.now && wish(desk.now, "reject"), u: () => desk.now && wish(desk.now, desk.now.was),
  n: () => follow("following"), p: () => follow("previous"),
  0: () => setZoom("fit"), 1: () => setZoom("1"), 2: () => setZoom("2"),
  o: () => toggle(document.querySelector('[data-toggle="outlines"]')),
  a: () => approve(), Enter: () => apply(),
};

function keys() {
  let before = null;
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const typing = event.target.matches('input[type="range"], input[type="text"]');
    // J and K leave the spot's own button with the focus: Enter after a decision means apply, there too.
    const pressed = event.target.matches(".go") ? byId("apply").disabled : event.target.matches("button, a, summary");
    if (event.key === "Enter" && pressed) return;
    if (event.key === "b" && before === null) {
      before = desk.photo.split;
      setSplit(1);
    } else if (KEYS[event.key] && !typing) {
      event.preventDefault();
      KEYS[event.key]();
    } else if (event.target === desk.photo.canvas) {
      const moves = { ArrowLeft: [80, 0], ArrowRight: [-80, 0], ArrowUp: [0, 80], ArrowDown: [0, -80] };
      if (moves[event.key]) { event.preventDefault(); desk.photo.move(...moves[event.key]); }
      if (event.key === "+") desk.photo.zoom(desk.photo.scale * 1.4);
      if (event.key === "-") desk.photo.zoom(desk.photo.scale / 1.4);
    }
  });
  document.addEventListener("keyup", (event) => {
    if (event.key === "b" && before !== null) {
      setSplit(before);
      before = null;
    }
  });
}

// Mouse, pen and fingers: drag moves, the line can be dragged, two fingers zoom, a tap takes or adds a spot.
function pointers(canvas) {
  const down = new Map();
  let moved = 0, line = false, apart = 0;
  const place = (event) => { const r = canvas.getBoundingClientRect(); return [event.clientX - r.left, event.clientY - r.top]; };
  canvas.addEventListener("pointerdown", (event) => {
    const [x] = place(event);
    canvas.setPointerCapture(event.pointerId);
    down.set(event.pointerId, place(event));
    moved = 0;
    apart = 0;
    line = down.size === 1 && Math.abs(x - desk.photo.split * canvas.clientWidth) < 14;
  });
  canvas.addEventListener("pointermove", (event) => {
    const last = down.get(event.pointerId);
    if (!last || !desk.photo.about) return;
    const now = place(event);
    down.set(event.pointerId, now);
    moved += Math.abs(now[0] - last[0]) + Math.abs(now[1] - last[1]);
    if (down.size === 2) {
      const [a, b] = [...down.values()];
      const far = Math.hypot(a[0] - b[0], a[1] - b[1]);
      if (apart) desk.photo.zoom(desk.photo.scale * far / apart, (a[0] + b[0]) / 2, (a[1] + b[1]) / 2);
      apart = far;
    } else if (line) {
      setSplit(now[0] / canvas.clientWidth);
    } else {
      desk.photo.move(now[0] - last[0], now[1] - last[1]);
    }
  });
  const up = (event) => {
    const had = down.delete(event.pointerId);
    if (had && event.type === "pointerup" && moved < 6 && !line && desk.photo.about) tap(...place(event));
  };
  canvas.addEventListener("pointerup", up);
  canvas.addEventListener("pointercancel", up);
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    const [x, y] = place(event);
    desk.photo.zoom(desk.photo.scale * 1.0015 ** -event.deltaY, x, y);
  }, { passive: false });
}

function tap(x, y) {
  const point = desk.photo.toPhoto(x, y), reach = 12 / desk.photo.scale;
  if (desk.adding) {
    add(point, reach);
    return;
  }
  const near = (spot) => Math.hypot(spot.box[0] + spot.box[2] / 2 - point.x, spot.box[1] + spot.box[3] / 2 - point.y);
  const hit = desk.spots.filter((s) => near(s) < Math.max(s.box[2], s.box[3]) / 2 + reach).sort((a, b) => near(a) - near(b))[0];
  if (!hit) return;
  if (desk.now === hit) wish(hit, { heal: "keep", keep: "reject", reject: "heal", "": "heal" }[hit.wish || hit.was]);
  select(hit);
  hit.item.scrollIntoView({ block: "nearest" });
}

function restore() {
  const kept = JSON.parse(sessionStorage.getItem("view") || "null");
  sessionStorage.removeItem("view");
  if (!kept || kept.photo !== desk.photo.base) return;
  setSplit(kept.split);
  if (!kept.fitting) Object.assign(desk.photo, { scale: kept.scale, x: kept.x, y: kept.y, fitting: false });
  desk.photo.ask();
}

function open(canvas) {
  desk.photo = new Photo(canvas);
  desk.spots = all("#spots .spot").map(listed).filter((spot) => spot.box.length === 4);
  desk.waiting = !byId("state").hidden;
  byId("split").addEventListener("input", (event) => setSplit(event.target.value / 100));
  for (const button of all("[data-zoom]")) button.addEventListener("click", () => setZoom(button.dataset.zoom));
  for (const button of all("[data-toggle]")) button.addEventListener("click", () => toggle(button));
  for (const id of ["strength", "sensitivity"]) {
    byId(id).addEventListener("input", () => { byId(id).nextElementSibling.textContent = byId(id).value; counted(); });
  }
  byId("apply").addEventListener("click", apply);
  byId("approve").addEventListener("click", approve);
  keys();
  pointers(canvas);
  setInterval(watch, 1000);
  desk.photo.open().then(restore, (error) => say(error.message)).then(() => {
    canvas.dataset.ready = "yes";
    // The next photo is decoded while this one is looked at.
    const next = byId("following");
    if (next) setTimeout(() => fetch(`${new URL(next.href).pathname}/about`).catch(() => {}), 4000);
  });
}

if (byId("canvas")) open(byId("canvas"));
