// The charts. Each takes its place and its width, and reads `data`, the report's document.

const data = JSON.parse(document.getElementById("data").textContent);
const goal = data.objective, watched = Object.keys(goal.parts ?? {})[0] ?? goal.name, better = goal.direction === "max" ? Math.max : Math.min;
const scored = data.trials.filter((t) => isNumber(t.score));
const inOrder = [...data.trials].sort((a, b) => (a.ended ?? 1e9) - (b.ended ?? 1e9) || a.number - b.number);
const view = { all: false, by: null, metric: null, group: "", weighed: "", most: 8, chosen: new Set(), kept: {} };

const shares = {};
for (const group of data.importance.groups) {
  for (const [name, share] of Object.entries(group.shares)) shares[name] = Math.max(share, shares[name] ?? 0);
}
const byImportance = [...data.hyperparameters]
  .filter((d) => d.kind !== "fixed" && scored.some((t) => t.values[d.name] != null))
  .sort((a, b) => (shares[b.name] ?? 0) - (shares[a.name] ?? 0));
const choices = byImportance.filter((d) => d.kind === "choice" && d.values.length <= 8);
const preferred = choices.find((d) => d.name === "optimizer") ?? choices[0];
view.by = preferred ? preferred.name : "";

function scoreRange() {
  const values = scored.map((t) => t.score).sort((a, b) => a - b);
  if (view.all || values.length < 8) return [values[0], values.at(-1)];
  const q = values.length * 0.3;
  const [low, high] = goal.direction === "max"
    ? [values[Math.floor(q)], values.at(-1)] : [values[0], values[values.length - 1 - Math.floor(q)]];
  const gap = (high - low) * 0.04;
  return [low - gap, high + gap];
}

const family = (trial) => {
  const domain = data.hyperparameters.find((d) => d.name === view.by);
  return domain ? Math.max(0, domain.values.indexOf(trial.values[view.by])) : 0;
};

function describe(trial) {
  const values = Object.entries(trial.values).filter(([, v]) => v !== null).map(([k, v]) => `${k} ${short(v)}`);
  const head = `Trial ${trial.trial_id}, ${isNumber(trial.score) ? `${goal.name} ${short(trial.score)}, rank ${trial.rank}` : trial.status}`;
  return [head, `${trial.epochs} epochs, ${short(trial.seconds)} s`, trial.message, values.join(", ")].filter(Boolean).join("\n");
}

function dot(trial, x, y, size, faint = false) {
  const id = trial.trial_id;
  return mark(family(trial), x, y, size, {
    class: view.chosen.has(id) ? "dot chosen" : "dot", fill: colour(family(trial)), "fill-opacity": faint ? 0.3 : 0.9,
    ...tipped(() => describe(trial)), onclick: () => choose(id),
  });
}

function legend() {
  const domain = data.hyperparameters.find((d) => d.name === view.by);
  if (!domain) return [];
  return [make("p", { class: "legend" }, domain.values.map((value, i) => {
    const icon = canvas(18, 14, "");
    icon.append(mark(i, 9, 7, 4.5, { fill: colour(i) }));
    return make("span", {}, [icon, `${clip(String(value), 24)}`]);
  }))];
}

const scoreControls = () => [
  tick("show the worst too", view.all, (on) => { view.all = on; render(); }),
  ...(choices.length ? [select("colour", [["", "none"], ...choices.map((d) => [d.name, d.name])], view.by, (name) => { view.by = name; render(); })] : []),
];

const inside = (y, score, box) => Math.min(box.bottom, Math.max(box.top, y(score)));
const beyond = (y, score, box) => y(score) > box.bottom + 1 || y(score) < box.top - 1;

