// Plots: of cases, a panel for each workload with a line for each implementation; of what was
// learnt, a panel for each task, which comes as it is drawn.

const CONFIG = { responsive: true, displaylogo: false, toImageButtonOptions: { format: "svg" },
  modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"] };
const STEPS = { // of an arrow: among lines, among points
  ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] };
const panelLimits = { cases: 6, scores: 6 }; // a few rows of panels; a button shows all

// A panel is {caption, label, traces, layout}. Its traces hold the texts of their points and,
// as customdata, their rows.
function drawPanels(name, panels, open) {
  const shown = panels.slice(0, panelLimits[name]);
  const places = shown.map(({ caption, label }) => element("div", { className: "plot", tabIndex: 0,
    role: "group", ariaLabel: `Plot of ${label}: ${caption}` }));
  const host = byId(`${name}-plots`);
  host.querySelectorAll(".plot").forEach((plot) => Plotly.purge(plot));
  host.replaceChildren(...places.map((place, k) => (
    element("figure", {}, element("figcaption", {}, shown[k].caption), place))));
  // Only now, since a plot takes the width of its place, which depends on how many there are
  places.forEach((place, k) => drawPanel(place, shown[k], open));
  const onclick = () => {
    panelLimits[name] = Infinity;
    drawPanels(name, panels, open);
  };
  Object.assign(byId(`${name}-all`), { onclick, hidden: panels.length === shown.length,
    textContent: `Show all ${panels.length} plots` });
}

// Plotly reads a little HTML in its labels, and texts are foreign.
function plotlyText(text) {
  const escaped = text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
  return escaped.replaceAll("\n", "<br>");
}

function drawPanel(plot, { traces, layout }, open) {
  for (const trace of traces) trace.hovertext = trace.text?.map(plotlyText);
  Plotly.newPlot(plot, traces, { template: page.template, ...layout }, CONFIG);
  plot.on("plotly_click", ({ points: [point] }) => open(point.customdata));
  walkPoints(plot, traces.filter((trace) => trace.text), open);
}

// By keyboard: the point that is reached is shown as under the mouse, and spoken.
function walkPoints(plot, lines, open) {
  let line = 0;
  let point = -1;
  plot.addEventListener("keydown", (event) => {
    if (event.target !== plot) return;
    if (event.key === "Escape") Plotly.Fx.unhover(plot);
    if (event.key === "Enter" && point >= 0) {
      event.preventDefault(); // or the same key would press the first button of the dialog
      open(lines[line].customdata?.[point]);
    }
    if (!(event.key in STEPS)) return;
    event.preventDefault();
    const [down, right] = STEPS[event.key];
    line = (line + down + lines.length) % lines.length;
    point = Math.max(0, Math.min(point + right, lines[line].x.length - 1));
    Plotly.Fx.hover(plot, [{ curveNumber: line, pointNumber: point }]);
    byId("spoken").textContent = lines[line].text[point].replaceAll("\n", ", ");
  });
}

// x and y are columns; log says which axes are logarithmic.
function drawCases(rows, x, y, log, open) {
  const { implementation, status } = caseColumns;
  const fits = (value, isLog) => value !== null && (value > 0 || !isLog);
  const { true: drawn = [], false: left = [] } = Object.groupBy(rows, (row) => (
    fits(x.values[row], log.x) && fits(y.values[row], log.y)));
  const reasons = Map.groupBy(left, (row) => (status.values[row] === "ok"
    ? `without ${y.label}` : status.texts[row].replaceAll("_", " ")));
  const counts = [...reasons].map(([reason, { length }]) => `${length} ${reason}`).join(", ");
  byId("undrawn").textContent = rows.length ? counts && `Not drawn: ${counts}.` : "No case is chosen.";

  const sizes = [caseColumns.input_size, caseColumns.hidden_size];
  const areSame = drawn.every((row) => sizes[0].values[row] === sizes[1].values[row]);
  const along = areSame && sizes.includes(x) ? sizes : [x];
  const split = page.cases.filter((column) => column.is_group && !along.includes(column)
    && varies(column.values, drawn));
  const panels = Map.groupBy(drawn, (row) => (
    split.map((column) => column.texts[row]).join(", ") || "all cases"));
  drawPanels("cases", [...panels].map(([caption, own]) => ({
    caption,
    label: `${y.label} against ${x.label}`,
    traces: [...Map.groupBy(own, (row) => implementation.texts[row])].map(
      ([name, line]) => caseTrace(name, line, x, y)),
    layout: { height: 400, xaxis: { ...x.axis, type: log.x ? "log" : "linear" },
      yaxis: { ...y.axis, type: log.y ? "log" : "linear", rangemode: "tozero" } },
  })), open);
}

function caseTrace(name, line, x, y) {
  const { implementation, samples, processes, noisy } = caseColumns;
  const described = [implementation, x, y, samples, processes, noisy].filter(Boolean);
  const reach = (end, sign) => line.map((row) => (
    sign * ((caseColumns[end]?.values[row] ?? y.values[row]) - y.values[row])));
  return { ...page.styles[name], name: plotlyText(name), mode: "lines+markers", hoverinfo: "text", customdata: line,
    x: line.map((row) => x.values[row]), y: line.map((row) => y.values[row] * y.scale),
    text: line.map((row) => described.map(
      (column) => `${column.label}: ${column.texts[row]}`).join("\n")),
    error_y: { visible: y.low in caseColumns, array: reach(y.high, 1), arrayminus: reach(y.low, -1),
      thickness: 1.2, width: 3 } };
}
