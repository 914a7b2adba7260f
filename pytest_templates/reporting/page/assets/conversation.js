// A test with its conversation: templates as a tree, what was said and asked in them, and where it failed.
import { bytes, cost, counted, duration, money, pretty, whole } from "./text.js";
import { append, breakable, fill, folded, h, longText, name, outcome, path, setTitle, unfold } from "./dom.js";
import { index, lineAt, numberOf, pictureOf } from "./data.js";
import { address, to } from "./address.js";
import { failureText } from "./difference.js";
import { stepSaying } from "./tests.js";
import { mark } from "./highlight.js";
import { figure } from "./tables.js";

const CHOSEN_BY = {
  template: "the template's model", subroutine: "the subroutine's model", "subroutine-runner": "the subroutine's runner",
  runner: "the runner's model", direct: "called directly", override: "the test's override", model: "asked by the model around it",
};
const MOST_OPEN = 400; // steps: in longer conversations only what is on the way to the failure is open

let shown = null; // what is shown: the test, and what is made of it

/** Show a test; at a step, or where what is searched for was said, or where the test failed. */
export async function showConversation(content, now) {
  const number = numberOf(now.test);
  if (number === undefined) {
    shown = null;
    setTitle("No such test", index.title);
    fill(content, h("h1", {}, "No such test"), h("p", {}, "This report holds no test ", name(now.test), "."), h("p", {}, h("a", { ...to({ test: "", step: "" }) }, "Back to the overview")));
    return;
  }
  const isNew = shown?.number !== number;
  if (isNew) {
    const test = await lineAt(number);
    if (address().test !== now.test) return; // somebody went on meanwhile
    shown = read(number, test);
    setTitle(shown.test.nodeid.split("::").at(-1), index.title);
    fill(content, head(shown.test), tree(shown.test));
    content.scrollTop = 0;
  }
  const isMoving = isNew || shown.at !== now.step; // or else somebody filters: nothing moves
  const said = isMoving && !now.step ? stepSaying(shown.test, now.q) : null;
  const step = now.step ? drawnAt(Number(now.step)) : said === null ? shown.failedAt : drawnAt(said);
  if (isMoving && step !== null) showStep(step, said !== null);
  const found = mark(content, now.q);
  if (isMoving && step === null) found?.startContainer.parentElement.scrollIntoView({ block: "nearest" });
  else if (isMoving && said !== null) showFound(step, now.q);
  shown.at = now.step;
}

/** Forget what is shown: something else took its place. */
export function leaveConversation() {
  shown = null;
}

function read(number, test) {
  const children = new Map();
  for (const step of test.steps) {
    if (!children.has(step.parent)) children.set(step.parent, []);
    children.get(step.parent).push(step);
  }
  const shownBy = shownElsewhere(test);
  const failed = test.failure?.step ?? null, failedAt = shownBy.get(failed) ?? failed;
  const onTheWay = new Set();
  for (let step = failedAt; step !== null; step = test.steps[step].parent) onTheWay.add(step);
  const firstBad = test.steps.find((step) => step.type === "sample" && !step.passed)?.id;
  return { number, test, children, shownBy, failedAt, onTheWay, firstBad, sent: sentCounts(test.steps) };
}

/** The messages that have no place of their own, since the step of a call or a tool shows them: its step, by theirs. */
function shownElsewhere(test) {
  const calls = new Map(test.steps.filter((step) => step.type === "call" && step.reply !== null).map((step) => [step.reply, step.id]));
  const tools = new Map(), shownBy = new Map();
  for (const step of test.steps) {
    if (step.type === "tool" && step.tool_call_id) tools.set(step.tool_call_id, step.id);
    if (step.type !== "message") continue;
    const message = test.messages[step.message];
    const by = calls.get(step.message) ?? (message.role === "tool" ? tools.get(message.tool_call_id) : undefined);
    if (by !== undefined) shownBy.set(step.id, by);
  }
  return shownBy;
}

/** The step that shows a step: most show themselves. */
const drawnAt = (step) => shown.shownBy.get(step) ?? step;

