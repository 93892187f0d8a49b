// The wallet's window over a shop's page: shows what is to be paid, lets its holder pick a card, and encrypts the token
// that the card is replaced by to the payee's key. The wallet's server has token and cryptogram from the token service and
// hands them to this page; the shop's page sees neither.
import { ask } from "./desk.js";
import { encrypt, readKey } from "./jwe.js";

const OPEN_FOR_MS = 120_000;
const CANCELLED = { status: "cancelled" };
const USAGES = {
  "one-time": "For this payment alone.",
  "card-on-file": "The shop keeps this card for your next purchases.",
  recurring: "The shop may charge this card again, as you agreed with it.",
};

const payment = location.hash.slice(1);
const part = (id) => document.getElementById(id);
let request;
let offer;
let answered = false;

/** Give the shop its answer, once. The browser then closes this window. */
async function answer(details) {
  if (answered) return;
  answered = true;
  part("payment").hidden = part("trouble").hidden = true;
  say("You can go back to the shop.");
  await tellWorker({ details });
}

async function tellWorker(message, ports = []) {
  const { active } = await navigator.serviceWorker.ready;
  active.postMessage({ payment, ...message }, ports);
}

/** What is to be paid, as the worker got it from the browser. */
function requested() {
  const { port1, port2 } = new MessageChannel();
  return new Promise((resolve, reject) => {
    port1.onmessage = ({ data }) =>
      data.request ? resolve(data.request) : reject(new Error("This payment is over. You can close this window."));
    tellWorker({}, [port2]).catch(reject);
  });
}

function say(sentence, kind = "") {
  const message = part("message");
  message.textContent = sentence;
  message.className = `notice ${kind}`;
  message.hidden = !sentence;
}

/** Say what is wrong. What the shop must mend first cannot be tried again. */
function inTrouble(error) {
  const shops = Boolean(error.field);
  say(shops ? `This shop's request cannot be paid: ${error.message}. Please tell the shop.` : error.message, "problem");
  part("payment").hidden = true;
  part("trouble").hidden = false;
  part("again").hidden = shops;
  part(shops ? "leave" : "again").focus();
}

async function show() {
  part("trouble").hidden = true;
  try {
    request ??= await requested();
    offer = await ask("POST", "/v1/offers", request);
  } catch (error) {
    inTrouble(error);
    return;
  }
  part("shop").textContent = offer.topOrigin.replace(/^https?:\/\//, "");
  part("amount").textContent = offer.amount;
  part("usage").textContent = USAGES[offer.usage];
  part("pay").textContent = `Pay ${offer.amount}`;
  part("asked").hidden = false;
  if (!offer.cards.length) {
    inTrouble(new Error("None of your cards fits what this shop takes. Add one to your wallet, then try again."));
    return;
  }
  part("cards").replaceChildren(part("cards").querySelector("legend"), ...offer.cards.map(choice));
  part("payment").hidden = false;
  say("");
}

/** A card as a radio button. */
function choice(card, place) {
  const label = element("label", { className: "choice" });
  const radio = element("input", { type: "radio", name: "card", id: `card-${card.id}`, value: card.id });
  radio.checked = place === 0;
  radio.dataset.last4 = card.last4;
  const name = element("span", { className: "name", textContent: card.nickname });
  name.append(element("small", { textContent: `${card.network} ${card.type}` }));
  label.htmlFor = radio.id;
  label.append(radio, name, element("span", { className: "number", textContent: `•••• ${card.last4}` }));
  return label;
}

function element(kind, members) {
  return Object.assign(document.createElement(kind), members);
}

async function pay() {
  const card = part("payment").querySelector("input[name=card]:checked").value;
  const given = await ask("POST", "/v1/tokenized-cards", { card, request, userAuthenticated: part("confirm").checked });
  if (given.status) return given;
  return { ...given.clear, encryptedDetails: await encrypt(given.claims, await payeeKey(offer.keyProviderURL)) };
}

async function payeeKey(url) {
  const accepted = "application/jwk+json, application/x-pem-file";
  const options = { credentials: "omit", redirect: "error", headers: { accept: accepted } };
  const found = await fetch(url, options).catch(() => null);
  if (!found?.ok) throw new Error("The shop's key cannot be had. Nothing was paid. Try again, or go back to the shop.");
  try {
    return await readKey(await found.text());
  } catch (error) {
    throw new Error(`The shop's key cannot be used: ${error.message}. Nothing was paid. Please tell the shop.`);
  }
}

part("payment").addEventListener("submit", async (event) => {
  event.preventDefault();
  part("pay").disabled = true;
  say("Paying …");
  try {
    await answer(await pay());
  } catch (error) {
    inTrouble(error);
  }
  part("pay").disabled = false;
});
part("cancel").addEventListener("click", () => answer(CANCELLED));
part("leave").addEventListener("click", () => answer(CANCELLED));
part("again").addEventListener("click", show);
addEventListener("pagehide", () => answer(CANCELLED));
setTimeout(() => answer(CANCELLED), OPEN_FOR_MS);
show();
