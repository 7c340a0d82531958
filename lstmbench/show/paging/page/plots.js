// Plots: a panel for each workload but for the size on the x axis, a line for each implementation.

const PANELS = 6;
const PLOTLY = { responsive: true, displaylogo: false, showSendToCloud: false, doubleClickDelay: 400,
  modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"], toImageButtonOptions: { format: "svg" } };

function color(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function isDark() {
  return getComputedStyle(document.documentElement).colorScheme === "dark";
}

// On a dark ground a dark colour is mixed with white
function lineStyle(name) {
  const style = page.styles[name] || { color: "#666666", dash: "solid", symbol: "circle" };
  if (!isDark()) return style;
  const parts = [1, 3, 5].map((at) => parseInt(style.color.slice(at, at + 2), 16));
  const light = (0.3 * parts[0] + 0.6 * parts[1] + 0.1 * parts[2]) / 255;
  const share = light < 0.2 ? 0.8 : light < 0.5 ? 0.2 : 0.1;
  const mixed = parts.map((part) => Math.round(part + (255 - part) * share).toString(16).padStart(2, "0"));
  return { ...style, color: `#${mixed.join("")}` };
}

// Plotly reads a little HTML in its texts: theirs are foreign
function plotText(text) {
  return String(text).replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

// How the numbers at an axis are written; on a logarithmic one, seconds at 1, 2 and 5 of each decade, with their units
function axisOf(column, log, values) {
  if (about(column).kind !== "s") return { exponentformat: "power" };
  if (!log) return linearTicks(Math.max(...values));
  const decades = Math.log10(Math.max(...values) / Math.min(...values));
  const steps = decades > 4 ? [1] : decades > 2 ? [1, 3] : decades > 1 ? [1, 2, 5] : [1, 1.5, 2, 3, 4, 5, 7];
  const tickvals = Array.from({ length: 16 }, (_, k) => steps.map((step) => Number(`${step}e${k - 10}`))).flat();
  return { tickvals, ticktext: tickvals.map(seconds) };
}

// From zero to just above the largest, four to eight of them
function linearTicks(largest) {
  const rough = largest / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((each) => each >= rough * 0.999);
  const tickvals = Array.from({ length: 9 }, (_, k) => Number((k * step).toPrecision(12)));
  return { tickvals, ticktext: tickvals.map((value) => (value ? seconds(value) : "0")) };
}

function baseLayout(height) {
  const axis = { gridcolor: color("--grid"), linecolor: color("--line"), tickcolor: color("--line"), zeroline: false, automargin: true };
  return { height, margin: { l: 62, r: 12, t: 12, b: 46 }, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    font: { color: color("--ink"), family: "system-ui, sans-serif", size: 12 }, hovermode: "closest", showlegend: false,
    hoverlabel: { bgcolor: color("--raised"), bordercolor: color("--line"), font: { color: color("--ink") }, align: "left" },
    modebar: { bgcolor: "rgba(0,0,0,0)", color: color("--muted"), activecolor: color("--ink") },
    xaxis: { ...axis }, yaxis: { ...axis } };
}

// chosen: {x, y, logX, logY, panels}
function drawPlots(rows, chosen) {
  const { x, y, logX, logY } = chosen;
  const usable = rows.filter((row) => row[x] != null && row[y] != null && (!logY || row[y] > 0) && (!logX || row[x] > 0));
  byId("undrawn").textContent = undrawn(rows, usable, y);
  const split = ["run", ...page.workload].filter((column) => column !== x && usable.length && varies(usable, column));
  if (x === "hidden_size" && usable.every((row) => row.input_size === row.hidden_size)) {
    split.splice(split.indexOf("input_size"), split.includes("input_size") ? 1 : 0);
  }
  const panels = new Map();
  for (const row of usable) {
    const key = JSON.stringify(split.map((column) => row[column]));
    panels.set(key, [...(panels.get(key) || []), row]);
  }
  drawLegend(byId("legend"), distinctImplementations(usable).map((name) => [name, lineStyle(name), 2.5]));
  const all = [...panels.values()].sort((a, b) => placeOf(a[0], split) - placeOf(b[0], split));
  showPanels("plots", chosen.panels, all.map((own) => ({ title: workload(own[0], split) || "all cases",
    about: `${about(y).name} against ${about(x).name}`, draw: (plot) => drawPanel(plot, own, chosen) })));
}

// Shows the first panels, each {title, about, draw}, in the place of this name, and a button that leads to all of them.
function showPanels(name, most, panels) {
  const host = byId(name);
  for (const old of host.querySelectorAll(".plot")) Plotly.purge(old);
  host.replaceChildren();
  const places = panels.slice(0, most).map(({ title, about, draw }) => {
    const plot = element("div", { className: "plot", tabIndex: 0, role: "group" });
    plot.setAttribute("aria-label", `Plot of ${about}: ${title}`);
    host.append(element("figure", {}, element("figcaption", {}, title), plot));
    return () => draw(plot);
  });
  for (const draw of places) draw(); // when all have their places, for a plot takes the width that it finds
  const more = byId(`more-${name}`);
  more.hidden = panels.length <= most;
  more.textContent = `Show all ${panels.length} plots`;
}

function placeOf(row, columns) {
  return columns.reduce((sum, column) => {
    const values = distinct(cases, column);
    return sum * (values.length + 1) + values.indexOf(row[column]);
  }, 0);
}

function undrawn(rows, usable, y) {
  const left = rows.filter((row) => !usable.includes(row));
  if (!rows.length) return "No case is chosen.";
  if (!left.length) return "";
  const counts = {};
  for (const row of left) {
    const why = row.status === "ok" ? `without ${about(y).name}` : String(row.status).replaceAll("_", " ");
    counts[why] = (counts[why] || 0) + 1;
  }
  return `Not drawn: ${Object.entries(counts).map(([why, count]) => `${count} ${why}`).join(", ")}.`;
}

// entries: [name, style, width]
function drawLegend(host, entries) {
  host.replaceChildren(...entries.map(([name, { color: stroke, dash }, width]) => {
    const line = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    line.setAttribute("width", 34);
    line.setAttribute("height", 10);
    line.setAttribute("aria-hidden", "true");
    const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
    for (const [key, value] of Object.entries({ d: "M1 5H33", stroke, "stroke-width": width, "stroke-dasharray": dash === "solid" ? "none" : dash.replaceAll("px", "") })) path.setAttribute(key, value);
    line.append(path);
    return element("span", {}, line, ` ${name}`);
  }));
}

function distinctImplementations(rows) {
  const there = new Set(rows.map((row) => row.implementation));
  return Object.keys(page.styles).filter((name) => there.has(name));
}

function drawPanel(plot, rows, { x, y, logX, logY }) {
  const scale = about(y).kind === "bytes" ? 2 ** -20 : 1;
  const { low, high } = about(y);
  const lines = distinctImplementations(rows).map((name) => rows.filter((row) => row.implementation === name).sort((a, b) => a[x] - b[x]));
  const traces = lines.map((line) => {
    const style = lineStyle(line[0].implementation);
    const trace = { x: line.map((row) => row[x]), y: line.map((row) => row[y] * scale), customdata: line.map((row) => row.place),
      name: plotText(line[0].implementation), mode: "lines+markers", hoverinfo: "text",
      hovertext: line.map((row) => told(row, x, y).map(plotText).join("<br>")),
      line: { color: style.color, dash: style.dash, width: 1.6 }, marker: { color: style.color, symbol: style.symbol, size: 8 } };
    if (low && high && line.some((row) => row[low] != null && row[high] != null)) {
      const ends = line.map((row) => (row[low] == null || row[high] == null ? [0, 0] : [row[high] - row[y], row[y] - row[low]]));
      trace.error_y = { type: "data", symmetric: false, thickness: 1.2, width: 3,
        array: ends.map(([up]) => Math.max(0, up)), arrayminus: ends.map(([, down]) => Math.max(0, down)) };
    }
    return trace;
  });
  const layout = baseLayout(340);
  const unit = { bytes: ", MiB" }[about(y).kind] || "";
  const values = [...new Set(rows.map((row) => row[x]))].sort((a, b) => a - b);
  Object.assign(layout.xaxis, { title: { text: plotText(about(x).name) }, type: logX ? "log" : "linear" },
    values.length <= 10 ? { tickvals: values, ticktext: values.map(String) } : {});
  Object.assign(layout.yaxis, { title: { text: plotText(about(y).name + unit), standoff: 10 }, type: logY ? "log" : "linear", ...axisOf(y, logY, rows.map((row) => row[y])) });
  if (!logY) layout.yaxis.rangemode = "tozero";
  Plotly.newPlot(plot, traces, layout, PLOTLY);
  plot.on("plotly_click", (event) => openDetails(cases[event.points[0].customdata]));
  plot.addEventListener("keydown", walk(plot, lines, (row) => told(row, x, y).join(", "), openDetails));
}

function told(row, x, y) {
  const samples = row.samples == null ? "" : `${row.samples} samples${row.processes == null ? "" : ` of ${row.processes} processes`}`;
  return [row.implementation, `${about(x).name}: ${shown(x, row[x])}`, `${about(y).name}: ${withInterval(y, row)}`, samples,
    row.noisy ? "noisy" : ""].filter(Boolean);
}

// Points by keyboard: the one that is reached is shown as under the mouse, and spoken as tell has it
function walk(plot, lines, tell, open) {
  const at = { line: 0, point: -1 };
  const steps = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] };
  return (event) => {
    if (event.target !== plot) return;
    if (event.key === "Enter" && at.point >= 0) {
      event.preventDefault(); // or the same key would press the dialog's first button
      open(lines[at.line][at.point]);
    }
    if (event.key === "Escape") Plotly.Fx.unhover(plot);
    if (!(event.key in steps) || !lines.length) return;
    event.preventDefault();
    const [down, right] = at.point < 0 ? [0, 1] : steps[event.key];
    at.line = (at.line + down + lines.length) % lines.length;
    at.point = Math.min(Math.max((at.point < 0 ? -1 : at.point) + right, 0), lines[at.line].length - 1);
    Plotly.Fx.hover(plot, [{ curveNumber: at.line, pointNumber: at.point }]);
    byId("spoken").textContent = tell(lines[at.line][at.point]);
  };
}
