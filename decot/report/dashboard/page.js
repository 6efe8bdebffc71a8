"use strict";
const KEY = "decot-token", el = id => document.getElementById(id);
const given = new URLSearchParams(location.search).get("token");
if (given) { sessionStorage.setItem(KEY, given); history.replaceState(null, "", "/"); }
const token = sessionStorage.getItem(KEY) || "";
const ask = (path, more = {}) => fetch(path, { ...more, headers: { Authorization: "Bearer " + token, ...(more.headers || {}) } });

const MINUS = "\u2212", DASH = "\u2013";
const fixed = (x, n) => x === null || x === undefined || !isFinite(x) ? DASH
  : Number(x).toLocaleString("en-US", { minimumFractionDigits: n, maximumFractionDigits: n }).replace("-", MINUS);
const signed = (x, n) => (x > 0 ? "+" : "") + fixed(x, n);
const short = x => x === null || x === undefined ? DASH : Math.abs(x) >= 1000 ? fixed(x, 0) : String(Number(Number(x).toPrecision(3))).replace("-", MINUS);
const hms = t => new Date(t).toISOString().slice(11, 19);
const REGIMES = ["sleepy", "quiet", "normal", "lively", "rough", "wild"];
const MOVES = { "-1,-1": "stays short", "-1,0": "buys back", "-1,1": "turns long", "0,-1": "goes short", "0,0": "stays out", "0,1": "goes long", "1,-1": "turns short", "1,0": "sells", "1,1": "stays long" };
const FORECASTS = {
  future_return_5s: ["return in 5 s", x => signed(x * 1e4, 2) + " bps"], future_return_10s: ["return in 10 s", x => signed(x * 1e4, 2) + " bps"],
  future_signal: ["direction", x => signed(x, 2)], future_max_dd: ["worst move in 10 s", x => signed(x * 1e4, 2) + " bps"], target_profit: ["profit after costs", x => signed(x * 1e4, 2) + " bps"],
};

const line = { t: [], mid: [], equity: [], position: [], session: "" };
let moment = null, lang = "en", minutes = 0;

function node(tag, text, kind) { const made = document.createElement(tag); if (text !== undefined) made.textContent = text; if (kind) made.className = kind; return made; }
function rows(id, list) { el(id).querySelector("tbody").replaceChildren(...list.map(cells => { const row = node("tr"); row.append(...cells); return row; })); }

/* ---- what is shown ---- */
function take(next) {
  moment = next;
  const s = next.snapshot;
  if (s && s.session !== line.session) { Object.assign(line, { t: [], mid: [], equity: [], position: [], session: s.session }); loadHistory(); }
  if (s && (!line.t.length || s.time_ms > line.t.at(-1))) {
    line.t.push(s.time_ms); line.mid.push((s.bid + s.ask) / 2); line.equity.push(s.equity_usdt); line.position.push(s.position);
    if (line.t.length > 7200) for (const name of ["t", "mid", "equity", "position"]) line[name].shift();
  }
  show();
}

