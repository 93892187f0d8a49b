// Encrypts to a public key: compact JWE (RFC 7516) with RSA-OAEP-256 and A256GCM, by the browser's own cryptography.

const LEAST_BITS = 2048;
const ALGORITHM = { name: "RSA-OAEP", hash: "SHA-256" };
const text = new TextEncoder();

/** Bytes as base64url, without padding. */
export function base64url(bytes) {
  let binary = "";
  for (const byte of new Uint8Array(bytes)) binary += String.fromCharCode(byte);
  return btoa(binary).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** A payee's or token service's public key, from a JWK or PEM: {key, kid}. An Error says what is wrong with it. */
export async function readKey(document, kid = "") {
  const written = document.trim();
  const { key, named } = written.startsWith("{") ? await fromJwk(JSON.parse(written)) : await fromPem(written);
  if (key.algorithm.modulusLength < LEAST_BITS) throw new Error(`the key must have at least ${LEAST_BITS} bits`);
  return { key, kid: kid || named || (await thumbprint(key)) };
}

/** A JWE of `claims`, which become JSON. */
export async function encrypt(claims, { key, kid }) {
  const header = base64url(text.encode(JSON.stringify({ alg: "RSA-OAEP-256", enc: "A256GCM", kid })));
  const secret = crypto.getRandomValues(new Uint8Array(32));
  const iv = crypto.getRandomValues(new Uint8Array(12));
  const wrapped = await crypto.subtle.encrypt(ALGORITHM, key, secret);
  const cipher = await crypto.subtle.importKey("raw", secret, "AES-GCM", false, ["encrypt"]);
  const options = { name: "AES-GCM", iv, additionalData: text.encode(header), tagLength: 128 };
  const sealed = new Uint8Array(await crypto.subtle.encrypt(options, cipher, text.encode(JSON.stringify(claims))));
  return [header, ...[wrapped, iv, sealed.slice(0, -16), sealed.slice(-16)].map(base64url)].join(".");
}

async function fromJwk(jwk) {
  if (jwk.kty !== "RSA" || typeof jwk.n !== "string" || typeof jwk.e !== "string") throw new Error("the key must be RSA");
  if ((jwk.alg ?? "RSA-OAEP-256") !== "RSA-OAEP-256") throw new Error("the key must be for RSA-OAEP-256");
  if ((jwk.use ?? "enc") !== "enc") throw new Error("the key must be for encryption");
  const publicPart = { kty: "RSA", n: jwk.n, e: jwk.e, alg: "RSA-OAEP-256", ext: true };
  const key = await imported("jwk", publicPart);
  return { key, named: typeof jwk.kid === "string" ? jwk.kid : "" };
}

async function fromPem(pem) {
  const found = /-----BEGIN (CERTIFICATE|PUBLIC KEY)-----([A-Za-z0-9+/=\s]+)-----END \1-----/.exec(pem);
  if (!found) throw new Error("the key must be a JWK, or a PEM certificate or public key");
  const der = Uint8Array.from(atob(found[2].replace(/\s/g, "")), (character) => character.charCodeAt(0));
  const spki = found[1] === "CERTIFICATE" ? publicKeyOf(der) : der;
  return { key: await imported("spki", spki), named: "" };
}

function imported(form, key) {
  // What a browser says of a key that is none is empty.
  return crypto.subtle.importKey(form, key, ALGORITHM, true, ["encrypt"]).catch(() => {
    throw new Error("it is no RSA public key");
  });
}

/** The SubjectPublicKeyInfo in an X.509 certificate: the sixth part of what is signed, after the version (RFC 5280). */
function publicKeyOf(certificate) {
  const signed = part(certificate, part(certificate, 0).from);
  let place = signed.from;
  if (certificate[place] === 0xa0) place = part(certificate, place).to; // the version may be left out
  for (let passed = 0; passed < 5; passed++) place = part(certificate, place).to; // serial … subject
  return certificate.slice(place, part(certificate, place).to);
}

/** Where a DER element's content begins and ends. */
function part(der, at) {
  let length = der[at + 1];
  let from = at + 2;
  if (length & 0x80) {
    const bytes = length & 0x7f;
    length = 0;
    for (let index = 0; index < bytes; index++) length = length * 256 + der[from++];
  }
  if (!(from + length <= der.length)) throw new Error("the certificate cannot be read");
  return { from, to: from + length };
}

/** A key's name where nobody gave it one (RFC 7638). */
async function thumbprint(key) {
  const { e, kty, n } = await crypto.subtle.exportKey("jwk", key);
  return base64url(await crypto.subtle.digest("SHA-256", text.encode(JSON.stringify({ e, kty, n }))));
}