function confirmation(place, width) {
  const found = data.confirmation;
  if (!found || found.winner === null) return null;
  const rows = found.configurations.filter((r) => r.mean !== null), label = 64, each = 34;
  const values = rows.flatMap((r) => [...r.scores, r.search_score, r.low, r.high]).filter(isNumber);
  const box = { left: label, right: width - 12, top: 4, bottom: rows.length * each + 8 };
  const x = scaleOf(Math.min(...values), Math.max(...values), box.left + 8, box.right - 8);
  const svg = canvas(width, box.bottom + 42, "Scores of each configuration over the seeds");
  axes(svg, x, Object.assign(() => 0, { ticks: [] }), box, { x: goal.name });
  rows.forEach((row, i) => {
    const y = i * each + each / 2 + 4, name = row.trial_id === found.winner ? "strong" : "";
    svg.append(draw("text", { x: label - 10, y: y + 4, "text-anchor": "end", class: name, text: row.trial_id }));
    svg.append(draw("line", { x1: box.left, x2: box.right, y1: y, y2: y, class: "grid" }));
    if (isNumber(row.low)) {
      svg.append(draw("rect", { x: x(row.low), y: y - 7, width: Math.max(1, x(row.high) - x(row.low)), height: 14, rx: 4, fill: "var(--accent)", "fill-opacity": 0.22 }));
    }
    row.scores.forEach((score, seed) => {
      if (!isNumber(score)) return;
      svg.append(draw("circle", { cx: x(score), cy: y + ((seed % 3) - 1) * 5, r: 3.6, fill: "var(--accent)", "fill-opacity": 0.75, class: "dot", ...tipped(() => `Trial ${row.trial_id}, seed ${seed + 1}: ${short(score)}`) }));
    });
    svg.append(
      draw("line", { x1: x(row.mean), x2: x(row.mean), y1: y - 11, y2: y + 11, stroke: "var(--ink)", "stroke-width": 2.5, ...tipped(() => `Mean ${short(row.mean)}`) }),
      mark(3, x(row.search_score), y, 4.5, { fill: "none", stroke: "var(--bad)", "stroke-width": 2, ...tipped(() => `In the search: ${short(row.search_score)}`) }),
    );
  });
  place.append(svg, make("p", { class: "says", text: "The open diamond is the score that the search saw." }));
  return [];
}

function history(place, width) {
  if (!scored.length) return null;
  const height = Math.min(360, Math.max(260, width * 0.4));
  const box = { left: 58, right: width - 8, top: 22, bottom: height - 42 };
  const y = scaleOf(...scoreRange(), box.bottom, box.top);
  const x = counted(Math.max(2, inOrder.length), box.left + 6, box.right - 6);
  const svg = canvas(width, height, `${goal.name} of each trial in the order of their ends`);
  axes(svg, x, y, box, { x: "trials, in the order of their ends", y: goal.name });
  let best = null;
  const steps = [];
  inOrder.forEach((trial, i) => {
    if (!isNumber(trial.score)) return;
    const next = best === null ? trial.score : better(best, trial.score);
    if (best !== null && next !== best) steps.push([x(i + 1), inside(y, best, box)]);
    best = next;
    steps.push([x(i + 1), inside(y, best, box)]);
  });
  steps.push([box.right, inside(y, best, box)]);
  inOrder.forEach((trial, i) => {
    if (isNumber(trial.score)) svg.append(dot(trial, x(i + 1), inside(y, trial.score, box), 3.6, beyond(y, trial.score, box)));
    else if (trial.status === "FAILED" || trial.pruned) {
      svg.append(draw("text", { x: x(i + 1), y: box.bottom - 4, "text-anchor": "middle", style: `fill:var(${trial.pruned ? "--soft" : "--bad"});cursor:pointer`, text: trial.pruned ? "∣" : "×", ...tipped(() => describe(trial)) }));
    }
  });
  svg.append(draw("path", { d: pathOf(steps), fill: "none", stroke: "var(--ink)", "stroke-width": 2, "stroke-opacity": 0.75, "pointer-events": "none" }));
  place.append(svg, ...legend());
  return scoreControls();
}

