// The address of what is shown: `#test=NODEID&step=3&outcome=failed&template=triage&model=small&q=refund`.

const KEYS = ["view", "test", "step", "q", "outcome", "template", "model", "all"];
const listeners = [];

/** What the address says: each key with its text, `""` for none. */
export function address() {
  const given = new URLSearchParams(location.hash.slice(1).replaceAll("+", "%2B"));
  return Object.fromEntries(KEYS.map((key) => [key, given.get(key) ?? ""]));
}

/** The address with some keys changed; what is filtered stays. */
function link(changes) {
  const next = { ...address(), ...changes };
  const parts = KEYS.filter((key) => next[key] !== "").map((key) => `${key}=${encoded(next[key])}`);
  return `#${parts.join("&")}`;
}

function encoded(text) {
  return encodeURIComponent(text).replace(/%(2F|3A|5B|5D|2C|20)/g, (code) => code === "%20" ? code : decodeURIComponent(code));
}

/** What makes an element `a` lead to the address with some keys changed, whatever is filtered when it is followed. */
export const to = (changes) => ({ href: link(changes), "data-to": JSON.stringify(changes) });

/** Go to another address; with `replace` the way back leaves it out. */
export function go(changes, replace = false) {
  const next = link(changes);
  if (next === location.hash || (next === "#" && !location.hash)) return;
  if (replace) {
    history.replaceState(null, "", next);
    tell();
  } else location.hash = next;
}

/** Call a function with the address, whenever it changes. */
export function onAddress(listener) {
  listeners.push(listener);
}

export function tell() {
  const now = address();
  for (const listener of listeners) listener(now);
  for (const element of document.querySelectorAll("a[data-to]")) element.setAttribute("href", link(JSON.parse(element.dataset.to)));
}

window.addEventListener("hashchange", tell);
