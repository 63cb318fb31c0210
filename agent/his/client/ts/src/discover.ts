import { clientError, type TapcheckError } from "./errors.js";
import { framed, pageIsLocal, permission, type Permission } from "./permission.js";
import { canVerify, newNonce, sameKey, verifyProof } from "./proof.js";
import type { Discovery, JWK, Language, ProtocolRange } from "./protocol.js";

/** The ports that an agent may have, in its own order. */
export const PORTS: readonly number[] = [27480, 27481, 27482, 27483];

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

interface Answer {
  port: number;
  ms: number;
  discovery?: Discovery;
  known?: Known;
  /** What its signature is worth: undefined where it could not be checked. */
  genuine?: boolean;
}

// How long others may still answer once somebody has. Windows takes two seconds to say that nobody listens on a port; somebody
// who does listen answers in some milliseconds.
const graceMs = 250;

// A question of the browser holds up the port behind which the agent is, and no other; nobody answers it faster than this.
const questionMs = 1000;

/**
 * Asks all ports at once. An agent whose key is known and proven is taken at once, whoever else answers; else there must be
 * exactly one, or it is AGENT_NOT_GENUINE. Never sends a secret.
 */
export async function discover(s: Search): Promise<Found> {
  const before = await permission();
  const mayAsk = before === "prompt" && !pageIsLocal();
  const began = performance.now();
  const answers: Answer[] = [];
  const stop = new AbortController();
  const quit = () => stop.abort();
  if (s.signal.aborted) throw clientError("ABORTED", s.lang);
  s.signal.addEventListener("abort", quit, { once: true });
  try {
    await new Promise<void>((done) => {
      const ports = [...new Set(s.last && s.ports.includes(s.last) ? [s.last, ...s.ports] : s.ports)];
      const timers = [
        setTimeout(done, mayAsk ? s.permissionMs : s.timeoutMs),
        setInterval(() => {
          const waited = performance.now() - began;
          const latest = Math.max(0, ...answers.map((a) => a.ms));
          if (mayAsk && waited - latest > questionMs && (answers.length > 0 || waited > s.timeoutMs)) s.asking();
        }, questionMs),
      ];
      let grace: ReturnType<typeof setTimeout> | undefined;
      stop.signal.addEventListener("abort", () => {
        for (const t of [...timers, grace]) clearTimeout(t);
        done();
      });
      for (const port of ports) {
        void ask(port, began, s, stop.signal).then((answer) => {
          answers.push(answer);
          if (answer.genuine && Array.isArray(answer.known)) return done();
          if (answers.length === ports.length) return done();
          if (answer.discovery?.allowed && answer.genuine !== false) grace ??= setTimeout(done, graceMs);
        });
      }
    });
  } finally {
    s.signal.removeEventListener("abort", quit);
    stop.abort();
  }
  if (s.signal.aborted) throw clientError("ABORTED", s.lang);
  return choose(s, answers) ?? Promise.reject(await diagnose(s, answers, performance.now() - began, mayAsk));
}

async function ask(port: number, began: number, s: Search, signal: AbortSignal): Promise<Answer> {
  const answer: Answer = { port, ms: 0 };
  try {
    const nonce = newNonce();
    const response = await fetch(`http://127.0.0.1:${port}/.well-known/tapcheck.json?nonce=${nonce}`, {
      cache: "no-store",
      credentials: "omit",
      referrerPolicy: "no-referrer",
      redirect: "error",
      signal,
    });
    const d: unknown = response.ok && JSON.parse(await bounded(response));
    if (isDiscovery(d)) {
      answer.discovery = d;
      if (d.allowed && d.instanceId) {
        answer.known = s.known(d.instanceId);
        answer.genuine = await genuine(d, nonce, port, answer.known);
      }
    }
  } catch {
    // Nobody there, somebody else, or the browser: a page is not told which.
  }
  answer.ms = performance.now() - began;
  return answer;
}

