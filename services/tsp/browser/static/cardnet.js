// cardnet.js: a card typed in a shop's page becomes a token, and the shop never sees the card.
//
//   <script src="http://localhost:8751/cardnet.js"></script>
//   const {token} = await cardnet.createToken({merchantId, serviceId, number, expiry, securityCode});
//
// The card is encrypted here (JWE: RSA-OAEP-256, A256GCM) to the token service's key and goes to the token service's
// origin alone. Nothing of it is stored, logged, or quoted in an error. For tests only: never use a real card.
(() => {
  "use strict";

  // Only while the script runs for the first time does the page say where it came from.
  const service = new URL(document.currentScript.src).origin;

  class CardError extends Error {
    // errorCode: a constant for programs. field: number, expiry, securityCode, … or undefined where none is to blame.
    constructor(errorCode, field, message) {
      super(message);
      this.name = "CardError";
      this.result = "NG";
      this.errorCode = errorCode;
      this.field = field;
    }
  }

  const invalid = (field, rule) => new CardError("INVALID_FIELD", field, `${field}: ${rule}`);

  // What people type beside the digits: blanks and hyphens, as they are printed on cards.
  const digitsOf = (text) => String(text ?? "").replace(/[\s-]/g, "");

  function luhnValid(digits) {
    let sum = 0;
    [...digits].reverse().forEach((digit, place) => {
      const value = Number(digit) * (place % 2 ? 2 : 1);
      sum += value > 9 ? value - 9 : value;
    });
    return sum % 10 === 0;
  }

  function numberIn(input) {
    const digits = digitsOf(input);
    if (!/^[0-9]{13,19}$/.test(digits)) throw invalid("number", "must be 13 to 19 digits");
    if (!luhnValid(digits)) throw invalid("number", "must end in a valid check digit");
    // What is no test card stays in this page: it may be somebody's real one.
    if (!/^9999/.test(digits)) throw invalid("number", "must be a test card, which begins with 9999: never use a real card");
    return digits;
  }

  // "YYYYMM" or "MM/YY"; gives YYMM. Whether it has passed the service says: its clock may be a test's.
  function expiryIn(input) {
    const text = String(input ?? "").replace(/\s/g, "");
    const parts = /^20([0-9]{2})([0-9]{2})$/.exec(text) ?? /^([0-9]{2})\/([0-9]{2})$/.exec(text);
    if (!parts) throw invalid("expiry", "must be MM/YY or YYYYMM");
    const [year, month] = text.includes("/") ? [parts[2], parts[1]] : [parts[1], parts[2]];
    if (!/^(0[1-9]|1[0-2])$/.test(month)) throw invalid("expiry", "must have a month from 01 to 12");
    return year + month;
  }

  function securityCodeIn(input) {
    const code = String(input ?? "").trim();
    if (code && !/^[0-9]{3,4}$/.test(code)) throw invalid("securityCode", "must be 3 or 4 digits");
    return code;
  }

  function shopIn({merchantId, serviceId}) {
    if (!/^[A-Za-z0-9 ]{1,15}$/.test(merchantId ?? "")) throw invalid("merchantId", "must be 1 to 15 letters and digits");
    if (!/^[0-9]{3}$/.test(serviceId ?? "")) throw invalid("serviceId", "must be 3 digits");
    return {merchantId, serviceId};
  }

  const base64url = (bytes) =>
    btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");

  // A compact JWE (RFC 7516). The header is bound to the ciphertext, so nobody can change how it is read.
  async function encrypt(card, {kid, jwk}) {
    if (!globalThis.crypto?.subtle) {
      throw new CardError("NOT_SECURE", undefined, "this page must be https, or at localhost, to encrypt a card");
    }
    const ascii = new TextEncoder();
    const publicKey = await crypto.subtle.importKey(
      "jwk", {kty: jwk.kty, n: jwk.n, e: jwk.e}, {name: "RSA-OAEP", hash: "SHA-256"}, false, ["encrypt"]);
    const contentKey = crypto.getRandomValues(new Uint8Array(32));
    const iv = crypto.getRandomValues(new Uint8Array(12));
    const header = base64url(ascii.encode(JSON.stringify({alg: "RSA-OAEP-256", enc: "A256GCM", kid})));
    const wrapped = new Uint8Array(await crypto.subtle.encrypt({name: "RSA-OAEP"}, publicKey, contentKey));
    const aes = await crypto.subtle.importKey("raw", contentKey, "AES-GCM", false, ["encrypt"]);
    const how = {name: "AES-GCM", iv, additionalData: ascii.encode(header), tagLength: 128};
    const sealed = new Uint8Array(await crypto.subtle.encrypt(how, aes, ascii.encode(JSON.stringify(card))));
    // WebCrypto puts the tag behind the ciphertext; a JWE has it as a part of its own.
    const parts = [wrapped, iv, sealed.subarray(0, -16), sealed.subarray(-16)];
    return [header, ...parts.map(base64url)].join(".");
  }

  async function ask(path, options) {
    let response, answer;
    try {
      // No cookies, and not even the address of the shop's page: the origin says all that the service must know.
      response = await fetch(service + path, {credentials: "omit", referrerPolicy: "no-referrer", cache: "no-store", ...options});
      answer = await response.json();
    } catch {
      throw new CardError("UNREACHABLE", undefined, "the token service cannot be reached, or does not know this site");
    }
    if (response.ok) return answer;
    const message = answer.detail ?? "the token service did not take the card";
    throw new CardError(answer.field ? "INVALID_FIELD" : answer.reason ?? `HTTP_${response.status}`, answer.field, message);
  }

  async function tokenFor(input) {
    // All that can be seen here is looked at before anything is sent.
    const shop = shopIn(input);
    const card = {pan: numberIn(input.number), pan_expiry: expiryIn(input.expiry)};
    const code = securityCodeIn(input.securityCode);
    if (code) card.security_code = code;
    const encryptedCard = await encrypt(card, await ask("/v1/key"));
    const body = JSON.stringify({...shop, encryptedCard});
    const given = await ask("/v1/tokens", {method: "POST", headers: {"Content-Type": "application/json"}, body});
    return {result: "OK", token: given.token, maskedNumber: given.maskedNumber, brand: given.brand};
  }

  const told = ({errorCode, field, message}) => ({
    result: "NG",
    errorCode: errorCode ?? "FAILED",
    field,
    message: errorCode ? message : "the card could not be encrypted in this browser",
  });

  // With a callback it is called once, with {result: "OK", …} or {result: "NG", …}; without one, a promise comes back.
  function createToken(input, callback) {
    const made = tokenFor(input ?? {}).catch((error) => {
      const {errorCode, field, message} = told(error);
      throw new CardError(errorCode, field, message);
    });
    if (typeof callback !== "function") return made;
    // Out of the promise, so that what the callback throws is the page's own error and calls it no second time.
    made.then((given) => setTimeout(callback, 0, given), (error) => setTimeout(callback, 0, told(error)));
    return undefined;
  }

  window.cardnet = Object.freeze({createToken});
})();
