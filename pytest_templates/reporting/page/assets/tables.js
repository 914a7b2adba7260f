// Tables of numbers, and the parts of a page that hold them.
import { cost, duration, whole } from "./text.js";
import { h } from "./dom.js";

/** A part of the page with a title. */
export function part(id, title, ...content) {
  return h("section", { class: "part", "aria-labelledby": id }, h("h2", { id }, title), ...content);
}

/**
 * A table: columns are `{head, cell, isNumber, isWide, share}`, where `share` gives the part of a row in all, from 0 to 1.
 * On a narrow window it scrolls by itself.
 */
export function table(label, columns, rows) {
  return h("div", { class: "scroll", role: "region", "aria-label": label, tabindex: "0" }, h("table", {},
    h("thead", {}, h("tr", {}, columns.map((column) => h("th", { scope: "col", class: column.isNumber ? "number" : null }, column.head)))),
    h("tbody", {}, rows.map((row) => h("tr", { class: row.className ?? null }, columns.map((column, place) => cellOf(column, row, place)))))));
}

function cellOf(column, row, place) {
  const cell = h(place ? "td" : "th", { class: column.isNumber ? "number" : column.isWide ? "wide" : null, scope: place ? null : "row" }, column.cell(row));
  const share = column.share?.(row);
  if (share) {
    cell.classList.add("share");
    cell.style.setProperty("--share", share.toFixed(3));
  }
  return cell;
}

/** The columns of calls that were added up. */
export function sumColumns(rows) {
  const most = { cost: 0, seconds: 0 };
  for (const row of rows) {
    most.cost += Number(row.cost);
    most.seconds += row.seconds;
  }
  return [
    { head: "calls", isNumber: true, cell: (row) => whole(row.calls) },
    { head: "tokens in", isNumber: true, cell: (row) => whole(row.input_tokens) },
    { head: "tokens out", isNumber: true, cell: (row) => whole(row.output_tokens) },
    { head: "cost", isNumber: true, cell: cost, share: (row) => most.cost ? Number(row.cost) / most.cost : 0 },
    { head: "time", isNumber: true, cell: (row) => duration(row.seconds), share: (row) => most.seconds ? row.seconds / most.seconds : 0 },
  ];
}

/** A key figure. */
export const figure = (label, value, note = "") => h("div", { class: "figure" },
  h("dt", {}, label), h("dd", {}, value, note ? h("span", { class: "note" }, note) : null));