function showStep(step, isSearch) {
  const element = revealed(step);
  if (!element) return;
  for (const other of document.querySelectorAll(".at")) other.classList.remove("at");
  element.classList.add("at");
  const failure = step === shown.failedAt && !isSearch ? element.querySelector(".failure") : null;
  if (!failure) element.scrollIntoView({ block: "start" });
  else if (fits(element)) element.scrollIntoView({ block: "center" });
  else failure.scrollIntoView({ block: fits(failure) ? "center" : "start" });
  element.focus({ preventScroll: true });
}

const fits = (element) => element.offsetHeight <= document.getElementById("content").clientHeight * 0.8;

/** The element of a step; what is folded around it is opened. */
function revealed(step) {
  const around = [];
  for (let one = step; one !== null && one !== undefined; one = shown.test.steps[one]?.parent) around.unshift(one);
  for (const one of around.slice(0, -1)) document.querySelectorAll(`#step-${one} > details`).forEach(unfold);
  return document.getElementById(`step-${step}`);
}

/** Show what was searched for where it is folded within its step, or cut. */
function showFound(step, text) {
  const element = document.getElementById(`step-${step}`);
  if (!mark(element, text)) element.querySelectorAll(":scope .thinking").forEach(unfold);
  const found = mark(element, text)?.startContainer.parentElement;
  mark(document.getElementById("content"), text);
  const cut = found?.closest(".said.cut");
  if (cut) cut.nextElementSibling.click();
  found?.scrollIntoView({ block: "center" });
}

function head(test) {
  const [file, ...rest] = test.nodeid.split("::"), failure = test.failure;
  const sum = index.tests[shown.number].sum;
  return h("header", { class: "test-head" },
    h("p", { class: "crumbs" }, h("a", { ...to({ test: "", step: "", view: "" }) }, "Overview"), h("span", { class: "dim", "aria-hidden": "true" }, " / "), name(file, "dim"), test.line ? h("span", { class: "dim" }, `:${test.line}`) : null),
    h("h1", {}, outcome(test.outcome), " ", h("bdi", {}, breakable(rest.join(" › ") || file))),
    h("dl", { class: "figures small" },
      figure("time", duration(test.seconds)),
      figure("calls", whole(sum.calls)),
      figure("tokens in", whole(sum.input_tokens)),
      figure("tokens out", whole(sum.output_tokens)),
      figure("cost", cost(sum)),
      test.source ? figure("answers from", test.source) : null,
      test.samples ? figure("samples", `${test.samples.passed} of ${test.samples.count}`, `${Math.round(test.samples.pass_rate * 100)}% wanted`) : null,
      test.isolation ? figure("isolation", test.isolation.violations.length ? "changed" : "unchanged", counted(test.isolation.subroutines, "subroutine")) : null,
      test.worker ? figure("worker", name(test.worker)) : null),
    failure && failure.step !== null ? h("p", { class: "failed-at" }, h("a", { ...to({ step: shown.failedAt }) }, h("strong", {}, "Failed"), " at step ", shown.failedAt + 1, ": ", name(failure.message))) : null,
    failure && failure.step === null ? failureBox(failure) : null);
}

const failureBox = (failure) => h("section", { class: "failure", "aria-label": "Failure" },
  h("p", { class: "failure-message" }, h("span", { class: "symbol", "aria-hidden": "true" }, "✗"), name(failure.message)), failure.text.trim() === failure.message ? null : failureText(failure.text));

function tree(test) {
  if (!test.steps.length) {
    return h("p", { class: "dim" }, index.has_conversations ? "No template was rendered, and no model asked." : "This report was written without conversations.");
  }
  return h("section", { "aria-labelledby": "conversation" }, h("h2", { id: "conversation" }, "Conversation"), steps(null));
}

const steps = (parent) => h("ol", { class: "steps" }, (shown.children.get(parent) ?? []).map(stepItem));

function stepItem(step) {
  if (shown.shownBy.has(step.id)) return null;
  const item = h("li", { class: `step of-${step.type}`, id: `step-${step.id}`, tabindex: "-1" }, KINDS[step.type](step), anchor(step));
  if (hasFailed(step)) item.classList.add("failed-here");
  if (!isFolded(step)) append(item, [shown.children.has(step.id) ? steps(step.id) : null, failureAt(step)]);
  return item;
}

const hasFailed = (step) => shown.failedAt === step.id;
const failureAt = (step) => hasFailed(step) ? failureBox(shown.test.failure) : null;

