import type { JWK, Proof } from "./protocol.js";

const encoder = new TextEncoder();

/** 32 random bytes, base64url. Unlike WebCrypto, plain http pages have these too. */
export function newNonce(): string {
  return toBase64url(crypto.getRandomValues(new Uint8Array(32)));
}

export function toBase64url(bytes: Uint8Array): string {
  let s = "";
  for (const b of bytes) s += String.fromCharCode(b);
  return btoa(s).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
}

export function fromBase64url(text: string): Uint8Array<ArrayBuffer> {
  const s = atob(text.replace(/-/g, "+").replace(/_/g, "/"));
  return Uint8Array.from(s, (c) => c.charCodeAt(0));
}

/** Browsers keep WebCrypto from pages without https. */
export function canVerify(): boolean {
  return typeof crypto === "object" && crypto.subtle !== undefined;
}

export function sameKey(a: JWK, b: JWK): boolean {
  return a.kty === b.kty && a.crv === b.crv && a.x === b.x && a.y === b.y;
}

/**
 * Checks that the program at this port has the private key of proof.publicKey, that it was asked now (nonce), and that nobody stands
 * in between: a program that took the agent's port could hand the question on to the agent at its next port, but the agent
 * signs the port at which it was asked.
 *
 * challenge is the one of agent.hello; the proof of discovery has none.
 */
export async function verifyProof(proof: Proof, nonce: string, challenge: string | undefined, port: number): Promise<boolean> {
  try {
    if (proof.algorithm !== "ES256" || proof.publicKey.kty !== "EC" || proof.publicKey.crv !== "P-256" || proof.port !== port) return false;
    const { kty, crv, x, y } = proof.publicKey;
    const key = await crypto.subtle.importKey("jwk", { kty, crv, x, y }, { name: "ECDSA", namedCurve: "P-256" }, false, ["verify"]);
    const tag = challenge === undefined ? "tapcheck discovery v1\0" : "tapcheck agent.prove v1\0";
    const parts = [
      encoder.encode(tag),
      fromBase64url(nonce),
      challenge === undefined ? new Uint8Array() : fromBase64url(challenge),
      Uint8Array.of(port >> 8, port & 255),
      encoder.encode(proof.instanceId),
    ];
    const message = new Uint8Array(parts.reduce((n, p) => n + p.length, 0));
    let at = 0;
    for (const p of parts) {
      message.set(p, at);
      at += p.length;
    }
    return await crypto.subtle.verify({ name: "ECDSA", hash: "SHA-256" }, key, fromBase64url(proof.signature), message);
  } catch {
    return false;
  }
}
