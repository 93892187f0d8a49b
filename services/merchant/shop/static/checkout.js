// Pays on the shop's page. A card goes from here to the token service, by its script, and never to this shop: the fields
// have no names, and what is posted is a token, or what a wallet encrypted to this shop's server.

const order = document.getElementById("checkout").dataset;
const trouble = document.getElementById("trouble");
const progress = document.getElementById("progress");
const buttons = [...document.querySelectorAll(".ways .button")];

// Why this page's order cannot be paid any more, and another must be begun.
const SPENT = ["ORDER_UNKNOWN"];

// What was sent and not answered for certain. It is sent again as it was: the same order is paid once.
let unanswered = null;

function show(words) {
  trouble.textContent = words;
  trouble.hidden = !words;
  if (words) trouble.focus();
}

function busy(words) {
  progress.textContent = words;
  for (const button of buttons) {
    if ("disabled" in button) button.disabled = Boolean(words);
  }
}

class Trouble extends Error {
  constructor(words, certain) {
    super(words);
    this.certain = certain; // whether nothing came of it, so that another card may be tried
  }
}

async function post(body) {
  let answer;
  try {
    answer = await fetch("/orders", {
      method: "POST",
      headers: { "content-type": "application/json", accept: "application/json" },
      body,
    });
  } catch {
    throw new Trouble("The shop did not answer. Press the button again: the same order is paid once.", false);
  }
  const told = await answer.json().catch(() => ({}));
  if (answer.ok) return told;
  const spent = SPENT.includes(told.reason);
  document.getElementById("start-again").hidden = !spent;
  const certain = spent || (answer.status < 500 && told.reason !== "IN_PROGRESS");
  throw new Trouble(told.detail || "That did not work.", certain);
}

async function send(way, paid) {
  const body = JSON.stringify({ product: order.product, orderKey: order.orderKey, ...paid });
  unanswered = { way, body };
  return resend();
}

async function resend() {
  busy("Paying …");
  try {
    const told = await post(unanswered.body);
    unanswered = null;
    return told;
  } catch (problem) {
    if (!(problem instanceof Trouble) || problem.certain) unanswered = null;
    throw problem;
  }
}

async function attempt(way, begin) {
  show("");
  busy("Paying …");
  try {
    const told = await (unanswered?.way === way ? resend() : begin());
    if (told) location.assign(told.location);
    else busy("");
  } catch (problem) {
    busy("");
    show(problem.message || "That did not work. Nothing was charged.");
  }
}

// A new card.

const FIELDS = {
  number: { input: "card-number", names: ["number", "pan"] },
  expiry: { input: "card-expiry", names: ["expiry", "pan_expiry"] },
  securityCode: { input: "card-code", names: ["securityCode", "security_code"] },
};

function complain(input, words) {
  const error = document.getElementById(`${input.id}-error`);
  error.textContent = words;
  error.hidden = !words;
  if (words) input.setAttribute("aria-invalid", "true");
  else input.removeAttribute("aria-invalid");
}

function luhn(digits) {
  let sum = 0;
  [...digits].reverse().forEach((digit, place) => {
    const twice = Number(digit) * (place % 2 ? 2 : 1);
    sum += twice > 9 ? twice - 9 : twice;
  });
  return sum % 10 === 0;
}

function wrongs({ number, expiry, securityCode }) {
  const found = {};
  if (!/^[0-9]{13,19}$/.test(number)) found.number = "Type the 13 to 19 digits of the card.";
  else if (!luhn(number)) found.number = "Check the number: a digit is wrong.";
  if (!/^(0[1-9]|1[0-2])\/[0-9]{2}$/.test(expiry)) found.expiry = "Type the month and year, such as 11/30.";
  if (securityCode && !/^[0-9]{3,4}$/.test(securityCode)) found.securityCode = "Type 3 or 4 digits, or nothing.";
  return found;
}

function typed(inputs) {
  const expiry = inputs.expiry.value.replace(/[\s]/g, "").replace(/^([0-9]{2})\/?(?:20)?([0-9]{2})$/, "$1/$2");
  return {
    number: inputs.number.value.replace(/[\s-]/g, ""),
    expiry,
    securityCode: inputs.securityCode.value.trim(),
  };
}

