// Two forms hold what the reader chooses; the address of the page keeps it. Every change of it
// renders table and plots again.

const [filters, axes] = [byId("filters"), byId("axes")];
const showCases = makeTable("cases", page.cases, openCase);
const showScores = makeTable("scores", page.scores, (row) => openDetails(page.scores, row));
const cases = rowsOf(page.cases);
const scores = rowsOf(page.scores);
const searched = cases.map((row) => (
  page.cases.map((column) => column.texts[row]).join(" ").toLowerCase()));

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
  const rows = cases.filter((row) => parts.every((part) => searched[row].includes(part))
    && chosenTexts.every(([texts, wanted]) => wanted.includes(texts[row])));
  byId("count").textContent = `${rows.length} of ${cases.length} cases`;
  document.documentElement.dataset.theme = chosen.get("theme");
  showCases(rows, chosen.has("wide"));
  const [x, y] = [caseColumns[chosen.get("x")], caseColumns[chosen.get("y")]];
  const log = { x: chosen.has("log", "x"), y: chosen.has("log", "y") };
  if (x && y) drawCases(rows, x, y, log);
  try {
    history.replaceState(null, "", `#${chosen}`);
  } catch { /* some hosts fix the address: then it cannot keep the choice */ }
}

byId("close").onclick = () => byId("details").close();
byId("explore").hidden = !cases.length;
byId("scores").hidden = !scores.length;
readAddress();
update();
showScores(scores, false);
drawPanels("scores", page.learning_curves);
filters.onsubmit = (event) => event.preventDefault();
byId("all").onclick = () => { filters.reset(); update(); };
document.oninput = update;
