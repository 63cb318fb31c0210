import { agentError, clientError, TapcheckError } from "./errors.js";
import { Emitter } from "./emitter.js";
import type { RequestOptions } from "./connection.js";
import { imageInput } from "./picture.js";
import type {
  CheckinStartParams, ConsentRecordParams, FaceAct, FaceFrameResult, FaceVerifyResult, ImageInput, JobProvideParams, JobStatus, Language, MethodName, Methods, Need, Phase, Progress, Result, State,
} from "./protocol.js";

/** A check-in to start: means is "chip" and jobId made up where they are left out. */
export type CheckinRequest = Omit<CheckinStartParams, "jobId" | "means"> & Partial<Pick<CheckinStartParams, "jobId" | "means">>;

/** The answer to a need. */
export type Provision = Omit<JobProvideParams, "jobId">;

export interface JobEvents {
  /** How far it is. */
  progress: Progress;
  /** What is already proved. */
  partial: Result;
  /** What the desk has to do before it goes on. */
  needs: Need;
  /** The connection was lost and is there again, and so is the job. */
  resumed: JobStatus;
}

/** What a job needs of its client. */
export interface JobHost {
  readonly lang: Language;
  /** The agent's address, for its help pages. */
  readonly base: string;
  request<M extends MethodName>(method: M, params: Methods[M]["params"], o?: RequestOptions): Promise<Methods[M]["result"]>;
  /** Whether a connection comes back by itself. */
  readonly recovering: boolean;
  finished(job: Job): void;
}

/** A check-in, from its start to its result. It outlives a lost connection, and a reload of the page by Client.follow. */
export class Job extends Emitter<JobEvents> {
  /** The agent's name for the check-in, once it is accepted. */
  checkinId?: string;
  state: State = "waiting";
  phase: Phase = "waiting";
  /** 0 to 100, by bytes. */
  percent = 0;
  /** What it waits for, while its state is "needs". */
  need?: Need;
  /** What is already known. */
  known?: Result;
  /**
   * The result of a complete check-in, whatever its verdicts. Rejects with a TapcheckError where it failed or was cancelled;
   * what was known until then is its result.
   */
  readonly result: Promise<Result>;

  private accepted = false;
  private over = false;
  private frames = 0;
  private resolve!: (r: Result) => void;
  private reject!: (e: TapcheckError) => void;