function setUpCard() {
  const form = document.getElementById("card-form");
  if (!form) return;
  const inputs = Object.fromEntries(
    Object.entries(FIELDS).map(([name, field]) => [name, document.getElementById(field.input)]),
  );
  form.addEventListener("input", () => {
    if (unanswered?.way === "card") unanswered = null; // another card, or the same one mended: ask for another token
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (unanswered?.way !== "card" && !checked(inputs)) return;
    attempt("card", () => payByCard(inputs));
  });
  document.getElementById("card-way").hidden = false;
}

function checked(inputs) {
  const wrong = wrongs(typed(inputs));
  for (const [name, input] of Object.entries(inputs)) complain(input, wrong[name] || "");
  const first = Object.keys(inputs).find((name) => wrong[name]);
  if (first) inputs[first].focus();
  return !first;
}

async function payByCard(inputs) {
  if (!window.cardnet) throw new Trouble("The token service's script did not load. Nothing was charged.", true);
  let made;
  try {
    const { securityCode, ...card } = typed(inputs);
    const code = securityCode ? { securityCode } : {};
    made = await window.cardnet.createToken({
      merchantId: order.merchantId, serviceId: order.serviceId, ...card, ...code,
    });
  } catch (problem) {
    refused(inputs, problem);
    return null;
  }
  const paid = await send("card", {
    browserToken: made.token,
    keep: document.getElementById("card-keep")?.checked ?? false,
  });
  for (const input of Object.values(inputs)) input.value = "";
  return paid;
}

// "expiry: must not be in the past" is for programs; people read "Expiry must not be in the past."
function sentence(input, message) {
  const rule = message.replace(/^[A-Za-z_]+: /, "").replace(/\.?$/, ".");
  return rule.startsWith("must ") ? `${input.labels[0].firstChild.textContent.trim()} ${rule}` : rule;
}

function refused(inputs, problem) {
  const name = Object.keys(FIELDS).find((field) => FIELDS[field].names.includes(problem.field));
  if (!name) throw new Trouble(`${problem.message || "The card was not taken."} Nothing was charged.`, true);
  complain(inputs[name], sentence(inputs[name], problem.message));
  inputs[name].disabled = false;
  inputs[name].focus();
}

// The wallet.

function usage() {
  if (order.monthly === "yes") return "recurring";
  return document.getElementById("wallet-keep")?.checked ? "card-on-file" : "one-time";
}

function paymentRequest(usageType) {
  const data = {
    supportedNetworks: ["cardnet"],
    keyProviderURL: `${location.origin}/payment-key`,
    usageType,
    payeeID: order.merchantId,
    bindToRequest: true,
  };
  const total = { label: order.label, amount: { currency: order.currency, value: order.value } };
  return new PaymentRequest([{ supportedMethods: `${order.walletOrigin}/pay`, data }], { id: order.orderKey, total });
}

async function shown(request) {
  try {
    return await request.show();
  } catch (problem) {
    const why = problem.name === "NotSupportedError" ? "Your browser did not find the wallet." : "The wallet was closed.";
    throw new Trouble(`${why} Nothing was charged.`, true);
  }
}

function spoken(details) {
  if (details.status === "cancelled") return "You cancelled in the wallet. Nothing was charged.";
  const why = typeof details.notice === "string" ? `: ${details.notice}` : ".";
  return `The wallet did not give a card${why} Nothing was charged.`;
}

// A payment that failed is completed as "unknown": at "fail" Chromium (156) waits with a sheet of its own, and this page
// says what failed anyway.
async function payByWallet() {
  const usageType = usage();
  const request = paymentRequest(usageType);
  const response = await shown(request);
  const { encryptedDetails } = response.details;
  if (!encryptedDetails) {
    await response.complete("unknown");
    throw new Trouble(spoken(response.details), true);
  }
  const tokenizedCard = { encryptedDetails, usage: usageType, paymentRequestId: request.id };
  try {
    const paid = await send("wallet", { tokenizedCard, keep: usageType === "card-on-file" });
    await response.complete(paid.approved ? "success" : "unknown");
    return paid;
  } catch (problem) {
    await response.complete("unknown");
    throw problem;
  }
}

function setUpWallet() {
  const button = document.getElementById("pay-wallet");
  if (!button || !("PaymentRequest" in window)) return;
  button.addEventListener("click", () => attempt("wallet", payByWallet));
  document.getElementById("wallet-keep")?.addEventListener("change", () => {
    if (unanswered?.way === "wallet") unanswered = null;
  });
  document.getElementById("wallet-way").hidden = false;
}

setUpWallet();
setUpCard();
addEventListener("pageshow", () => busy(""));
