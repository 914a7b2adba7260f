// Two runs side by side: what changed, by template and by test.
import { OUTSIDE, cost, counted, duration, money, moment, percent, whole } from "./text.js";
import { breakable, fill, h, longText, name, outcome, path, setTitle, testName } from "./dom.js";
import { index, lineAt, numberOf } from "./data.js";
import { address, to } from "./address.js";
import { changedText, failureText } from "./difference.js";
import { part, table } from "./tables.js";
import { toTest, turn } from "./tests.js";

const MOST = 20;

/** Show both runs. */
export function showComparison(content) {
  shown = "";
  setTitle("Two runs", index.title);
  const changed = index.tests.filter((test) => test.is_changed).length;
  fill(content,
    h("section", { class: "headline", "aria-labelledby": "headline" },
      h("h1", { id: "headline" }, changed ? `${whole(changed)} of ${counted(index.tests.length, "test")} changed` : "Nothing changed but times"),
      h("p", { class: "dim when" }, ["A", "B"].map((letter, place) => [place ? " · " : "", h("strong", {}, letter), " ", name(index.runs[place].title || "run"), " ", moment(index.runs[place].started)])),
      index.has_conversations.every(Boolean) ? null : h("p", { class: "note-warn" }, "Prompts and answers are not compared: ", index.has_conversations.some(Boolean) ? "one of the reports was" : "both reports were", " written without conversations.")),
    figures(), outcomes(), templates(), prompts(), passRates());
}

/** A row of the key figures: `[name, A, B, shown, whether less is better]`. */
function figures() {
  const [a, b] = index.runs;
  const passed = (run) => (run.outcomes.passed ?? 0) + (run.outcomes.xpassed ?? 0);
  const rows = [
    ["tests", a.tests, b.tests, whole, null],
    ["tests passed", passed(a), passed(b), whole, false],
    ["calls", a.sum.calls, b.sum.calls, whole, true],
    ["tokens in", a.sum.input_tokens, b.sum.input_tokens, whole, true],
    ["tokens out", a.sum.output_tokens, b.sum.output_tokens, whole, true],
    ["cost", a.sum, b.sum, cost, true],
    ["time of calls", a.sum.seconds, b.sum.seconds, duration, null],
    ["time of the run", a.seconds, b.seconds, duration, null],
  ].map(([head, before, after, shown, isLessBetter]) => ({ head, before, after, shown, isLessBetter }));
  return part("figures", "In all", table("In all", [
    { head: "", cell: (row) => row.head },
    { head: "A", isNumber: true, cell: (row) => row.shown(row.before) },
    { head: "B", isNumber: true, cell: (row) => row.shown(row.after) },
    { head: "difference", isNumber: true, cell: (row) => difference(row.before, row.after, row.shown, row.isLessBetter) },
  ], rows));
}

/** A difference with its sign and, with `hasShare`, what part of the value before it is; of costs where both are known. */
function difference(before, after, shown, isLessBetter = null, hasShare = true) {
  if (shown === cost) {
    if (before.unpriced || after.unpriced) return h("span", { class: "dim" }, "unknown");
    return difference(Number(before.cost), Number(after.cost), money, isLessBetter, hasShare);
  }
  if (before === after) return h("span", { class: "dim" }, "0");
  const by = after - before, share = !hasShare || !before ? "" : shareOf(by / before);
  const kind = isLessBetter === null ? "" : (by < 0) === isLessBetter ? "better" : "worse";
  return h("span", { class: kind || null }, `${by > 0 ? "+" : "−"}${shown(Math.abs(by))}`, h("span", { class: "dim part-of" }, share));
}

function shareOf(part) {
  if (Math.abs(part) < 0.005) return "";
  return part < 10 ? ` ${part > 0 ? "+" : "−"}${percent(Math.abs(part))}` : ` ×${whole(Math.round(part + 1))}`;
}

const points = (part) => `${Math.round(part * 100)} points`;

function outcomes() {
  const changed = index.tests.filter((test) => test.outcomes[0] !== test.outcomes[1]);
  if (!changed.length) return null;
  return part("outcomes", "Outcomes that changed", h("ul", { class: "failures" }, changed.slice(0, MOST).map((test) => h("li", {}, h("a", toTest(test), turn(test),
    h("span", { class: "grow" }, testName(test.nodeid), test.failures[1] ?? test.failures[0] ? h("span", { class: "why" }, name(test.failures[1] ?? test.failures[0])) : null))))),
  changed.length > MOST ? h("p", { class: "dim" }, `and ${whole(changed.length - MOST)} more`) : null);
}

const nothing = { others: [], calls: 0, input_tokens: 0, output_tokens: 0, cost: "0", unpriced: 0, seconds: 0 };

function templates() {
  const rows = index.templates.map((row) => ({ ...row, a: row.runs[0] ?? nothing, b: row.runs[1] ?? nothing }));
  const numbers = (key) => (row) => difference(row.a[key], row.b[key], whole, true, false);
  const changed = rows.filter((row) => row.answers || ["calls", "input_tokens", "output_tokens", "cost"].some((key) => row.a[key] !== row.b[key]) || row.a.others.join() !== row.b.others.join());
  if (!changed.length) return part("templates", "Templates", h("p", { class: "dim" }, "Every template asked the same models for the same tokens."));
  return part("templates", "Templates", table("Templates", [
    { head: "template", cell: (row) => row.name ? path(row.name) : OUTSIDE },
    { head: "models", cell: models, isWide: true },
    { head: "answers changed", isNumber: true, cell: (row) => row.answers ? `in ${counted(row.answers, "test")}` : h("span", { class: "dim" }, "0") },
    { head: "calls", isNumber: true, cell: numbers("calls") },
    { head: "tokens in", isNumber: true, cell: numbers("input_tokens") },
    { head: "tokens out", isNumber: true, cell: numbers("output_tokens") },
    { head: "cost", isNumber: true, cell: (row) => difference(row.a, row.b, cost, true, false) },
  ], changed), rows.length > changed.length ? h("p", { class: "dim" }, `${counted(rows.length - changed.length, "template")} without a change`) : null);
}

