"use strict";
// What the page holds, as rows; and numbers, words and elements made of it. Texts go in as text, never as HTML.

const page = JSON.parse(document.getElementById("data").textContent);
const byId = (id) => document.getElementById(id);

function rowsOf(columns) {
  const rows = Array.from({ length: columns.length ? columns[0].values.length : 0 }, (_, place) => ({ place }));
  for (const { name, values, words } of columns) {
    values.forEach((value, k) => { rows[k][name] = words ? (value < 0 ? null : words[value]) : value; });
  }
  return rows;
}

const cases = rowsOf(page.cases);
const lessons = rowsOf(page.lessons);

function about(column) {
  return page.about[column] || { name: column.replaceAll("_", " "), kind: "text" };
}

function isNumber(column) {
  return !["text", "yes"].includes(about(column).kind);
}

// A value is shown with three significant digits, in the unit that fits it; the ends of its interval as it is itself

const UNITS = { s: [[1, "s"], [1e-3, "ms"], [1e-6, "µs"], [1e-9, "ns"]],
  bytes: [[2 ** 30, "GiB"], [2 ** 20, "MiB"], [2 ** 10, "KiB"], [1, "B"]] };

function numbers(values, kind) {
  const [factor, unit] = (UNITS[kind] || [[1, ""]]).find(([factor]) => Math.abs(values[0]) >= factor * 0.9995)
    || (UNITS[kind] || [[1, ""]]).at(-1);
  const [first, ...rest] = values.map((value) => value / factor);
  const size = Math.abs(first);
  const tiny = first !== 0 && (size < 1e-3 || size >= 1e6);
  const places = Math.max(0, 2 - Math.floor(Math.log10(size || 1)));
  const whole = Number.isInteger(first) && !rest.length;
  const text = (value) => (tiny ? value.toExponential(2) : whole ? String(value) : value.toFixed(places));
  const ends = rest.length ? ` [${rest.map(text).join(", ")}]` : "";
  return `${text(first)}${ends} ${unit}`.trim();
}

function seconds(value) {
  return numbers([value], "s");
}

function shown(column, value) {
  if (value == null) return "–";
  if (typeof value === "boolean") return value ? "yes" : "no";
  return typeof value === "number" ? numbers([value], about(column).kind) : String(value);
}

function withInterval(column, row) {
  const { low, high, kind } = about(column);
  if (!low || row[column] == null || row[low] == null || row[high] == null) return shown(column, row[column]);
  return numbers([row[column], row[low], row[high]], kind);
}

function phrase(column, value) {
  return (page.phrases[column] || {})[String(value)] || `${about(column).name} ${shown(column, value)}`;
}

// What tells the workload of a row from others, where only these columns differ; the sizes as one where they are equal
function workload(row, columns) {
  const square = columns.includes("input_size") && columns.includes("hidden_size") && row.input_size === row.hidden_size;
  return columns.filter((column) => row[column] != null && !(square && column === "input_size"))
    .map((column) => (square && column === "hidden_size" ? `I = H = ${row.hidden_size}`
      : column === "run" ? `run ${row.run}` : phrase(column, row[column])))
    .join(", ");
}

function distinct(rows, column) {
  const order = Object.keys(page.phrases[column] || {});
  const place = (value) => (order.includes(String(value)) ? order.indexOf(String(value)) : order.length);
  return [...new Set(rows.map((row) => row[column]).filter((value) => value != null))]
    .sort((a, b) => place(a) - place(b) || 0);
}

function varies(rows, column) {
  return rows.some((row) => (row[column] ?? null) !== (rows[0][column] ?? null));
}

// element("a", {href: "x"}, "text", child): properties that start with "on" are listeners
function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name in made) made[name] = value;
    else made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

function csv(columns, rows) {
  const field = (value) => {
    const text = value == null ? "" : value === true ? "True" : value === false ? "False" : String(value);
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return [columns, ...rows.map((row) => columns.map((column) => row[column]))]
    .map((fields) => fields.map(field).join(",") + "\n").join("");
}

function download(name, text) {
  const link = element("a", { href: URL.createObjectURL(new Blob([text], { type: "text/csv" })), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}
