// What the best model gets wrong, and the table of all trials.

function mistakes(place, width) {
  const found = data.mistakes;
  if (!found) return null;
  if (found.task !== "classification") return numbers(place, width, found);
  const total = found.examples, wrong = found.wrong;
  place.append(make("p", { text: `${wrong} of ${total} validation examples are taken for another class (${((100 * wrong) / total).toFixed(1)}%).` }));
  if (found.classes.length <= 30) place.append(make("div", { class: "scroll" }, [matrix(found)]));
  place.append(make("p", { class: "says", text: found.classes.length <= 30 ? "Rows: the true class. Columns: the predicted one." : `${found.classes.length} classes are too many for a matrix; the JSON form has it.` }));
  if (found.shown.length) {
    const named = (i) => found.classes[i];
    const says = (e) => [make("div", { text: `true ${named(e.true)}` }), make("div", { class: "wrong", text: `taken for ${named(e.predicted)}` }), make("small", { text: `${Math.round(e.sure * 100)}% sure, row ${e.row}` })];
    place.append(
      make("h3", { text: `The ${found.shown.length} surest mistakes` }),
      make("div", { class: "pictures" }, found.shown.map((e) => make("figure", {}, [
        ...(e.image ? [make("img", { src: e.image, alt: `Row ${e.row}, true class ${named(e.true)}` })] : []), make("figcaption", {}, says(e)),
      ]))),
    );
  }
  return [];
}

function matrix(found) {
  const most = Math.max(1, ...found.confusion.flatMap((row, i) => row.filter((_, j) => j !== i)));
  const head = make("tr", {}, [make("th", {}), ...found.classes.map((name) => make("th", { text: clip(name, 12) }))]);
  const rows = found.confusion.map((row, i) => make("tr", {}, [
    make("th", { text: clip(found.classes[i], 16) }),
    ...row.map((count, j) => {
      const right = i === j, strong = right ? 18 : count ? 20 + Math.round((60 * count) / most) : 0;
      const fill = `background:color-mix(in oklab, var(${right ? "--accent" : "--bad"}) ${strong}%, var(--card))`;
      const cell = make("td", { text: count || (right ? 0 : "·"), style: fill });
      cell.title = `${count} of ${found.classes[i]} taken for ${found.classes[j]}`;
      return cell;
    }),
  ]));
  return make("table", { class: "matrix" }, [make("thead", {}, [head]), make("tbody", {}, rows)]);
}

function numbers(place, width, found) {
  const side = Math.min(width, 420), all = found.pairs.flat();
  const box = { left: 62, right: side - 8, top: 22, bottom: side - 42 };
  const low = Math.min(...all), high = Math.max(...all);
  const x = scaleOf(low, high, box.left, box.right), y = scaleOf(low, high, box.bottom, box.top);
  const svg = canvas(side, side, "Predicted against true numbers");
  svg.style.maxWidth = `${side}px`;
  axes(svg, x, y, box, { x: "true", y: "predicted" });
  svg.append(draw("line", { x1: x(low), y1: y(low), x2: x(high), y2: y(high), stroke: "var(--soft)", "stroke-dasharray": "5 4" }));
  for (const [true_, predicted] of found.pairs) {
    svg.append(draw("circle", { cx: x(true_), cy: y(predicted), r: 3.2, fill: "var(--accent)", "fill-opacity": 0.65, class: "dot", ...tipped(() => `true ${short(true_)}, predicted ${short(predicted)}`) }));
  }
  place.append(svg, make("p", { class: "says", text: `In the target's own unit: mean absolute error ${short(found.mean_absolute_error)}, root mean squared error ${short(found.root_mean_squared_error)}.` }));
  return [];
}

const sorting = { by: "rank", up: true, words: "", all: false };
const SHOWN = 25;

function table(place) {
  if (!data.trials.length) return null;
  const names = [...new Set(data.trials.flatMap((t) => Object.keys(t.values).filter((n) => t.values[n] !== null)))];
  const columns = [
    ["rank", (t) => t.rank], ["trial", (t) => t.trial_id], [goal.name, (t) => t.score], ["status", (t) => t.status + (t.pruned ? ", pruned" : "")],
    ["epochs", (t) => t.epochs], ["seconds", (t) => t.seconds], ...names.map((n) => [n, (t) => t.values[n]]), ["message", (t) => t.message],
  ];
  const of = (columns.find(([name]) => name === sorting.by) ?? columns[0])[1];
  const matching = data.trials.filter((t) => sorting.words.toLowerCase().split(" ").every((word) =>
    columns.some(([name, value]) => `${name}=${value(t) ?? ""}`.toLowerCase().includes(word))));
  const empty = (v) => v === null || v === undefined || v === "";
  matching.sort((a, b) => {
    const [u, v] = [of(a), of(b)];
    if (empty(u) || empty(v)) return empty(u) - empty(v);
    return (u < v ? -1 : u > v ? 1 : 0) * (sorting.up ? 1 : -1);
  });
  const head = columns.map(([name, value]) => make("th", { class: isNumber(value(data.trials[0])) ? "number" : null, "aria-sort": name === sorting.by ? (sorting.up ? "ascending" : "descending") : null }, [
    make("button", { type: "button", text: name + (name === sorting.by ? (sorting.up ? " ↑" : " ↓") : ""), onclick: () => { sorting.up = sorting.by === name ? !sorting.up : true; sorting.by = name; render("table"); } }),
  ]));
  const rows = matching.slice(0, sorting.all ? undefined : SHOWN).map((t) => make("tr", { class: "pick", onclick: () => choose(t.trial_id) },
    columns.map(([, value]) => make("td", { class: isNumber(value(t)) ? "number" : null, text: empty(value(t)) ? "" : short(value(t)) }))));
  place.append(make("div", { class: "scroll" }, [make("table", {}, [make("thead", {}, [make("tr", {}, head)]), make("tbody", {}, rows)])]));
  if (matching.length > rows.length) place.append(make("button", { class: "more", type: "button", text: `Show all ${matching.length}`, onclick: () => { sorting.all = true; render("table"); } }));
  const search = make("input", { type: "search", placeholder: "filter, such as adam failed", value: sorting.words, "aria-label": "Filter the trials", oninput: (event) => {
    sorting.words = event.target.value;
    render("table");
    const again = document.querySelector("#table input");
    again.focus();
    again.setSelectionRange(again.value.length, again.value.length);
  } });
  return [search];
}
