// Keeps the topology up to date, faults and all: asks every two seconds, and only while the page is looked at.
const EVERY_MS = 2000;
const live = document.getElementById("live");
const set = document.getElementById("set");

function show({ parts, switches, ...services }) {
  showServices(services);
  for (const [id, html] of Object.entries(parts)) {
    const place = document.getElementById(id);
    const fresh = made(place.cloneNode(false), html);
    if (!fresh.isEqualNode(place)) place.replaceChildren(...fresh.childNodes);
  }
  if (set && switches) showSwitches(switches);
}

function made(place, html) {
  place.innerHTML = html;
  return place;
}

// Each switch says how it is where it stands: its button is the same as long as it is listed, for whoever is about to
// press it. And while somebody presses anything here, nothing comes, goes or moves.
function showSwitches(told) {
  if (set.parentElement.matches(":active")) return;
  const held = set.matches(":hover, :focus-within");
  for (const row of [...set.children]) {
    if (row.dataset.switch in told) continue;
    if (held) takenBack(row);
    else row.remove();
  }
  for (const [id, html] of Object.entries(told)) {
    const fresh = made(document.createElement("ul"), html).firstElementChild;
    const row = set.querySelector(`[data-switch="${CSS.escape(id)}"]`);
    if (row) renew(row, fresh);
    else set.append(fresh);
  }
  const many = Object.keys(told).length;
  set.hidden = !set.children.length;
  document.getElementById("all-back").hidden = many < 2;
  document.getElementById("none-set").hidden = set.children.length > 0;
}

function renew(row, fresh) {
  row.className = fresh.className;
  const [before, now] = [row, fresh].map((one) => one.querySelector(".set"));
  if (!before.isEqualNode(now)) before.replaceWith(now);
}

// One that somebody is at stays until they leave: else the next one would come under their pointer.
function takenBack(row) {
  row.className = "spent";
  row.querySelector(".left").textContent = "taken back";
}

function showServices(services) {
  for (const [name, known] of Object.entries(services)) {
    for (const place of document.querySelectorAll(`[data-service="${CSS.escape(name)}"]`)) {
      if (place.dataset.word !== undefined) place.dataset.word = known.word;
      for (const cell of place.querySelectorAll("[data-cell]")) {
        const text = known[cell.dataset.cell];
        if (cell.textContent !== text) cell.textContent = text;
      }
      for (const button of place.querySelectorAll("button[name=action]")) {
        button.disabled = !known.may.includes(button.value);
      }
    }
  }
}

function say(text) {
  if (live.textContent !== text) live.textContent = text; // a screen reader hears it once
}

async function look() {
  if (!document.hidden) {
    try {
      const answer = await fetch("/topology.json");
      if (!answer.ok) throw new Error(String(answer.status));
      show(await answer.json());
      say("Live.");
    } catch {
      say("The console does not answer; these figures are old.");
    }
  }
  setTimeout(look, EVERY_MS);
}

setTimeout(look, EVERY_MS);
