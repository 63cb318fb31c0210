import type { Language } from "./protocol.js";
/** Ends waiting for p when signal aborts; what p stands for goes on. */
export declare function abortable<T>(p: Promise<T>, signal: AbortSignal | undefined, lang: Language): Promise<T>;
/** Waits, or throws ABORTED. */
export declare function sleep(ms: number, signal: AbortSignal | undefined, lang: Language): Promise<void>;
