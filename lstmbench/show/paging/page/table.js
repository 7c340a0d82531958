// A table of rows that is sorted by its heads' buttons. Columns in which all rows agree are said once, above it.

const PAGE_OF_ROWS = 300;

class SortedTable {
  constructor(table, common, more, cell) {
    Object.assign(this, { table, common, more, cell, sort: null, down: false, most: PAGE_OF_ROWS });
    if (more) more.addEventListener("click", () => { this.most += 5 * PAGE_OF_ROWS; this.render(); });
  }

  // columns: those to show; kept: those that stay though all rows agree in them
  show(rows, columns, kept) {
    const there = columns.filter((column) => rows.some((row) => row[column] != null));
    const agreed = rows.length > 1 ? there.filter((column) => !kept.includes(column) && !varies(rows, column)) : [];
    this.common.textContent = agreed.length
      ? `All of them: ${agreed.map((column) => (column in page.phrases ? phrase(column, rows[0][column])
        : `${about(column).name} ${shown(column, rows[0][column])}`)).join(", ")}.` : "";
    this.rows = rows;
    this.columns = there.filter((column) => !agreed.includes(column));
    this.render();
  }

  sorted() {
    if (!this.sort) return this.rows;
    const sign = this.down ? -1 : 1;
    const compare = (a, b) => {
      if (a == null || b == null) return (a == null) - (b == null); // what is missing comes last
      return sign * (typeof a === "string" ? a.localeCompare(String(b), "en", { numeric: true }) : a - b);
    };
    return [...this.rows].sort((a, b) => compare(a[this.sort], b[this.sort]) || a.place - b.place);
  }

  sortBy(column) {
    this.down = this.sort === column && !this.down;
    this.sort = column;
    this.render();
    this.table.querySelector(`th[data-column="${CSS.escape(column)}"] button`).focus();
  }

  head(column) {
    const sorted = this.sort === column;
    const button = element("button", { type: "button", onclick: () => this.sortBy(column) }, about(column).name,
      element("span", { ariaHidden: "true" }, sorted ? (this.down ? " ▼" : " ▲") : " ↕"));
    const head = element("th", { scope: "col", className: isNumber(column) ? "number" : "" }, button);
    head.dataset.column = column;
    head.setAttribute("aria-sort", sorted ? (this.down ? "descending" : "ascending") : "none");
    return head;
  }

  render() {
    const body = this.sorted().slice(0, this.most).map((row) => element("tr", {},
      ...this.columns.map((column, k) => {
        const kind = isNumber(column) ? "number" : String(row[column]).length > 40 ? "long" : "";
        const cell = element(k ? "td" : "th", { className: kind }, this.cell(row, column));
        if (!k) cell.scope = "row";
        return cell;
      })));
    this.table.replaceChildren(element("thead", {}, element("tr", {}, ...this.columns.map((name) => this.head(name)))),
      element("tbody", {}, ...body));
    if (!this.more) return;
    const left = this.rows.length - body.length;
    this.more.hidden = left <= 0;
    this.more.textContent = `Show more rows (${left} left)`;
  }
}
