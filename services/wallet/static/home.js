// The wallet's home: add, confirm and remove cards. A number that is typed here leaves the page encrypted, and only so.
import { ask } from "./desk.js";
import { encrypt, readKey } from "./jwe.js";

const form = document.getElementById("add-card");
const message = document.getElementById("message");
const number = document.getElementById("card-number");
const expiry = document.getElementById("card-expiry");
const nickname = document.getElementById("card-nickname");

function say(sentence, kind) {
  message.textContent = sentence;
  message.className = `notice ${kind}`;
  message.hidden = false;
  message.scrollIntoView({ block: "nearest" });
}

/** Have something done while a button waits; what went wrong is said. */
async function doing(button, work) {
  button.disabled = true;
  try {
    await work();
  } catch (error) {
    say(error.message, "problem");
    button.disabled = false;
  }
}

/** "11/30" or "1130" as YYMM; an Error where it is neither. */
function yearAndMonth(typed) {
  const found = /^(0[1-9]|1[0-2])\s*\/?\s*([0-9]{2})$/.exec(typed.trim());
  if (!found) throw new Error("The expiry must be month and year, such as 11/30.");
  return found[2] + found[1];
}

async function add() {
  const pan = number.value.replace(/[ -]/g, "");
  if (!/^[0-9]{13,19}$/.test(pan)) throw new Error("The card number must be 13 to 19 digits.");
  const card = { pan, pan_expiry: yearAndMonth(expiry.value) };
  const { kid, pem } = await ask("GET", "/v1/encryption-key");
  const encryptedCard = await encrypt(card, await readKey(pem, kid));
  await ask("POST", "/v1/cards", { encryptedCard, nickname: nickname.value }).catch(explain);
  form.reset();
  location.reload();
}

/** What the token service found wrong with a card that it alone could read, in a cardholder's words. */
function explain(error) {
  if (error.field !== "encrypted_card") throw error;
  if (error.rule.includes("test ranges")) throw new Error("Only test cards are taken here. Never use a real card.");
  throw new Error("This is no card number. Please check it, and the expiry.");
}

form.hidden = false;
form.addEventListener("submit", (event) => {
  event.preventDefault();
  doing(document.getElementById("add"), add);
});

for (const button of document.querySelectorAll("button.remove")) {
  button.addEventListener("click", () =>
    doing(button, async () => {
      await ask("DELETE", `/v1/cards/${button.dataset.card}`);
      location.reload();
    }),
  );
}

for (const waiting of document.querySelectorAll("form.passcode")) {
  waiting.addEventListener("submit", (event) => {
    event.preventDefault();
    doing(waiting.querySelector("button"), async () => {
      const passcode = waiting.querySelector("input").value.trim();
      await ask("POST", `/v1/cards/${waiting.dataset.card}/passcode`, { passcode });
      location.reload();
    });
  });
}