function show() {
  const next = moment, s = next && next.snapshot;
  el("banner").hidden = !(next && next.kill);
  if (next && next.kill) el("banner").textContent = `The switch is pulled: ${next.kill.why} (${next.kill.who}, ${next.kill.when.slice(0, 19).replace("T", " ")} UTC). Nobody trades under this home until a person takes it away.`;
  el("kill").disabled = !!(next && next.kill);
  el("kill").textContent = next && next.kill ? "Stopped" : "Stop trading";
  if (!s) { pill("waiting", "wait"); return; }
  el("symbol").textContent = s.symbol;
  el("venue").textContent = `${s.mode}${s.venue ? " on " + s.venue : ""} · ${s.session}`;
  const isSilent = next.age_s > 10;
  if (isSilent) pill(`silent for ${next.age_s > 1e6 ? "ever" : Math.round(next.age_s) + " s"}`, "bad");
  el("state").title = s.why || "";
  if (!isSilent) pill(s.state + (s.why && s.state !== "running" ? ": " + s.why : ""), { running: "good", reduced: "wait", flat: "bad", halted: "bad" }[s.state] || "wait");
  el("clock").textContent = hms(s.time_ms) + " UTC";
  document.title = `${signed(s.day_pnl_usdt, 2)} · ${s.symbol} · DECoT`;
  el("equity").textContent = fixed(s.equity_usdt, 4); el("day").textContent = signed(s.day_pnl_usdt, 4);
  el("drawdown").textContent = fixed(s.drawdown_bps, 1);
  el("position").textContent = { "-1": "▼ short", 0: "nothing", 1: "▲ long" }[Math.sign(s.position)];
  el("quantity").textContent = s.position ? signed(s.quantity, 5) : "flat";
  el("mid").textContent = fixed((s.bid + s.ask) / 2, 1);
  el("spread").textContent = `spread ${fixed((s.ask - s.bid) / s.bid * 1e4, 2)} bps`;
  el("counts").textContent = `${s.n_orders} · ${s.n_fills}`; el("bars").textContent = `${fixed(s.n_bars, 0)} bars`;

  const said = lang === "fr" ? s.sentence_fr : s.sentence_en;
  el("sentence").textContent = said || "nothing yet"; el("sentence").classList.toggle("soft", !said); el("sentence").lang = lang;
  const most = Math.max(1e-9, ...Object.values(s.attention || {}));
  el("chain").replaceChildren(...Object.entries(s.words || {}).flatMap(([question, answer]) => {
    const weight = (s.attention || {})[question], track = node("div", undefined, "m"), bar = node("i");
    bar.style.setProperty("width", weight === undefined ? "0" : 100 * weight / most + "%"); track.append(bar);
    return [node("div", question, "q"), node("div", answer, "a"), track, node("div", weight === undefined ? "" : fixed(100 * weight, 0) + " %", "p")];
  }));
  el("regime").replaceChildren(...REGIMES.map((name, k) => {
    const weight = (s.regime || [])[k] || 0, whole = node("div", undefined, weight > 0.5 ? "on" : ""), column = node("div", undefined, "col"), bar = node("i");
    bar.style.setProperty("height", 100 * weight + "%"); column.append(bar); whole.append(column, node("div", name), node("div", fixed(100 * weight, 0) + " %")); whole.title = `${name}: ${fixed(100 * weight, 1)} %`;
    return whole;
  }));
  rows("risk", Object.entries(s.risk || {}).map(([name, [value, bound, holds]]) => {
    const cell = node("td", undefined, "n"), track = node("span", undefined, "track" + (holds ? "" : " over")), bar = node("i");
    bar.style.setProperty("width", Math.max(0, Math.min(100, 100 * Math.abs(value || 0) / Math.max(1e-12, Math.abs(bound || 0)))) + "%"); track.append(bar); cell.append(track);
    return [node("td", name.replaceAll("_", " ")), cell, node("td", `${short(value)} / ${short(bound)}`, "n"), node("td", holds ? "✓ holds" : "✕ broken", holds ? "ok" : "no")];
  }));
  rows("forecasts", Object.entries(s.forecasts || {}).map(([name, x]) => { const [label, say] = FORECASTS[name] || [name, y => short(y)]; return [node("td", label), node("td", x === null ? DASH : say(x), "n")]; }));
  rows("latency", Object.entries(s.latency_us || {}).map(([stage, [p50, p99]]) => [node("td", stage), node("td", short(p50), "n"), node("td", short(p99), "n")]));
  rows("events", next.events.slice().reverse().map(e => [node("td", hms(e.t_ms), "num"), node("td", e.state), node("td", e.why || "", "soft")]));
  rows("decisions", next.decisions.slice().reverse().map(d => [
    node("td", hms(d.t_ms), "num"), node("td", fixed(d.price, 1), "n"), node("td", MOVES[`${d.position},${d.target}`] || ""), node("td", (lang === "fr" ? d.sentence_fr : d.sentence_en) || "")]));
  draw();
}
function pill(text, kind) { el("state").textContent = text; el("state").className = "pill " + kind; }

