// The list of tests: filters, search, and as many rows as fit the window.
import { counted, duration, money, whole } from "./text.js";
import { SYMBOLS, fill, h, name, outcome } from "./dom.js";
import { index, isComparison, linesIn, packCount } from "./data.js";
import { address, go, to } from "./address.js";

const SPARE = 8; // rows above and below those that are seen
const OUTCOMES = ["failed", "error", "passed", "xpassed", "xfailed", "skipped"];
const SLICE = 12; // milliseconds of search at a time

const rowsOf = document.getElementById("rows");
const found = document.getElementById("found");
const canvas = h("ul", { class: "canvas", role: "list", "aria-label": "Tests" });

/** What the list shows: `{heading, count}` and `{test}`, a row each. */
let rows = [];
let tests = []; // those of the rows, in order
let selected = -1; // a place in `rows`
let opened = ""; // the node id of the test that is open
let search = { text: "", said: new Set(), isDone: true };
let shownFor = null; // the filters that the rows were made for

/** The height of a row in pixels, which page.css says. */
const rowHeight = () => parseFloat(getComputedStyle(document.documentElement).getPropertyValue("--row"));

const outcomeOf = (test) => isComparison ? test.outcomes[1] ?? test.outcomes[0] : test.outcome;

/** Build the filters and the list. */
export function buildTests() {
  rowsOf.append(canvas);
  rowsOf.addEventListener("scroll", draw, { passive: true });
  new ResizeObserver(draw).observe(rowsOf);
  buildFilters();
}

function buildFilters() {
  const search = h("input", {
    type: "search", id: "search", placeholder: "Search tests and what was said", "aria-label": "Search tests and what was said",
    autocomplete: "off", spellcheck: "false", oninput: () => go({ q: search.value }, true),
  });
  const chips = h("div", { class: "chips", role: "group", "aria-label": "Outcomes" }, counts().map(([word, count]) => h("button", {
    type: "button", class: `chip ${word}`, "data-outcome": word, "aria-pressed": "false", title: word,
    onclick: () => toggle(word),
  }, h("span", { class: "symbol", "aria-hidden": "true" }, SYMBOLS[word]), h("span", { class: "sr" }, word), whole(count))));
  fill(document.getElementById("filters"),
    h("div", { class: "search" }, search, h("kbd", { "aria-hidden": "true" }, "/")),
    chips,
    isComparison ? everything() : h("div", { class: "selects" }, choice("template", index.templates), choice("model", index.models)));
}

function counts() {
  const all = {};
  for (const test of index.tests) if (!isComparison || test.is_changed) all[outcomeOf(test)] = (all[outcomeOf(test)] ?? 0) + 1;
  return OUTCOMES.filter((word) => all[word]).map((word) => [word, all[word]]);
}

function toggle(word) {
  const chosen = new Set(address().outcome.split(",").filter(Boolean));
  if (!chosen.delete(word)) chosen.add(word);
  go({ outcome: OUTCOMES.filter((one) => chosen.has(one)).join(",") }, true);
}

function choice(key, values) {
  const options = values.map((row) => h("option", { value: row.name || "\0" }, row.name || "outside of templates"));
  const select = h("select", { id: key, "aria-label": `Only tests with this ${key}`, onchange: () => go({ [key]: select.value }, true) },
    h("option", { value: "" }, `Every ${key}`), options);
  return select;
}

function everything() {
  const box = h("input", { type: "checkbox", id: "all", onchange: () => go({ all: box.checked ? "1" : "" }, true) });
  const same = index.tests.filter((test) => !test.is_changed).length;
  if (!same) return null;
  return h("label", { class: "all" }, box, ` Also ${counted(same, "test")} without a change`);
}

/** Show the tests that an address asks for. */
export function showTests(now) {
  const filters = JSON.stringify([now.q, now.outcome, now.template, now.model, now.all]);
  if (filters !== shownFor) {
    shownFor = filters;
    showFilters(now);
    find(now);
  }
  if (opened !== now.test) {
    opened = now.test;
    const place = rows.findIndex((row) => row.test !== undefined && index.tests[row.test].nodeid === opened);
    if (place >= 0) select(place);
  }
  draw();
}

function showFilters(now) {
  const input = document.getElementById("search");
  if (input.value !== now.q) input.value = now.q;
  const chosen = now.outcome.split(",");
  for (const chip of document.querySelectorAll(".chip")) chip.setAttribute("aria-pressed", String(chosen.includes(chip.dataset.outcome)));
  for (const key of ["template", "model"]) {
    const element = document.getElementById(key);
    if (element) element.value = now[key];
  }
  const box = document.getElementById("all");
  if (box) box.checked = Boolean(now.all);
}

