import { Emitter } from "./emitter.js";
import type { RequestOptions } from "./connection.js";
import type { CheckinStartParams, ConsentRecordParams, FaceAct, FaceFrameResult, FaceVerifyResult, ImageInput, JobProvideParams, JobStatus, Language, MethodName, Methods, Need, Phase, Progress, Result, State } from "./protocol.js";
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
export declare class Job extends Emitter<JobEvents> {
    private readonly host;
    readonly id: string;
    /** What started it; absent for a job that is followed. */
    private readonly begin?;
    /** The agent's name for the check-in, once it is accepted. */
    checkinId?: string;
    state: State;
    phase: Phase;
    /** 0 to 100, by bytes. */
    percent: number;
    /** What it waits for, while its state is "needs". */
    need?: Need;
    /** What is already known. */
    known?: Result;
    /**
     * The result of a complete check-in, whatever its verdicts. Rejects with a TapcheckError where it failed or was cancelled;
     * what was known until then is its result.
     */
    readonly result: Promise<Result>;
    private accepted;
    private over;
    private frames;
    private resolve;
    private reject;
    constructor(host: JobHost, id: string, 
    /** What started it; absent for a job that is followed. */
    begin?: {
        method: "checkin.start" | "card.read";
        request: CheckinStartParams;
    } | undefined, signal?: AbortSignal);
    get done(): boolean;
    /** Answers a need, or brings the key of a job that waits for its card. */
    provide(p: Provision, o?: RequestOptions): Promise<void>;
    /**
     * What a person said when they were asked for their consent (need "consent"): in the agent's words, or in the hospital's own, whose version is then to be named.
     */
    consent(given: boolean, by: ConsentRecordParams["by"], o?: {
        textVersion?: string;
        operator?: ConsentRecordParams["operator"];
    } & RequestOptions): Promise<void>;
    /**
     * Sends a live picture (need "live_image") and tells what is wrong with it, what the person is to do next, and whether the attempt is done. Send the next one when this
     * one is answered. challenge is the one that the person was shown while it was taken.
     */
    frame(picture: Blob | ImageInput, challenge?: {
        id: string;
    }, o?: RequestOptions): Promise<FaceFrameResult>;
    /** Compares a single picture: an attempt of its own, and no proof that the person did what was asked. */
    verify(picture: Blob | ImageInput, o?: RequestOptions): Promise<FaceVerifyResult>;
    /** A further attempt after one that came to no match, or no (further) one. */
    face(action: FaceAct["action"], reason?: FaceAct["reason"], o?: RequestOptions): Promise<void>;
    /** Ends it. The result then rejects with CANCELLED; a job that is over stays as it is. */
    cancel(o?: RequestOptions): Promise<JobStatus>;
    private start;
    private take;
}
