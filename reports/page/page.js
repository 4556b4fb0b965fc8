// Draws the figures, follows the colour scheme, and pins networks. Text of the run enters by textContent only.
"use strict";
(() => {
  const { figures, points, heights } = JSON.parse(document.getElementById("data").textContent);
  const hover = document.getElementById("hover");
  const pinned = document.getElementById("pinned");
  const touch = matchMedia("(pointer: coarse)").matches;
  const config = { displaylogo: false, responsive: true, displayModeBar: touch ? false : "hover",
    modeBarButtons: [["toImage", "zoom2d", "pan2d", "resetScale2d"]],
    showSendToCloud: false, plotlyServerURL: "" }; // plotly 7 would offer to share the chart on its server
  let cost = points?.first;
  let second = ""; // a cost that is shown as colour
  let row = points?.best; // a single training has no points

  // A figure's colours are names of CSS variables.
  function themed(value) {
    if (typeof value === "string") {
      const name = /^var\((--\w+)\)$/.exec(value);
      return name ? getComputedStyle(document.documentElement).getPropertyValue(name[1]).trim() : value;
    }
    if (Array.isArray(value)) {
      const stop = value.length === 2 && typeof value[0] === "number" && typeof value[1] === "string"; // of a scale
      return typeof value[0] === "object" || stop ? value.map(themed) : value;
    }
    if (value === null || typeof value !== "object") return value;
    return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, themed(one)]));
  }

  function draw(plot) {
    const front = plot.dataset.figure === "front";
    const figure = themed(figures[front ? `front-${cost}` : plot.dataset.figure]);
    if (touch) figure.layout.dragmode = false; // a finger scrolls the page
    if (front && second && second !== cost) colour(figure);
    if (front) Object.assign(figure.data.at(-1), { x: [points[cost][row]], y: [points.accuracy[row]], customdata: [row] });
    return Plotly.react(plot, figure.data, figure.layout, config);
  }

  // Points are coloured by a second cost, and the front is that of accuracy against both.
  function colour(figure) {
    const rows = points.joint[`${cost} ${second}`] ?? points.joint[`${second} ${cost}`];
    const values = points[second], on = new Set(rows);
    const rest = [...values.keys()].filter((index) => !on.has(index));
    const scale = { cmin: Math.min(...values), cmax: Math.max(...values),
      colorscale: themed([[0, "var(--front)"], [0.5, "var(--c5)"], [1, "var(--best)"]]) };
    const place = (trace, indices, marker) => Object.assign(trace, { mode: "markers", error_y: undefined,
      x: indices.map((index) => points[cost][index]), y: indices.map((index) => points.accuracy[index]),
      customdata: indices, marker: { ...trace.marker, ...scale, ...marker, color: indices.map((index) => values[index]) } });
    const narrow = figure.layout.width < 500 || innerWidth < 600;
    place(figure.data[0], rest, { opacity: 0.35 });
    place(figure.data[1], rows, { size: 11, showscale: true,
      colorbar: { title: { text: points.costs[second], side: narrow ? "top" : "right" }, tickformat: scale.cmax >= 1000 ? "~s" : "~g", thickness: 12,
        outlinewidth: 0, ...(narrow ? { orientation: "h", y: -0.2, yanchor: "top" } : {}) } });
    figure.data[1].name = `front in ${points.costs[cost]} and ${points.costs[second]}`;
    return figure;
  }

  function networkDrawing(blocks) {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    let height = 0;
    for (const block of blocks) {
      const use = document.createElementNS(svg.namespaceURI, "use");
      use.setAttribute("href", `#block-${block}`);
      use.setAttribute("y", height);
      svg.append(use);
      height += heights[block];
    }
    svg.setAttribute("viewBox", `0 0 320 ${height}`);
    svg.setAttribute("class", "drawing");
    svg.setAttribute("role", "img");
    svg.setAttribute("aria-label", "The pinned network");
    return svg;
  }

  function pin(index) {
    row = index;
    const show = (name, text) => { pinned.querySelector(`[data-pin="${name}"]`).textContent = text; };
    show("trial", `Trial ${points.trial[row]}`);
    show("mark", row === points.best ? "best" : "");
    points.names.forEach((name, number) => show(name, points.text[row][number]));
    pinned.querySelector('[data-pin="drawing"]').replaceChildren(...points.blocks[row].length ? [networkDrawing(points.blocks[row])] : []);
    pinned.querySelector("code").textContent = points.arch[row];
    document.querySelectorAll("button.pin").forEach((button) => {
      button.closest("tr").classList.toggle("is-pinned", Number(button.dataset.row) === row);
    });
  }

  function showHover(event) {
    const index = event.points[0].customdata;
    const [accuracy, ...others] = points.text[index].map((text, number) => `${points.names[number]} ${text}`);
    const lines = [`Trial ${points.trial[index]}: ${accuracy}`];
    for (let number = 0; number < others.length; number += 2) lines.push(others.slice(number, number + 2).join(", "));
    const code = document.createElement("code");
    code.textContent = points.arch[index];
    hover.replaceChildren(...lines.map((line) => Object.assign(document.createElement("p"), { textContent: line })), code);
    hover.hidden = false;
    const { clientX, clientY } = event.event;
    const right = clientX + 16 + hover.offsetWidth < document.documentElement.clientWidth;
    const below = clientY + 16 + hover.offsetHeight < innerHeight;
    hover.style.left = `${Math.max(8, right ? clientX + 16 : clientX - 16 - hover.offsetWidth)}px`;
    hover.style.top = `${Math.max(8, below ? clientY + 16 : clientY - 16 - hover.offsetHeight)}px`;
  }

  async function copy(button) {
    const text = button.parentElement.querySelector("code").textContent;
    let done = true;
    try {
      await navigator.clipboard.writeText(text);
    } catch { // a browser that gives file:// no clipboard
      const area = Object.assign(document.createElement("textarea"), { value: text });
      document.body.append(area);
      area.select();
      done = document.execCommand("copy");
      area.remove();
    }
    button.textContent = done ? "Copied" : "No access";
    button.classList.toggle("done", done);
    setTimeout(() => { button.textContent = "Copy"; button.classList.remove("done"); }, 1500);
  }

  const plots = [...document.querySelectorAll(".plot")];
  const front = plots.find((plot) => plot.dataset.figure === "front");
  const pinAndDraw = (index) => { pin(index); draw(front); };

  if (front) pin(row);
  Promise.all(plots.map(draw)).then(() => {
    if (front) {
      front.on("plotly_hover", showHover);
      front.on("plotly_unhover", () => { hover.hidden = true; });
      front.on("plotly_click", (event) => { hover.hidden = true; pinAndDraw(event.points[0].customdata); });
    }
    document.body.dataset.drawn = "yes";
  });
  document.addEventListener("click", ({ target }) => {
    if (target.matches("button.copy")) copy(target);
    if (target.matches("button.pin")) {
      pinAndDraw(Number(target.dataset.row));
      front.scrollIntoView({ behavior: "smooth", block: "center" });
    }
  });
  document.querySelectorAll('input[name="cost"]').forEach((input) => {
    input.checked = input.value === cost; // a reload keeps what was chosen, but not its figure
    input.addEventListener("change", () => { cost = input.value; draw(front); });
  });
  document.querySelectorAll('input[name="second"]').forEach((input) => {
    input.checked = input.value === second;
    input.addEventListener("change", () => { second = input.value; draw(front); });
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => plots.forEach(draw));
})();
