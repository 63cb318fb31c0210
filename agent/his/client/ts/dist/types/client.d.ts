import { type RequestOptions } from "./connection.js";
import { Emitter } from "./emitter.js";
import { TapcheckError } from "./errors.js";
import { Job, type CheckinRequest } from "./job.js";
import { type Permission } from "./permission.js";
import type { AgentStatusResult, CheckinDecideParams, CheckinVoidParams, EligibilityChanged, Hello, JWK, Language, MethodName, Methods, Need, Operator, Progress, Reader, Result, SessionOpenResult, SimFaultParams, SimInsertParams, SimRemoveParams, Visit } from "./protocol.js";
import { type Store } from "./store.js";
/** Versions of the protocol that this client speaks. */
export declare const PROTOCOL: {
    readonly min: 1;
    readonly max: 1;
};
/** Version of this client. */
export declare const VERSION = "0.1.0";
/** What an assertion is made of. The HIS backend signs it as a JWT; see the README. */
export interface AssertionRequest {
    /** The agent's challenge of this connection: the JWT's nonce. */
    challenge: string;
    /** The JWT's audience is "tapcheck:" and this. */
    instanceId: string;
}
export interface Options {
    /** What the HIS is called, for the agent's log. */
    client?: {
        name: string;
        version?: string;
    };
    /** Language of all texts; default "vi". */
    language?: Language;
    /** Who sits at the desk. An assertion's operator beats this one. */
    operator?: Operator;
    /** A token that the HIS was given for this page's origin. Without it the one from pairing is used. */
    token?: string | (() => string | Promise<string>);
    /** Asks the HIS backend for a signed assertion, in place of a token. */
    assertion?: (request: AssertionRequest) => Promise<string>;
    /**
     * The keys of the agents that may be trusted: publicKey of what `tapcheck token key` prints. Default: the key from pairing, else the one of the
     * agent that is met first. "any" looks at no key.
     */
    agentKey?: JWK | JWK[] | "any";
    /** Where token and key are kept; default localStorage. */
    store?: Store;
    /** Default 27480 to 27483. */
    ports?: readonly number[];
    /** "binary" has pictures sent as they are; default "inline", as base64. */
    pictures?: "inline" | "binary";
    /** Methods without which the page can do nothing: an agent that lacks one is AGENT_TOO_OLD. */
    requires?: string[];
    /** How long a port may take to answer, in milliseconds; default 3000. */
    discoveryMs?: number;
    /** How long the browser's question may stay unanswered; default 60000. */
    permissionMs?: number;
    /** How long an answer may take; default 15000. */
    requestMs?: number;
    /** How long a lost connection is tried again before its jobs are given up; default 60000. */
    reconnectMs?: number;
}
export interface StateChange {
    state: "idle" | "connecting" | "open" | "reconnecting" | "closed";
    /** Why, when it is reconnecting or closed by itself. */
    error?: TapcheckError;
}
export interface ClientEvents {
    state: StateChange;
    /** The browser asks its user ("prompt"), or the answer has changed. */
    permission: Permission;
    reader: Reader;
    /** An event of a job of this origin, from other windows too. */
    job: {
        kind: "progress";
        jobId: string;
        event: Progress;
    } | {
        kind: "partial" | "result";
        jobId: string;
        event: Result;
    } | {
        kind: "needs";
        jobId: string;
        event: Need;
    };
    /** The answer to a look-up of the insurance that was pending. */
    eligibility: EligibilityChanged;
}
/** A pairing that waits for the six digits of the console. */
export interface Pairing {
    expiresAt: Date;
    /** Wrong codes that may still be typed. */
    tries: number;
    /** Opens a session with the token that the agent gives. A wrong code rejects with PAIRING_CODE_WRONG and can be typed again. */
    confirm(code: string): Promise<SessionOpenResult>;
    cancel(): void;
}
/** Names a check-in. */
export type CheckinName = {
    jobId: string;
} | {
    checkinId: string;
};
/**
 * The agent of this PC. It connects at the first use and again when the connection is lost; what it is asked waits for that.
 *
 * Everything that fails is a TapcheckError.
 */
