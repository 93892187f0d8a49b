// Keeps the figures of the topology up to date: asks every two seconds, and only while the page is looked at.
const EVERY_MS = 2000;
const live = document.getElementById("live");

function show(services) {
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
