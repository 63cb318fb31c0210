import { abortable, sleep } from "./abort.js";
import { Connection, type RequestOptions } from "./connection.js";
import { discover, PORTS, type Found, type Known } from "./discover.js";
import { Emitter } from "./emitter.js";
import { clientError, TapcheckError } from "./errors.js";
import { Job, type CheckinRequest, type JobHost } from "./job.js";
import { permission, watchPermission, type Permission } from "./permission.js";
import { canVerify, newNonce, sameKey, toBase64url, verifyProof } from "./proof.js";
import type {
  AgentStatusResult,
  CheckinDecideParams,
  CheckinStartParams,
  CheckinVoidParams,
  EligibilityChanged,
  Hello,
  JWK,
  Language,
  MethodName,
  Methods,
  Need,
  Operator,
  Progress,
  Reader,
  Result,
  SessionOpenResult,
  SimFaultParams,
  SimInsertParams,
  SimRemoveParams,
  Visit,
} from "./protocol.js";
import { BrowserStore, type Saved, type Store } from "./store.js";

/** Versions of the protocol that this client speaks. */
export const PROTOCOL = { min: 1, max: 1 } as const;

/** Version of this client. */
export const VERSION = "0.1.0";

/** What an assertion is made of. The HIS backend signs it as a JWT; see the README. */
export interface AssertionRequest {
  /** The agent's challenge of this connection: the JWT's nonce. */
  challenge: string;
  /** The JWT's audience is "tapcheck:" and this. */
  instanceId: string;
}

export interface Options {
  /** What the HIS is called, for the agent's log. */
  client?: { name: string; version?: string };
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
  job: { kind: "progress"; jobId: string; event: Progress } | { kind: "partial" | "result"; jobId: string; event: Result } | { kind: "needs"; jobId: string; event: Need };
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
export type CheckinName = { jobId: string } | { checkinId: string };

/**
 * The agent of this PC. It connects at the first use and again when the connection is lost; what it is asked waits for that.
 *
 * Everything that fails is a TapcheckError.
 */
export class Client extends Emitter<ClientEvents> {
  /** What the agent told about itself; undefined until it is connected. */
  hello?: Hello;
  /** What the session may do; undefined until it is open. */
  session?: SessionOpenResult;
  /** Whether the agent's signature was checked against a key that was known before. */
  proven = false;
  state: StateChange["state"] = "idle";

  /** The simulator of `tapcheck demo`. */
  readonly sim = {
    /** Puts a persona's card into a reader. */
    insert: async (card: SimInsertParams = {}): Promise<void> => void (await this.request("sim.insert", card)),
    remove: async (from: SimRemoveParams = {}): Promise<void> => void (await this.request("sim.remove", from)),
    fault: async (fault: SimFaultParams): Promise<void> => void (await this.request("sim.fault", fault)),
  };

  private readonly store: Store;
  private readonly lang: Language;
  private readonly jobs = new Set<Job>(); // that are not over; a page may have asked for one twice
  private connection?: Connection;
  private opening?: Promise<SessionOpenResult>;
  private retrying = false;
  private stop = new AbortController();

  constructor(private readonly options: Options = {}) {
    super();
    this.lang = options.language ?? "vi";
    this.store = options.store ?? new BrowserStore();
  }

  /** Finds the agent and opens a session, or gives the one that is open. */
  connect(signal?: AbortSignal): Promise<SessionOpenResult> {
    if (this.connection && this.session) return Promise.resolve(this.session);
    if (this.stop.signal.aborted) this.stop = new AbortController();
    if (!this.opening) {
      if (!this.retrying) this.change({ state: "connecting" });
      this.opening = this.open(this.stop.signal);
      this.opening.then(
        () => {
          this.opening = undefined;
          this.change({ state: "open" });
          for (const job of this.jobs) void job.attach();
        },
        (e: TapcheckError) => {
          this.opening = undefined;
          if (!this.retrying) this.change({ state: "closed", error: e });
        },
      );
    }
    return abortable(this.opening, signal, this.lang);
  }

  /** Lets go of the agent. Jobs that are not detached are cancelled by it after 15 seconds unless the page comes back. */
  close(): void {
    this.stop.abort();
    this.connection?.close();
    this.drop();
    for (const job of [...this.jobs]) job.end(clientError("ABORTED", this.lang));
    this.change({ state: "closed" });
  }

  /** Asks for any method of the protocol. Errors: the agent's and those of the connection. */
  async request<M extends MethodName>(method: M, params: Methods[M]["params"], o: RequestOptions = {}): Promise<Methods[M]["result"]> {
    await this.connect(o.signal);
    if (!this.connection) throw clientError("CONNECTION_LOST", this.lang);
    return this.connection.request(method, params, o);
  }

