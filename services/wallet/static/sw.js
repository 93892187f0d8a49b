// The payment handler: opens the wallet's window for a shop's payment request, and hands its answer back.
//
// It never rejects: a browser then leaves the shop's page waiting for ever (measured, Chromium 156). Whatever happens is an
// answer; {status: "cancelled"} where nobody paid.

const IDENTIFIER = `${self.location.origin}/pay`;
const CANCELLED = { status: "cancelled" };
const LOOK_EVERY_MS = 500;
const LATEST_MS = 130_000; // the window itself gives up after two minutes

/** What is being paid: by a random name that only its window knows. */
const payments = new Map();

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

self.addEventListener("canmakepayment", (event) => event.respondWith(supported(event.methodData)));
self.addEventListener("paymentrequest", (event) => event.respondWith(answerTo(event)));

self.addEventListener("message", (event) => {
  const payment = payments.get(event.data?.payment);
  if (!payment) {
    event.ports[0]?.postMessage({ gone: true });
  } else if (event.data.details) {
    payment.settle(event.data.details);
  } else {
    event.ports[0].postMessage({ request: payment.request });
  }
});

/** Whether a wallet like this may hold a fitting card. It depends on nobody's cards, because no shop may learn of them so. */
async function supported(methodData) {
  try {
    const options = { method: "POST", headers: { "content-type": "application/json" }, credentials: "omit" };
    const answer = await fetch("/v1/support", { ...options, body: JSON.stringify({ methodData: methodData ?? [] }) });
    return (await answer.json()).supported === true;
  } catch {
    return false;
  }
}

async function answerTo(event) {
  const name = crypto.randomUUID();
  const { promise, settle } = settled();
  payments.set(name, { request: requestOf(event), settle });
  const late = setTimeout(() => settle(CANCELLED), LATEST_MS);
  const looking = await open(event, name, settle);
  const details = await promise;
  clearTimeout(late);
  clearInterval(looking);
  payments.delete(name);
  return { methodName: IDENTIFIER, details };
}

/** Open the window, and look from then on whether it is still there. */
async function open(event, name, settle) {
  const opened = await event.openWindow(`/app/window#${name}`).catch(() => null);
  if (!opened) {
    settle(CANCELLED);
    return undefined;
  }
  return setInterval(async () => {
    if (!(await self.clients.get(opened.id))) settle(CANCELLED);
  }, LOOK_EVERY_MS);
}

function settled() {
  let settle;
  const promise = new Promise((resolve) => (settle = resolve));
  return { promise, settle };
}

function requestOf({ methodData, total, topOrigin, paymentRequestId }) {
  return JSON.parse(JSON.stringify({ methodData, total, topOrigin, paymentRequestId }));
}
