import { clientError } from "./errors.js";
import type { Language } from "./protocol.js";

/** Ends waiting for p when signal aborts; what p stands for goes on. */
export function abortable<T>(p: Promise<T>, signal: AbortSignal | undefined, lang: Language): Promise<T> {
  if (!signal) return p;
  return new Promise<T>((resolve, reject) => {
    const stop = () => reject(clientError("ABORTED", lang, undefined, signal.reason));
    if (signal.aborted) return stop();
    signal.addEventListener("abort", stop, { once: true });
    p.then(resolve, reject).finally(() => signal.removeEventListener("abort", stop));
  });
}

/** Waits, or throws ABORTED. */
export function sleep(ms: number, signal: AbortSignal | undefined, lang: Language): Promise<void> {
  return abortable(new Promise((resolve) => setTimeout(resolve, ms)), signal, lang);
}
