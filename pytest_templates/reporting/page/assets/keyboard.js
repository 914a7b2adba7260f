// The keyboard: everything can be reached by it, and the keys are listed by "?".
import { fill, h } from "./dom.js";
import { address, go } from "./address.js";
import { clearFilters, focusList, move, openFirst } from "./tests.js";

const KEYS = [
  [[["j", "↓"], ["k", "↑"]], "next and previous: test in the list, step in a conversation"],
  [[["Enter"]], "open the selected test; in the search, the first that is found"],
  [[["J"], ["K"]], "open the next or the previous test"],
  [[["←"], ["→"]], "fold and unfold a step"],
  [[["/"]], "search"],
  [[["Escape"]], "leave the search, the test, the filters"],
  [[["o"]], "overview"],
  [[["?"]], "these keys"],
];
const dialog = document.getElementById("keys");
const content = document.getElementById("content");

/** Listen to the keyboard, and list the keys. */
export function buildKeyboard() {
  fill(dialog, h("h2", { id: "keys-title" }, "Keyboard"), h("dl", { class: "keys" }, KEYS.map(([keys, what]) => [h("dt", {}, spelt(keys)), h("dd", {}, what)])),
    h("button", { type: "button", class: "tool wide", onclick: () => dialog.close() }, "Close"));
  document.getElementById("help").addEventListener("click", () => dialog.showModal());
  document.addEventListener("keydown", pressed);
}

const joined = (parts, separator) => parts.map((part, place) => [place ? separator : null, part]);
const spelt = (keys) => joined(keys.map((same) => joined(same.map((key) => h("kbd", {}, key)), " or ")), ", ");

function pressed(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || dialog.open) return;
  const target = event.target, isTyping = target.matches("input, select, textarea");
  if (isTyping && event.key !== "Escape" && !(event.key === "ArrowDown" && target.type === "search") && !(event.key === "Enter" && target.type === "search")) return;
  const action = ACTIONS[event.key];
  if (action?.(target, isTyping) === true) event.preventDefault();
}

const isInConversation = (target) => address().test && content.contains(target) || address().test && target === document.body;

const ACTIONS = {
  j: (target) => next(target, 1),
  k: (target) => next(target, -1),
  ArrowDown: (target) => target.closest("#rows, .step") || target.type === "search" ? next(target, 1) : false,
  ArrowUp: (target) => target.closest("#rows, .step") ? next(target, -1) : false,
  J: () => open(move(1)),
  K: () => open(move(-1)),
  Enter: (target, isTyping) => {
    if (!isTyping) return false;
    if (target.value.trim()) openFirst();
    else move(1);
    return true;
  },
  ArrowLeft: (target) => fold(target, false),
  ArrowRight: (target) => fold(target, true),
  "/": () => {
    if (matchMedia("(max-width: 899px)").matches && address().view !== "tests") go({ view: "tests", test: "", step: "" });
    const input = document.getElementById("search");
    input.focus();
    input.select();
    return true;
  },
  "?": () => {
    dialog.showModal();
    return true;
  },
  o: () => {
    go({ test: "", step: "", view: "" });
    return true;
  },
  Escape: leave,
};

function next(target, by) {
  if (isInConversation(target)) return nextStep(target, by);
  move(by);
  return true;
}

function open(test) {
  if (test) go({ view: "", test: test.nodeid, step: "" });
  return true;
}

/** The next step that is seen. */
function nextStep(target, by) {
  const steps = [...content.querySelectorAll(".step")].filter((step) => step.checkVisibility());
  const current = target.closest?.(".step") ?? content.querySelector(".step.at");
  const step = steps[current ? steps.indexOf(current) + by : by > 0 ? 0 : steps.length - 1];
  if (!step) return true;
  for (const other of content.querySelectorAll(".at")) other.classList.remove("at");
  step.classList.add("at");
  step.focus({ preventScroll: true });
  step.scrollIntoView({ block: "nearest" });
  return true;
}

function fold(target, isOpen) {
  const details = target.closest?.(".step")?.querySelector(":scope > details");
  if (!details || details.open === isOpen) return false;
  details.open = isOpen;
  return true;
}

function leave(target, isTyping) {
  const now = address();
  if (isTyping) {
    if (target.value && target.type === "search") go({ q: "" }, true);
    else focusList();
  } else if (now.test) {
    go({ test: "", step: "" });
    focusList();
  } else if (now.q || now.outcome || now.template || now.model) clearFilters();
  else if (now.view) go({ view: "" });
  else return false;
  return true;
}