  status(o?: RequestOptions): Promise<AgentStatusResult> {
    return this.request("agent.status", {}, o);
  }

  async readers(o?: RequestOptions): Promise<Reader[]> {
    return (await this.request("reader.list", {}, o)).readers;
  }

  /**
   * Starts a check-in; its result comes as job.result. means is "chip" and jobId made up where they are left out. Aborting the
   * signal cancels it.
   */
  checkin(request: CheckinRequest = {}, o: { signal?: AbortSignal } = {}): Job {
    return this.begin("checkin.start", request, o.signal);
  }

  /** Reads a card without asking the insurance. */
  readCard(request: CheckinRequest = {}, o: { signal?: AbortSignal } = {}): Job {
    return this.begin("card.read", request, o.signal);
  }

  /** Takes up a job that another page of this origin has started: after a reload, within 15 seconds, or in another window. */
  follow(jobId: string, o: { signal?: AbortSignal } = {}): Job {
    return [...this.jobs].find((j) => j.id === jobId) ?? this.launch(new Job(this.host, jobId, undefined, o.signal));
  }

  /** Names the visit that came later. */
  link(of: CheckinName, visit: Visit, o?: RequestOptions): Promise<Methods["checkin.link"]["result"]> {
    return this.request("checkin.link", { ...of, visit }, o);
  }

  /** Records what a person has decided about a verdict. */
  decide(
    of: CheckinName,
    decision: Omit<CheckinDecideParams, "jobId" | "checkinId">,
    o?: RequestOptions,
  ): Promise<Methods["checkin.decide"]["result"]> {
    return this.request("checkin.decide", { ...of, ...decision }, o);
  }

  /** Takes back a check-in of the wrong patient. It is kept, and marked. */
  void(of: CheckinName, why: Omit<CheckinVoidParams, "jobId" | "checkinId">, o?: RequestOptions): Promise<Methods["checkin.void"]["result"]> {
    return this.request("checkin.void", { ...of, ...why }, o);
  }

  /** A check-in that is over as a FHIR R4 Bundle: Patient, Coverage, CoverageEligibilityRequest and CoverageEligibilityResponse. */
  export(of: CheckinName, format: "fhir" = "fhir", o?: RequestOptions): Promise<Methods["checkin.export"]["result"]> {
    return this.request("checkin.export", { ...of, format }, o);
  }

  /** The proof that the insurer was asked, attempt by attempt, and `html`, the paper for the dossier (NĐ 188/2025 Đ38): print it as it is. */
  proof(of: CheckinName, o?: RequestOptions): Promise<Methods["checkin.proof"]["result"]> {
    return this.request("checkin.proof", { ...of }, o);
  }

  /** Forgets token and key, for a PC whose agent was installed anew. */
  async forget(): Promise<void> {
    await this.store.save({});
  }

  /** Begins to pair this page's origin, while an administrator holds pairing open in the console, which then shows six digits. */
  async pair(signal?: AbortSignal): Promise<Pairing> {
    const stop = new AbortController();
    const quit = () => stop.abort();
    signal?.addEventListener("abort", quit, { once: true });
    if (signal?.aborted) stop.abort();
    const saved = await this.store.load();
    const found = await this.search(saved, true, stop.signal);
    const { connection, hello } = await this.dial(found, stop.signal, () => {});
    try {
      // Now, and not once the token is there: who relays would read that too.
      const key = canVerify() && this.options.agentKey !== "any" ? await this.prove(connection, hello, this.known(hello.instanceId, saved)) : undefined;
      const started = await connection.request("pairing.start", {}, { signal });
      return {
        expiresAt: new Date(started.expiresAt),
        tries: started.tries,
        confirm: async (code) => {
          const paired = await connection.request("pairing.confirm", { code: code.replace(/\D/g, "") }, { signal });
          connection.close();
          await this.save({ port: found.port, instanceId: hello.instanceId, key, token: paired.token });
          const old = this.connection; // open with an older token; its jobs go on with the new one
          this.drop();
          old?.close();
          return this.connect(signal);
        },
        cancel: () => connection.close(),
      };
    } catch (e) {
      connection.close();
      throw e;
    }
  }

  // What follows is how it gets and keeps a session.

