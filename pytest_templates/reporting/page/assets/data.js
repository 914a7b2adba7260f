// What the page was written with. The index is read at once; a test's conversation when somebody asks for it.

const embedded = (id) => document.getElementById(id).textContent;
const linesOf = (id) => embedded(id).split("\n").filter(Boolean);

export const index = JSON.parse(embedded("index"));
export const isComparison = index.kind === "comparison";

const byNodeid = new Map(index.tests.map((test, number) => [test.nodeid, number]));

/** The number of a test, by its node id. */
export const numberOf = (nodeid) => byNodeid.get(nodeid);

// Conversations lie in packs: lines of JSON, compressed together. `index.packs` has the number of the first line of each.
const packs = linesOf("tests");
const opened = new Map();

/** How many packs there are. */
export const packCount = packs.length;

/** The lines of a pack, each with its number. */
export function linesIn(pack) {
  if (!opened.has(pack)) opened.set(pack, unpacked(packs[pack]).then((text) => text.split("\n").map((line, place) => [index.packs[pack] + place, line])));
  return opened.get(pack);
}

async function unpacked(pack) {
  const bytes = Uint8Array.from(atob(pack), (character) => character.charCodeAt(0));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"))).text();
}

/** What stands in a line: a test, or what changed in one. */
export async function lineAt(number) {
  const pack = index.packs.findLastIndex((first) => first <= number);
  const lines = await linesIn(pack);
  return JSON.parse(lines[number - index.packs[pack]][1]);
}

let pictures = null;

/** The content of a picture as an address, by its digest. */
export function pictureOf(digest) {
  pictures ??= new Map(linesOf("pictures").map((line) => JSON.parse(line)));
  return pictures.get(digest);
}
