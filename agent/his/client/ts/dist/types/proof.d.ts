import type { JWK, Proof } from "./protocol.js";
/** 32 random bytes, base64url. Unlike WebCrypto, plain http pages have these too. */
export declare function newNonce(): string;
export declare function toBase64url(bytes: Uint8Array): string;
export declare function fromBase64url(text: string): Uint8Array<ArrayBuffer>;
/** Browsers keep WebCrypto from pages without https. */
export declare function canVerify(): boolean;
export declare function sameKey(a: JWK, b: JWK): boolean;
/**
 * Checks that the program at this port has the private key of proof.publicKey, that it was asked now (nonce), and that nobody stands
 * in between: a program that took the agent's port could hand the question on to the agent at its next port, but the agent
 * signs the port at which it was asked.
 *
 * challenge is the one of agent.hello; the proof of discovery has none.
 */
export declare function verifyProof(proof: Proof, nonce: string, challenge: string | undefined, port: number): Promise<boolean>;
