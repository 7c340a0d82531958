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

const caseColumns = Object.fromEntries(page.cases.map((column) => [column.name, column]));
const phrase = (column, row) => (column.is_group ? "" : `${column.label} `) + column.texts[row];
const varies = (values, rows) => rows.some((row) => values[row] !== values[rows[0]]);

function element(tag, properties, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
}

function download(name, rows) {
  const field = (value) => (
    typeof value === "string" ? `"${value.replaceAll('"', '""')}"` : value);
  const text = rows.map((row) => row.map(field).join(",") + "\n").join("");
  const href = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  element("a", { href, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(href), 10000);
}

// A table that its heads sort. A column in which all rows agree is named once, above the table.
class Table {
  constructor(name, columns, open) {
    const rows = columns.length ? [...columns[0].values.keys()] : []; // by number
    const unsorted = { values: rows };
    Object.assign(this, { name, columns, open, rows, sorted: unsorted, sign: 1, limit: ROW_LIMIT });
    this.part("more").onclick = () => {
      this.limit *= 5;
      this.render();
    };
    this.part("csv").onclick = () => download(`${name}.csv`, [
      columns.map((column) => column.name),
      ...this.rows.map((row) => columns.map((column) => column.values[row]))]);
  }

  part(name) {
    return byId(`${this.name}-${name}`);
  }

  show(rows, wide) {
    const columns = this.columns.filter((column) => (wide || column.is_shown)
      && rows.some((row) => column.values[row] !== null));
    this.shown = columns.filter((column) => rows.length < 2 || column === columns[0]
      || varies(column.values, rows));
    const agreed = columns.filter((column) => !this.shown.includes(column));
    const phrases = agreed.map((column) => phrase(column, rows[0])).join(", ");
    this.part("common").textContent = phrases && `All of them: ${phrases}.`;
    this.rows = rows;
    this.render();
  }

  sortBy(column) {
    this.sign = this.sorted === column ? -this.sign : 1;
    this.sorted = column;
    this.render();
    this.part("table").querySelector("[aria-sort$=ending] button").focus();
  }

  head(column) {
    const order = this.sign > 0 ? "ascending" : "descending";
    const ariaSort = this.sorted === column ? order : "none";
    const button = element("button", { onclick: () => this.sortBy(column) }, column.label);
    return element("th", { scope: "col", title: column.name, ariaSort }, button);
  }

  cell(column, row) {
    const text = column.texts[row];
    if (column === this.shown[0]) {
      const button = element("button", { onclick: () => this.open(row) }, text);
      return element("th", { scope: "row" }, button);
    }
    const className = column.is_number ? "number" : text.length > 40 ? "long" : "";
    return element("td", { className }, text);
  }

  // What is missing comes last, whichever way the rows are sorted.
  render() {
    const { values } = this.sorted;
    const compare = (a, b) => values[a] - values[b] || collator.compare(values[a], values[b]);
    this.rows = this.rows.toSorted((a, b) => (values[a] === null) - (values[b] === null)
      || this.sign * compare(a, b) || a - b);
    const rows = this.rows.slice(0, this.limit);
    this.part("table").replaceChildren(
      element("thead", {}, element("tr", {}, ...this.shown.map((column) => this.head(column)))),
      element("tbody", {}, ...rows.map((row) => (
        element("tr", {}, ...this.shown.map((column) => this.cell(column, row)))))));
    const left = this.rows.length - rows.length;
    this.part("more").textContent = `Show more rows (${left} left)`;
    this.part("more").hidden = !left;
  }
}