  private async open(signal: AbortSignal): Promise<SessionOpenResult> {
    const saved = await this.store.load();
    const found = await this.search(saved, false, signal);
    this.checkVersion(found.discovery.protocol!);
    const { connection, hello } = await this.dial(found, signal, (code, e) => this.lost(connection, code, e));
    try {
      if (hello.instanceId !== found.discovery.instanceId) throw clientError("AGENT_NOT_GENUINE", this.lang, { reason: "key", ports: [found.port] });
      const missing = (this.options.requires ?? []).filter((m) => !hello.capabilities.includes(m));
      if (missing.length > 0) throw clientError("AGENT_TOO_OLD", this.lang, { missing });
      const session = await this.login(connection, hello, found, saved);
      this.connection = connection;
      this.hello = hello;
      return (this.session = session);
    } catch (e) {
      connection.close();
      throw e;
    }
  }

  private search(saved: Saved, pairing: boolean, signal: AbortSignal): Promise<Found> {
    const o = this.options;
    return discover({
      ports: o.ports ?? PORTS,
      last: saved.port,
      seen: saved.seen !== undefined,
      known: (instanceId) => this.known(instanceId, saved),
      pairing,
      timeoutMs: o.discoveryMs ?? 3000,
      permissionMs: o.permissionMs ?? 60_000,
      lang: this.lang,
      signal,
      asking: () => this.emit("permission", "prompt"),
    }).catch(async (e: TapcheckError) => {
      if (e.id === "PERMISSION_PENDING" || e.id === "PERMISSION_DENIED" || e.detail.permission === "prompt") {
        void watchPermission((p) => this.emit("permission", p), this.stop.signal);
        this.emit("permission", await permission());
      }
      throw e;
    });
  }

  private known(instanceId: string, saved: Saved): Known {
    const given = this.options.agentKey;
    if (given === "any") return "any";
    if (given) return Array.isArray(given) ? given : [given];
    const key = saved.agents?.[instanceId]?.key;
    if (key) return [key];
    return Object.values(saved.agents ?? {}).some((a) => a.key) ? "stranger" : "first";
  }

  private checkVersion(theirs: { min: number; max: number }): void {
    if (theirs.max < PROTOCOL.min) throw clientError("AGENT_TOO_OLD", this.lang, { agent: theirs, client: PROTOCOL });
    if (theirs.min > PROTOCOL.max) throw clientError("CLIENT_TOO_OLD", this.lang, { agent: theirs, client: PROTOCOL });
  }

  private dial(found: Found, signal: AbortSignal, closed: (code: number, e: TapcheckError) => void): Promise<{ connection: Connection; hello: Hello }> {
    const o = { port: found.port, lang: this.lang, timeoutMs: this.options.requestMs ?? 15_000, signal };
    return Connection.open(o, (method, params) => this.heard(method, params), closed);
  }

  /** Checks the agent's signature on this very connection, and gives its key. */
  private async prove(connection: Connection, hello: Hello, known: Known): Promise<JWK> {
    const nonce = newNonce();
    const proof = await connection.request("agent.prove", { nonce });
    const holds = proof.instanceId === hello.instanceId && (await verifyProof(proof, nonce, hello.challenge, connection.port));
    if (!holds || (Array.isArray(known) && !known.some((k) => sameKey(k, proof.publicKey)))) {
      throw clientError("AGENT_NOT_GENUINE", this.lang, { reason: "key", ports: [connection.port] });
    }
    return proof.publicKey;
  }

  private async login(connection: Connection, hello: Hello, found: Found, saved: Saved): Promise<SessionOpenResult> {
    const o = this.options;
    const paired = saved.agents?.[hello.instanceId]?.token;
    if (!o.assertion && !o.token && !paired) throw clientError("NOT_PAIRED", this.lang);
    // Everything that is worth something to somebody else comes after this.
    let key: JWK | undefined;
    if (found.known !== "any") {
      if (found.known === "stranger") throw clientError("AGENT_NOT_GENUINE", this.lang, { reason: "unknown_instance", ports: [found.port] });
      if (canVerify()) key = await this.prove(connection, hello, found.known);
      else if (Array.isArray(found.known)) throw clientError("PAGE_NOT_SECURE", this.lang, { reason: "no_webcrypto" });
    }
    const secret = o.assertion
      ? { assertion: await o.assertion({ challenge: hello.challenge, instanceId: hello.instanceId }) }
      : { token: typeof o.token === "function" ? await o.token() : (o.token ?? paired) };
    try {
      const session = await connection.request("session.open", {
        protocol: Math.min(PROTOCOL.max, hello.protocol.max),
        client: { name: o.client?.name ?? "tapcheck client", version: o.client?.version ?? VERSION },
        language: this.lang,
        pictures: o.pictures ?? "inline",
        ...(o.operator && { operator: o.operator }),
        ...secret,
      });
      this.proven = key !== undefined && Array.isArray(found.known);
      await this.save({ port: found.port, instanceId: hello.instanceId, key });
      return session;
    } catch (e) {
      if (e instanceof TapcheckError && e.id === "TOKEN_REJECTED" && !o.assertion && !o.token) await this.save({ instanceId: hello.instanceId, token: null });
      throw e;
    }
  }

