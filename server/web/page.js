// Fills the table from /api/v1/open-interest every five seconds. Texts are set, never parsed as HTML: venues wrote them.
"use strict";
const at = (id) => document.getElementById(id);
const shown = (cell) => {
  if (cell === null || cell === undefined) return "–";
  if (typeof cell === "boolean") return cell ? "yes" : "no";
  if (typeof cell !== "number") return String(cell);
  return Number.isInteger(cell) ? cell.toLocaleString("en-US") : cell.toLocaleString("en-US", { maximumSignificantDigits: 5 });
};
const row = (cells, tag, numeric) => {
  const line = document.createElement("tr");
  cells.forEach((cell, place) => {
    const box = document.createElement(tag);
    box.textContent = shown(cell);
    if (numeric[place]) box.className = "n";
    line.append(box);
  });
  return line;
};
const fill = (answer) => {
  const numeric = answer.columns.map((_, place) => answer.rows.some((cells) => typeof cells[place] === "number"));
  at("table").tHead.replaceChildren(row(answer.columns.map((name) => name.replaceAll("_", " ")), "th", numeric));
  at("table").tBodies[0].replaceChildren(...answer.rows.map((cells) => row(cells, "td", numeric)));
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
const repeat = async () => { await ask(); setTimeout(repeat, 5000); };
const begin = async () => {
  let assets = ["BTC", "ETH", "SOL"];
  try {
    const health = await (await fetch("/health")).json();
    assets = health.assets ?? assets;
    at("simulated").hidden = health.mode !== "demo";
  } catch { /* the loop below says so */ }
  at("asset").replaceChildren(...assets.map((name) => new Option(name, name)));
  at("asset").addEventListener("change", ask);
  repeat();
};
begin();
