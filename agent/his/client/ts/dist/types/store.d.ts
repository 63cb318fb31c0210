import type { JWK } from "./protocol.js";
/** What a page remembers of the agents that it met in this browser. */
export interface Saved {
    /** The port that worked last. */
    port?: number;
    /** When an agent last answered, RFC 3339. */
    seen?: string;
    /** By instance id: a roaming profile sees the agents of several PCs. */
    agents?: Record<string, SavedAgent>;
}
export interface SavedAgent {
    /** The agent's key, pinned at pairing or when it was first met. */
    key?: JWK;
    /** The token from pairing. */
    token?: string;
}
/** Where a page keeps what it remembers. A HIS may keep it with the workstation's profile on its server. */
export interface Store {
    load(): Saved | Promise<Saved>;
    save(saved: Saved): void | Promise<void>;
}
/** Keeps it in the browser, for this origin; or only as long as the page lives, where the browser does not allow that. */
export declare class BrowserStore implements Store {
    private readonly key;
    private memory;
    constructor(key?: string);
    load(): Saved;
    save(saved: Saved): void;
}
