// Drawing: elements, scales, axes and the tip. Text is only ever set as text, never as markup.

const SVG = "http://www.w3.org/2000/svg";
const FAMILIES = ["circle", "square", "triangle", "diamond", "cross", "down", "bar", "ring"];

function make(tag, attributes = {}, children = [], space = null) {
  const node = space ? document.createElementNS(space, tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "text") node.textContent = value;
    else if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value !== null && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children);
  return node;
}

const draw = (tag, attributes, children) => make(tag, attributes, children, SVG);

function canvas(width, height, label) {
  return draw("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label });
}

const isNumber = (value) => typeof value === "number" && Number.isFinite(value);

function short(value) {
  if (value === null || value === undefined) return "–";
  if (!isNumber(value) || Number.isInteger(value)) return String(value);
  const size = Math.abs(value);
  if (size >= 1e5 || size < 1e-3) return value.toExponential(2).replace(/\.?0+e/, "e");
  return String(Number(value.toPrecision(4)));
}

// From numbers to pixels; `ticks` are worth a label.
function scaleOf(low, high, from, to, logarithmic = false, wanted = 5) {
  if (!(high > low)) { const d = Math.abs(low) * 0.05 || 0.5; low -= d; high += d; logarithmic = false; }
  const f = logarithmic ? Math.log10 : (v) => v;
  const [a, b] = [f(low), f(high)];
  const scale = (value) => from + ((f(value) - a) / (b - a)) * (to - from);
  scale.invert = (pixel) => {
    const at = a + ((pixel - from) / (to - from)) * (b - a);
    return logarithmic ? 10 ** at : at;
  };
  scale.ticks = logarithmic && b - a > 1.2 ? decades(a, b, wanted) : steps(low, high, wanted);
  return scale;
}

// The same for counted things, which have no halves.
function counted(most, from, to) {
  const scale = scaleOf(1, most, from, to);
  scale.ticks = scale.ticks.filter(Number.isInteger);
  return scale;
}

function decades(a, b, wanted) {
  const every = Math.max(1, Math.ceil((b - a) / wanted)), found = [];
  for (let p = Math.ceil(a - 1e-9); p <= b + 1e-9; p += every) found.push(Number(`1e${p}`));
  return found;
}

function steps(low, high, wanted) {
  const rough = (high - low) / wanted, unit = 10 ** Math.floor(Math.log10(rough));
  const step = unit * [1, 2, 2.5, 5, 10].find((m) => m * unit >= rough * 0.999);
  const found = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i++) {
    found.push(Number((i * step).toPrecision(12)));
  }
  return found;
}

function pointsOf(values, from, to) {
  const step = (to - from) / values.length;
  const scale = (value) => from + step * (Math.max(0, values.indexOf(value)) + 0.5);
  scale.ticks = values;
  scale.step = Math.abs(step);
  return scale;
}

function axes(svg, x, y, box, names = {}) {
  for (const tick of y.ticks) {
    const at = y(tick);
    svg.append(
      draw("line", { x1: box.left, x2: box.right, y1: at, y2: at, class: "grid" }),
      draw("text", { x: box.left - 8, y: at + 4, "text-anchor": "end", text: short(tick) }),
    );
  }
  // Names that would run into each other stand in two rows by turns.
  const room = x.step ? Math.floor(x.step / 6.5) : 99;
  const crowded = x.step && x.ticks.some((tick) => short(tick).length > room);
  let last = -Infinity;
  x.ticks.forEach((tick, i) => {
    const at = x(tick), text = clip(short(tick), crowded ? 2 * room : room);
    if (at - last < text.length * 7 && !x.step) return;
    last = at;
    svg.append(
      draw("line", { x1: at, x2: at, y1: box.bottom, y2: box.bottom + 4, class: "axis" }),
      draw("text", { x: at, y: box.bottom + (crowded && i % 2 ? 31 : 17), "text-anchor": "middle", text }),
    );
  });
  svg.append(draw("line", { x1: box.left, x2: box.right, y1: box.bottom, y2: box.bottom, class: "axis" }));
  if (names.x) {
    svg.append(draw("text", { x: (box.left + box.right) / 2, y: box.bottom + 35, "text-anchor": "middle", text: names.x }));
  }
  if (names.y) svg.append(draw("text", { x: 0, y: box.top - 10, text: names.y, class: "strong" }));
}

const clip = (text, most) => (text.length > most ? text.slice(0, most - 1) + "…" : text);

// A mark whose shape tells the family too, not its colour alone.
function mark(family, x, y, size, attributes) {
  const s = size;
  const paths = {
    square: `M${x - s} ${y - s}h${2 * s}v${2 * s}h${-2 * s}z`,
    triangle: `M${x} ${y - 1.2 * s}L${x + 1.2 * s} ${y + s}H${x - 1.2 * s}z`,
    down: `M${x} ${y + 1.2 * s}L${x + 1.2 * s} ${y - s}H${x - 1.2 * s}z`,
    diamond: `M${x} ${y - 1.4 * s}L${x + 1.4 * s} ${y}L${x} ${y + 1.4 * s}L${x - 1.4 * s} ${y}z`,
    bar: `M${x - s / 2} ${y - 1.4 * s}h${s}v${2.8 * s}h${-s}z`,
    cross: `M${x - s} ${y - s / 3}h${s * 0.67}v${-s * 0.67}h${s * 0.67}v${s * 0.67}h${s * 0.67}v${s * 0.67}h${-s * 0.67}v${s * 0.67}h${-s * 0.67}v${-s * 0.67}h${-s * 0.67}z`,
  };
  const path = paths[FAMILIES[family % FAMILIES.length]];
  return path ? draw("path", { d: path, ...attributes }) : draw("circle", { cx: x, cy: y, r: s, ...attributes });
}

const colour = (i) => `var(--c${i % 8})`;

function pathOf(points) {
  let text = "", down = false;
  for (const [x, y] of points) {
    if (!isNumber(x) || !isNumber(y)) { down = false; continue; }
    text += `${down ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`;
    down = true;
  }
  return text;
}

const tip = document.getElementById("tip");

function showTip(event, text) {
  tip.textContent = text;
  tip.hidden = false;
  const { offsetWidth: w, offsetHeight: h } = tip;
  const left = Math.min(event.clientX + 14, window.innerWidth - w - 8);
  const above = event.clientY - h - 12;
  tip.style.transform = `translate(${Math.max(8, left)}px, ${above > 8 ? above : event.clientY + 16}px)`;
}

const hideTip = () => { tip.hidden = true; };

const tipped = (text) => ({
  onpointerenter: (event) => showTip(event, text()),
  onpointermove: (event) => showTip(event, text()),
  onpointerleave: hideTip,
});

function select(label, options, chosen, change) {
  const box = make("select", { onchange: (event) => change(event.target.value) },
    options.map(([value, text]) => make("option", { value, text, selected: value === chosen })));
  return make("label", {}, [label, box]);
}

function tick(label, on, change) {
  const box = make("input", { type: "checkbox", checked: on, onchange: (event) => change(event.target.checked) });
  return make("label", {}, [box, label]);
}