function models(row) {
  const [a, b] = [row.a.others, row.b.others];
  if (a.join() === b.join()) return b.map((one, place) => [place ? ", " : "", name(one)]);
  return [h("del", {}, name(a.join(", ") || "not called")), " ", h("ins", {}, name(b.join(", ") || "not called"))];
}

function prompts() {
  const total = index.prompts.length;
  if (!total) return null;
  return part("prompts", "Prompts that changed", index.prompts.slice(0, MOST).map((one) => h("article", { class: "change" },
    h("header", { class: "change-head" }, path(one.path || OUTSIDE), h("span", { class: "dim" }, `in ${counted(one.tests, "test")}`,
      one.texts > 1 ? [`, ${whole(one.texts)} different texts, such as in `, h("a", { class: "there", ...toTest(index.tests[one.test]) }, "this test")] : [", ", h("a", { class: "there", ...toTest(index.tests[one.test]) }, one.tests > 1 ? "such as this" : "this one")])),
    texts(one.before, one.after))),
  total > MOST ? h("p", { class: "dim" }, `and ${counted(total - MOST, "template")} more, in the tests`) : null);
}

function texts(before, after) {
  if (before === null) return h("div", { class: "only new" }, h("span", { class: "role" }, "only in B"), longText(after));
  if (after === null) return h("div", { class: "only gone" }, h("span", { class: "role" }, "only in A"), longText(before));
  return changedText(before, after);
}

function passRates() {
  const changed = index.tests.filter((test) => test.pass_rates[0] !== test.pass_rates[1]);
  if (!changed.length) return null;
  const rate = (value) => value === null ? "" : percent(value);
  return part("rates", "Pass rates that changed", table("Pass rates that changed", [
    { head: "test", cell: (row) => h("a", toTest(row), testName(row.nodeid)) },
    { head: "A", isNumber: true, cell: (row) => rate(row.pass_rates[0]) },
    { head: "B", isNumber: true, cell: (row) => rate(row.pass_rates[1]) },
    { head: "difference", isNumber: true, cell: (row) => row.pass_rates.includes(null) ? "" : difference(row.pass_rates[0], row.pass_rates[1], points, false, false) },
  ], changed));
}

let shown = ""; // the test whose changes are shown

/** Show what changed in a test. */
export async function showChange(content, now) {
  if (shown === now.test) return;
  const row = index.tests[numberOf(now.test)];
  if (!row) {
    shown = now.test;
    setTitle("No such test", index.title);
    fill(content, h("h1", {}, "No such test"), h("p", {}, "Neither run holds a test ", name(now.test), "."));
    return;
  }
  const { parts, failures } = row.line === null ? { parts: [], failures: [null, null] } : await lineAt(row.line);
  if (address().test !== now.test) return; // somebody went on meanwhile
  shown = now.test;
  const [file, ...rest] = row.nodeid.split("::"), [a, b] = row.sums.map((sum) => sum ?? nothing);
  setTitle(rest.at(-1) ?? file, index.title);
  fill(content,
    h("header", { class: "test-head" },
      h("p", { class: "crumbs" }, h("a", { ...to({ test: "", step: "" }) }, "Overview"), h("span", { class: "dim" }, " / ", name(file))),
      h("h1", {}, turn(row), " ", h("bdi", {}, breakable(rest.join(" › ") || file))),
      row.outcomes[0] === row.outcomes[1] ? null : h("p", {}, outcome(row.outcomes[0] ?? "absent"), " in A, ", outcome(row.outcomes[1] ?? "absent"), " in B"),
      row.failures.map((message, place) => message ? failureOf("AB"[place], message, failures[place] ?? "") : null),
      table("Numbers of this test", [
        { head: "", cell: (one) => one.head },
        { head: "A", isNumber: true, cell: (one) => one.shown(one.a) },
        { head: "B", isNumber: true, cell: (one) => one.shown(one.b) },
        { head: "difference", isNumber: true, cell: (one) => difference(one.a, one.b, one.shown, one.shown === duration ? null : true) },
      ], [["calls", "calls", whole], ["tokens in", "input_tokens", whole], ["tokens out", "output_tokens", whole], ["cost", "", cost], ["time of calls", "seconds", duration]]
        .map(([head, key, shown]) => ({ head, shown, a: key ? a[key] : a, b: key ? b[key] : b })))),
    part("changes", "What changed", parts.length ? h("ol", { class: "changes" }, parts.map(change)) : h("p", { class: "dim" }, row.outcomes.includes(null) ? "The test ran in one of the runs only." : "Nothing was said or answered in another way.")));
  content.scrollTop = 0;
}

const failureOf = (run, message, text) => h("section", { class: "failure", "aria-label": `Failure in ${run}` },
  h("p", { class: "failure-message" }, h("span", { class: "symbol", "aria-hidden": "true" }, "✗"), h("span", {}, `In ${run}: `, name(message))),
  text.trim() === message || !text ? null : failureText(text));

function change(one) {
  return h("li", { class: "change" },
    h("header", { class: "change-head" }, h("span", { class: "tag" }, one.what), one.sample ? h("span", { class: "dim" }, `sample ${one.sample}`) : null, path(one.path || OUTSIDE), one.name ? h("span", { class: "dim" }, name(one.name)) : null),
    texts(one.before, one.after));
}
