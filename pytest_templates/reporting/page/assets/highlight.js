// What was searched for, marked where it was said. The browser paints it: the text stays as it is.

/** Mark a text wherever an element shows it, and give the first place of it; "" marks nothing. */
export function mark(element, text) {
  if (!globalThis.Highlight) return null; // an older browser shows the same without marks
  const wanted = text.trim().toLowerCase(), ranges = [];
  const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
  for (let node = wanted && walker.nextNode(); node; node = walker.nextNode()) {
    const written = node.data.toLowerCase();
    if (written.length !== node.data.length) continue; // a few letters of a few languages change their length
    for (let at = written.indexOf(wanted); at >= 0; at = written.indexOf(wanted, at + wanted.length)) ranges.push(rangeOf(node, at, wanted.length));
  }
  CSS.highlights.set("found", new Highlight(...ranges.slice(0, 5_000)));
  return ranges[0] ?? null;
}

function rangeOf(node, start, length) {
  const range = new Range();
  range.setStart(node, start);
  range.setEnd(node, start + length);
  return range;
}
