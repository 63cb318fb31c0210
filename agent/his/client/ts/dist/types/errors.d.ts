import type { ErrorData, ErrorId, Language, Result } from "./protocol.js";
/** In Vietnamese and in English. */
export type Text = readonly [vi: string, en: string];
export interface Entry {
    readonly category: string;
    readonly retriable: boolean;
    readonly text: Text;
    readonly why: Text;
    readonly next: Text;
}
/** Ids that this client finds out by itself. */
export type ClientErrorId = "NOT_INSTALLED" | "NOT_RUNNING" | "PAGE_NOT_SECURE" | "PERMISSION_PENDING" | "PERMISSION_DENIED" | "ORIGIN_DENIED" | "NOT_PAIRED" | "TOKEN_REJECTED" | "AGENT_TOO_OLD" | "CLIENT_TOO_OLD" | "AGENT_NOT_GENUINE" | "CONNECTION_REFUSED" | "CONNECTION_LOST" | "JOB_LOST" | "REQUEST_TIMEOUT" | "ANSWER_MALFORMED" | "ABORTED";
/**
 * What only the page's side can find out. The agent's own errors come in its own words (its catalogue); ids that both know mean
 * the same.
 */
export declare const clientErrors: Readonly<Record<ClientErrorId, Entry>>;
/** An error in words for the desk. */
export declare class TapcheckError extends Error {
    /** Frozen: what programs look at. */
    readonly id: ClientErrorId | ErrorId;
    /** What is the matter, in one sentence. Never holds personal data. */
    readonly text: string;
    readonly name = "TapcheckError";
    /** What the desk does now. */
    readonly next: string;
    /** How that comes, for IT and the vendor. The agent says it on its help page. */
    readonly why: string;
    /** The help page on the agent's own port, absolute; empty where none is known. */
    readonly help: string;
    readonly lang: Language;
    readonly category: string;
    /** The same request can succeed later without anybody changing it. */
    readonly retriable: boolean;
    readonly detail: Record<string, unknown>;
    /** What was already known when a job ended with this error. */
    result?: Result;
    constructor(
    /** Frozen: what programs look at. */
    id: ClientErrorId | ErrorId, 
    /** What is the matter, in one sentence. Never holds personal data. */
    text: string, more?: Partial<Pick<TapcheckError, "next" | "why" | "help" | "lang" | "category" | "retriable" | "detail" | "result">> & {
        cause?: unknown;
    });
}
/** Makes an error that this side has found out. */
export declare function clientError(id: ClientErrorId, lang: Language, detail?: Record<string, unknown>, cause?: unknown): TapcheckError;
/** Makes an error of what the agent has answered. base is the agent's own address. */
export declare function agentError(w: ErrorData, base: string, result?: Result): TapcheckError;
