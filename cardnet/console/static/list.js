// The list, kept up to date: new lines above, counts always exact, and nothing moves under a pointer or a focus.

import "./keys.js";

const FIRST = 100; // rows of a page that is loaded
const MOST = 200;
const MOST_LIT = 4; // new lines that light up; where more come at once, nobody needs to be told that something moves
const LIT_MS = 1_200; // without a fade, for which the page would be drawn again sixty times a second
const SPEAK_EVERY_MS = 10_000;
const AGAIN_MS = 3_000;
const SOON_MS = 500; // who comes back to a console that answers sees nothing of a new connection
const SILENT_MS = 35_000; // something is said every fifteen seconds at the least, unless the console hangs or the line is cut

const lines = document.querySelector("#lines");
const body = lines.querySelector("tbody");
const state = document.querySelector("#state");
const hold = document.querySelector("#hold");
const shown = document.querySelector("#shown");
const empty = document.querySelector("#empty");
const unmatched = document.querySelector("#unmatched");
const compare = document.querySelector("#compare");
const spoken = document.querySelector("#spoken");
const written = new Intl.NumberFormat("en-GB");

const held = { button: false, pointer: false, focus: false };
const marks = new Set(history.state?.marked); // ids, also of rows that are not listed as yet
let waiting = []; // lines that came while the list was held, newest first
let changed = new Map(); // rows that changed while the list was held, by their ids
let unseen = 0; // how many matched in that time
let stale = false; // whether a whole list came in that time: it is asked for once the list goes on
let left = 0; // how many matched and are in no line, because more came than is shown
let seen = Number(document.querySelector("[data-count=seen]").textContent.replaceAll(",", "")); // all of which lines were told
let total = seen;
let stream = null;
let silence = 0;
let opening = 0;
let link = "connecting"; // or "live", or "lost"

const LOST = "not connected, trying again";
const isHeld = () => held.button || held.pointer || held.focus;

function tell() {
  state.className = isHeld() ? "held" : link === "live" ? "on" : "";
  const fresh = unseen ? `, ${written.format(unseen)} new` : "";
  const cut = link === "lost" ? ", not connected" : "";
  write(state, isHeld() ? `paused${fresh}${cut}` : link === "lost" ? LOST : link);
  write(hold, isHeld() ? "Go on" : "Pause");
}

// Who cannot see the page hears of a connection that is lost or found again, once each.
function become(now) {
  if (now !== link && now === "lost") write(spoken, LOST);
  if (now === "live" && link === "lost") write(spoken, "live again");
  link = now;
  tell();
}

function write(place, text) {
  if (place.textContent !== text) place.textContent = text; // else it would be laid out again for nothing
}

const boxOf = (row) => row.querySelector("input");
const idOf = (box) => box.closest("tr").dataset.id;
const rowOf = (id) => body.querySelector(`tr[data-id="${CSS.escape(id)}"]`);

function made(came) {
  const template = document.createElement("template");
  template.innerHTML = came.map((line) => line.html).join("");
  for (const row of template.content.children) boxOf(row).checked = marks.has(row.dataset.id);
  return template.content;
}

// Replaces rows where they stand. What has no text is wanted no more; what has no row here went at the lower end.
function change(updates) {
  for (const line of updates) {
    const before = rowOf(line.id);
    if (before && line.html) before.replaceWith(made([line]).firstElementChild);
    else before?.remove();
  }
}

function light(fresh) {
  for (const row of fresh) row.classList.add("fresh");
  setTimeout(() => { for (const row of fresh) row.removeAttribute("class"); }, LIT_MS);
}

function trim() {
  let row = body.rows[MOST];
  while (row) {
    const next = row.nextElementSibling;
    if (!boxOf(row).checked) row.remove();
    row = next;
  }
}

function show(came, updates, matched) {
  const many = body.rows.length;
  change(updates);
  const gone = many - body.rows.length;
  const fresh = made(came);
  for (const row of [...fresh.children]) rowOf(row.dataset.id)?.replaceWith(row);
  const added = fresh.childElementCount;
  if (added && Math.max(matched, added) <= MOST_LIT) light([...fresh.children]);
  body.prepend(fresh);
  left += Math.max(0, matched - added);
  trim();
  if (added || left || gone) {
    const more = left ? ` ${written.format(left)} more came too fast to be listed: load the page again for the newest.` : "";
    write(shown, `${written.format(body.rows.length)} listed.${more}`);
  }
  uncover();
}

// The row as it stands, where it says the same: whoever reads, touches or has found it loses nothing.
function kept(row) {
  const before = rowOf(row.dataset.id);
  before?.removeAttribute("class"); // one that is lit says nothing else
  if (before?.isEqualNode(row)) return before;
  before?.replaceWith(row);
  return row;
}

// Has these rows and no others, in this order, and moves none that stands right.
function arrange(rows) {
  const wanted = new Set(rows);
  for (const row of [...body.rows]) if (!wanted.has(row)) row.remove();
  let next = body.rows[0];
  for (const row of rows) {
    if (row === next) next = row.nextElementSibling;
    else body.insertBefore(row, next ?? null);
  }
}