function importance(place, width) {
  const groups = data.importance.groups;
  if (!groups.length) {
    place.append(make("p", { class: "says", text: `Not known: ${data.importance.note || "nothing varies"}.` }));
    return [];
  }
  const group = groups.find((g) => g.condition === view.weighed) ?? groups[0];
  const rows = Object.entries(group.shares).sort((a, b) => b[1] - a[1]);
  const label = Math.min(width * 0.42, 200), height = rows.length * 25 + 6;
  const svg = canvas(width, height, `Importance of ${rows.length} hyperparameters`);
  const most = Math.max(...rows.map(([, share]) => share), 1e-9);
  rows.forEach(([name, share], i) => {
    const long = (share / most) * (width - label - 60), top = i * 25 + 3;
    svg.append(
      draw("text", { x: label - 10, y: top + 13, "text-anchor": "end", class: "strong", text: clip(name, Math.floor(label / 7)) }, [draw("title", { text: name })]),
      draw("rect", { x: label, y: top, width: Math.max(1, long), height: 17, rx: 3, fill: "var(--accent)" }),
      draw("text", { x: label + long + 8, y: top + 13, text: share < 0.005 ? "<1%" : `${Math.round(share * 100)}%` }),
    );
  });
  place.append(svg, make("p", { class: "says", text: `${data.importance.method}. ${group.trials} trials; the shares add up to 100%.` }));
  const options = groups.map((g) => [g.condition, g.condition ? `where ${g.condition}` : "all, what they have in common"]);
  return options.length < 2 ? [] : [select("trials", options, group.condition, (name) => { view.weighed = name; render("importance"); })];
}

function slices(place, width) {
  if (scored.length < 2) return null;
  const panels = make("div", { class: "panels" });
  place.append(panels);
  const gap = width < 500 ? 12 : 22, across = Math.max(2, Math.floor((width + gap) / 252));
  const each = (width - gap * (across - 1)) / across, range = scoreRange();
  panels.style.cssText = `grid-template-columns:repeat(${across},minmax(0,1fr));column-gap:${gap}px`;
  const varying = byImportance.filter((d) => new Set(scored.map((t) => t.values[d.name]).filter((v) => v != null)).size > 1);
  for (const domain of varying.slice(0, view.most)) {
    const having = scored.filter((t) => t.values[domain.name] != null);
    const box = { left: width < 500 ? 34 : 48, right: each - 6, top: 8, bottom: 150 };
    const y = scaleOf(...range, box.bottom, box.top, false, 4);
    const x = xOf(domain, having, box, 3);
    const svg = canvas(each, 188, `${goal.name} against ${domain.name}`);
    axes(svg, x, y, box);
    for (const trial of [...having].reverse()) {
      const shift = domain.kind === "choice" ? (((trial.number * 7919) % 100) / 100 - 0.5) * x.step * 0.6 : 0;
      svg.append(dot(trial, x(trial.values[domain.name]) + shift, inside(y, trial.score, box), 2.9, beyond(y, trial.score, box)));
    }
    const edge = data.edges.find((e) => e.name === domain.name && e.edge);
    const name = make("figcaption", { text: domain.name + (domain.scale === "log" && width >= 500 ? " (log)" : "") });
    if (edge) svg.append(draw("text", { x: box.right, y: 6, "text-anchor": "end", style: "fill:var(--bad)", text: `${edge.edge} edge` }));
    panels.append(make("figure", {}, [name, svg]));
  }
  place.append(...legend());
  if (varying.length > view.most) {
    place.append(make("button", { class: "more", type: "button", text: `Show all ${varying.length}`, onclick: () => { view.most = Infinity; render("slices"); } }));
  }
  return scoreControls();
}

