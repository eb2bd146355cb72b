// Puts the page together, and draws again when its width or a choice changes.

const charts = { confirmation, history, importance, slices, parallel, curves, time, mistakes, table };

function render(only) {
  hideTip();
  for (const [name, chart] of Object.entries(charts)) {
    if (only && name !== only) continue;
    const section = document.getElementById(name);
    section.hidden = false;
    const place = section.querySelector(".chart");
    const left = place.querySelector(".scroll")?.scrollLeft ?? 0;
    const fresh = make("div", { class: "chart" });
    const controls = chart(fresh, place.clientWidth);
    section.hidden = controls === null;
    place.replaceWith(fresh);
    section.querySelector(".controls").replaceChildren(...(controls ?? []));
    const scroll = fresh.querySelector(".scroll");
    if (scroll) scroll.scrollLeft = left;
  }
}

function choose(id) {
  if (!view.chosen.delete(id)) view.chosen.add(id);
  view.metric = watched;
  for (const name of ["history", "slices", "curves"]) render(name);
}

const root = document.documentElement, prefersDark = matchMedia("(prefers-color-scheme: dark)");
const theme = (dark) => { root.dataset.theme = dark ? "dark" : "light"; };
theme(prefersDark.matches);
prefersDark.addEventListener("change", (event) => theme(event.matches));
document.getElementById("theme").addEventListener("click", () => theme(root.dataset.theme === "light"));

let printing = null;
addEventListener("beforeprint", () => {
  printing = root.dataset.theme;
  theme(false);
  for (const folded of document.querySelectorAll("details")) folded.open = true;
});
addEventListener("afterprint", () => { theme(printing === "dark"); });
addEventListener("scroll", hideTip, { passive: true });

let drawn = innerWidth;
addEventListener("resize", () => {
  if (innerWidth === drawn) return;  // a phone's address bar changes the height alone
  drawn = innerWidth;
  render();
});
render();