/* ---- charts ---- */
function window_() {
  const last = line.t.at(-1) || 0, first = minutes ? last - 60000 * minutes : -Infinity;
  let from = 0; while (from < line.t.length - 2 && line.t[from] < first) from++;
  return from;
}
function marks() {
  let held = 0;
  return ((moment && moment.fills) || []).map(f => {
    const side = f.side === "buy" || f.side === 1 ? 1 : -1, before = held; held += side * f.qty;
    if (Math.abs(held) < 1e-12) held = 0;
    return { t: f.t_ms, y: f.price, side, isEntry: Math.abs(held) > Math.abs(before), qty: f.qty, fee: f.fee_usdt };
  });
}
function ticks(low, high, n) {
  const raw = (high - low) / n, unit = 10 ** Math.floor(Math.log10(raw)), step = [1, 2, 2.5, 5, 10].map(k => k * unit).find(k => k >= raw) || raw;
  const found = []; for (let y = Math.ceil(low / step) * step; y <= high + 1e-9 * step; y += step) found.push(y);
  return [found, Math.max(0, -Math.floor(Math.log10(step) + 1e-9) + (step / unit === 2.5 ? 1 : 0))];
}
const charts = [
  { id: "price", name: "mid", colour: "--blue", digits: 1, has: true }, { id: "account", name: "equity", colour: "--blue", digits: 4, has: false },
];
function draw() { for (const chart of charts) paint(chart); }
function paint(chart) {
  const canvas = el(chart.id), css = getComputedStyle(document.documentElement), colour = name => css.getPropertyValue(name).trim();
  const wide = canvas.clientWidth, high = canvas.clientHeight, dense = devicePixelRatio || 1;
  if (canvas.width !== Math.round(wide * dense) || canvas.height !== Math.round(high * dense)) { canvas.width = Math.round(wide * dense); canvas.height = Math.round(high * dense); }
  const g = canvas.getContext("2d"); g.setTransform(dense, 0, 0, dense, 0, 0); g.clearRect(0, 0, wide, high);
  g.font = "12px system-ui, 'DejaVu Sans', sans-serif"; g.textBaseline = "middle";
  const values = chart.has ? line.mid : line.equity, from = window_(), n = line.t.length;
  if (n - from < 2) { g.fillStyle = colour("--soft"); g.textAlign = "center"; g.fillText("the line begins with the next bars", wide / 2, high / 2); chart.at = null; return; }
  const box = { l: 8, r: 74, t: 10, b: chart.has ? 40 : 24 }, t0 = line.t[from], t1 = Math.max(line.t[n - 1], t0 + 1000);
  const seen = chart.has ? marks().filter(m => m.t >= t0 && m.t <= t1) : [];
  let low = Infinity, top = -Infinity;
  for (let i = from; i < n; i++) { if (values[i] < low) low = values[i]; if (values[i] > top) top = values[i]; }
  for (const m of seen) { low = Math.min(low, m.y); top = Math.max(top, m.y); }
  const room = (top - low || Math.abs(top) * 1e-5 || 1) * 0.09; low -= room; top += room;
  const x = t => box.l + (t - t0) / (t1 - t0) * (wide - box.l - box.r), y = v => box.t + (top - v) / (top - low) * (high - box.t - box.b);
  chart.at = { x, y, from, t0, t1, box, seen, values };

  const [levels, digits] = ticks(low, top, high / 55);
  g.lineWidth = 1; g.textAlign = "left";
  for (const v of levels) { g.strokeStyle = colour("--grid"); g.beginPath(); g.moveTo(box.l, y(v)); g.lineTo(wide - box.r, y(v)); g.stroke(); if (Math.abs(y(v) - y(values[n - 1])) > 17) { g.fillStyle = colour("--soft"); g.fillText(fixed(v, digits), wide - box.r + 8, y(v)); } }
  const steps = [5, 10, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200].map(k => 1000 * k), step = steps.find(k => (t1 - t0) / k <= wide / 110) || 86400000;
  g.textAlign = "center";
  for (let t = Math.ceil(t0 / step) * step; t <= t1; t += step) if (x(t) > 30 && x(t) < wide - box.r - 10) { g.fillStyle = colour("--soft"); g.fillText(step < 60000 ? hms(t) : hms(t).slice(0, 5), x(t), high - 9); }

  if (chart.has) {
    const foot = high - box.b + 8;
    for (let i = from; i < n - 1; i++) if (line.position[i]) { g.fillStyle = colour(line.position[i] > 0 ? "--blue" : "--orange"); g.fillRect(x(line.t[i]), foot, Math.max(1, x(line.t[i + 1]) - x(line.t[i]) + 0.4), 7); }
  }
  const stride = Math.max(1, Math.floor((n - from) / (2 * wide)));
  g.strokeStyle = colour(chart.has ? "--soft" : chart.colour); g.lineWidth = chart.has ? 1.3 : 1.8; g.lineJoin = "round"; g.beginPath();
  for (let i = from; i < n; i += stride) i === from ? g.moveTo(x(line.t[i]), y(values[i])) : g.lineTo(x(line.t[i]), y(values[i]));
  g.lineTo(x(line.t[n - 1]), y(values[n - 1])); g.stroke();
  if (!chart.has) { g.lineTo(x(line.t[n - 1]), high - box.b); g.lineTo(x(t0), high - box.b); g.globalAlpha = 0.1; g.fillStyle = colour(chart.colour); g.fill(); g.globalAlpha = 1; }

  for (const m of seen) {
    const cx = x(m.t), cy = y(m.y) + 11 * m.side, size = 6.5; g.beginPath();
    g.moveTo(cx, cy - size * m.side); g.lineTo(cx + size, cy + size * m.side); g.lineTo(cx - size, cy + size * m.side); g.closePath();
    const shade = colour(m.side > 0 ? "--buy" : "--sell"); g.lineWidth = 1.8; g.strokeStyle = m.isEntry ? colour("--card") : shade; g.fillStyle = m.isEntry ? shade : colour("--card"); g.fill(); g.stroke();
  }
  const v = values[n - 1], label = fixed(v, chart.digits); g.font = "600 12px system-ui, 'DejaVu Sans', sans-serif"; g.textAlign = "left";
  g.fillStyle = colour(chart.colour); g.beginPath(); g.roundRect(wide - box.r + 3, y(v) - 10, box.r - 4, 20, 5); g.fill(); g.fillStyle = colour("--card"); g.fillText(label, wide - box.r + 8, y(v));
  if (chart.pointed !== undefined) point(chart, g, colour, high);
}
function point(chart, g, colour, high) {
  const { x, y, from, box, values, seen } = chart.at, n = line.t.length;
  let best = from; for (let i = from; i < n; i++) if (Math.abs(x(line.t[i]) - chart.pointed) < Math.abs(x(line.t[best]) - chart.pointed)) best = i;
  g.strokeStyle = colour("--soft"); g.setLineDash([3, 3]); g.lineWidth = 1; g.beginPath(); g.moveTo(x(line.t[best]), box.t); g.lineTo(x(line.t[best]), high - box.b); g.stroke(); g.setLineDash([]);
  g.fillStyle = colour(chart.colour); g.beginPath(); g.arc(x(line.t[best]), y(values[best]), 4, 0, 7); g.fill();
  const tip = el(chart.id).nextElementSibling, near = seen.find(m => Math.abs(x(m.t) - chart.pointed) < 8), parts = [node("b", `${fixed(values[best], chart.digits)}`), node("span", ` · ${hms(line.t[best])} UTC`, "soft")];
  if (near) {
    parts.push(node("div", `${near.side > 0 ? "bought" : "sold"} ${fixed(near.qty, 5)} at ${fixed(near.y, 1)} · fee ${fixed(near.fee, 4)}`));
    const told = ((moment && moment.decisions) || []).filter(d => d.t_ms <= near.t && near.t - d.t_ms < 15000).at(-1);
    if (told) parts.push(node("div", lang === "fr" ? told.sentence_fr : told.sentence_en, "soft"));
  }
  tip.replaceChildren(...parts); tip.hidden = false;
  const left = x(line.t[best]) + 12; tip.style.setProperty("top", "12px");
  tip.style.setProperty("left", (left + tip.offsetWidth > el(chart.id).clientWidth - box.r ? left - tip.offsetWidth - 24 : left) + "px");
}
for (const chart of charts) {
  el(chart.id).addEventListener("pointermove", event => { if (!chart.at) return; chart.pointed = event.offsetX; paint(chart); });
  el(chart.id).addEventListener("pointerleave", () => { chart.pointed = undefined; el(chart.id).nextElementSibling.hidden = true; paint(chart); });
}
addEventListener("resize", draw);
el("ranges").append(...[[5, "5 min"], [30, "30 min"], [0, "all"]].map(([n, name]) => {
  const made = node("button", name, "plain"); made.setAttribute("aria-pressed", String(n === minutes));
  made.addEventListener("click", () => { minutes = n; for (const other of el("ranges").children) other.setAttribute("aria-pressed", String(other === made)); draw(); });
  return made;
}));

