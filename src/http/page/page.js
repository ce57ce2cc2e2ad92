"use strict";
{
// Asks for the overview every two seconds, keeps what has passed, and draws it. Text from the server becomes text only.

const EVERY_MS = 2000;
const KEPT = 150;
const $ = (selector, from = document) => from.querySelector(selector);

function make(name, cls, ...children) {
  const node = document.createElement(name);
  if (cls) node.className = cls;
  node.append(...children);
  return node;
}

function draw(name, attributes) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  return node;
}

const whole = new Intl.NumberFormat("en");
function count(value) {
  if (value >= 1e7) return (value / 1e6).toFixed(value < 1e8 ? 1 : 0) + " M";
  return whole.format(Math.round(value));
}
function rate(value) {
  if (value > 0 && value < .05) return "< 0.1";
  return value >= 100 || value === 0 ? count(value) : value.toFixed(value < 10 ? 1 : 0);
}
function bytes(value) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
  let unit = 0;
  for (; value >= 1024 && unit < units.length - 1; unit++) value /= 1024;
  return (unit && value < 100 ? value.toFixed(1) : Math.round(value)) + " " + units[unit];
}
function micros(value) {
  if (value === null) return "–";
  if (value < 1000) return value + " µs";
  return value < 1e6 ? value / 1000 + " ms" : value / 1e6 + " s";
}
function span(ms) {
  const s = Math.max(0, Math.floor(ms / 1000)), d = Math.floor(s / 86400), h = Math.floor(s / 3600) % 24;
  const m = Math.floor(s / 60) % 60;
  return d ? `${d} d ${h} h` : h ? `${h} h ${m} min` : m ? `${m} min ${s % 60} s` : `${s} s`;
}
function percent(ratio) {
  return ratio < 0 ? "unknown" : (ratio * 100).toFixed(0) + " %";
}

