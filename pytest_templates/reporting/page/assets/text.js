// Text as it may be shown, and numbers as people read them.

// Controls, marks of direction and what takes no place: those of antiphon.printing, which a test holds this to.
const HIDDEN = new RegExp(
  "[\\u0000-\\u001f\\u007f-\\u009f\\u00ad\\u034f\\u061c\\u115f\\u1160\\u17b4\\u17b5\\u180b-\\u180f\\u200b\\u200e\\u200f" +
    "\\u2028-\\u202e\\u2060-\\u206f\\u3164\\ud800-\\udfff\\ufe00-\\ufe0d\\ufeff\\uffa0\\ufff0-\\ufffb\\ufffe\\uffff" +
    "\\u{1bca0}-\\u{1bca3}\\u{1d173}-\\u{1d17a}\\u{e0000}-\\u{e0fff}]" +
    "|(?<![^\\u0000-\\u007f\\u200c\\u200d])[\\u200c\\u200d]|[\\u200c\\u200d](?![^\\u0000-\\u007f\\u200c\\u200d])",
  "gu",
);

/** The pieces of a text: `{text}` as it is, and `{hidden}` for a character that nobody would see, written out. */
export function* pieces(text) {
  const lines = text.replaceAll("\r\n", "\n");
  let end = 0;
  for (const found of lines.matchAll(HIDDEN)) {
    if (found[0] === "\n" || found[0] === "\t") continue;
    if (found.index > end) yield { text: lines.slice(end, found.index) };
    yield { hidden: writtenOut(found[0]) };
    end = found.index + found[0].length;
  }
  if (end < lines.length) yield { text: lines.slice(end) };
}

/** A text in one piece, as it may stand in an attribute or a title. */
export function visible(text) {
  return Array.from(pieces(text), (piece) => piece.text ?? piece.hidden).join("");
}

function writtenOut(character) {
  if (character === "\r") return "\\r";
  const code = character.codePointAt(0);
  if (code < 0x100) return `\\x${code.toString(16).padStart(2, "0")}`;
  return code < 0x10000 ? `\\u${code.toString(16).padStart(4, "0")}` : `\\U${code.toString(16).padStart(8, "0")}`;
}

const WHOLE = new Intl.NumberFormat("en-US");

/** A whole number, such as 1,204. */
export const whole = (number) => WHOLE.format(number);

/** A number of things, such as "1 call" and "1,200 calls". */
export const counted = (number, thing) => `${whole(number)} ${thing}${number === 1 ? "" : "s"}`;

/** US dollars with four decimals, or with as many as the first two digits need. */
export function money(dollars) {
  const amount = Number(dollars);
  if (!amount) return "$0.0000";
  const decimals = Math.max(4, 1 - Math.floor(Math.log10(Math.abs(amount))));
  return `${amount < 0 ? "−" : ""}$${Math.abs(amount).toFixed(Math.min(decimals, 20))}`;
}

/** The cost of some calls, as far as it is known. */
export function cost(sum) {
  if (!sum.unpriced) return money(sum.cost);
  return Number(sum.cost) ? `${money(sum.cost)} +?` : "unknown";
}

/** A time, such as "12 ms", "1.24 s" and "3 min 20 s". */
export function duration(seconds) {
  if (seconds < 0.9995) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 60) return `${seconds.toFixed(seconds < 10 ? 2 : 1)} s`;
  const all = Math.round(seconds);
  if (all < 3600) return `${Math.floor(all / 60)} min ${all % 60} s`;
  return `${Math.floor(all / 3600)} h ${Math.round((all % 3600) / 60)} min`;
}

/** A part of a whole, such as "80%". */
export const percent = (part) => `${Math.round(part * 100)}%`;

/** Bytes, such as "12 kB". */
export function bytes(size) {
  return size < 1000 ? `${size} B` : size < 1e6 ? `${Math.round(size / 1000)} kB` : `${(size / 1e6).toFixed(1)} MB`;
}

/** When a run began, in the reader's time. */
export function moment(iso) {
  const date = new Date(iso);
  if (Number.isNaN(date.getTime())) return "";
  return date.toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "short" });
}

/** A value as people read JSON: on a line where it fits one. */
export function pretty(value) {
  const lines = JSON.stringify(value, null, 1) ?? "";
  const line = lines.replace(/\n */g, " ").replace(/^([[{]) | ([\]}])$/g, "$1$2");
  return line.length <= 100 ? line : JSON.stringify(value, null, 2);
}

export const OUTSIDE = "code outside of templates";