function xOf(domain, having, box, wanted) {
  if (domain.kind === "choice") return pointsOf(domain.values, box.left, box.right);
  const values = having.map((t) => t.values[domain.name]);
  const low = Math.min(domain.low, ...values), high = Math.max(domain.high, ...values);
  const scale = scaleOf(low, high, box.left + 6, box.right - 6, domain.scale === "log" && low > 0, wanted);
  if (domain.kind === "int") scale.ticks = scale.ticks.filter(Number.isInteger);
  return scale;
}

// 0 for the worst, 1 for the best: places and not values, so that one bad score hides nothing.
const worth = (trial) => (scored.length < 2 ? 1 : 1 - (trial.rank - 1) / (scored.length - 1));
const byWorth = (trial) => `color-mix(in oklab, var(--high) ${Math.round(100 * worth(trial) ** 2)}%, var(--low))`;

function parallel(place, width) {
  if (scored.length < 2) return null;
  const groups = [...new Set(data.hyperparameters.filter((d) => d.conditions.length === 1).flatMap((d) =>
    d.conditions[0][1].map((value) => JSON.stringify([d.conditions[0][0], value]))))];
  const [on, value] = view.group ? JSON.parse(view.group) : [null, null];
  const having = scored.filter((t) => !on || t.values[on] === value);
  const shown = byImportance.filter((d) => d.name !== on && new Set(having.map((t) => t.values[d.name])).size > 1
    && (d.conditions.length === 0 || (on && having.every((t) => t.values[d.name] != null)))).slice(0, 9);
  const score = { name: goal.name, kind: "float", scale: "linear", score: true };
  [score.low, score.high] = scoreRange();
  const wide = Math.max(width, (shown.length + 1) * 96), height = 330;
  const svg = canvas(wide, height, "A line a trial through its hyperparameters");
  svg.style.width = `${wide}px`;
  const ends = { left: 52, right: wide - 46, top: 46, bottom: height - 14 };
  const columns = [...shown, score].map((domain, i, all) => ({
    domain, x: ends.left + (i / (all.length - 1 || 1)) * (ends.right - ends.left),
    of: (t) => (domain.score ? t.score : t.values[domain.name]),
    y: domain.kind === "choice" ? pointsOf(domain.values, ends.bottom, ends.top)
      : scaleOf(domain.low, domain.high, ends.bottom, ends.top, domain.scale === "log"),
  }));
  const lines = draw("g", { fill: "none" });
  const paths = [...having].reverse().map((trial) => {
    const path = draw("path", {
      d: pathOf(columns.map((c) => [c.x, inside(c.y, c.of(trial), ends)])), stroke: byWorth(trial), "stroke-width": trial.rank === 1 ? 3 : 1.3,
      ...tipped(() => describe(trial)), onclick: () => choose(trial.trial_id), style: "cursor:pointer",
    });
    lines.append(path);
    return [trial, path];
  });
  svg.append(lines);
  const told = make("p", { class: "says" });
  const kept = view.kept;
  const filter = () => {
    const left = having.filter((t) => columns.every((c) => !kept[c.domain.name] || within(inside(c.y, c.of(t), ends), kept[c.domain.name])));
    for (const [trial, path] of paths) {
      const stays = left.includes(trial);
      path.style.opacity = stays ? 0.9 : 0.05;
      path.style.pointerEvents = stays ? "auto" : "none";
    }
    const top = left[0];
    told.textContent = `${left.length} of ${having.length} trials` + (top ? `; the best of them is ${top.trial_id}, ${goal.name} ${short(top.score)}` : "") + ".";
  };
  for (const column of columns) svg.append(...axisOf(column, ends, kept, filter));
  filter();
  place.append(make("div", { class: "scroll" }, [svg]), told);
  const clear = make("button", { class: "more", type: "button", text: "keep all", style: "margin:0", onclick: () => { view.kept = {}; render("parallel"); } });
  const options = groups.map((g) => [g, JSON.parse(g).join(" is ")]);
  return [...(options.length ? [select("trials", [["", "all"], ...options], view.group, (g) => { view.group = g; view.kept = {}; render("parallel"); })] : []), clear];
}

