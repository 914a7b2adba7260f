// A run at a glance.
import { OUTSIDE, cost, counted, duration, moment, percent, whole } from "./text.js";
import { fill, h, name, outcome, path, setTitle, testName } from "./dom.js";
import { index } from "./data.js";
import { to } from "./address.js";
import { figure, part, sumColumns, table } from "./tables.js";
import { toTest } from "./tests.js";
import { failureText } from "./difference.js";

const SOURCES = {
  script: "scripts", cassette: "cassettes, replayed", recorded: "models, recorded now", model: "models, live", double: "doubles inside of clients",
};
const MOST = 12; // rows of what is listed before "and more"
const BAR = ["passed", "xpassed", "xfailed", "skipped", "error", "failed"];

/** Show the run. */
export function showOverview(content) {
  setTitle(index.title, "antiphon");
  fill(content, headline(), errors(), failures(), templates(), models(), sources(), samples(), isolation(), stale(), coverage());
}

function headline() {
  const { outcomes, sum } = index, total = index.tests.length, bad = (outcomes.failed ?? 0) + (outcomes.error ?? 0);
  const words = BAR.filter((word) => outcomes[word]).reverse();
  return h("section", { class: "headline", "aria-labelledby": "headline" },
    h("h1", { id: "headline" }, index.errors.length ? `${counted(index.errors.length, "error")} outside of tests${bad ? `, ${counted(bad, "failed test")}` : ""}`
      : total === 0 ? "No test has run" : bad ? `${whole(bad)} of ${counted(total, "test")} failed`
      : outcomes.passed === total && !index.exit_status ? (total === 1 ? "The test passed" : `All ${whole(total)} tests passed`) : index.exit_status ? `No test failed, and the run did` : `No test failed`),
    h("p", { class: "dim when" }, [moment(index.started), index.exit_status === null ? null : `exit status ${index.exit_status}`].filter(Boolean).join(" · ")),
    h("div", { class: "bar-of-outcomes", "aria-hidden": "true" }, BAR.filter((word) => outcomes[word]).map((word) => {
      const piece = h("span", { class: word });
      piece.style.flexGrow = String(outcomes[word]);
      return piece;
    })),
    h("ul", { class: "legend" }, words.map((word) => h("li", {}, h("a", { ...to({ outcome: word, view: "tests" }) }, outcome(word), " ", whole(outcomes[word]))))),
    h("dl", { class: "figures" },
      figure("calls of models", whole(sum.calls)),
      figure("tokens in", whole(sum.input_tokens)),
      figure("tokens out", whole(sum.output_tokens)),
      figure("cost", cost(sum), sum.unpriced ? `${counted(sum.unpriced, "call")} of unknown price` : ""),
      figure("time of calls", duration(sum.seconds)),
      figure("time of the run", duration(index.seconds))));
}

function errors() {
  return index.errors.length ? part("errors", "Errors outside of tests", index.errors.map((error) => h("section", { class: "failure" },
    h("p", { class: "failure-message" }, h("span", { class: "symbol", "aria-hidden": "true" }, "✗"), name(error.where || "pytest")), failureText(error.text)))) : null;
}

function failures() {
  const failed = index.tests.filter((test) => test.outcome === "failed" || test.outcome === "error");
  if (!failed.length) return null;
  return part("failures", "Failures", h("ul", { class: "failures" }, failed.slice(0, MOST).map((test) => h("li", {},
    h("a", toTest(test), outcome(test.outcome, false), h("span", { class: "grow" }, testName(test.nodeid),
      test.failure ? h("span", { class: "why" }, name(test.failure)) : null))))),
  failed.length > MOST ? h("p", {}, h("a", { ...to({ outcome: "failed,error", view: "tests" }) }, `All ${whole(failed.length)} in the list`)) : null);
}

const filtered = (key, row) => h("a", { ...to({ [key]: row.name || "\0", view: "tests" }), title: "The tests that called it" }, row.name ? path(row.name) : OUTSIDE);
const others = (row) => row.others.map((one, place) => [place ? ", " : "", name(one)]);

