// One row in a dialog: all that its record says, and the raw samples behind it.

function openDetails(row) {
  const dialog = byId("details");
  openDetails.row = row;
  const close = element("button", { type: "button", className: "close", onclick: () => dialog.close() }, "Close");
  const facts = element("dl");
  const columns = [...new Set([...page.cases, ...page.lessons].map((column) => column.name))];
  for (const column of columns.filter((column) => row[column] != null && row[column] !== "")) {
    const name = about(column).name;
    facts.append(element("div", {}, element("dt", { title: column }, name), element("dd", {}, shown(column, row[column]))));
  }
  const what = row.task ? `${row.task}, ${row.cell || ""}` : workload(row, ["mode", "input_size", "hidden_size", "batch_size", "seq_len"]);
  dialog.replaceChildren(close, element("h2", { id: "details-title" }, row.implementation || row.variant || row.task), element("p", {}, what));
  const found = row.task ? null : page.samples[row.place];
  if (found) dialog.append(...samplesOf(row, found));
  else if (!row.task) dialog.append(element("p", { className: "note" }, "There are no raw samples of this case in the page."));
  dialog.append(element("h3", {}, "Record"), facts);
  dialog.showModal();
  if (found) drawSamples(row, found[1]);
}

function samplesOf(row, [total, processes]) {
  const kept = processes.flatMap(([, times]) => times).length;
  const left = processes.flatMap(([, times]) => times).filter((time) => time < 0).length;
  const note = `${kept === total ? `All ${total}` : `${kept} of ${total}, evenly chosen,`} samples in the order in which they were `
    + `taken, processes one after the other. Hollow: taken while the machine was disturbed (${left}).`;
  const rows = processes.flatMap(([process, times]) => times.map((time, k) => (
    { process, order: k, seconds: Math.abs(time), disturbed: time < 0 })));
  const lines = processes.map(([process, times]) => element("tr", {}, element("th", { scope: "row" }, String(process)),
    ...[times.length, times.filter((time) => time < 0).length].map((count) => element("td", { className: "number" }, String(count))),
    ...[0, 0.5, 1].map((share) => element("td", { className: "number" }, seconds(quantile(times.map(Math.abs), share))))));
  const heads = ["process", "samples", "disturbed", "least", "median", "most"];
  return [
    element("h3", {}, "Raw samples"),
    element("div", { id: "sample-plot", role: "img", ariaLabel: `Raw samples of ${row.implementation}; the table below has them by process.` }),
    element("p", { className: "note" }, note),
    element("div", { className: "scroll" }, element("table", {},
      element("thead", {}, element("tr", {}, ...heads.map((head, k) => element("th", { scope: "col", className: k ? "number" : "" }, head)))),
      element("tbody", {}, ...lines))),
    element("p", {}, element("button", { type: "button", onclick: () =>
      download("samples.csv", csv(["process", "order", "seconds", "disturbed"], rows)) }, "Download these samples as CSV")),
  ];
}

function quantile(values, share) {
  const sorted = [...values].sort((a, b) => a - b);
  const at = share * (sorted.length - 1);
  return (sorted[Math.floor(at)] + sorted[Math.ceil(at)]) / 2;
}

function drawSamples(row, processes) {
  const style = lineStyle(row.implementation);
  let begin = 0;
  const traces = processes.map(([process, times], k) => {
    const x = times.map((_, at) => begin + at);
    begin += times.length;
    const symbols = times.map((time) => (k % 2 ? "square" : "circle") + (time < 0 ? "-open" : ""));
    return { x, y: times.map(Math.abs), mode: "markers", name: `process ${process}`, hoverinfo: "text", opacity: 0.75,
      hovertext: times.map((time, at) => `process ${process}, sample ${at}<br>${seconds(Math.abs(time))}${time < 0 ? ", disturbed" : ""}`),
      marker: { color: style.color, symbol: symbols, size: 6 }, showlegend: false };
  });
  const layout = baseLayout(260);
  Object.assign(layout.xaxis, { title: { text: "sample" }, range: [-0.5, begin - 0.5] });
  const all = traces.flatMap((trace) => trace.y);
  const log = Math.max(...all) > 10 * Math.min(...all);
  Object.assign(layout.yaxis, { title: { text: "time of one call", standoff: 10 }, type: log ? "log" : "linear", ...axisOf("time_median_s", log, all) });
  const median = row.time_median_s;
  if (median) {
    layout.shapes = [{ type: "line", xref: "paper", x0: 0, x1: 1, y0: median, y1: median, line: { color: style.color, width: 1.5 } }];
    layout.annotations = [{ xref: "paper", yref: "paper", x: 1, y: 1, xanchor: "right", yanchor: "bottom", showarrow: false,
      text: `line: the median, ${seconds(median)}` }];
    layout.margin.t = 26;
  }
  Plotly.newPlot(byId("sample-plot"), traces, layout, PLOTLY);
}
