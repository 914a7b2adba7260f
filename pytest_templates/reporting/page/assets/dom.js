// Elements. Whatever a test, a prompt or a model said becomes text by `said`, and nothing else.
import { pieces, visible } from "./text.js";

const PLAIN = new Set(["class", "href", "id", "type", "role", "title", "for", "value", "tabindex", "alt", "src", "open",
  "colspan", "scope", "placeholder", "name", "loading", "dir", "autocomplete", "spellcheck"]);

/**
 * An element: `h("p", { class: "note" }, "text", another)`. Strings become text in which nothing is hidden; what is
 * null, undefined or false is left out. Names that begin with "on" are listeners.
 */
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (PLAIN.has(name) || name.startsWith("aria-") || name.startsWith("data-")) {
      element.setAttribute(name, value === true ? "" : String(value));
    } else throw new TypeError(`no attribute is written as ${name}`);
  }
  append(element, children);
  return element;
}

/** Add children to an element. */
export function append(element, children) {
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child instanceof Node ? child : said(String(child)));
  }
}

/** A text that somebody else wrote: characters that hide or reverse others are written out, and seen to be so. */
export function said(text) {
  const fragment = document.createDocumentFragment();
  for (const piece of pieces(text)) {
    if (piece.text !== undefined) fragment.append(piece.text);
    else fragment.append(hidden(piece.hidden));
  }
  return fragment;
}

function hidden(code) {
  const element = document.createElement("span");
  element.className = "hidden-character";
  element.title = "a character that would not be seen";
  element.textContent = code;
  return element;
}

/** A name that somebody else wrote, in a line of ours: its direction is its own affair. */
export const name = (text, className = "") => h("bdi", { class: className || null }, text);

/** A path, of which the last part counts. */
export function path(text) {
  const cut = text.lastIndexOf("/") + 1;
  return h("bdi", { class: "path" }, cut ? h("span", { class: "dim" }, breakable(text.slice(0, cut))) : null, breakable(text.slice(cut)));
}

/** A test's name, and after it the file that it stands in. */
export function testName(nodeid) {
  const cut = nodeid.indexOf("::");
  return h("span", { class: "test-name" }, h("bdi", { class: "nodeid" }, breakable(cut < 0 ? nodeid : nodeid.slice(cut + 2))),
    " ", cut < 0 ? null : h("bdi", { class: "dim small" }, breakable(nodeid.slice(0, cut))));
}

/** A name that may go on in the next line where a word of it ends. */
export const breakable = (text) => text.split(/(?<=[_/.-]|::)|(?=\[)/).map((word, place) => [place ? document.createElement("wbr") : null, word]);

/** An outcome: a symbol with its colour, and the word. */
export function outcome(word, withWord = true) {
  return h("span", { class: `outcome ${word}`, title: withWord ? null : word },
    h("span", { class: "symbol", "aria-hidden": "true" }, SYMBOLS[word] ?? "·"),
    withWord ? word : h("span", { class: "sr" }, word));
}

export const SYMBOLS = { passed: "✓", failed: "✗", error: "!", skipped: "–", xfailed: "~", xpassed: "±", absent: "∅" };

const LINES = 14, CHARACTERS = 1400, AT_ONCE = 60_000;

/** A text of several lines as it was said; of a long one the beginning, and a button for the rest. */
export function longText(text, className = "said") {
  const block = h("div", { class: className, dir: "auto" });
  const lines = text.split("\n").length;
  if (lines <= LINES && text.length <= CHARACTERS) {
    append(block, [text || h("span", { class: "dim" }, "(nothing)")]);
    return block;
  }
  append(block, [text.slice(0, AT_ONCE)]);
  block.classList.add("cut");
  const size = lines > LINES ? `${lines.toLocaleString("en-US")} lines` : `${text.length.toLocaleString("en-US")} characters`;
  const button = h("button", { type: "button", class: "more", "aria-expanded": "false" }, `Show all ${size}`);
  button.addEventListener("click", () => {
    const isCut = block.classList.toggle("cut");
    if (!isCut && text.length > AT_ONCE) block.replaceChildren(said(text));
    button.textContent = isCut ? `Show all ${size}` : "Show less";
    button.setAttribute("aria-expanded", String(!isCut));
  });
  return h("div", { class: "long" }, block, button);
}

const makers = new WeakMap(); // what makes the content of something folded, by its element

/** Something folded, whose content is made when it is opened first. */
export function folded(className, summary, content, isOpen = false) {
  const details = h("details", { class: className }, h("summary", {}, summary));
  let isMade = false;
  const make = () => {
    if (!isMade && details.open) append(details, [content()]);
    isMade ||= details.open;
  };
  makers.set(details, make);
  details.addEventListener("toggle", make);
  details.open = isOpen;
  make();
  return details;
}

/** Open something folded; its content is there at once, and not only when the browser tells that it was opened. */
export function unfold(details) {
  details.open = true;
  makers.get(details)?.();
}

/** Replace what stands in an element. */
export function fill(element, ...children) {
  element.replaceChildren();
  append(element, children);
}

/** Set the title of the page. */
export function setTitle(...parts) {
  document.title = parts.filter(Boolean).map(visible).join(" · ");
}
