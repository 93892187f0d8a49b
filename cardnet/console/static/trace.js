// One authorisation: its command can be copied, and a trace that is not whole yet is shown again when it is.

const AGAIN_MS = 1_000;
const MOST_TIMES = 30;

const command = document.querySelector(".command");
if (command && navigator.clipboard) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "plain";
  button.textContent = "Copy";
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(command.textContent);
    button.textContent = "Copied";
  });
  command.after(" ", button);
}

async function isWhole(id) {
  const answer = await fetch(`/authorisations/${id}.json`);
  return answer.ok && (await answer.json()).missing.length === 0;
}

async function watch(id) {
  for (let times = 0; times < MOST_TIMES; times += 1) {
    await new Promise((go) => setTimeout(go, AGAIN_MS));
    if (await isWhole(id).catch(() => false)) return location.reload();
  }
}

const incomplete = document.querySelector("#incomplete");
if (incomplete) watch(incomplete.dataset.id);

// Where the picture is wider than its place, the step that decided is what it shows first.
const picture = document.querySelector(".picture");
const arrow = picture?.querySelector(".seq-band")?.closest("g").querySelector(".seq-arrow");
if (arrow) {
  const [frame, found] = [picture.getBoundingClientRect(), arrow.getBoundingClientRect()];
  picture.scrollLeft = (found.left + found.right) / 2 - (frame.left + frame.right) / 2;
}