  /** token null removes it. A key that is pinned stays. */
  private async save(what: { port?: number; instanceId: string; key?: JWK; token?: string | null }): Promise<void> {
    const saved = await this.store.load();
    const agent = { ...saved.agents?.[what.instanceId] };
    if (what.key && this.options.agentKey !== "any") agent.key ??= what.key;
    if (what.token === null) delete agent.token;
    else if (what.token !== undefined) agent.token = what.token;
    await this.store.save({
      ...saved,
      ...(what.port && { port: what.port, seen: new Date().toISOString() }),
      agents: { ...saved.agents, [what.instanceId]: agent },
    });
  }

  private drop(): void {
    this.connection = this.session = this.hello = undefined;
    this.proven = false;
  }

  private lost(connection: Connection, code: number, e: TapcheckError): void {
    if (connection !== this.connection) return; // it never had a session, or another one has taken its place
    this.drop();
    if (this.stop.signal.aborted) return;
    if (!e.retriable || code === 4003) return this.giveUp(e);
    void this.reconnect(e);
  }

  private async reconnect(why: TapcheckError): Promise<void> {
    const { signal } = this.stop;
    const until = performance.now() + (this.options.reconnectMs ?? 60_000);
    this.retrying = true;
    try {
      for (let attempt = 0, e = why; ; attempt++) {
        this.change({ state: "reconnecting", error: e });
        // All windows of all programs lose the agent at once: they must not come back at once.
        await sleep(Math.min(5000, 200 * 2 ** attempt) * (0.5 + Math.random()), signal, this.lang);
        try {
          await this.connect();
          return;
        } catch (failed) {
          e = failed as TapcheckError;
          if (signal.aborted) return;
          if (!e.retriable) return this.giveUp(e);
          if (performance.now() > until) return this.giveUp(clientError("CONNECTION_LOST", this.lang, undefined, e));
        }
      }
    } catch {
      // closed meanwhile
    } finally {
      this.retrying = false;
    }
  }

  private giveUp(e: TapcheckError): void {
    this.retrying = false;
    for (const job of [...this.jobs]) job.end(e);
    this.change({ state: "closed", error: e });
  }

  private change(s: StateChange): void {
    this.state = s.state;
    this.emit("state", s);
  }

  private readonly host: JobHost = (() => {
    const self = this; // eslint-disable-line
    return {
      get lang() {
        return self.lang;
      },
      get base() {
        return self.connection?.base ?? "";
      },
      get recovering() {
        return !self.stop.signal.aborted && (self.retrying || self.connection !== undefined);
      },
      request: (method, params, o) => self.request(method, params, o),
      finished: (job: Job) => void self.jobs.delete(job),
    };
  })();

  private begin(method: "checkin.start" | "card.read", request: CheckinRequest, signal?: AbortSignal): Job {
    const jobId = request.jobId ?? "job-" + toBase64url(crypto.getRandomValues(new Uint8Array(15)));
    const params: CheckinStartParams = { means: "chip", ...request, jobId };
    return this.launch(new Job(this.host, jobId, { method, request: params }, signal));
  }

  private launch(job: Job): Job {
    if (job.done) return job;
    this.jobs.add(job);
    // A session that is opened for it attaches it too, and before that nothing is to be attached.
    if (this.connection) void job.attach();
    else this.connect().catch((e: TapcheckError) => this.retrying || job.end(e));
    return job;
  }

  private heard(method: string, params: unknown): void {
    if (method === "reader.changed") return this.emit("reader", params as Reader);
    if (method === "eligibility.changed") return this.emit("eligibility", params as EligibilityChanged);
    const jobId = (params as { jobId?: unknown } | null)?.jobId;
    if (typeof jobId !== "string") return; // of a newer agent
    const jobs = [...this.jobs].filter((j) => j.id === jobId);
    switch (method) {
      case "job.progress":
        for (const job of jobs) job.progress(params as Progress);
        return this.emit("job", { kind: "progress", jobId, event: params as Progress });
      case "job.partial":
        for (const job of jobs) job.partial(params as Result);
        return this.emit("job", { kind: "partial", jobId, event: params as Result });
      case "job.needs":
        for (const job of jobs) job.needs(params as Need);
        return this.emit("job", { kind: "needs", jobId, event: params as Need });
      case "job.result":
        for (const job of jobs) job.finish(params as Result);
        return this.emit("job", { kind: "result", jobId, event: params as Result });
    }
  }
}

