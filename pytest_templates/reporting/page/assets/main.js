// Puts the parts together.
import { whole } from "./text.js";
import { fill, h, name } from "./dom.js";
import { index, isComparison } from "./data.js";
import { onAddress, tell, to } from "./address.js";
import { buildTests, showTests } from "./tests.js";
import { showOverview } from "./overview.js";
import { leaveConversation, showConversation } from "./conversation.js";
import { showChange, showComparison } from "./comparison.js";
import { buildKeyboard } from "./keyboard.js";

const content = document.getElementById("content");
const THEMES = { "": ["◐", "the system's theme"], light: ["☀", "light"], dark: ["☾", "dark"] };

function buildTheme() {
  const button = document.getElementById("theme"), root = document.documentElement;
  const show = () => {
    const [symbol, word] = THEMES[root.dataset.theme ?? ""];
    fill(button, h("span", { "aria-hidden": "true" }, symbol));
    button.setAttribute("aria-label", `Theme: ${word}. Change it`);
    button.title = `Theme: ${word}`;
  };
  button.addEventListener("click", () => {
    const order = matchMedia("(prefers-color-scheme: dark)").matches ? ["", "light", "dark"] : ["", "dark", "light"];
    const next = order[(order.indexOf(root.dataset.theme ?? "") + 1) % order.length];
    if (next) root.dataset.theme = next;
    else delete root.dataset.theme;
    try {
      localStorage.setItem("antiphon-theme", next);
    } catch { /* the browser keeps nothing, and the next report begins with the system's theme */ }
    show();
  });
  show();
}

let isOverview = false;

async function show(now) {
  const view = now.test ? "test" : now.view === "tests" ? "tests" : "overview";
  document.body.dataset.view = view;
  for (const place of document.querySelectorAll("#places a")) {
    if (place.dataset.view === view) place.setAttribute("aria-current", "page");
    else place.removeAttribute("aria-current");
  }
  showTests(now);
  if (now.test) {
    isOverview = false;
    await (isComparison ? showChange : showConversation)(content, now);
  } else if (!isOverview) {
    isOverview = true;
    leaveConversation();
    (isComparison ? showComparison : showOverview)(content);
    content.scrollTop = 0;
  }
  document.documentElement.dataset.shown = now.test || "overview"; // for programs that wait for it
}

const home = { view: "", test: "", step: "" };
fill(document.getElementById("places"),
  h("a", { ...to(home), "data-view": "overview" }, "Overview"),
  h("a", { ...to({ ...home, view: "tests" }), "data-view": "tests" }, `Tests ${whole(index.tests.length)}`));
document.getElementById("home").dataset.to = JSON.stringify(home);
fill(document.getElementById("home"), h("span", { class: "mark", "aria-hidden": "true" }), h("strong", {}, name(index.title || "Tests")),
  isComparison ? h("span", { class: "dim when" }, "two runs") : null);
buildTheme();
buildTests();
buildKeyboard();
onAddress(show);
tell();
window.addEventListener("beforeprint", () => {
  for (const details of document.querySelectorAll("main details:not(.sent)")) details.open = true;
});
