// What is chosen stands in two forms and, so that it can be kept, in the address of the page.
// Whatever changes it, table and plots are made again.

const [filters, axes, theme] = [byId("filters"), byId("axes"), byId("theme")];
const cases = rowsOf(page.cases);
const words = page.cases.filter((column) => column.is_group || !column.is_number);
const searched = cases.map((row) => (
  words.map((column) => column.texts[row]).join(" ").toLowerCase()));

const openCase = (row) => openDetails(page.cases, row, page.samples[row]);
const caseTable = new Table("cases", page.cases, openCase);
const scoreTable = new Table("scores", page.scores, (row) => openDetails(page.scores, row));

function readAddress() {
  const address = new URLSearchParams(location.hash.slice(1));
  if (!address.has("y")) return;
  for (const control of [...filters.elements, ...axes.elements]) {
    const values = address.getAll(control.name);
    if (control.type === "checkbox") control.checked = values.includes(control.value);
    else if (control.name) control.value = values;
    if (control.selectedIndex < 0) control.selectedIndex = 0; // this page has no such column
  }
}

function update() {
  const chosen = new URLSearchParams([...new FormData(filters), ...new FormData(axes)]);
  const parts = chosen.get("words").toLowerCase().split(/\s+/);
  const chosenTexts = page.cases.filter((column) => chosen.has(column.name)).map(
    (column) => [column.texts, chosen.getAll(column.name)]);
  const rows = cases.filter((row) => parts.every((part) => searched[row].includes(part))
    && chosenTexts.every(([texts, wanted]) => wanted.includes(texts[row])));
  byId("count").textContent = `${rows.length} of ${cases.length} cases`;
  caseTable.show(rows, byId("wide").checked);
  const [x, y] = ["x", "y"].map((name) => caseColumns[chosen.get(name)]);
  const [logX, logY] = ["x", "y"].map((name) => chosen.has("log", name));
  if (x && y) drawCases(rows, x, y, { x: logX, y: logY }, openCase);
  try {
    history.replaceState(null, "", `#${chosen}`);
  } catch { /* where addresses are fixed, the choice is not kept */ }
}

function setTheme() {
  document.documentElement.dataset.theme = theme.value;
  try {
    localStorage.setItem("lstmbench-theme", theme.value);
  } catch { /* nothing is kept here */ }
}

try {
  theme.value = localStorage.getItem("lstmbench-theme") ?? "auto";
} catch { /* nothing was kept here */ }
setTheme();
theme.onchange = setTheme;
byId("close").onclick = () => byId("details").close();

if (cases.length) {
  byId("explore").hidden = false;
  readAddress();
  filters.onsubmit = (event) => event.preventDefault();
  filters.onreset = () => setTimeout(update); // once the form is empty
  for (const control of [filters, axes, byId("wide")]) control.addEventListener("input", update);
  update();
}
if (page.scores.length) {
  byId("scores").hidden = false;
  scoreTable.show(rowsOf(page.scores), false);
  drawPanels("scores", page.learning_curves, () => {});
}