/** Whether what happened within a step is folded, with its failure. */
const isFolded = (step) => step.type === "sample" || step.type === "template" && shown.children.has(step.id);

const anchor = (step) => h("a", { class: "anchor", ...to({ step: step.id }), "aria-label": `Link to step ${step.id + 1}`, title: "Link to this step" }, "#");

const KINDS = {
  template(step) {
    const around = parentPath(step), isBelow = around && /^[/@]/.test(step.path.slice(around.length)) && step.path.startsWith(around);
    const own = isBelow ? step.path.slice(around.length).replace(/^\//, "") : step.path;
    const line = [h("span", { class: "template-name", title: step.path }, path(own)), h("span", { class: "kind" }, name(step.kind)),
      step.subroutine ? h("span", { class: "tag" }, "subroutine") : null,
      step.isolation === "unchanged" ? h("span", { class: "outcome passed" }, h("span", { class: "symbol", "aria-hidden": "true" }, "✓"), "isolated") : null,
      step.isolation === "changed" ? h("span", { class: "outcome failed" }, h("span", { class: "symbol", "aria-hidden": "true" }, "✗"), "not isolated") : null,
      step.error ? h("span", { class: "outcome failed" }, h("span", { class: "symbol", "aria-hidden": "true" }, "✗"), "ended early") : null,
      h("span", { class: "meta" }, step.file ? h("span", { class: "place" }, name(`${step.file}${step.line ? `:${step.line}` : ""}`)) : null, time(step.seconds))];
    const notes = [step.violation ? h("p", { class: "note-bad" }, "The parent was changed: ", name(step.violation)) : null,
      step.error && !isToldBelow(step.error) ? errorNote(step.error) : null];
    if (!isFolded(step)) return [h("div", { class: "template-line" }, line), notes];
    const isOpen = shown.test.steps.length <= MOST_OPEN || shown.onTheWay.has(step.id) || step.parent === null;
    return folded("template-body", h("span", { class: "template-line" }, line), () => [notes, failureAt(step), steps(step.id)], isOpen);
  },
  sample(step) {
    const line = [outcome(step.passed ? "passed" : "failed", false), h("strong", {}, `Sample ${step.number}`), step.why ? h("span", { class: "dim why" }, name(step.why)) : null];
    const isOpen = step.id === shown.firstBad || shown.onTheWay.has(step.id);
    return folded("sample-body", h("span", { class: "template-line" }, line), () => [failureAt(step), steps(step.id)], isOpen);
  },
  message(step) {
    return messageBlock(shown.test.messages[step.message]);
  },
  call(step) {
    const call = shown.test.calls[step.call], reply = step.reply === null ? null : shown.test.messages[step.reply];
    return [
      h("div", { class: "call-line" }, h("span", { class: "model" }, name(call.model)),
        h("span", { class: "dim" }, CHOSEN_BY[call.chosen_by] ?? call.chosen_by, call.served_by && !`:${call.model}`.endsWith(`:${call.served_by}`) ? [", served by ", name(call.served_by)] : null), h("span", { class: `tag source ${call.source}` }, call.source),
        call.fault ? h("span", { class: "tag fault" }, "fault: ", name(call.fault)) : null,
        h("span", { class: "meta" },
          call.input_tokens || call.output_tokens ? h("span", { title: "Tokens in and out" }, `${whole(call.input_tokens)} → ${whole(call.output_tokens)} tokens`) : null,
          call.cost !== null ? h("span", {}, money(call.cost)) : call.unpriced ? h("span", {}, "unknown price") : null, time(call.seconds))),
      call.inner.length ? h("p", { class: "small dim" }, "asked ", call.inner.map((one, place) => [place ? ", " : "", name(one)]), call.waited ? `, and waited ${duration(call.waited)} in between` : null) : null,
      sentTo(step),
      call.error && !(hasFailed(step) && isToldBelow(call.error)) ? errorNote(call.error) : null,
      reply ? messageBlock(reply) : null,
      step.left_early ? h("p", { class: "small dim left-early" }, "The program left the stream early: it did not hear the answer to its end.") : null];
  },
  tool(step) {
    return [
      h("div", { class: "call-line" }, h("span", { class: "tool-name" }, "⚙ ", name(step.tool)), step.error ? h("span", { class: "outcome failed" }, h("span", { class: "symbol", "aria-hidden": "true" }, "✗"), "failed") : null,
        h("span", { class: "meta" }, time(step.seconds))),
      h("div", { class: "labelled" }, h("span", { class: "role" }, "arguments"), longText(pretty(step.arguments), "said code")),
      h("div", { class: "labelled" }, h("span", { class: "role" }, step.error ? "error" : "result"), longText(step.error && !step.result.includes(step.error) ? `${step.error}\n${step.result}`.trim() : step.result, "said code"))];
  },
};

const errorNote = (error) => h("div", { class: "note-bad" }, longText(error));

/** Whether the failure of the test tells an error as well, in full. */
const isToldBelow = (error) => shown.test.failure?.text.includes(error.split("\n", 1)[0]) ?? false;

/** A time that is worth telling, or the room for one: times stand below each other. */
const time = (seconds) => h("span", { class: "time" }, seconds >= 0.0005 ? duration(seconds) : null);

function parentPath(step) {
  for (let around = step.parent; around !== null; around = shown.test.steps[around].parent) {
    if (shown.test.steps[around].type === "template") return shown.test.steps[around].path;
  }
  return "";
}

function messageBlock(message) {
  return h("div", { class: `message ${message.role}` },
    h("div", { class: "message-head" }, h("span", { class: "role" }, message.role), message.finish_reason && message.finish_reason !== "stop" ? h("span", { class: "tag" }, name(message.finish_reason)) : null),
    h("div", { class: "message-body" },
      message.thinking ? folded("thinking", ["Thinking ", h("span", { class: "dim" }, `${whole(message.thinking.length)} characters`)], () => longText(message.thinking)) : null,
      message.content || !(message.tool_calls.length || message.refusal || message.attachments.length) ? longText(message.content) : null,
      message.refusal ? h("p", { class: "note-bad" }, "Refused: ", name(message.refusal)) : null,
      message.attachments.map(attachment),
      message.tool_calls.map((call) => h("div", { class: "asks" }, h("span", { class: "dim" }, "asks for "), h("span", { class: "tool-name" }, name(call.name)), longText(pretty(call.arguments), "said code")))));
}

function attachment(one) {
  const facts = [one.media_type ?? one.kind, one.size === null ? null : bytes(one.size), one.digest ? `sha256 ${one.digest.slice(0, 12)}…` : null].filter(Boolean).join(" · ");
  const address = one.kind === "image" && one.digest ? pictureOf(one.digest) : undefined;
  const caption = h("figcaption", { class: "small dim" }, name(facts));
  const figure = h("figure", { class: "attachment" }, caption);
  const leaveOut = (why) => caption.append(` · ${why}`);
  if (address) {
    const picture = h("img", { src: address, alt: `Attached picture, ${facts}`, loading: "lazy" });
    picture.addEventListener("error", () => {
      picture.remove();
      leaveOut("no browser can show it");
    });
    figure.prepend(picture);
  } else if (one.kind === "image") leaveOut("not in this report");
  return figure;
}

/** What a call was sent. */
function sentTo(step) {
  const count = shown.sent.get(step.id);
  return count ? folded("sent", h("span", { class: "dim" }, `Sent ${counted(count, "message")}`),
    () => placesSent(step).map((place) => messageBlock(shown.test.messages[place]))) : null;
}

const sizeOf = (ranges) => ranges.reduce((size, [first, last]) => size + last - first + 1, 0);
const within = (ranges) => ranges.flatMap(([first, last]) => Array.from({ length: last - first + 1 }, (_, place) => first + place));

/** How many messages each call was sent: a call tells what it was sent beyond an earlier one, and which of that it was not. */
function sentCounts(steps) {
  const counts = new Map();
  for (const { id, type, continues, left_out, before, sent } of steps) {
    if (type === "call") counts.set(id, sizeOf(before) + (continues === null ? 0 : Math.max(0, counts.get(continues) - left_out)) + sizeOf(sent));
  }
  return counts;
}

/** The places of all messages that a call was sent, in order. */
function placesSent(step) {
  const chain = [step];
  while (chain.at(-1).continues !== null) chain.push(shown.test.steps[chain.at(-1).continues]);
  let places = [];
  for (const { left_out, before, sent } of chain.reverse()) places = [...within(before), ...places.slice(left_out), ...within(sent)];
  return places;
}
