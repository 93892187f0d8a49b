// The list, kept up to date: new lines above, counts always exact, and nothing moves under a pointer or a focus.

const MOST = 200;
const MOST_LIT = 4; // new lines that light up; where more come at once, nobody needs to be told that something moves
const SPEAK_EVERY_MS = 10_000;
const AGAIN_MS = 3_000;

const lines = document.querySelector("#lines");
const body = lines.querySelector("tbody");
const state = document.querySelector("#state");
const hold = document.querySelector("#hold");
const shown = document.querySelector("#shown");
const compare = document.querySelector("#compare");
const spoken = document.querySelector("#spoken");
const written = new Intl.NumberFormat("en-GB");

const held = { button: false, pointer: false, focus: false };
let waiting = []; // lines that came while the list was held, newest first
let unseen = 0; // how many matched in that time
let left = 0; // how many matched and are in no line, because more came than is shown
let seen = Number(document.querySelector("[data-count=seen]").textContent.replaceAll(",", "")); // when last told
let stream = null;
let connected = false;

const isHeld = () => held.button || held.pointer || held.focus;

function tell() {
  state.className = isHeld() ? "held" : connected ? "on" : "";
  const fresh = unseen ? `, ${written.format(unseen)} new` : "";
  const word = isHeld() ? `paused${fresh}` : connected ? "live" : "not connected, trying again";
  if (state.textContent !== word) state.textContent = word;
  const label = isHeld() ? "Go on" : "Pause";
  if (hold.textContent !== label) hold.textContent = label;
}

function made(html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  return template.content.firstElementChild;
}

function rowOf(id) {
  return body.querySelector(`tr[data-id="${CSS.escape(id)}"]`);
}

function put(line, fresh) {
  const row = made(line.html);
  const before = rowOf(line.id);
  if (before) {
    row.querySelector("input").checked = before.querySelector("input").checked;
    before.replaceWith(row);
  } else {
    fresh.prepend(row);
  }
}

function trim() {
  for (const row of [...body.rows].slice(MOST)) {
    if (!row.querySelector("input").checked) row.remove();
  }
}

function show(came, matched) {
  const fresh = document.createDocumentFragment();
  for (const line of [...came].reverse()) put(line, fresh);
  const added = fresh.childElementCount;
  if (added <= MOST_LIT) for (const row of fresh.children) row.classList.add("fresh");
  body.prepend(fresh);
  left += Math.max(0, matched - added);
  trim();
  if (!body.rows.length) return;
  lines.hidden = false;
  document.querySelector("#empty").hidden = true;
  if (added || left) {
    const more = left ? ` ${written.format(left)} more came too fast to be listed: load the page again for the newest.` : "";
    shown.textContent = `${written.format(body.rows.length)} listed.${more}`;
  }
  mayCompare();
}

function count(counts) {
  for (const [name, number] of Object.entries(counts)) {
    const place = document.querySelector(`[data-count="${name}"]`);
    if (place) place.textContent = written.format(number);
  }
}

function take(news) {
  count(news.counts);
  seen = news.counts.seen;
  if (isHeld()) {
    const known = new Set(news.lines.map((line) => line.id));
    waiting = [...news.lines, ...waiting.filter((line) => !known.has(line.id))].slice(0, MOST);
    unseen += news.matched;
  } else {
    show(news.lines, news.matched);
  }
  tell();
}

function release() {
  if (!isHeld() && (waiting.length || unseen)) {
    const [came, matched] = [waiting, unseen];
    [waiting, unseen] = [[], 0];
    show(came, matched);
  }
  tell();
}

function listen() {
  if (stream || document.hidden) return;
  const query = new URLSearchParams(location.search);
  query.set("after", seen);
  stream = new EventSource(`/events?${query}`);
  stream.addEventListener("open", () => { connected = true; tell(); });
  stream.addEventListener("news", (event) => take(JSON.parse(event.data)));
  stream.addEventListener("error", () => {
    connected = false;
    tell();
    if (stream?.readyState !== EventSource.CLOSED) return; // otherwise the browser tries again by itself
    stop();
    setTimeout(listen, AGAIN_MS);
  });
}

function stop() {
  stream?.close();
  stream = null;
  connected = false;
}

// A browser has few connections to one address: a page that nobody looks at keeps none.
document.addEventListener("visibilitychange", () => (document.hidden ? stop() : listen()));
addEventListener("pagehide", stop);
addEventListener("pageshow", listen);

const table = lines.querySelector("table");
table.addEventListener("pointerenter", (event) => { held.pointer = event.pointerType === "mouse"; tell(); });
table.addEventListener("pointerleave", () => { held.pointer = false; release(); });
table.addEventListener("focusin", () => { held.focus = true; tell(); });
table.addEventListener("focusout", (event) => {
  held.focus = table.contains(event.relatedTarget);
  release();
});

let wasHeld = null; // pressing the button takes the focus out of the table before it counts as pressed
hold.addEventListener("pointerdown", () => { wasHeld = isHeld(); });
hold.addEventListener("click", () => {
  held.button = !(wasHeld ?? isHeld());
  wasHeld = null;
  release();
});

function mayCompare() {
  const marked = body.querySelectorAll("input:checked").length;
  compare.disabled = marked !== 2;
  compare.textContent = marked === 1 ? "Compare: mark one more" : marked > 2 ? "Compare: mark two only" : "Compare two marked";
}
lines.addEventListener("change", mayCompare);

function select(row) {
  row?.querySelector("th a").focus();
}

function move(by) {
  const here = document.activeElement.closest?.("#lines tbody tr");
  const next = by > 0 ? here?.nextElementSibling : here?.previousElementSibling;
  select(here ? next : body.rows[0]);
}

function press(key) {
  const here = document.activeElement.closest?.("#lines tbody tr");
  if (key === "j" || (key === "ArrowDown" && here)) return move(1);
  if (key === "k" || (key === "ArrowUp" && here)) return move(-1);
  if (key === "/") return document.querySelector("#filter select").form.elements.merchant.focus();
  if (key === "c" && here) return here.querySelector("input").click();
  if (key === "Escape" && here) return document.activeElement.blur();
  return false;
}

addEventListener("keydown", (event) => {
  const typing = event.target.closest?.("input:not([type=checkbox]), select, textarea, [contenteditable]");
  if (typing || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  if (press(event.key) !== false) event.preventDefault();
});

let last = "";
setInterval(() => {
  const said = [...document.querySelectorAll("#counts > div")].map((one) => `${one.children[1].textContent} ${one.children[0].textContent}`);
  const sentence = said.join(", ");
  if (last && sentence !== last) spoken.textContent = sentence;
  last = sentence;
}, SPEAK_EVERY_MS);

document.querySelector("#live").hidden = false;
document.querySelector("#keys").hidden = false;
mayCompare();
tell();
listen();