const within = (at, [a, b]) => at >= Math.min(a, b) && at <= Math.max(a, b);

function axisOf({ domain, x, y }, ends, kept, filter) {
  const parts = [
    draw("line", { x1: x, x2: x, y1: ends.top, y2: ends.bottom, class: "axis" }),
    draw("text", { x, y: 16 , "text-anchor": "middle", class: "strong", text: clip(domain.name, 15) }, [draw("title", { text: domain.name })]),
  ];
  const ticks = domain.kind === "choice" ? y.ticks : [domain.low, domain.high];
  for (const tick of ticks) {
    const ends_ = domain.kind === "choice" ? 4 : tick === domain.low ? 12 : -6;
    parts.push(draw("text", { x: x + 5, y: y(tick) + ends_, text: clip(short(tick), 13), style: "paint-order:stroke;stroke:var(--card);stroke-width:4px;fill:var(--ink)" }));
  }
  const brush = draw("rect", { x: x - 9, width: 18, y: 0, height: 0, fill: "var(--accent)", "fill-opacity": 0.25, stroke: "var(--accent)", "pointer-events": "none" });
  const paint = () => {
    const range = kept[domain.name];
    brush.setAttribute("y", range ? Math.min(...range) : 0);
    brush.setAttribute("height", range ? Math.abs(range[1] - range[0]) : 0);
    brush.style.display = range ? "" : "none";
  };
  const area = draw("rect", { x: x - 16, width: 32, y: ends.top - 10, height: ends.bottom - ends.top + 20, fill: "transparent", style: "cursor:ns-resize;touch-action:pan-x" });
  const at = (event) => {
    const frame = area.ownerSVGElement.getBoundingClientRect();
    return ((event.clientY - frame.top) / frame.height) * (ends.bottom + 14);
  };
  let from = null;
  area.addEventListener("pointerdown", (event) => { from = at(event); area.setPointerCapture(event.pointerId); delete kept[domain.name]; paint(); });
  area.addEventListener("pointermove", (event) => { if (from !== null && Math.abs(at(event) - from) > 3) { kept[domain.name] = [from, at(event)]; paint(); } });
  for (const end of ["pointerup", "pointercancel"]) area.addEventListener(end, () => { from = null; filter(); });
  paint();
  return [...parts, brush, area];
}