/** Make the rows: tests by their name first, and what was said as it is found. */
function find(now) {
  const text = now.q.trim().toLowerCase();
  if (search.text !== text) {
    search = { text, said: new Set(), isDone: !text };
    if (text) searchSaid(search);
  }
  const outcomes = new Set(now.outcome.split(",").filter(Boolean));
  const template = numberIn(index.templates, now.template), model = numberIn(index.models ?? [], now.model);
  const fits = (test) => (!outcomes.size || outcomes.has(outcomeOf(test)))
    && (template === null || test.templates.includes(template))
    && (model === null || test.models.includes(model))
    && (!isComparison || now.all || test.is_changed);
  const shown = index.tests.map((_, number) => number).filter((number) => fits(index.tests[number]));
  const byName = text ? shown.filter((number) => index.tests[number].nodeid.toLowerCase().includes(text)) : shown;
  const names = new Set(byName);
  const bySaid = text ? shown.filter((number) => search.said.has(number) && !names.has(number)) : [];
  rows = text ? [...titled("By name", byName), ...titled("By what was said", bySaid)] : byFile(byName);
  tests = [...byName, ...bySaid];
  selected = rows.findIndex((row) => row.test !== undefined && index.tests[row.test].nodeid === opened);
  say();
  draw();
  if (search.isOpening && tests.length) openTest(index.tests[tests[0]]);
}

/** Open the first test that is found, as soon as there is one. */
export function openFirst() {
  search.isOpening = true;
  find(address());
}

function openTest(test) {
  search.isOpening = false;
  document.getElementById("search").blur();
  go({ view: "", test: test.nodeid, step: "" });
}

const numberIn = (list, wanted) => wanted ? list.findIndex((row) => (row.name || "\0") === wanted) : null;

function say() {
  const all = isComparison ? index.tests.filter((test) => test.is_changed || address().all).length : index.tests.length;
  const state = search.isDone ? "" : " · searching …";
  fill(found, (tests.length === all ? counted(all, "test") : `${whole(tests.length)} of ${counted(all, "test")}`) + state);
  const now = address();
  if (now.q || now.outcome || now.template || now.model) {
    found.append(" ", h("button", { type: "button", class: "text", onclick: clearFilters }, "Clear"));
  }
}

/** Take all filters away. */
export function clearFilters() {
  go({ q: "", outcome: "", template: "", model: "" }, true);
}

function titled(heading, numbers) {
  return numbers.length ? [{ heading, count: numbers.length }, ...numbers.map((test) => ({ test, isFull: true }))] : [];
}

function byFile(numbers) {
  const files = new Map();
  for (const number of numbers) {
    const { file } = parts(index.tests[number].nodeid);
    if (!files.has(file)) files.set(file, []);
    files.get(file).push(number);
  }
  return [...files].flatMap(([heading, members]) => [{ heading, count: members.length }, ...members.map((test) => ({ test }))]);
}

/** Look through what was said, a little at a time, until another search begins. */
async function searchSaid(own) {
  await pause(80); // whoever types goes on typing
  const mayHold = patternOf(own.text);
  let until = performance.now() + SLICE, before = 0;
  for (let pack = 0; pack < packCount; pack += 1) {
    for (const [line, text] of await linesIn(pack)) {
      if (mayHold.test(text) && holds(JSON.parse(text), own.text)) own.said.add(testOfLine(line));
      if (performance.now() < until) continue;
      if (own.said.size !== before) find(address());
      before = own.said.size;
      await pause(0);
      until = performance.now() + SLICE;
      if (own !== search) return;
    }
    if (own !== search) return;
  }
  own.isDone = true;
  find(address());
}

const pause = (milliseconds) => new Promise((go) => setTimeout(go, milliseconds));

