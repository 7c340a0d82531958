// How learning went: a panel for each task, a line for each cell and implementation, its band over all seeds.

const RNN_WIDTH = 1;

function courseStyle(line) {
  return [line.label, lineStyle(line.implementation), line.cell === "rnn" ? RNN_WIDTH : 2];
}

function drawCourses(panels) {
  const legend = new Map(page.courses.flatMap((course) => course.lines).map((line) => [line.label, courseStyle(line)]));
  drawLegend(byId("course-legend"), [...legend.values()]);
  const several = new Set(page.courses.map((course) => course.run)).size > 1;
  showPanels("courses", panels, page.courses.map((course) => ({ title: several ? `${course.title}, ${course.run}` : course.title,
    about: `${course.metric} against updates`, draw: (plot) => drawCourse(plot, course) })));
}

function drawCourse(plot, course) {
  const digits = (value) => String(Number(value.toPrecision(4)));
  const lines = course.lines.map((line) => line.updates.map((updates, k) => (
    { label: line.label, seeds: line.seeds, updates, score: line.mean[k], least: line.least[k], most: line.most[k] }))
    .filter((point) => point.score != null));
  const tell = (point) => [point.label, `${point.updates} updates`, `${course.metric}: ${digits(point.score)}`
    + (point.seeds > 1 ? ` (${digits(point.least)} to ${digits(point.most)}, ${point.seeds} seeds)` : "")];
  const means = lines.map((points, k) => {
    const [label, style, width] = courseStyle(course.lines[k]);
    return { x: points.map((point) => point.updates), y: points.map((point) => point.score), name: plotText(label), mode: "lines",
      hoverinfo: "text", hovertext: points.map((point) => tell(point).map(plotText).join("<br>")),
      line: { color: style.color, dash: style.dash, width } };
  });
  const bands = lines.map((points, k) => {
    const back = [...points].reverse();
    return { x: [...points, ...back].map((point) => point.updates),
    y: [...points.map((point) => point.most), ...back.map((point) => point.least)], mode: "lines", fill: "toself",
    fillcolor: `${means[k].line.color}26`, line: { width: 0 }, hoverinfo: "skip" };
  });
  const end = 1.05 * Math.max(...lines.flat().map((point) => point.updates));
  const [value, low, high] = course.score || [];
  const star = course.score ? [{ x: [end], y: [value], mode: "markers", hoverinfo: "text",
    hovertext: plotText(`LSTM on the test data: ${digits(value)}${low == null ? "" : ` [${digits(low)}, ${digits(high)}]`}`),
    marker: { symbol: "star", size: 11, color: color("--ink") },
    error_y: { type: "data", symmetric: false, array: [high == null ? 0 : high - value], arrayminus: [low == null ? 0 : value - low] } }] : [];
  const heights = lines.flat().flatMap((point) => [point.least, point.most]).concat(course.score?.filter((each) => each != null) ?? []);
  const baselines = near(Object.entries(course.baselines), heights, course.log);
  const layout = baseLayout(320);
  const scale = course.log ? Math.log10 : (each) => each;
  const scaled = heights.concat(baselines.map(([, score]) => score)).filter((each) => !course.log || each > 0).map(scale);
  const [least, most] = [Math.min(...scaled), Math.max(...scaled)];
  const margin = 0.08 * (most - least || 1);
  Object.assign(layout.xaxis, { title: { text: "updates" }, range: [0, 1.04 * end] });
  Object.assign(layout.yaxis, { title: { text: plotText(course.metric), standoff: 10 }, type: course.log ? "log" : "linear",
    range: [least - margin, most + margin], exponentformat: "power" });
  layout.shapes = baselines.map(([, score]) => ({ type: "line", xref: "paper", x0: 0, x1: 1, y0: score, y1: score,
    line: { color: color("--muted"), width: 1, dash: "dot" } }));
  layout.annotations = baselines.map(([name, score]) => ({ xref: "paper", x: 0, xanchor: "left", yanchor: "bottom", showarrow: false,
    y: scale(score), text: plotText(name), font: { size: 10.5, color: color("--muted") } }));
  Plotly.newPlot(plot, [...means, ...bands, ...star], layout, PLOTLY);
  plot.addEventListener("keydown", walk(plot, lines, (point) => tell(point).join(", "), () => {}));
}

// The baselines that lie where the curves are, or not far off
function near(baselines, heights, log) {
  const [least, most] = [Math.min(...heights), Math.max(...heights)];
  const reach = 2 * (most - least);
  return baselines.filter(([, score]) => score != null && (log ? score >= least / 10 && score <= 10 * most : score >= least - reach && score <= most + reach));
}
