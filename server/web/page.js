// Fills the table from /api/v1/open-interest every five seconds, and has the pictures drawn anew every minute. Texts are set, never parsed as HTML: venues wrote them.
"use strict";
const at = (id) => document.getElementById(id);
const compact = new Intl.NumberFormat("en-US", { notation: "compact", minimumSignificantDigits: 4, maximumSignificantDigits: 4 });
const percent = (digits) => (number) => `${number.toFixed(digits)} %`;
// Columns that read better in another unit than the answer's: [heading, how a number is written].
const WRITTEN = {
  oi_usd: ["USD", (number) => compact.format(number)],
  oi_coins: ["coins", (number) => compact.format(number)],
  share: ["share", (number) => percent(1)(100 * number)],
  growth_24h_pct: ["24 h", percent(2)],
  funding_per_8h: ["funding, 8 h", (number) => percent(4)(100 * number)],
  age_s: ["age", (number) => lasting(number)],
  cadence_s: ["every", (number) => lasting(number)],
  sides_disputed: ["sides disputed", String],
};
const lasting = (seconds) => {
  const [size, unit] = [[86400, "d"], [3600, "h"], [60, "min"], [0, "s"]].find(([least]) => seconds >= 2 * least);
  return `${(seconds / (size || 1)).toFixed(size || seconds >= 10 ? 0 : 1)} ${unit}`;
};
const shown = (cell, name) => {
  if (cell === null || cell === undefined) return "–";
  if (typeof cell === "number" && name in WRITTEN) return WRITTEN[name][1](cell);
  if (typeof cell === "boolean") return cell ? "yes" : "no";
  if (typeof cell !== "number") return String(cell);
  return Number.isInteger(cell) ? cell.toLocaleString("en-US") : cell.toLocaleString("en-US", { maximumSignificantDigits: 5 });
};
const heading = (name) => WRITTEN[name]?.[0] ?? name.replaceAll("_", " ");
const row = (cells, tag, names, numeric) => {
  const line = document.createElement("tr");
  cells.forEach((cell, place) => {
    const box = document.createElement(tag);
    box.textContent = shown(cell, names[place]);
    box.classList.toggle("n", numeric[place]);
    box.classList.toggle("mind", names[place] === "state" && tag === "td" && cell !== "fresh");
    line.append(box);
  });
  return line;
};
const fill = (answer) => {
  const numeric = answer.columns.map((_, place) => answer.rows.some((cells) => typeof cells[place] === "number"));
  at("table").tHead.replaceChildren(row(answer.columns.map(heading), "th", [], numeric));
  at("table").tBodies[0].replaceChildren(...answer.rows.map((cells) => row(cells, "td", answer.columns, numeric)));
  at("summary").textContent = answer.summary;
  at("as-of").textContent = `as of ${answer.as_of}`;
  at("simulated").hidden = !answer.simulated;
  at("warnings").replaceChildren(...answer.warnings.map((words) => {
    const line = document.createElement("p");
    line.className = "mind";
    line.textContent = words;
    return line;
  }));
};
const ask = async () => {
  try {
    const reply = await fetch(`/api/v1/open-interest?asset=${encodeURIComponent(at("asset").value)}`);
    const answer = await reply.json();
    if (reply.ok) fill(answer); else at("summary").textContent = answer.error;
  } catch {
    at("as-of").textContent = "The server does not answer. These numbers are old; asking again.";
  }
};
// Pictures are drawn by the server; an address that is new is asked for again.
const PICTURES = {
  "open-interest": [["asset", "timeframe"], (asset, span) => `Open interest of ${asset} on all exchanges over ${span}, USD, with its band`],
  exchanges: [["asset"], (asset) => `Open interest of ${asset} by exchange, shares; the table below has the numbers`],
  "liquidation-map": [["asset"], (asset) => `Liquidation map of ${asset}: USD of longs and shorts by price`],
};
const draw = () => {
  const asked = { asset: at("asset").value, timeframe: at("timeframe").value };
  for (const [name, [wanted, words]] of Object.entries(PICTURES)) {
    const query = new URLSearchParams(wanted.map((key) => [key, asked[key]]));
    const link = at(name).parentElement.querySelector("a[data-path]");
    if (link) link.href = `${link.dataset.path}?${query}`;
    query.set("again", String(Math.floor(Date.now() / 60000)));
    at(name).src = `/picture/${name}.svg?${query}`;
    at(name).alt = words(asked.asset, asked.timeframe);
  }
};
const repeat = async () => { await ask(); setTimeout(repeat, 5000); };
const begin = async () => {
  let assets = ["BTC", "ETH", "SOL"];
  try {
    const health = await (await fetch("/health")).json();
    assets = health.assets ?? assets;
    at("simulated").hidden = health.mode !== "demo";
  } catch { /* the loop below says so */ }
  at("asset").replaceChildren(...assets.map((name) => new Option(name, name)));
  at("asset").addEventListener("change", () => { ask(); draw(); });
  at("timeframe").addEventListener("change", draw);
  draw();
  setInterval(draw, 60000);
  repeat();
};
begin();