/** Fits JSON that may hold a text: it is looked through before it is read. */
function patternOf(text) {
  const written = JSON.stringify(text).slice(1, -1);
  return new RegExp(written.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"), "iu");
}

/** Whether a test holds a text in what was said, not in the names of fields. */
function holds(test, text) {
  if (isComparison) return has([test.parts.map((part) => [part.before, part.after]), test.failures], text);
  return has(test.failure?.text, text) || test.messages.some((message) => isSaidIn(message, text))
    || test.steps.some((step) => isSaidAt(test, step, text));
}

/** The first step of a test at which a text was said; null where none said it. */
export function stepSaying(test, text) {
  const wanted = text.trim().toLowerCase();
  const failed = has(test.failure?.text, wanted) ? test.failure.step : null;
  return wanted ? test.steps.find((step) => isSaidAt(test, step, wanted))?.id ?? failed : null;
}

function isSaidAt(test, step, text) {
  if (step.type === "message") return isSaidIn(test.messages[step.message], text);
  if (step.type === "call") return step.reply !== null && isSaidIn(test.messages[step.reply], text);
  return step.type === "tool" && has([step.tool, step.arguments, step.result, step.error], text);
}

const isSaidIn = (message, text) => has(SAID.map((key) => message[key]), text);
const SAID = ["content", "thinking", "refusal", "tool_calls"];

/** Whether a value, or anything within it, holds a text, in whichever case. */
const has = (value, text) => typeof value === "string"
  ? value.toLowerCase().includes(text)
  : value !== null && typeof value === "object" && Object.values(value).some((one) => has(one, text));

let byLine = null; // of a comparison: unchanged tests have no line

function testOfLine(line) {
  if (!isComparison) return line;
  byLine ??= new Map(index.tests.map((test, number) => [test.line, number]));
  return byLine.get(line);
}

/** Draw the rows that are seen, and a few more. */
function draw() {
  const height = rowHeight();
  canvas.style.height = `${rows.length * height}px`;
  const first = Math.max(0, Math.floor(rowsOf.scrollTop / height) - SPARE);
  const last = Math.min(rows.length, Math.ceil((rowsOf.scrollTop + rowsOf.clientHeight) / height) + SPARE);
  const focused = document.activeElement?.closest?.("#rows [data-place]")?.dataset.place;
  const drawn = [];
  for (let place = first; place < last; place += 1) drawn.push(rowAt(place, height));
  canvas.replaceChildren(...drawn);
  if (focused !== undefined) canvas.querySelector(`[data-place="${focused}"]`)?.focus({ preventScroll: true });
  if (!rows.length) canvas.append(h("li", { class: "none" }, search.isDone ? (index.tests.length ? "No test fits." : "No test has run.") : "Searching …"));
}

function rowAt(place, height) {
  const row = rows[place];
  const content = row.test === undefined
    ? h("li", { class: "heading" }, h("span", { class: "grow" }, name(row.heading)), h("span", { class: "dim" }, whole(row.count)))
    : h("li", { "aria-setsize": tests.length }, testLink(row, place));
  content.style.top = `${place * height}px`;
  return content;
}

/** The parts of a node id: file and class, function, and what it was given, which tells it from its neighbours. */
function parts(nodeid) {
  const bracket = nodeid.endsWith("]") ? nodeid.indexOf("[") : -1;
  const whole = bracket > 0 ? nodeid.slice(0, bracket) : nodeid, cut = whole.lastIndexOf("::");
  return { file: cut < 0 ? "" : whole.slice(0, cut), stem: cut < 0 ? whole : whole.slice(cut + 2), parameters: bracket > 0 ? nodeid.slice(bracket) : "" };
}

function testLink(row, place) {
  const test = index.tests[row.test], isOpen = test.nodeid === opened;
  const { file, stem, parameters } = parts(test.nodeid);
  const isTab = selected >= 0 ? place === selected : place === firstTest();
  return h("a", {
    class: `row${place === selected ? " selected" : ""}`, ...toTest(test), "data-place": place, tabindex: isTab ? "0" : "-1",
    "aria-current": isOpen ? "page" : null, title: null,
  }, isComparison ? turn(test) : outcome(test.outcome, false), h("span", { class: "label" }, name(stem), parameters ? name(parameters, "parameters") : null,
    row.isFull ? name(file, "file") : null),
  test.samples ? h("span", { class: "dim" }, `${test.samples[0]}/${test.samples[1]}`) : null,
  isComparison ? kinds(test) : h("span", { class: "number" }, duration(test.seconds)));
}

const firstTest = () => rows.findIndex((row) => row.test !== undefined);

/** Where a test is shown: one that failed at the step at which it did. */
export const toTest = (test) => to({ view: "", test: test.nodeid, step: "" });

/** The outcomes of a test in both runs. */
export function turn(test) {
  const [a, b] = test.outcomes.map((word) => word ?? "absent");
  if (a === b) return outcome(b, false);
  return h("span", { class: "turn" }, outcome(a, false), h("span", { class: "dim", "aria-label": "then" }, "→"), outcome(b, false));
}

function kinds(test) {
  const [a, b] = test.sums.map((sum) => Number(sum?.cost ?? 0));
  return h("span", { class: "number" }, a === b ? "" : `${b > a ? "+" : "−"}${money(Math.abs(b - a))}`);
}

/** Select the row that is so many tests away, and move there. */
export function move(by) {
  let place = selected;
  if (place < 0) place = by > 0 ? -1 : rows.length;
  do place += by; while (place >= 0 && place < rows.length && rows[place].test === undefined);
  if (place < 0 || place >= rows.length) return null;
  select(place);
  draw();
  canvas.querySelector(`[data-place="${place}"]`)?.focus({ preventScroll: true });
  return index.tests[rows[place].test];
}

function select(place) {
  selected = place;
  const height = rowHeight(), top = place * height;
  canvas.style.height = `${rows.length * height}px`;
  if (top < rowsOf.scrollTop + height) rowsOf.scrollTop = top - height;
  else if (top + height > rowsOf.scrollTop + rowsOf.clientHeight) rowsOf.scrollTop = top + 2 * height - rowsOf.clientHeight;
}

/** Put the focus on the list: on the selected test, else on the first. */
export function focusList() {
  draw();
  canvas.querySelector('a[tabindex="0"]')?.focus();
}