// Whatever listens there may go on talking.
const maxBytes = 65536;

async function bounded(response: Response): Promise<string> {
  const reader = response.body!.getReader();
  const decoder = new TextDecoder();
  let text = "";
  for (let bytes = 0; ; ) {
    const { done, value } = await reader.read();
    if (done) return text + decoder.decode();
    if ((bytes += value.length) > maxBytes) {
      await reader.cancel();
      throw new RangeError("too long");
    }
    text += decoder.decode(value, { stream: true });
  }
}

function isDiscovery(d: unknown): d is Discovery {
  if (d === null || typeof d !== "object") return false;
  const { allowed, instanceId, protocol } = d as Partial<Record<keyof Discovery, unknown>>;
  if (allowed === false) return true;
  const range = protocol as Partial<ProtocolRange> | null | undefined;
  return allowed === true && typeof instanceId === "string" && instanceId !== "" && typeof range?.min === "number" && typeof range.max === "number";
}

async function genuine(d: Discovery, nonce: string, port: number, known: Known): Promise<boolean | undefined> {
  if (known === "any" || !canVerify()) return undefined;
  const proof = d.proof;
  if (!proof || proof.instanceId !== d.instanceId || !(await verifyProof(proof, nonce, undefined, port))) return false;
  return !Array.isArray(known) || known.some((k) => sameKey(k, proof.publicKey));
}

function choose(s: Search, answers: Answer[]): Found | undefined {
  const found = (a: Answer): Found => ({ port: a.port, discovery: a.discovery!, known: a.known ?? "first" });
  const pinned = answers.find((a) => a.genuine && Array.isArray(a.known));
  if (pinned) return found(pinned);
  const usable = answers.filter((a) => a.discovery && a.genuine !== false && (a.discovery.allowed || (s.pairing && a.discovery.pairing)));
  if (usable.length > 1) {
    // Two agents on one PC, and no key to tell which is the hospital's: one of them may be after the token.
    const any = usable.find((a) => a.known === "any");
    if (any) return found(usable.find((a) => a.port === s.last) ?? any);
    throw clientError("AGENT_NOT_GENUINE", s.lang, { reason: "several_answer", ports: usable.map((a) => a.port) });
  }
  return usable[0] && found(usable[0]);
}

/** Says why nobody was found, as far as a page can know. */
async function diagnose(s: Search, answers: Answer[], elapsed: number, mayAsk: boolean): Promise<TapcheckError> {
  const impostor = answers.find((a) => a.genuine === false);
  if (impostor) {
    const reason = impostor.discovery?.proof ? "key" : "no_proof";
    return clientError("AGENT_NOT_GENUINE", s.lang, { reason, ports: [impostor.port] });
  }
  const denied = answers.filter((a) => a.discovery);
  if (denied.length > 0) return clientError(denied.some((a) => a.discovery!.pairing) ? "NOT_PAIRED" : "ORIGIN_DENIED", s.lang);

  const now = await permission();
  const detail: { permission: Permission; frame?: true } = { permission: now };
  if (!pageIsLocal()) {
    if (!isSecureContext && now !== "unknown" && !s.seen) return clientError("PAGE_NOT_SECURE", s.lang, detail);
    if (now === "denied" && isSecureContext) {
      if (framed()) detail.frame = true;
      return clientError("PERMISSION_DENIED", s.lang, detail);
    }
    // Ports where nobody listens fail together. One that took longer was held up by a question that was not answered.
    const times = answers.map((a) => a.ms);
    if (answers.length < s.ports.length) times.push(elapsed);
    const together = times.length > 1 ? Math.min(...times) : s.timeoutMs;
    if (mayAsk && now === "prompt" && Math.max(...times) - together > questionMs) return clientError("PERMISSION_PENDING", s.lang, detail);
  }
  return clientError(s.seen ? "NOT_RUNNING" : "NOT_INSTALLED", s.lang, detail);
}