/* ---- light and dark, language ---- */
const isDark = () => document.documentElement.dataset.theme === "dark";
const dress = theme => { document.documentElement.dataset.theme = theme; draw(); };
dress(sessionStorage.getItem("decot-theme") || (matchMedia("(prefers-color-scheme:dark)").matches ? "dark" : "light"));
el("theme").addEventListener("click", () => { const theme = isDark() ? "light" : "dark"; sessionStorage.setItem("decot-theme", theme); dress(theme); });
el("lang").addEventListener("click", () => { lang = lang === "en" ? "fr" : "en"; el("lang").textContent = lang.toUpperCase(); if (moment) show(); });

/* ---- the kill switch ---- */
el("kill").addEventListener("click", () => { el("sure").showModal(); el("why").focus(); });
el("back").addEventListener("click", () => el("sure").close());
el("really").addEventListener("submit", async event => {
  event.preventDefault(); el("confirm").disabled = true;
  try {
    const answer = await ask("/api/kill", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ why: el("why").value.trim() || "stopped from the dashboard" }) });
    if (!answer.ok) throw new Error(await answer.text());
    moment = { decisions: [], fills: [], events: [], ...(moment || {}), kill: await answer.json() }; el("sure").close(); show();
  } catch (failed) { el("banner").hidden = false; el("banner").textContent = `The switch was NOT pulled (${failed.message}). Pull it from a terminal: decot kill`; el("sure").close(); }
  el("confirm").disabled = false;
});

/* ---- the stream ---- */
async function loadHistory() {
  const answer = await ask("/api/history"); if (!answer.ok) return;
  const past = await answer.json(); if (past.session !== line.session) return;
  const newest = line.t.filter(t => !past.t_ms.length || t > past.t_ms.at(-1)).length, tail = name => newest ? line[name].slice(-newest) : [];
  Object.assign(line, { t: past.t_ms.concat(tail("t")), mid: past.mid.concat(tail("mid")), equity: past.equity.concat(tail("equity")), position: past.position.concat(tail("position")) });
  draw();
}
async function follow() {
  for (;;) {
    try {
      const answer = await ask("/api/stream");
      if (answer.status === 401) { sessionStorage.removeItem(KEY); location.replace("/"); return; }
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader(); let rest = "";
      el("link").hidden = true;
      for (;;) {
        const { done, value } = await reader.read(); if (done) break;
        const parts = (rest + value).split("\n\n"); rest = parts.pop();
        for (const part of parts) if (part.startsWith("data: ")) take(JSON.parse(part.slice(6)));
      }
    } catch (broken) { console.warn(String(broken)); }
    el("link").hidden = false; await new Promise(wake => setTimeout(wake, 1000));
  }
}
follow();
