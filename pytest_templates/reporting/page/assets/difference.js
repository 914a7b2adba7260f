// How two texts differ, word by word; and the differences that pytest printed, with their colours.
import { h, append, said } from "./dom.js";

const WORDS = /\s*(?:[\p{L}\p{N}_]+|[^\s\p{L}\p{N}_])|\s+$/gu; // each with the space before it
const MOST = 4_000_000; // steps of the comparison: beyond, the texts are taken to differ as a whole

/** The pieces of two texts: `[kind, text]` with kind "same", "gone" or "new". */
export function differences(before, after) {
  const a = before.match(WORDS) ?? [], b = after.match(WORDS) ?? [];
  let start = 0;
  while (start < a.length && start < b.length && a[start] === b[start]) start += 1;
  let end = 0;
  while (end < a.length - start && end < b.length - start && a.at(-1 - end) === b.at(-1 - end)) end += 1;
  const middle = compared(a.slice(start, a.length - end), b.slice(start, b.length - end));
  return merged([["same", a.slice(0, start).join("")], ...middle, ["same", a.slice(a.length - end).join("")]]);
}

/** The longest common words, by the table of lengths. */
function compared(a, b) {
  if (!a.length || !b.length || a.length * b.length > MOST) return [["gone", a.join("")], ["new", b.join("")]];
  const width = b.length + 1, lengths = new Uint16Array((a.length + 1) * width);
  for (let i = a.length - 1; i >= 0; i -= 1) {
    for (let j = b.length - 1; j >= 0; j -= 1) {
      lengths[i * width + j] = a[i] === b[j]
        ? lengths[(i + 1) * width + j + 1] + 1
        : Math.max(lengths[(i + 1) * width + j], lengths[i * width + j + 1]);
    }
  }
  const found = [];
  let i = 0, j = 0;
  while (i < a.length && j < b.length) {
    if (a[i] === b[j]) found.push(["same", a[i++]]), j += 1;
    else if (lengths[(i + 1) * width + j] >= lengths[i * width + j + 1]) found.push(["gone", a[i++]]);
    else found.push(["new", b[j++]]);
  }
  return [...found, ["gone", a.slice(i).join("")], ["new", b.slice(j).join("")]];
}

/** Neighbours of one kind in one piece, and of a change first what is gone. */
function merged(found) {
  const result = [];
  let gone = "", fresh = "";
  const flush = () => {
    if (gone) result.push(["gone", gone]);
    if (fresh) result.push(["new", fresh]);
    gone = fresh = "";
  };
  for (const [kind, text] of found) {
    if (!text) continue;
    if (kind === "gone") gone += text;
    else if (kind === "new") fresh += text;
    else {
      flush();
      if (result.at(-1)?.[0] === "same") result.at(-1)[1] += text;
      else result.push(["same", text]);
    }
  }
  flush();
  return result;
}

const KEPT = 240;

/** Two texts as one, with what is gone and what is new marked. Of what is long and the same the middle is folded. */
export function changedText(before, after) {
  const block = h("div", { class: "said changed", dir: "auto" });
  const found = differences(before, after);
  found.forEach(([kind, text], place) => {
    if (kind === "gone") block.append(h("del", {}, text));
    else if (kind === "new") block.append(h("ins", {}, text));
    else append(block, same(text, place > 0, place < found.length - 1));
  });
  return block;
}

function same(text, hasBefore, hasAfter) {
  const first = hasBefore ? KEPT : 0, last = hasAfter ? KEPT : 0;
  if (text.length <= first + last + 200) return [text];
  const middle = text.slice(first, text.length - last || undefined);
  const button = h("button", { type: "button", class: "gap" }, `… ${middle.length.toLocaleString("en-US")} characters that are the same …`);
  button.addEventListener("click", () => button.replaceWith(said(middle)));
  return [text.slice(0, first), button, last ? text.slice(text.length - last) : null];
}

const MOST_LINES = 150; // a longer text scrolls by itself, from its first line about the error

/** What pytest printed of a failure: what was removed and added in the colours of a difference. */
export function failureText(text) {
  const printed = text.split("\n"), differing = differingLines(printed);
  const lines = printed.map((line, place) => {
    const kind = differing.get(place) ?? kindOf(line);
    return kind ? h("span", { class: kind }, `${line}\n`) : `${line}\n`;
  });
  const isTall = lines.length > MOST_LINES;
  const block = h("pre", { class: `failure-text${isTall ? " tall" : ""}`, tabindex: "0", role: "region", "aria-label": "What pytest printed" }, lines);
  const error = isTall ? block.querySelector(".error") : null;
  if (error) requestAnimationFrame(() => { block.scrollTop = error.offsetTop - block.offsetTop - 40; });
  return block;
}

const isOfError = (line) => /^E( |$)/.test(line);

function kindOf(line) {
  if (isOfError(line)) return "line error";
  return /^>/.test(line) ? "line here" : /^[\w./\\-]+:\d+: /.test(line) ? "line place" : "";
}

/** The lines that a difference has removed or added: a line of a list begins with the same sign, and is none. */
function differingLines(lines) {
  const found = new Map(), hasMarks = lines.some(isOfError); // an error that was swallowed is printed without them
  for (const paragraph of paragraphs(lines, (line) => !hasMarks || isOfError(line))) {
    const signed = paragraph.places.map((place) => [place, signOf(lines[place])]).filter(([, sign]) => sign);
    const columns = new Set(signed.filter(([, { column }]) => paragraph.isDifference || ["-", "+"].every((one) => signed.some(([, sign]) => sign.column === column && sign.text === one))).map(([, { column }]) => column));
    const first = Math.min(...columns);
    for (const [place, { column, text }] of signed) if (column === first) found.set(place, text === "-" ? "line gone" : "line new");
  }
  return found;
}

/** The sign of a line and where it stands. pytest says with `+  where` what a value came from. */
function signOf(line) {
  const match = /^E?\s*(?=([+-])(?: |$))/.exec(line);
  return match && !/^\+ {2,}(where|and) /.test(line.slice(match[0].length)) ? { column: match[0].length, text: match[1] } : null;
}

const BEGINS = /^\s*Full diff:$|^message \d+ is (?:new|gone): /; // a difference, which may have one of the signs only
const COMPARES = /\bassert .* == /;

/** Lines that follow each other without an empty one, and whether they are known to be a difference. */
function paragraphs(lines, isPart) {
  const found = [];
  let places = [], isDifference = false, isBehindComparison = false;
  const flush = () => {
    if (places.length) found.push({ places, isDifference });
    isBehindComparison = places.some((place) => COMPARES.test(lines[place]));
    places = [];
  };
  lines.forEach((line, place) => {
    const text = line.replace(/^E( |$)/, "");
    if (!isPart(line) || !text.trim()) {
      flush();
      isDifference = isPart(line) && isBehindComparison;
    } else if (BEGINS.test(text.trimStart())) {
      flush();
      isDifference = true;
    } else places.push(place);
  });
  flush();
  return found;
}
