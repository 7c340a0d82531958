// What is chosen stands in two forms and, so that it can be kept, in the address of the page.
// Whatever changes it, table and plots are made again.

const [filters, axes] = [byId("filters"), byId("axes")];
const openCase = (row) => openDetails(page.cases, row, page.samples[row]);
const openScore = (row) => openDetails(page.scores, row);
const cases = new Table("cases", page.cases, openCase);
const scores = new Table("scores", page.scores, openScore);
const allCases = cases.rows;
const words = page.cases.filter((column) => column.is_group || !column.is_number);
const searched = allCases.map((row) => (
  words.map((column) => column.texts[row]).join(" ").toLowerCase()));

function readAddress() {
  const address = new URLSearchParams(location.hash.slice(1));
  if (!address.has("theme")) return;
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
  const rows = allCases.filter((row) => parts.every((part) => searched[row].includes(part))
    && chosenTexts.every(([texts, wanted]) => wanted.includes(texts[row])));
  byId("count").textContent = `${rows.length} of ${allCases.length} cases`;
  document.documentElement.dataset.theme = chosen.get("theme");
  cases.show(rows, chosen.has("wide"));
  const [x, y] = [caseColumns[chosen.get("x")], caseColumns[chosen.get("y")]];
  const log = { x: chosen.has("log", "x"), y: chosen.has("log", "y") };
  if (x && y) drawCases(rows, x, y, log, openCase);
  try {
    history.replaceState(null, "", `#${chosen}`);
  } catch { /* where addresses are fixed, the choice is not kept */ }
}

byId("close").onclick = () => byId("details").close();
byId("explore").hidden = !allCases.length;
byId("scores").hidden = !scores.rows.length;
readAddress();
update();
scores.show(scores.rows, false);
drawPanels("scores", page.learning_curves, () => {});
filters.onsubmit = (event) => event.preventDefault();
document.onreset = () => setTimeout(update); // once the form is empty
document.oninput = update;
