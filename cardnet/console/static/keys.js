// The list by keys: they move, mark and open. They press what is on the page, and know nothing else of the list.

const body = document.querySelector("#lines tbody");

let left = history.state?.left; // the row whose page somebody went on to: who comes back begins there

body.addEventListener("click", ({ target }) => {
  if (!target.closest("th a")) return;
  left = target.closest("tr").dataset.id;
  history.replaceState({ ...history.state, left }, "");
});

function begin() {
  select(body.querySelector(`tr[data-id="${CSS.escape(left ?? "")}"]`) ?? body.rows[0]);
  left = undefined;
}

function select(row) {
  row?.querySelector("th a").focus();
}

function move(by) {
  const here = document.activeElement.closest?.("#lines tbody tr");
  if (!here) return begin();
  select(by > 0 ? here.nextElementSibling : here.previousElementSibling);
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

// Who speaks to a computer would press letters by mistake: WCAG 2.1.4 wants that they can be turned off.
const letters = document.querySelector("#letters");
try {
  letters.checked = localStorage.getItem("keys") !== "off";
  letters.addEventListener("change", () => localStorage.setItem("keys", letters.checked ? "on" : "off"));
} catch {
  // A browser that may keep nothing: turning them off lasts as long as the page is open.
}

addEventListener("keydown", (event) => {
  if (!letters.checked && event.key.length === 1) return;
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  const typing = event.target.closest?.("input:not([type=checkbox]), select, textarea, [contenteditable]");
  // A list that is open takes this key for itself, and closes.
  if (event.key === "Escape" && typing?.matches("#filter input")) typing.blur();
  if (typing) return;
  if (press(event.key) !== false) event.preventDefault();
});

document.querySelector("#keys").hidden = false;