export declare class Client extends Emitter<ClientEvents> {
    private readonly options;
    /** What the agent told about itself; undefined until it is connected. */
    hello?: Hello;
    /** What the session may do; undefined until it is open. */
    session?: SessionOpenResult;
    /** Whether the agent's signature was checked against a key that was known before. */
    proven: boolean;
    state: StateChange["state"];
    /** The simulator of `tapcheck demo`. */
    readonly sim: {
        /** Puts a persona's card into a reader. */
        insert: (card?: SimInsertParams) => Promise<void>;
        remove: (from?: SimRemoveParams) => Promise<void>;
        fault: (fault: SimFaultParams) => Promise<void>;
    };
    private readonly store;
    private readonly lang;
    private readonly jobs;
    private connection?;
    private opening?;
    private retrying;
    private stop;
    constructor(options?: Options);
    /** Finds the agent and opens a session, or gives the one that is open. */
    connect(signal?: AbortSignal): Promise<SessionOpenResult>;
    /** Lets go of the agent. Jobs that are not detached are cancelled by it after 15 seconds unless the page comes back. */
    close(): void;
    /** Asks for any method of the protocol. Errors: the agent's and those of the connection. */
    request<M extends MethodName>(method: M, params: Methods[M]["params"], o?: RequestOptions): Promise<Methods[M]["result"]>;
    status(o?: RequestOptions): Promise<AgentStatusResult>;
    readers(o?: RequestOptions): Promise<Reader[]>;
    /**
     * Starts a check-in; its result comes as job.result. means is "chip" and jobId made up where they are left out. Aborting the
     * signal cancels it.
     */
    checkin(request?: CheckinRequest, o?: {
        signal?: AbortSignal;
    }): Job;
    /** Reads a card without asking the insurance. */
    readCard(request?: CheckinRequest, o?: {
        signal?: AbortSignal;
    }): Job;
    /** Takes up a job that another page of this origin has started: after a reload, within 15 seconds, or in another window. */
    follow(jobId: string, o?: {
        signal?: AbortSignal;
    }): Job;
    /** Names the visit that came later. */
    link(of: CheckinName, visit: Visit, o?: RequestOptions): Promise<Methods["checkin.link"]["result"]>;
    /** Records what a person has decided about a verdict. */
    decide(of: CheckinName, decision: Omit<CheckinDecideParams, "jobId" | "checkinId">, o?: RequestOptions): Promise<Methods["checkin.decide"]["result"]>;
    /** Takes back a check-in of the wrong patient. It is kept, and marked. */
    void(of: CheckinName, why: Omit<CheckinVoidParams, "jobId" | "checkinId">, o?: RequestOptions): Promise<Methods["checkin.void"]["result"]>;
    /** A check-in that is over as a FHIR R4 Bundle: Patient, Coverage, CoverageEligibilityRequest and CoverageEligibilityResponse. */
    export(of: CheckinName, format?: "fhir", o?: RequestOptions): Promise<Methods["checkin.export"]["result"]>;
    /** The proof that the insurer was asked, attempt by attempt, and `html`, the paper for the dossier (NĐ 188/2025 Đ38): print it as it is. */
    proof(of: CheckinName, o?: RequestOptions): Promise<Methods["checkin.proof"]["result"]>;
    /** Forgets token and key, for a PC whose agent was installed anew. */
    forget(): Promise<void>;
    /** Begins to pair this page's origin, while an administrator holds pairing open in the console, which then shows six digits. */
    pair(signal?: AbortSignal): Promise<Pairing>;
    private open;
    private search;
    private known;
    private checkVersion;
    private dial;
    /** Checks the agent's signature on this very connection, and gives its key. */
    private prove;
    private login;
    /** token null removes it. A key that is pinned stays. */
    private save;
    private drop;
    private lost;
    private reconnect;
    private giveUp;
    private change;
    private readonly host;
    private begin;
    private launch;
    private heard;
}
