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
  const costNames = points?.names.slice(1, -1); // as texts have them, between accuracy and reward
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
    if (front) Object.assign(figure.data.at(-1), { x: [points[cost][row]], y: [points.accuracy[row]], customdata: [row] });
    return Plotly.react(plot, figure.data, figure.layout, config);
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
    pinned.querySelector('[data-pin="drawing"]').replaceChildren(networkDrawing(points.blocks[row]));
    pinned.querySelector("code").textContent = points.arch[row];
    document.querySelectorAll("button.pin").forEach((button) => {
      button.closest("tr").classList.toggle("is-pinned", Number(button.dataset.row) === row);
    });
  }

  function showHover(event) {
    const index = event.points[0].customdata;
    const texts = points.text[index], reward = texts.at(-1), sized = costNames[0] === "FLOPs";
    const sizes = sized ? [`reward ${reward}, ${texts[1]} FLOPs`, `${texts[2]} parameters, ${texts[3]} activations`]
      : [`reward ${reward}`];
    const further = costNames.slice(sized ? 3 : 0), from = sized ? 4 : 1;
    const lines = [`Trial ${points.trial[index]}: accuracy ${texts[0]}`, ...sizes,
      ...further.map((name, number) => `${name} ${texts[from + number]}`)];
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
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => plots.forEach(draw));
})();
