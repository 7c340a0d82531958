// What is chosen, kept in the address; whatever changes it, all is drawn again.

const FILTERS = ["run", "implementation", "status", ...page.workload];
const SHORT = { batch_size: "B", input_size: "I", hidden_size: "H", num_layers: "L", seq_len: "T" };
const KEPT = ["implementation", "time_median_s", "ratio"];
const NARROW = ["implementation", "run", ...page.workload, "status", "time_median_s", "ratio", "first_call_s", "peak_host_bytes",
  "peak_device_bytes", "allocated_bytes", "output_rel_error", "grad_rel_error", "roofline_fraction", "samples", "error"];
const SCORES = ["task", "cell", "implementation", "variant", "run", "seed", "dtype", "device", "status", "metric", "score", "solved",
  "best_epoch", "epochs", "updates", "epoch_s", "ended", "error"];
const names = page.cases.map((column) => column.name);
const quantities = names.filter((name) => isNumber(name) && (["s", "bytes"].includes(about(name).kind)
  || ["ratio", "output_rel_error", "grad_rel_error", "roofline_fraction", "products_fraction"].includes(name)
  || names.indexOf(name) > names.indexOf("environment_id"))
  && !["time_low_s", "time_high_s", "ratio_low", "ratio_high"].includes(name));
const sizes = ["seq_len", "hidden_size", "input_size", "batch_size", "num_layers", "threads"].filter((name) => names.includes(name));

const chosen = { filters: {}, words: "", x: sizes[0], y: quantities[0], logX: true, logY: true, panels: PANELS };

function readAddress() {
  const given = new URLSearchParams(location.hash.slice(1));
  for (const column of FILTERS) {
    const values = distinct(cases, column).filter((value) => given.getAll(column).includes(String(value)));
    if (values.length) chosen.filters[column] = new Set(values);
  }
  chosen.words = given.get("words") || "";
  if (sizes.includes(given.get("x"))) chosen.x = given.get("x");
  if (quantities.includes(given.get("y"))) chosen.y = given.get("y");
  chosen.logX = given.get("logx") !== "no";
  chosen.logY = given.get("logy") !== "no";
}

function writeAddress() {
  const kept = new URLSearchParams();
  for (const [column, values] of Object.entries(chosen.filters)) values.forEach((value) => kept.append(column, value));
  if (chosen.words) kept.set("words", chosen.words);
  if (chosen.x !== sizes[0]) kept.set("x", chosen.x);
  if (chosen.y !== quantities[0]) kept.set("y", chosen.y);
  if (!chosen.logX) kept.set("logx", "no");
  if (!chosen.logY) kept.set("logy", "no");
  try { history.replaceState(null, "", `#${kept}`); } catch { /* where addresses are fixed, the choice is not kept */ }
}

function filtered() {
  const words = chosen.words.toLowerCase().split(/\s+/).filter(Boolean);
  return cases.filter((row) => Object.entries(chosen.filters).every(([column, values]) => !values.size || values.has(row[column]))
    && (!words.length || words.every((word) => textOf(row).includes(word))));
}

const texts = new Map();
function textOf(row) {
  if (!texts.has(row)) texts.set(row, names.filter((name) => !isNumber(name)).map((name) => row[name] ?? "").concat(page.workload.map((name) => phrase(name, row[name]))).join(" ").toLowerCase());
  return texts.get(row);
}

function makeFilters() {
  const groups = FILTERS.filter((column) => distinct(cases, column).length > 1).map((column) => {
    const title = column in SHORT ? about(column).name : column;
    return element("fieldset", {}, element("legend", {}, title), ...distinct(cases, column).map((value) => {
      const box = element("input", { type: "checkbox", checked: Boolean(chosen.filters[column]?.has(value)), onchange: () => {
        const values = chosen.filters[column] ||= new Set();
        box.checked ? values.add(value) : values.delete(value);
        update();
      } });
      return element("label", { className: "chip" }, box, shown(column, value).replaceAll("_", " "));
    }));
  });
  byId("filters").replaceChildren(...groups);
}

function caseCell(row, column) {
  if (column === "implementation") return element("button", { type: "button", className: "link", onclick: () => openDetails(row) }, row.implementation);
  return withInterval(column, row);
}

function scoreCell(row, column) {
  if (column === "task") return element("button", { type: "button", className: "link", onclick: () => openDetails(row) }, row.task);
  return shown(column, row[column]);
}

const caseTable = new SortedTable(byId("case-table"), byId("common"), byId("more-cases"), caseCell);
let rows = [];

function update() {
  rows = filtered();
  byId("count").textContent = `${rows.length} of ${cases.length} cases`;
  const wide = [...new Set(["implementation", "run", ...names])];
  const within = Object.values(page.about).flatMap(({ low, high }) => [low, high]);
  caseTable.show(rows, byId("wide").checked ? wide : NARROW.filter((column) => !within.includes(column)), KEPT);
  drawPlots(rows, chosen);
  writeAddress();
}

function fill(select, columns, value, choose) {
  select.replaceChildren(...columns.map((column) => element("option", { value: column }, about(column).name)));
  select.value = value;
  select.addEventListener("change", () => choose(select.value));
}

function bind(id, property) {
  byId(id).checked = chosen[property];
  byId(id).addEventListener("change", (event) => { chosen[property] = event.target.checked; update(); });
}

function setTheme(theme) {
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}

function startTheme() {
  const select = byId("theme");
  try { select.value = localStorage.getItem("lstmbench-theme") || "auto"; } catch { /* nothing is kept here */ }
  setTheme(select.value);
  const redraw = () => {
    if (cases.length) drawPlots(rows, chosen);
    if (page.courses.length) drawCourses(coursesShown);
    if (!byId("details").open) return;
    byId("details").close();
    openDetails(openDetails.row);
  };
  select.addEventListener("change", () => {
    setTheme(select.value);
    try { localStorage.setItem("lstmbench-theme", select.value); } catch { /* nothing is kept here */ }
    redraw();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
}

function startCases() {
  byId("explore").hidden = false;
  readAddress();
  makeFilters();
  fill(byId("y"), quantities, chosen.y, (value) => { chosen.y = value; update(); });
  fill(byId("x"), sizes, chosen.x, (value) => { chosen.x = value; update(); });
  bind("log-x", "logX");
  bind("log-y", "logY");
  byId("words").value = chosen.words;
  byId("filters").addEventListener("submit", (event) => event.preventDefault());
  byId("words").addEventListener("input", (event) => { chosen.words = event.target.value; update(); });
  byId("reset").addEventListener("click", () => { chosen.filters = {}; chosen.words = byId("words").value = ""; makeFilters(); update(); });
  byId("wide").addEventListener("change", update);
  byId("more-plots").addEventListener("click", () => { chosen.panels = Infinity; update(); });
  byId("csv").addEventListener("click", () => download("cases.csv", csv([...new Set(["run", ...names])], caseTable.sorted())));
  update();
}

let coursesShown = PANELS;

function startScores() {
  byId("scores").hidden = false;
  byId("course-plots").hidden = !page.courses.length;
  byId("more-courses").addEventListener("click", () => { coursesShown = Infinity; drawCourses(coursesShown); });
  if (page.courses.length) drawCourses(coursesShown);
  const columns = page.lessons.map((column) => column.name);
  new SortedTable(byId("score-table"), byId("scores-common"), null, scoreCell).show(lessons, SCORES, ["task", "implementation", "score"]);
  byId("scores-csv").addEventListener("click", () => download("scores.csv", csv(columns, lessons)));
}

startTheme();
if (cases.length) startCases();
if (lessons.length) startScores();
