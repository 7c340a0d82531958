// One row in a dialog: its record and, of a case, the raw samples behind it.

function openDetails(columns, row, samples) {
  const known = columns.filter((column) => column.values[row] !== null);
  const title = known.filter((column, k) => k < 3 || column.is_group);
  byId("details-title").textContent = title.map((column) => column.texts[row]).join(", ");
  byId("record").replaceChildren(...known.map((column) => element("div", {},
    element("dt", { title: column.name }, column.label), element("dd", {}, column.texts[row]))));
  byId("samples").hidden = !samples;
  byId("no-samples").hidden = Boolean(samples);
  byId("details").showModal();
  byId("details").scrollTop = 0; // not where the last one was left
  if (samples) showSamples(row, samples);
}

// A point of a learning curve is of no row.
function openCase(row) {
  if (row !== undefined) openDetails(page.cases, row, page.samples[row]);
}

function showSamples(row, { extent, processes }) {
  byId("samples-extent").textContent = extent;
  byId("samples-summary").replaceChildren(...processes.map(({ summary }) => (
    tableRow(summary.map((text) => element("td", {}, text))))));
  const samples = processes.flatMap(({ process, seconds, disturbed }) => seconds.map(
    (time, k) => ({ process, order: k, seconds: time, disturbed: disturbed.includes(k) })));
  byId("samples-csv").onclick = () => download("samples.csv",
    [Object.keys(samples[0]), ...samples.map(Object.values)]);

  const { implementation, time_median_s: time } = caseColumns;
  const { line, marker } = page.styles[implementation.texts[row]];
  const median = time?.values[row];
  const times = samples.map((sample) => sample.seconds);
  const symbols = samples.map(({ process, disturbed }) => (
    (process % 2 ? "square" : "circle") + (disturbed ? "-open" : "")));
  const isWide = Math.max(...times) > 10 * Math.min(...times);
  draw(byId("samples-plot"), [
    { name: "samples", mode: "markers", y: times, marker: { ...marker, symbol: symbols },
      hovertemplate: "%{text}<br>%{y:.3s}s<extra></extra>",
      text: samples.map(({ process, order }) => `process ${process}, sample ${order}`) },
    { name: "median", x: [0, times.length - 1], y: [median, median], mode: "lines", line },
  ], { yaxis: { ...time?.axis, type: isWide ? "log" : "linear" } });
}
