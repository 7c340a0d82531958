// One row in a dialog: its record and, of a case, the raw samples behind it.

function openDetails(columns, row, samples) {
  const known = columns.filter((column) => column.values[row] !== null);
  byId("details-title").textContent = known.filter((column) => column.is_group
    || columns.indexOf(column) < 3).map((column) => column.texts[row]).join(", ");
  byId("record").replaceChildren(...known.map((column) => element("div", {},
    element("dt", { title: column.name }, column.label), element("dd", {}, column.texts[row]))));
  byId("samples").hidden = !samples;
  byId("no-samples").hidden = Boolean(samples);
  byId("details").showModal();
  byId("details").scrollTop = 0; // not where the last one was left
  if (samples) showSamples(row, samples);
}

function showSamples(row, { extent, processes }) {
  byId("samples-extent").textContent = extent;
  byId("samples-summary").replaceChildren(...processes.map(({ summary }) => element("tr", {},
    ...summary.map((text) => element("td", { className: "number" }, text)))));
  const samples = processes.flatMap(({ process, seconds, disturbed }) => seconds.map(
    (time, k) => [process, k, time, disturbed.includes(k) ? "True" : "False"]));
  byId("samples-csv").onclick = () => download("samples.csv",
    [["process", "order", "seconds", "disturbed"], ...samples]);

  const { color } = page.styles[caseColumns.implementation.texts[row]].line;
  const { axis, values } = caseColumns.time_median_s;
  const times = samples.map(([,, time]) => time);
  const trace = {
    y: times,
    text: samples.map(([process, k]) => `process ${process}, sample ${k}`),
    hovertemplate: "%{text}<br>%{y:.3s}s<extra></extra>",
    mode: "markers",
    marker: { color, size: 6, opacity: 0.75, symbol: samples.map(([process,,, disturbed]) => (
      (process % 2 ? "square" : "circle") + (disturbed === "True" ? "-open" : ""))) },
  };
  const median = { type: "line", xref: "paper", x0: 0, x1: 1, y0: values[row], y1: values[row],
    line: { color, width: 1.5 } };
  const isWide = Math.max(...times) > 10 * Math.min(...times);
  Plotly.newPlot(byId("samples-plot"), [trace], { template: page.template, height: 260,
    xaxis: { title: { text: "sample" } }, yaxis: { ...axis, type: isWide ? "log" : "linear" },
    shapes: values[row] ? [median] : [] }, CONFIG);
}
