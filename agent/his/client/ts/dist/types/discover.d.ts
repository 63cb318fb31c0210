import type { Discovery, JWK, Language } from "./protocol.js";
/** The ports that an agent may have, in its own order. */
export declare const PORTS: readonly number[];
/**
 * What this page knows of the agent with an instance id: its keys (one of them must be proven), "any" where it is told not to
 * look, "first" where it has met none yet, "stranger" where it knows others but not this one.
 */
export type Known = JWK[] | "any" | "first" | "stranger";
export interface Search {
    ports: readonly number[];
    /** The port that worked last. */
    last?: number;
    /** Whether an agent was ever met in this browser. */
    seen: boolean;
    known(instanceId: string): Known;
    /** A page that wants to pair takes an agent that does not allow it yet. */
    pairing: boolean;
    timeoutMs: number;
    permissionMs: number;
    lang: Language;
    signal: AbortSignal;
    /** The browser asks its user, and the search waits for the answer. */
    asking(): void;
}
export interface Found {
    port: number;
    discovery: Discovery;
    known: Known;
}
/**
 * Asks all ports at once. An agent whose key is known and proven is taken at once, whoever else answers; else there must be
 * exactly one, or it is AGENT_NOT_GENUINE. Never sends a secret.
 */
export declare function discover(s: Search): Promise<Found>;
