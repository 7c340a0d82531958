"use strict";
// The data of the page, and tables of them. Foreign text is put in as text, never as HTML.

const ROW_LIMIT = 300; // with more rows at once, sorting takes a while; a button shows more
const byId = (id) => document.getElementById(id);
const page = JSON.parse(byId("data").textContent);
const collator = new Intl.Collator("en", { numeric: true });

// A column holds the value and the text of each row. Where only a value comes, it is the text too.
for (const column of [...page.cases, ...page.scores]) {
  column.texts ??= column.values.map((value) => value ?? "–");
}

const rowsOf = ([column]) => [...column?.values.keys() ?? []];
const caseColumns = Object.fromEntries(page.cases.map((column) => [column.name, column]));
const phrase = (column, row) => (column.is_group ? "" : `${column.label} `) + column.texts[row];
const className = (column) => (column.is_number ? "number" : "");
const varies = (values, rows) => rows.some((row) => values[row] !== values[rows[0]]);

function element(tag, properties, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
}

const tableRow = (cells) => element("tr", {}, ...cells);

function download(name, rows) {
  const field = (value) => (
    typeof value === "string" ? `"${value.replaceAll('"', '""')}"` : value);
  const text = rows.map((row) => row.map(field).join(",") + "\n").join("");
  const href = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  element("a", { href, download: name }).click();
}

function offerMore(button, left, what, onclick) {
  const textContent = `Show more ${what} (${left} left)`;
  Object.assign(button, { hidden: left <= 0, textContent, onclick });
}

// Fills a table that its heads sort, and returns a function that shows some rows in it. A column in
// which all of them agree is named once, above the table.
function makeTable(name, allColumns, open) {
  const part = (id) => byId(`${name}-${id}`);
  let columns = [];
  let rows = [];
  let limit = ROW_LIMIT;
  let sortedBy = null;
  let sign = 1;

  function head(column) {
    const isSorted = column === sortedBy;
    const onclick = () => {
      sign = isSorted ? -sign : 1;
      sortedBy = column;
      render();
      part("table").querySelector("[aria-sort$=ending] button").focus();
    };
    return element("th", { scope: "col", title: column.name, className: className(column),
      ariaSort: !isSorted ? "none" : sign > 0 ? "ascending" : "descending" },
    element("button", { onclick }, column.label));
  }

  function cell(column, row) {
    const text = column.texts[row];
    if (column === columns[0]) {
      return element("th", { scope: "row" }, element("button", { onclick: () => open(row) }, text));
    }
    return element("td", { className: text.length > 40 ? "long" : className(column) }, text);
  }

  function render() {
    if (sortedBy) rows.sort(byValue(sortedBy.values, sign));
    part("table").replaceChildren(
      element("thead", {}, tableRow(columns.map(head))),
      element("tbody", {}, ...rows.slice(0, limit).map((row) => (
        tableRow(columns.map((column) => cell(column, row)))))));
    offerMore(part("more"), rows.length - limit, "rows", () => {
      limit *= 5;
      render();
    });
  }

  part("csv").onclick = () => download(`${name}.csv`, [
    allColumns.map((column) => column.name),
    ...rows.map((row) => allColumns.map((column) => column.values[row]))]);

  return (chosen, wide) => {
    rows = [...chosen];
    const filled = allColumns.filter((column) => (wide || column.is_shown)
      && rows.some((row) => column.values[row] !== null));
    const agrees = (column) => rows.length > 1 && column !== allColumns[0]
      && !varies(column.values, rows);
    columns = filled.filter((column) => !agrees(column));
    const phrases = filled.filter(agrees).map((column) => phrase(column, rows[0])).join(", ");
    part("common").textContent = phrases && `All of them: ${phrases}.`;
    render();
  };
}

// What is missing comes last, whichever way the rows are sorted.
function byValue(values, sign) {
  const compare = (a, b) => values[a] - values[b] || collator.compare(values[a], values[b]);
  return (a, b) => (values[a] === null) - (values[b] === null) || sign * compare(a, b) || a - b;
}