function templates() {
  if (!index.templates.length) return part("templates", "Templates", h("p", { class: "dim" }, "No model was called."));
  return part("templates", "Templates", table("Templates", [
    { head: "template", cell: (row) => filtered("template", row) },
    { head: "models", cell: others },
    ...sumColumns(index.templates),
  ], index.templates));
}

function models() {
  if (!index.models.length) return null;
  return part("models", "Models", table("Models", [
    { head: "model", cell: (row) => filtered("model", row) },
    { head: "templates", isNumber: true, cell: (row) => whole(row.others.length || 1) },
    ...sumColumns(index.models),
  ], index.models));
}

function sources() {
  if (!index.sources.length) return null;
  return part("sources", "Where answers came from", table("Where answers came from", [
    { head: "source", cell: (row) => [row.name, h("span", { class: "dim" }, `  ${SOURCES[row.name] ?? ""}`)] },
    ...sumColumns(index.sources),
  ], index.sources));
}

function samples() {
  if (!index.samples.length) return null;
  return part("samples", "Samples", table("Samples", [
    { head: "test", cell: (row) => h("a", toTest(index.tests[row.test]), outcome(index.tests[row.test].outcome, false), " ", testName(index.tests[row.test].nodeid)) },
    { head: "passed", isNumber: true, cell: (row) => `${row.passed} of ${row.count}` },
    { head: "wanted", isNumber: true, cell: (row) => percent(row.pass_rate) },
    { head: "true rate, 95%", cell: interval },
  ], index.samples));
}

function interval(row) {
  const range = h("span", { class: "range", "aria-hidden": "true" }, h("span", { class: "between" }), h("span", { class: "wanted" }), h("span", { class: "rate" }));
  range.style.setProperty("--low", `${row.low * 100}%`);
  range.style.setProperty("--high", `${row.high * 100}%`);
  range.style.setProperty("--wanted", `${row.pass_rate * 100}%`);
  range.style.setProperty("--rate", `${(row.passed / row.count) * 100}%`);
  return h("span", { class: "interval" }, range, h("span", { class: "number" }, `${percent(row.low)} to ${percent(row.high)}`));
}

function isolation() {
  if (!index.isolation) return null;
  const { subroutines, violations } = index.isolation;
  return part("isolation", "Isolation", h("p", {}, violations.length
    ? [h("span", { class: "outcome failed" }, h("span", { class: "symbol", "aria-hidden": "true" }, "✗"), `${counted(violations.length, "violation")}`), ` in ${counted(subroutines, "subroutine")}`]
    : [h("span", { class: "outcome passed" }, h("span", { class: "symbol", "aria-hidden": "true" }, "✓"), "unchanged"), ` · ${counted(subroutines, "subroutine")} left their parents as they were`]),
  violations.length ? h("ul", { class: "plain" }, violations.slice(0, MOST).map((one) => h("li", {}, h("a", toTest(index.tests[one.test]), testName(index.tests[one.test].nodeid)), h("div", { class: "dim" }, name(one.text))))) : null);
}

function stale() {
  if (!index.stale) return null;
  return part("stale", "Stale by a change of a prompt", index.stale.length ? table("Stale files", [
    { head: "file", cell: (row) => path(row.path) },
    { head: "what", cell: (row) => row.what },
    { head: "why", cell: (row) => name(row.why) },
    { head: "to record it", cell: (row) => row.cost ? name(row.cost) : "" },
  ], index.stale) : h("p", { class: "dim" }, "Nothing is stale."));
}

function coverage() {
  if (!index.coverage) return null;
  const { total, reached, missed } = index.coverage, share = total ? reached / total : 1;
  const meter = h("span", { class: "meter", "aria-hidden": "true" });
  meter.style.setProperty("--share", percent(share));
  return part("coverage", "Coverage", h("p", { class: "covered" }, meter, h("strong", {}, percent(share)),
    ` ${whole(reached)} of ${whole(total)} templates, branches and tools were reached`),
  missed.length ? table("Not reached", [
    { head: "not reached", cell: (row) => path(row.path) },
    { head: "branch", cell: (row) => name(row.what) },
    { head: "kind", cell: (row) => name(row.kind) },
    { head: "where", cell: (row) => row.file ? name(`${row.file}:${row.line}`) : "" },
  ], missed) : null);
}