function curves(place, width) {
  const told = data.curves;
  const names = [...new Set([watched, ...told.flatMap((c) => Object.keys(c.metrics))])];
  view.metric ??= watched;
  const lines = told.filter((c) => c.metrics[view.metric]).map((c) => ({ label: `${c.label} (${c.trial_id})`, values: c.metrics[view.metric] }));
  const faint = [];
  if (view.metric === watched) {
    for (const trial of scored.slice(0, 40)) faint.push(trial.curve);
    for (const trial of data.trials) {
      if (view.chosen.has(trial.trial_id)) lines.push({ label: `chosen (${trial.trial_id})`, values: trial.curve });
    }
  }
  const values = [...lines.flatMap((l) => l.values), ...faint.flat()].filter(isNumber).sort((a, b) => a - b);
  if (!values.length) return null;
  let [low, high] = [values[0], values.at(-1)];
  const logarithmic = low > 0 && high / low > 50;
  if (!logarithmic && !view.all && values.length > 40) {  // the first epochs hide the rest
    const loss = /loss|error/.test(view.metric);
    if (loss) high = values[Math.floor(values.length * 0.95)];
    else low = values[Math.floor(values.length * 0.05)];
  }
  const height = Math.min(360, Math.max(260, width * 0.4));
  const box = { left: 58, right: width - 8, top: 22, bottom: height - 42 };
  const long = Math.max(2, ...lines.map((l) => l.values.length), ...faint.map((f) => f.length));
  const x = counted(long, box.left, box.right), y = scaleOf(low, high, box.bottom, box.top, logarithmic);
  const svg = canvas(width, height, `${view.metric} by epoch`);
  axes(svg, x, y, box, { x: "epoch", y: view.metric + (logarithmic ? " (log)" : "") });
  const line = (found) => pathOf(found.map((v, i) => [x(i + 1), isNumber(v) ? inside(y, v, box) : null]));
  for (const found of faint) svg.append(draw("path", { d: line(found), fill: "none", stroke: "var(--line)", "stroke-width": 1 }));
  lines.forEach((l, i) => {
    const dashes = ["", "7 4", "2 4", "10 3 2 3"][i % 4];
    svg.append(draw("path", { d: line(l.values), fill: "none", stroke: colour(i), "stroke-width": 2.4, "stroke-dasharray": dashes, ...tipped(() => l.label) }));
  });
  const key = make("p", { class: "legend" }, lines.map((l, i) => {
    const icon = canvas(18, 14, "");
    icon.append(draw("line", { x1: 0, x2: 18, y1: 7, y2: 7, stroke: colour(i), "stroke-width": 3, "stroke-dasharray": ["", "7 4", "2 4", "10 3 2 3"][i % 4] }));
    return make("span", {}, [icon, l.label]);
  }));
  place.append(svg, key);
  const outside = [...lines.map((l) => l.values), ...faint].flat().some((v) => isNumber(v) && (v < low || v > high));
  const says = [faint.length ? `Faint: the ${faint.length} best trials.` : "", outside ? "What is outside is drawn at the edge." : ""].filter(Boolean).join(" ");
  if (says) place.append(make("p", { class: "says", text: says }));
  return [select("metric", names.map((n) => [n, n]), view.metric, (name) => { view.metric = name; render("curves"); })];
}

function time(place, width) {
  const spans = data.trials.filter((t) => t.from && t.to).sort((a, b) => a.from - b.from);
  if (!spans.length) return null;
  const lanes = [], rows = spans.map((trial) => {
    let lane = lanes.findIndex((end) => end <= trial.from);
    if (lane < 0) lane = lanes.length;
    lanes[lane] = trial.to;
    return lane;
  });
  const begun = spans[0].from, ended = Math.max(...spans.map((t) => t.to));
  const thick = Math.max(2, Math.min(16, 320 / lanes.length)), height = lanes.length * thick + 44;
  const box = { left: 8, right: width - 8, top: 2, bottom: height - 42 };
  const x = scaleOf(0, ended - begun, box.left, box.right);
  const svg = canvas(width, height, "When each trial was under way");
  axes(svg, x, Object.assign(() => 0, { ticks: [] }), box, { x: "seconds since the first trial began" });
  spans.forEach((trial, i) => {
    const from = x(trial.from - begun), failed = trial.status === "FAILED";
    svg.append(draw("rect", {
      x: from, y: box.top + rows[i] * thick, width: Math.max(1, x(trial.to - begun) - from - 0.6), height: Math.max(1, thick - 0.8),
      fill: failed ? "var(--bad)" : isNumber(trial.score) ? byWorth(trial) : "var(--c7)", ...tipped(() => describe(trial)),
    }));
  });
  const modes = Object.entries(data.cost.modes).map(([mode, n]) => `${n} ${mode === "fit" ? "one by one" : mode}`).join(", ");
  const used = data.cost.wall ? data.cost.trial_seconds / data.cost.wall : 0;
  place.append(svg, make("p", { class: "says", text: `Trained ${modes || "none"}. The trials' shares of the time add up to ${short(data.cost.trial_seconds)} s in ${short(data.cost.wall)} s (${Math.round(used * 100)}%); the rest is building, compiling and bookkeeping. The stronger the colour, the better the trial.` }));
  return [];
}
