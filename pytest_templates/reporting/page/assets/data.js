// What the page was written with. The index is read at once; a test's conversation when somebody asks for it.

const embedded = (id) => document.getElementById(id).textContent;

export const index = JSON.parse(embedded("index"));

const lines = embedded("tests").split("\n");
let pictures = null;

/** How many lines of tests there are. */
export const lineCount = index.tests.length ? lines.length : 0;

/** The text of a test, which is not read yet. */
export const lineOf = (number) => lines[number];

/** Counts what was read, for tests of the page. */
export const read = { tests: 0 };

/** A test, or what changed in one. */
export function testAt(number) {
  read.tests += 1;
  document.documentElement.dataset.read = String(read.tests);
  return JSON.parse(lines[number]);
}

/** The content of a picture as an address, by its digest. */
export function pictureOf(digest) {
  if (!pictures) pictures = new Map(embedded("pictures").split("\n").filter(Boolean).map((line) => JSON.parse(line)));
  return pictures.get(digest);
}

export const isComparison = index.kind === "comparison";

const byNodeid = new Map(index.tests.map((test, number) => [test.nodeid, number]));

/** The number of a test, by its node id. */
export const numberOf = (nodeid) => byNodeid.get(nodeid);