  constructor(
    private readonly host: JobHost,
    readonly id: string,
    /** What started it; absent for a job that is followed. */
    private readonly begin?: { method: "checkin.start" | "card.read"; request: CheckinStartParams },
    signal?: AbortSignal,
  ) {
    super();
    this.result = new Promise<Result>((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
    this.result.catch(() => {}); // a page that listens to events only is no mistake
    const stop = () => {
      if (this.over) return;
      if (this.accepted || !this.begin) this.cancel().catch(() => {});
      this.end(clientError("ABORTED", host.lang, undefined, signal?.reason));
    };
    if (signal?.aborted) stop();
    else signal?.addEventListener("abort", stop, { once: true });
    this.result.finally(() => signal?.removeEventListener("abort", stop)).catch(() => {});
  }

  get done(): boolean {
    return this.over;
  }

  /** Answers a need, or brings the key of a job that waits for its card. */
  async provide(p: Provision, o?: RequestOptions): Promise<void> {
    await this.host.request("job.provide", { ...p, jobId: this.id }, o);
  }

  /**
   * What a person said when they were asked for their consent (need "consent"): in the agent's words, or in the hospital's own, whose version is then to be named.
   */
  async consent(given: boolean, by: ConsentRecordParams["by"], o: { textVersion?: string; operator?: ConsentRecordParams["operator"] } & RequestOptions = {}): Promise<void> {
    const { textVersion = this.need?.consent?.textVersion ?? "unknown", operator, ...request } = o;
    await this.host.request("consent.record", { jobId: this.id, purpose: "face_verification", textVersion, given, by, ...(operator && { operator }) }, request);
  }

  /**
   * Sends a live picture (need "live_image") and tells what is wrong with it, what the person is to do next, and whether the attempt is done. Send the next one when this
   * one is answered. challenge is the one that the person was shown while it was taken.
   */
  async frame(picture: Blob | ImageInput, challenge?: { id: string }, o?: RequestOptions): Promise<FaceFrameResult> {
    const atMs = Math.round(performance.now());
    const image = await imageInput(picture);
    return this.host.request("face.frame", { jobId: this.id, seq: ++this.frames, atMs, image, ...(challenge && { challenge: challenge.id }) }, o);
  }

  /** Compares a single picture: an attempt of its own, and no proof that the person did what was asked. */
  async verify(picture: Blob | ImageInput, o?: RequestOptions): Promise<FaceVerifyResult> {
    return this.host.request("face.verify", { jobId: this.id, image: await imageInput(picture) }, o);
  }

  /** A further attempt after one that came to no match, or no (further) one. */
  async face(action: FaceAct["action"], reason?: FaceAct["reason"], o?: RequestOptions): Promise<void> {
    await this.provide({ face: { action, ...(reason && { reason }) } }, o);
  }

  /** Ends it. The result then rejects with CANCELLED; a job that is over stays as it is. */
  async cancel(o?: RequestOptions): Promise<JobStatus> {
    const status = await this.host.request("job.cancel", { jobId: this.id }, o);
    this.take(status);
    return status;
  }

  /** @internal Starts it, or takes it up again on a new connection. */
  async attach(): Promise<void> {
    if (this.over) return;
    const again = this.accepted;
    try {
      if (!this.accepted && this.begin) return await this.start(this.begin);
      const status = await this.host.request("job.resume", { jobId: this.id });
      this.accepted = true;
      this.take(status);
      if (again && !this.over) this.emit("resumed", status);
    } catch (e) {
      if (!(e instanceof TapcheckError)) throw e;
      if (e.id === "JOB_UNKNOWN" && again) {
        // The agent was started anew. What has given out nothing can begin again without the patient noticing.
        if (!this.begin || this.known) return this.end(clientError("JOB_LOST", this.host.lang, undefined, e));
        this.accepted = false;
        return this.attach();
      }
      if (!(e.id === "CONNECTION_LOST" && this.host.recovering)) this.end(e);
    }
  }

  private async start(b: { method: "checkin.start" | "card.read"; request: CheckinStartParams }): Promise<void> {
    const a = await this.host.request(b.method, b.request);
    this.checkinId = a.checkinId;
    if (this.over) await this.cancel(); // it was stopped in the meantime
    else if (!this.accepted) {
      this.accepted = true;
      this.state = a.state;
    }
  }

  /** @internal */
  progress(p: Progress): void {
    if (this.over) return;
    this.accepted = true;
    this.state = p.phase === "waiting" ? "waiting" : "running";
    this.need = undefined;
    this.phase = p.phase;
    this.percent = p.percent;
    this.emit("progress", p);
  }

  /** @internal */
  partial(r: Result): void {
    if (this.over) return;
    this.known = r;
    this.checkinId = r.checkinId ?? this.checkinId;
    this.emit("partial", r);
  }

  /** @internal */
  needs(n: Need): void {
    if (this.over) return;
    this.state = "needs";
    this.need = n;
    this.emit("needs", n);
  }

  /** @internal The final result. */
  finish(r: Result): void {
    if (this.over) return;
    // An agent that stops says so. It comes back, and what has given out nothing can begin again.
    if (r.error?.id === "AGENT_STOPPING" && this.begin && !this.known && !r.identity && this.host.recovering) {
      this.accepted = false;
      return;
    }
    this.state = r.state;
    this.phase = "done";
    this.known = r;
    if (r.state === "failed" || r.state === "cancelled") {
      this.end(r.error ? agentError(r.error, this.host.base, r) : clientError("ABORTED", this.host.lang));
      return;
    }
    this.percent = 100;
    this.over = true;
    this.host.finished(this);
    this.resolve(r);
  }

  /** @internal */
  end(e: TapcheckError): void {
    if (this.over) return;
    this.over = true;
    if (this.known && !e.result) e.result = this.known;
    if (this.state !== "failed") this.state = "cancelled";
    this.host.finished(this);
    this.reject(e);
  }

  private take(s: JobStatus): void {
    if (this.over) return;
    this.checkinId = s.checkinId;
    this.state = s.state;
    this.phase = s.phase;
    this.percent = s.percent;
    if (s.result) return this.finish(s.result);
    if (s.need && s.need.seq !== this.need?.seq) this.needs(s.need);
  }
}
