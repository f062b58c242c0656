// Searches, sorts and turns the pages of the list of records, and shows what models say of one. Text is only ever set as text.
"use strict";
(() => {
  const MISSING = "–";
  const SVG = "http://www.w3.org/2000/svg";
  const element = (name) => document.getElementById(`records-${name}`);
  const data = JSON.parse(element("data").textContent);
  const PAGE = data.page;
  const table = element("table");
  const body = table.tBodies[0];
  const headers = [...table.tHead.rows[0].cells];
  const search = element("search");
  const classes = element("class");
  const collator = new Intl.Collator(undefined, { numeric: true });
  const count = data.id.length;
  const sheet = new Image();
  const open = new Set();
  let key = "rank";
  let ascending = true;
  let places = [];
  let page = 0;

  const whole = (value) => value.toLocaleString("en-US");
  const number = (value) => (value === null ? MISSING : value.toFixed(2));

  // As jaxattack.report.wording.percent with two digits: nothing short of 1 is rounded up to 100%.
  function percent(share) {
    if (share === null) return MISSING;
    const value = 100 * share;
    if (value < 1e-6 || value === 100) return `${value === 100 ? 100 : 0}%`;
    const magnitude = Math.floor(Math.log10(value));
    const text = value.toFixed(Math.min(Math.max(1 - magnitude, 0), Math.max(2, 1 - magnitude)));
    return `${Number(text) === 100 ? (Math.floor(value * 10) / 10).toFixed(1) : text}%`;
  }

  function make(name, attributes = {}, ...children) {
    const node = document.createElement(name);
    for (const [attribute, value] of Object.entries(attributes)) node.setAttribute(attribute, value);
    node.append(...children);
    return node;
  }

  function draw(name, attributes, text = "") {
    const node = document.createElementNS(SVG, name);
    for (const [attribute, value] of Object.entries(attributes)) node.setAttribute(attribute, value);
    node.textContent = text;
    return node;
  }

  const isolate = (text) => make("bdi", { title: text }, text);
  const cell = (...children) => make("td", {}, ...children);

  function row(place) {
    const isOpen = open.has(place);
    const button = make("button", { type: "button", "aria-expanded": isOpen }, isolate(data.id[place]));
    const vulnerability = cell(number(data.vulnerability[place]) + (data.beyond[place] ? "*" : ""));
    if (data.low[place] !== null) {
      vulnerability.append(make("small", {}, `${number(data.low[place])}–${number(data.high[place])}`));
    }
    const shares = data.rates.flatMap((rate) => [`tpr@${rate}`, `fpr@${rate}`]);
    return make(
      "tr",
      { "data-place": place, class: isOpen ? "open" : "" },
      make("th", { scope: "row" }, button),
      cell(whole(place + 1)),
      cell(isolate(data.classes[data.label[place]])),
      vulnerability,
      ...shares.map((name) => cell(percent(data[name][place]))),
      ...["mean_in", "mean_out", "difficulty"].map((name) => cell(number(data[name][place]))),
    );
  }

  function picture(place) {
    const { width, height, across } = data.pictures;
    const canvas = make("canvas", { width, height, role: "img", "aria-label": `record ${data.id[place]} as a picture` });
    const [left, top] = [(place % across) * width, Math.floor(place / across) * height];
    sheet.decode().then(() => canvas.getContext("2d").drawImage(sheet, left, top, width, height, 0, 0, width, height));
    return canvas;
  }

  // The models that were trained on the record against the others, each side in shares of its own.
  function histogram(place) {
    const [width, height, base] = [360, 138, 120];
    const [low, high, ...sides] = data.histogram[place];
    const shares = sides.map((counts) => {
      const total = counts.reduce((sum, count) => sum + count, 0);
      return counts.map((count) => count / Math.max(total, 1));
    });
    const most = Math.max(...shares.flat());
    const across = width / shares[0].length;
    const outline = (side) => {
      const steps = side.map((share, bin) => `V${base - (base - 22) * (share / most)}H${(bin + 1) * across}`);
      return `M0 ${base}${steps.join("")}V${base}`;
    };
    const words = data.labels_alone ? ["wrong", "right"] : [number(low), number(high)];
    const signal = data.labels_alone ? "share that are right" : "phi, in nats";
    const means = [data.mean_in, data.mean_out].map((column) => number(column[place]));
    const description = `${signal}: ${means[0]} of the models trained on it on average, ${means[1]} of the others`;
    const svg = draw("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": description });
    svg.append(
      draw("path", { d: outline(shares[1]), class: "out" }),
      draw("path", { d: outline(shares[0]), class: "in" }),
      draw("path", { d: `M0 ${base}H${width}`, class: "axis" }),
      draw("text", { x: 0, y: 12, class: "in-words" }, "— trained on it"),
      draw("text", { x: 100, y: 12 }, "- - the others"),
      draw("text", { x: 0, y: base + 15 }, words[0]),
      draw("text", { x: width, y: base + 15, "text-anchor": "end" }, words[1]),
      draw("text", { x: width / 2, y: base + 15, "text-anchor": "middle" }, data.labels_alone ? "" : signal),
    );
    return svg;
  }

  function sentences(place) {
    const interval = data.low[place] === null ? "" : ` (95% interval ${number(data.low[place])} to ${number(data.high[place])})`;
    const spread = data.sensitivity[place] === null ? "" : `, ${number(data.sensitivity[place])} standard deviations apart`;
    const counts = data.histogram[place].slice(2).map((side) => side.reduce((sum, count) => sum + count, 0));
    const rates = data.rates.map((rate) => {
      const [tpr, fpr] = [percent(data[`tpr@${rate}`][place]), percent(data[`fpr@${rate}`][place])];
      return `at ${Number((100 * rate).toPrecision(6))}% false positives ${tpr} and ${fpr}`;
    });
    return [
      `Record ${data.id[place]}, class ${data.classes[data.label[place]]}: rank ${whole(place + 1)} of ${whole(data.records)}. `,
      `Vulnerability ${number(data.vulnerability[place])}${interval}${spread}${data.beyond[place] ? ", beyond chance" : ""}. `,
      `Of the ${whole(counts[0])} models trained on it and the ${whole(counts[1])} others, ${data.attack} calls it a member under: `,
      `${rates.join("; ")}.`,
    ].join("");
  }

  function detail(place) {
    const panel = make("div", { class: "record" });
    if (data.pictures && place < data.pictures.count) panel.append(picture(place));
    panel.append(histogram(place), make("p", {}, sentences(place)));
    return make("tr", { class: "detail" }, make("td", { colspan: headers.length }, panel));
  }

  function show() {
    const pages = Math.max(1, Math.ceil(places.length / PAGE));
    page = Math.min(Math.max(page, 0), pages - 1);
    const some = places.slice(page * PAGE, (page + 1) * PAGE);
    body.replaceChildren(...some.flatMap((place) => (open.has(place) ? [row(place), detail(place)] : [row(place)])));
    for (const header of headers) {
      if (header.dataset.key === key) header.setAttribute("aria-sort", ascending ? "ascending" : "descending");
      else header.removeAttribute("aria-sort");
    }
    element("status").textContent = `${whole(places.length)} of ${whole(count)} records`;
    element("place").textContent = `page ${whole(page + 1)} of ${whole(pages)}`;
    element("previous").setAttribute("aria-disabled", page === 0);
    element("next").setAttribute("aria-disabled", page === pages - 1);
  }

  // What is unknown comes last either way, and ties stay in the order of rank.
  function compare(one, other) {
    if (key === "rank") return ascending ? one - other : other - one;
    const [first, second] = [one, other].map((place) => {
      return key === "label" ? data.classes[data.label[place]] : data[key][place];
    });
    if (first === null || second === null) return (first === null) - (second === null) || one - other;
    const apart = typeof first === "string" ? collator.compare(first, second) : first - second;
    return (ascending ? apart : -apart) || one - other;
  }

  function select() {
    const text = search.value.trim().toLowerCase();
    const only = classes.value === "" ? null : Number(classes.value);
    places = [...data.id.keys()].filter((place) => {
      const label = data.label[place];
      const fits = data.id[place].toLowerCase().includes(text) || data.classes[label].toLowerCase().includes(text);
      return fits && (only === null || label === only);
    });
    places.sort(compare);
    page = 0;
    show();
  }

  function sort(column) {
    ascending = column === key ? !ascending : ["id", "rank", "label"].includes(column);
    key = column;
    places.sort(compare);
    page = 0;
    show();
  }

  function toggle(place) {
    if (!open.delete(place)) open.add(place);
    show();
    body.querySelector(`tr[data-place="${place}"] button`).focus({ preventScroll: true });
  }

  if (data.pictures) sheet.src = data.pictures.source;
  for (const header of headers) {
    const button = make("button", { type: "button" }, ...header.childNodes);
    button.addEventListener("click", () => sort(header.dataset.key));
    header.replaceChildren(button);
  }
  data.classes.forEach((name, label) => classes.append(make("option", { value: label }, name)));
  search.addEventListener("input", select);
  classes.addEventListener("change", select);
  element("find").addEventListener("submit", (event) => event.preventDefault());
  body.addEventListener("click", (event) => {
    const target = event.target.closest("tr[data-place]");
    const whileSelecting = !event.target.closest("button") && String(getSelection()) !== "";
    if (target && !whileSelecting) toggle(Number(target.dataset.place));
  });
  for (const [name, step] of [["previous", -1], ["next", 1]]) {
    element(name).addEventListener("click", () => {
      page += step;
      show();
    });
  }
  element("first").hidden = true;
  element("find").hidden = false;
  element("pager").hidden = count <= PAGE;
  select();
})();