// A plot of lines, each a list of numbers or nulls; they share one scale.
function plot(lines, width, height, most) {
  const svg = draw("svg", { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", "aria-hidden": "true" });
  svg.append(draw("line", { x1: 0, x2: width, y1: height - .5, y2: height - .5 }));
  lines.forEach(({ values, cls }, index) => {
    const step = width / (KEPT - 1), from = KEPT - values.length;
    const at = (value, i) => `${((from + i) * step).toFixed(1)} ${(height - 1.5 - (height - 4) * value / (most || 1)).toFixed(1)}`;
    let path = "", first = null, last = null;
    values.forEach((value, i) => {
      if (value === null) return;
      path += (last !== i - 1 || !path ? "M" : "L") + at(value, i);
      if (first === null) first = i;
      last = i;
    });
    if (first === null) return;
    const x = i => ((from + i) * step).toFixed(1);
    if (index === 0 && last > first && !values.slice(first, last).includes(null)) {
      svg.append(draw("path", { class: "area " + cls, d: `${path}L${x(last)} ${height}L${x(first)} ${height}Z` }));
    }
    svg.append(draw("path", { class: cls, d: path }));
  });
  return svg;
}

class Series {
  constructor() { this.values = []; }
  add(value) {
    this.values.push(value);
    if (this.values.length > KEPT) this.values.shift();
  }
  get now() { return this.values.length ? this.values[this.values.length - 1] : null; }
}

const series = {};
const of = name => series[name] ??= new Series();
let before = null;

// What happened between two overviews, by second.
function remember(now) {
  const t = now.traffic, b = before && before.traffic;
  if (t) {
    if (!before) {
      for (const [, into, out] of everyOther(t.history)) { of("in").add(into); of("out").add(out); }
      for (const name of ["bytesIn", "bytesOut", "p99", "lag"]) {
        for (let i = of("in").values.length; i > 0; i--) of(name).add(null);
      }
      of("lag").values.pop();
      of("lag").add(t.lag);
    } else {
      const seconds = (now.nowMs - before.nowMs) / 1000;
      // A clock that was set, or a broker that has started again.
      const fits = seconds > 0 && t.messagesIn >= b.messagesIn && now.uptimeMs >= before.uptimeMs;
      const per = name => fits ? (t[name] - b[name]) / seconds : null;
      of("in").add(per("messagesIn"));
      of("out").add(per("messagesOut"));
      of("bytesIn").add(per("bytesIn"));
      of("bytesOut").add(per("bytesOut"));
      of("p99").add(fits ? p99(t, b) : null);
      of("lag").add(t.lag);
    }
  }
  const seen = new Set();
  for (const row of now.topics) { const key = "topic " + row.name; seen.add(key); of(key).add(row.rateIn + row.rateOut); }
  for (const row of now.groups) { const key = pair(row); seen.add(key); of(key).add(row.lag); }
  // A row that is not shown may come back: what it was stays for as long as a plot reaches.
  for (const key of Object.keys(series)) {
    if (!key.includes(" ") || seen.has(key)) continue;
    of(key).add(null);
    if (of(key).values.every(value => value === null)) delete series[key];
  }
  before = now;
}
const pair = row => `pair ${row.name} ${row.topic}`;

function everyOther(history) {
  const every = EVERY_MS / 1000, kept = [];
  for (let i = 0; i + every <= history.length; i += every) {
    const part = history.slice(i, i + every), mean = at => part.reduce((sum, one) => sum + one[at], 0) / every;
    kept.push([part[0][0], mean(1), mean(2)]);
  }
  return kept;
}

// The class that the 99th of a hundred puts falls into, µs; null where nothing was put.
function p99(now, before) {
  const counts = now.putClasses.map((value, i) => value - before.putClasses[i]);
  const all = counts.reduce((sum, value) => sum + value, 0);
  if (!all) return null;
  let below = 0;
  const at = counts.findIndex(value => (below += value) >= all * .99);
  return now.boundsUs[Math.min(at, now.boundsUs.length - 1)];
}

function largest(values) { return Math.max(...values.filter(value => value !== null), 0); }

function card(title, lines, form) {
  const now = make("div", "now");
  for (const { name, label, cls } of lines) {
    const value = of(name).now, shown = value === null ? "–" : form(value);
    now.append(make("span", cls, shown, make("small", "", label && value !== null ? " " + label : "")));
  }
  const most = largest(lines.flatMap(({ name }) => of(name).values));
  const drawn = plot(lines.map(({ name, cls }) => ({ values: of(name).values, cls })), 300, 56, most);
  const scale = make("div", "scale", make("span", "", "5 min"), make("span", "", most ? "max " + form(most) : ""), make("span", "", "now"));
  return make("div", "card", make("h3", "", title), now, drawn, scale);
}

// Without rows it says that there are none, or is not there where nothing is to be said.
function table(section, columns, rows, note, none) {
  section.hidden = !rows.length && !none;
  $("h2", section).replaceChildren($("h2", section).firstChild.textContent, make("small", "", note));
  const head = make("tr", "", ...columns.map(column => make("th", column.cls || "", column.title)));
  const body = rows.map(row => make("tr", row.isThis ? "this" : "", ...columns.map(column => {
    const value = column.of(row), extra = column.mark ? column.mark(row) : "";
    return make("td", `${column.cls || ""} ${extra}`.trim(), value);
  })));
  $("table", section).replaceChildren(
    ...(rows.length ? [make("thead", "", head), make("tbody", "", ...body)] : [make("tbody", "", make("tr", "", make("td", "empty", none || "")))]));
}

const small = (key, cls) => {
  const values = series[key] ? series[key].values : [];
  return plot([{ values, cls }], 96, 22, largest(values));
};
const text = (title, field) => ({ title, cls: "text", of: row => row[field] });
const number = (title, of, more = {}) => ({ title, cls: "number" + (more.wide ? " wide" : ""), of, ...more });

function show(now) {
  const good = !now.trouble;
  $("#name").textContent = now.name;
  document.title = `${good ? "" : "! "}${now.name} · RocketMQ`;
  $("#state").textContent = good ? "ready" : now.trouble;
  $("#state").className = good ? "good" : "bad";
  const about = [now.kind === "broker" ? `${now.role} of ${now.cluster}` : "", now.addr, `version ${now.version}`, `up ${span(now.uptimeMs)}`];
  $("#about").textContent = about.filter(Boolean).join(" · ");
  if (now.traffic) {
    $("#plots").replaceChildren(
      card("Messages a second", [{ name: "in", label: "in", cls: "one" }, { name: "out", label: "out", cls: "other" }], rate),
      card("Bytes a second", [{ name: "bytesIn", label: "in", cls: "one" }, { name: "bytesOut", label: "out", cls: "other" }], bytes),
      card("Lag of all groups, messages", [{ name: "lag", label: "", cls: "one" }], count),
      card("Put latency, 99th percentile", [{ name: "p99", label: "at most", cls: "one" }], micros));
  }
  facts(now);
  const flows = now.kind === "broker", none = $("#view [type=search]").value ? "none found" : "none yet";
  $("#view").hidden = false;
  table($("#cluster"), [text("Broker", "name"), number("Id", row => row.id), text("Address", "addr"), { ...text("Cluster", "cluster"), cls: "text wide" },
    { title: "Role", of: row => row.id === 0 ? "master" : "slave" }], now.brokers, "as a name server knows it");
  table($("#slaves"), [{ title: "Slave", of: row => row.addr }, number("Behind", row => bytes(row.lagBytes), { mark: row => row.inSync ? "" : "warn" }),
    number("Per second", row => bytes(row.bytesPerSecond))], now.slaves, "");
  table($("#groups"), [text("Group", "name"), text("Topic", "topic"),
    number("Online", row => row.online + (row.atOdds ? ", at odds" : ""), { mark: row => row.atOdds ? "warn" : row.online ? "" : row.lag ? "warn" : "none" }),
    number("Out/s", row => rate(row.rateOut), { wide: true }),
    number("Lag", row => count(row.lag)), { title: "lag, 5 min", cls: "plot", of: row => small(pair(row), "other") }],
  now.groups, ways(now), flows && none);
  table($("#topics"), [text("Topic", "name"), number("Queues", row => String(row.queues), { wide: flows }), ...(flows ? [
    number("In/s", row => rate(row.rateIn)), number("Out/s", row => rate(row.rateOut)),
    number("Received", row => count(row.messagesIn), { wide: true }), number("Stored", row => count(row.stored)),
    { title: "in + out, 5 min", cls: "plot", of: row => small("topic " + row.name, "one") }] : [])],
  now.topics, shown(now.topics, now.topicsInAll), none);
}

function shown(rows, all) { return rows.length < all ? `${rows.length} of ${whole.format(all)}` : whole.format(all); }

// A group has a row for each of its topics.
function ways(now) {
  const { groups, groupsInAll, pairsInAll } = now;
  const rows = groups.length === pairsInAll && groupsInAll === pairsInAll ? "" : `, ${shown(groups, pairsInAll)} rows`;
  return whole.format(groupsInAll) + rows;
}

function facts(now) {
  const { process: p, store: s, traffic: t } = now;
  const list = [
    ["Connections", count(now.connections)],
    ...(t ? [["Pulls that wait", count(t.longPolls)], ["Refused or late", count(t.refused)],
      ["In since start", count(t.messagesIn)], ["Out since start", count(t.messagesOut)]] : []),
    ...(s ? [["Commit log", bytes(s.maxOffset - Math.max(0, s.minOffset))], ["Not on disk yet", bytes(s.toFlushBytes)],
      ["Not in queues yet", bytes(s.toDispatchBytes)], ["Disk", `${percent(s.diskRatio)} full, ${bytes(s.diskFreeBytes)} free`]] : []),
    ["Memory without files", bytes(p.anonymousBytes)], ["CPU time", span(p.cpuSeconds * 1000)],
    ["Open files", count(p.openFds)], ["Threads", count(p.threads)],
  ];
  $("#facts").replaceChildren(...list.map(([name, value]) => make("div", "", make("span", "", name), make("b", "", value))));
}

let waiting = null, asked = 0;
async function look() {
  clearTimeout(waiting);
  const mine = ++asked, search = $("#view [type=search]").value, system = $("#view [type=checkbox]").checked;
  const query = new URLSearchParams({ system: system ? 1 : 0, find: search });
  try {
    const answer = await fetch(`/api/overview.json?${query}`, { cache: "no-store", signal: AbortSignal.timeout(8000) });
    if (!answer.ok) throw new Error(`answer ${answer.status}`);
    const now = await answer.json();
    if (mine !== asked) return;
    // Somebody who types asks more often than the plots have points.
    if (!before || now.uptimeMs - before.uptimeMs < 0 || now.uptimeMs - before.uptimeMs > EVERY_MS / 2) remember(now);
    show(now);
  } catch (error) {
    if (mine !== asked) return;
    $("#state").textContent = `no answer (${error.message})`;
    $("#state").className = "bad";
  }
  waiting = setTimeout(look, EVERY_MS);
}
$("#view").addEventListener("input", look);
$("#view").addEventListener("submit", event => event.preventDefault());
look();
}