// The list as a page has it that is loaded now; what is marked stays.
function renew(came, sentence) {
  const rows = new Set([...made(came).children].map(kept));
  for (const box of body.querySelectorAll("input:checked")) rows.add(box.closest("tr"));
  arrange([...rows]);
  left = 0;
  write(shown, sentence);
  uncover();
}

// Shows the list, or why there is none.
function uncover() {
  const none = !body.rows.length;
  lines.hidden = none;
  empty.hidden = !none || total > 0;
  unmatched.hidden = !none || total === 0;
  mayCompare();
}

function count(counts) {
  for (const [name, number] of Object.entries(counts)) {
    const place = document.querySelector(`[data-count="${name}"]`);
    if (place) write(place, written.format(number));
  }
}

function wait(news) {
  stale ||= news.whole !== "";
  if (stale) {
    [waiting, changed] = [[], new Map()];
    unseen += news.matched;
    return;
  }
  const known = new Set(news.lines.map((line) => line.id));
  const newer = new Map(news.updates.map((line) => [line.id, line]));
  const before = waiting.filter((line) => !known.has(line.id)).map((line) => newer.get(line.id) ?? line);
  const wanted = before.filter((line) => line.html);
  waiting = [...news.lines, ...wanted].slice(0, MOST);
  unseen = Math.max(0, unseen - before.length + wanted.length) + news.matched;
  for (const line of news.updates) if (rowOf(line.id)) changed.set(line.id, line);
}

function take(news) {
  hear();
  count(news.counts);
  total = news.counts.seen;
  seen = news.seen; // not the count: of the newest, lines may still be to come
  if (isHeld()) wait(news);
  else if (news.whole) renew(news.lines, news.whole);
  else show(news.lines, news.updates, news.matched);
  tell();
}

function release() {
  if (!isHeld() && stale) {
    [stale, unseen] = [false, 0];
    stop();
    listen();
  } else if (!isHeld() && (waiting.length || changed.size || unseen)) {
    const [came, updates, matched] = [waiting, [...changed.values()], unseen];
    [waiting, changed, unseen] = [[], new Map(), 0];
    show(came, updates, matched);
  }
  tell();
}

// How many rows there are without those at the lower end that stay because they are marked: they come besides.
const depth = () => [...body.rows].findLastIndex((row) => !boxOf(row).checked) + 1;

function listen() {
  if (stream || document.hidden) return;
  const [query, rows] = [new URLSearchParams(location.search), depth()];
  query.set("rows", rows);
  query.set("after", seen);
  if (marks.size) query.set("marked", [...marks].join());
  hear();
  stream = new EventSource(`/events?${query}`);
  opening = setTimeout(() => { if (link === "live") become("connecting"); }, SOON_MS);
  stream.addEventListener("open", () => { clearTimeout(opening); become("live"); });
  stream.addEventListener("news", (event) => take(JSON.parse(event.data)));
  stream.addEventListener("error", () => {
    become("lost");
    const asks = stream?.readyState !== EventSource.CLOSED; // the browser, again and by itself: for as many rows as then
    if (asks && depth() <= Math.max(rows, FIRST)) return;
    stop();
    setTimeout(listen, AGAIN_MS);
  });
}

function stop() {
  clearTimeout(silence);
  clearTimeout(opening);
  stream?.close();
  stream = null;
}

function hear() {
  clearTimeout(silence);
  silence = setTimeout(() => {
    become("lost");
    stop();
    listen();
  }, SILENT_MS);
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
hold.addEventListener("click", (event) => {
  held.button = !(event.detail ? wasHeld ?? isHeld() : isHeld()); // no detail: by a key
  wasHeld = null;
  release();
});

function mayCompare() {
  const marked = body.querySelectorAll("input:checked").length;
  compare.disabled = marked !== 2;
  write(compare, marked === 1 ? "Compare: mark one more" : marked > 2 ? "Compare: mark two only" : "Compare two marked");
}

// What is marked is kept with this visit to the page: who goes on to a line and back finds it marked.
lines.addEventListener("change", ({ target }) => {
  marks[target.checked ? "add" : "delete"](idOf(target));
  history.replaceState({ ...history.state, marked: [...marks] }, "");
  mayCompare();
});
for (const box of body.querySelectorAll("input:checked")) marks.add(idOf(box)); // before this was loaded
for (const row of body.rows) boxOf(row).checked = marks.has(row.dataset.id);

let last = "";
setInterval(() => {
  const said = [...document.querySelectorAll("#counts > div")].map((one) => `${one.children[1].textContent} ${one.children[0].textContent}`);
  const sentence = said.join(", ");
  if (last && sentence !== last) spoken.textContent = sentence;
  last = sentence;
}, SPEAK_EVERY_MS);

document.querySelector("#live").hidden = false;
mayCompare();
tell();
listen();
