// Plots. Cases have a panel for each workload, with a line for each implementation. Learning curves
// have a panel for each task; its traces are part of the data.

const STEPS = { // of an arrow: among lines, among points
  ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] };
const panelLimits = { cases: 6, scores: 6 }; // a few rows of panels; a button shows all

// Plotly reads a little HTML in its labels, and texts are foreign.
function plotlyText(text) {
  return element("p", {}, text).innerHTML.replaceAll("\n", "<br>");
}

function draw(place, traces, layout) {
  Plotly.newPlot(place, traces, { template: page.template, ...layout }, page.config);
}

// A panel is {caption, label, traces, layout}. Its traces hold the texts of their points and,
// as customdata, their rows.
function drawPanels(name, panels) {
  const host = byId(`${name}-plots`);
  host.querySelectorAll(".plot").forEach((plot) => Plotly.purge(plot));
  const shown = panels.slice(0, panelLimits[name]);
  host.replaceChildren(...shown.map(({ caption, label }) => element("figure", {},
    element("figcaption", {}, caption), element("div", { className: "plot", tabIndex: 0,
      role: "group", ariaLabel: `Plot of ${label}: ${caption}` }))));
  // A plot takes the width of its element, which is known only once all of them are in the page
  host.querySelectorAll(".plot").forEach((plot, k) => drawPanel(plot, shown[k]));
  offerMore(byId(`${name}-all`), panels.length - shown.length, "plots", () => {
    panelLimits[name] = Infinity;
    drawPanels(name, panels);
  });
}

function drawPanel(plot, { traces, layout }) {
  for (const trace of traces) trace.hovertext = trace.text?.map(plotlyText);
  draw(plot, traces, layout);
  plot.on("plotly_click", ({ points: [{ customdata }] }) => openCase(customdata));
  const lines = traces.filter((trace) => trace.text);
  let line = 0;
  let point = -1;
  // By keyboard: the point that is reached is shown as under the mouse, and spoken.
  plot.onkeydown = (event) => {
    if (event.key === "Escape") Plotly.Fx.unhover(plot);
    if (event.key === "Enter" && point >= 0) {
      event.preventDefault(); // or the same key would press the first button of the dialog
      openCase(lines[line].customdata?.[point]);
    }
    if (!(event.key in STEPS)) return;
    event.preventDefault();
    const [down, right] = STEPS[event.key];
    line = (line + down + lines.length) % lines.length;
    point = Math.max(0, Math.min(point + right, lines[line].x.length - 1));
    Plotly.Fx.hover(plot, [{ curveNumber: line, pointNumber: point }]);
    byId("spoken").textContent = lines[line].text[point].replaceAll("\n", ", ");
  };
}

// x and y are columns; log says which axes are logarithmic.
function drawCases(rows, x, y, log) {
  const { implementation, status, input_size, hidden_size } = caseColumns;
  const fits = (value, isLog) => value !== null && (value > 0 || !isLog);
  const isDrawn = (row) => fits(x.values[row], log.x) && fits(y.values[row], log.y);
  const drawn = rows.filter(isDrawn);
  const reasons = Map.groupBy(rows.filter((row) => !isDrawn(row)), (row) => (
    status.values[row] === "ok" ? `without ${y.label}` : status.texts[row].replaceAll("_", " ")));
  const counts = [...reasons].map(([reason, left]) => `${left.length} ${reason}`).join(", ");
  byId("undrawn").textContent = !rows.length ? "No case is chosen."
    : counts && `Not drawn: ${counts}.`;

  const isSquare = drawn.every((row) => input_size.values[row] === hidden_size.values[row]);
  const along = [input_size, hidden_size].includes(x) && isSquare ? [input_size, hidden_size] : [x];
  const split = page.cases.filter((column) => column.is_group && !along.includes(column)
    && varies(column.values, drawn));
  const panels = Map.groupBy(drawn, (row) => (
    split.map((column) => column.texts[row]).join(", ") || "all cases"));
  drawPanels("cases", [...panels].map(([caption, own]) => ({
    caption,
    label: `${y.label} against ${x.label}`,
    traces: [...Map.groupBy(own, (row) => implementation.texts[row])].map(
      ([name, line]) => caseTrace(name, line, x, y)),
    layout: { xaxis: { ...x.axis, type: log.x ? "log" : "linear" },
      yaxis: { ...y.axis, type: log.y ? "log" : "linear", rangemode: "tozero" } },
  })));
}

function caseTrace(name, line, x, y) {
  const { implementation, samples, processes, noisy } = caseColumns;
  const described = [implementation, x, y, samples, processes, noisy].filter(Boolean);
  const reach = (end, sign) => line.map((row) => (
    sign * ((caseColumns[end]?.values[row] ?? y.values[row]) - y.values[row])));
  return { ...page.styles[name], name: plotlyText(name), customdata: line,
    x: line.map((row) => x.values[row]), y: line.map((row) => y.values[row] * y.scale),
    text: line.map((row) => described.map((column) => phrase(column, row)).join("\n")),
    error_y: { array: reach(y.high, 1), arrayminus: reach(y.low, -1) } };
}
