/**
 * JSON-RPC 2.0 over a websocket on the reception PC's own loopback address: a hospital information system asks
 * Tapcheck to check a patient in by the chip of the ID card, and is told how it goes. One text frame is one message.
 * Members that a client does not know are to be ignored; a value that is not listed is to be treated as "other".
 */
export type ProtocolVersion = 1;
/**
 * The client's own id of a request, echoed in its answer as it was written. At most 128 bytes. The same id may be used
 * again. Use no null, which is the id of an answer to what has none.
 */
export type RequestId = string | number;
/** The error of an answer (JSON-RPC 2.0 §5.1). */
export interface ErrorObject {
    /** Frozen like the id, one code per id. Negative. */
    code: number;
    /** The id in plain lower-case words, for developers. Show the desk data.text. */
    message: string;
    data: ErrorData;
}
/**
 * An error of the catalogue, in the session's language. It is the data of a JSON-RPC error, the error within a result,
 * the cause of a need, and the body of an HTTP refusal. Nothing that the client sent is in it.
 */
export interface ErrorData {
    id: ErrorId;
    /**
     * What the error is about. `request`: the request itself. `access`: who may connect, and what a session may do.
     * `job`: the job that was named. `key`: what opens the chip. `card`: the card on the reader. `reader`: the reader or
     * the smart card service. `insurance`: the insurance look-up. `agent`: the agent or its PC.
     */
    category: "request" | "access" | "job" | "key" | "card" | "reader" | "insurance" | "agent" | (string & {});
    /** True: the same request can succeed later without anybody changing it. */
    retriable: boolean;
    /** What is the matter, one sentence for the receptionist. */
    text: string;
    lang: Language;
    /** Path of the help page with cause and cure, on the agent's own port. */
    help: string;
    /** What the desk does now, one sentence. */
    next: string;
    /**
     * For machines and support, never personal, different for each id. Known members are field (the member of the
     * request that is wrong), problem (what is wrong with it), right (what the session lacks), sw (the card's status
     * word, four hexadecimal digits), file (of the chip), pcsc (code of the smart card service, eight hexadecimal
     * digits), min and max (protocol numbers).
     */
    detail?: Record<string, unknown>;
}
/** Language of the texts. */
export type Language = "vi" | "en";
/** The program that answers. */
export interface AgentInfo {
    /** Always tapcheck, unless the agent was built under another name. */
    name: string;
    /** Version of the agent, for logs and support. Decide by capabilities, not by this. */
    version?: string;
}
/** The protocol numbers that this agent speaks. A breaking change is a new number, and both are served for a year. */
export interface ProtocolRange {
    /** The lowest. */
    min: number;
    /** The highest. */
    max: number;
}
/** Something that is wrong with this PC or this installation, with cause and cure. Never personal. */
export interface HealthItem {
    /** Frozen id of the warning. */
    id: string;
    /** How bad it is. `down`: nothing can be read. `degraded`: something does not work. `note`: good to know. */
    severity: "down" | "degraded" | "note" | (string & {});
    /** What is the matter, in the session's language (before session.open in the agent's). */
    title: string;
    /** Why, for IT. */
    cause?: string;
    /** How it is cured. */
    fix?: string;
}
/** The first frame of every connection. */
export interface Hello {
    agent: AgentInfo;
    protocol: ProtocolRange;
    /** Names of the methods that this agent serves, sorted. Others of this document answer NOT_AVAILABLE. */
    capabilities: string[];
    /**
     * 32 random bytes of this connection, base64url without padding. The agent's signature (agent.prove) and a backend's
     * assertion cover it.
     */
    challenge: string;
    /** The PC's clock, RFC 3339. */
    time: string;
    /** Id of this installation, made when it was first started. */
    instanceId: string;
    /** True: everything is made up, and sim.* is served. */
    simulator: boolean;
    /** What is wrong right now; empty: nothing. */
    health: HealthItem[];
}
/** The client's half of the proof. */
export interface AgentProveParams {
    /** 32 random bytes of the client, base64url without padding; fresh for every proof. */
    nonce: string;
}
/** The agent's proof that it is the one whose key the client knows. */
export interface Proof {
    /** ECDSA over P-256 with SHA-256 (RFC 7518 §3.4). */
    algorithm: "ES256";
    publicKey: JWK;
    /** r and s, 32 bytes each, base64url without padding. What is signed, the method's description says. */
    signature: string;
    /** As in agent.hello. */
    instanceId: string;
    /**
     * The agent's port at which it was asked. Compare it with the one that you connected to: a program in between has
     * another.
     */
    port: number;
}
/** A public key as JSON Web Key (RFC 7517). */
export interface JWK {
    /** Key type. */
    kty: "EC";
    /** Curve. */
    crv: "P-256";
    /** Coordinate x, 32 bytes, base64url without padding. */
    x: string;
    /** Coordinate y, the same. */
    y: string;
}
/** Who the client is, and what it wants to be told. */
export interface SessionOpenParams {
    /** Protocol number, within the agent's range: 1. */
    protocol: number;
    client?: ClientInfo;
    /** A web page's token. A desktop program has brought its own as Authorization: Bearer when it connected. */
    token?: string;
    /**
     * In place of a token: a JWT (ES256) signed by the HIS backend whose key the installation trusts. aud tapcheck or
     * tapcheck:INSTANCE_ID, nonce the challenge of agent.hello, sub the operator, exp at most 120 seconds after iat.
     * Good for one session.
     */
    assertion?: string;
    operator?: Operator;
    /** vi or en; anything else is served as vi. */
    language?: string;
    /**
     * Which notifications come; without this member all. job.resume follows one job whatever is subscribed. Unknown
     * names are ignored. `readers`: reader.changed. `jobs`: job.progress, job.partial, job.needs and job.result of all
     * jobs of this owner.
     */
    subscriptions?: ("readers" | "jobs" | (string & {}))[];
    /**
     * How portraits travel. `inline`: base64 within the JSON (the default). `binary`: as a binary frame right behind the
     * JSON frame that announces it.
     */
    pictures?: "inline" | "binary";
}
/** The program that connects, for support. */
export interface ClientInfo {
    /** Name of the HIS, at most 100 bytes. */
    name?: string;
    /** Its version, at most 100 bytes. */
    version?: string;
}
/** Who sits at the desk. */
export interface Operator {
    /** The HIS's own id of the person, at most 100 bytes. Use no name: it is kept in the record of the check-in. */
    id: string;
    /**
     * On whose word. Set by the agent; what a request says here counts for nothing. `his`: the client said so.
     * `console`: logged in to this PC's console. `assertion`: signed by the HIS backend.
     */
    source?: "his" | "console" | "assertion" | (string & {});
}
/** The session as it was opened. */
export interface SessionOpenResult {
    /** Id of this session, for logs and support. No secret, and of no use to anybody else. */
    sessionId: string;
    /** The protocol number in use. */
    protocol: number;
    language: Language;
    rights: Rights;
}
/** What this session may do and see. It comes from the token. */
export interface Rights {
    /** Start check-ins and read cards. */
    read: boolean;
    /** Have the insurance looked up. */
    insurance: boolean;
    /** Have the living face compared with the chip's; absent: no. */
    face?: boolean;
    /** Be told what a person was treated for (insurance.check with history); absent: no. */
    history?: boolean;
    /** Use sim.*; never outside a simulation. */
    simulator: boolean;
    /** The most that this client is ever told about a person; portrait stands for the picture. */
    fields: FieldName[];
}
/** A member of an identity, or the portrait. */
export type FieldName = "number" | "fullName" | "dateOfBirth" | "sex" | "nationality" | "residence" | "origin" | "documentNumber" | "documentType" | "issuingState" | "issuedAt" | "expiresAt" | "noExpiry" | "ethnicity" | "religion" | "features" | "father" | "mother" | "spouse" | "oldNumber" | "portrait" | (string & {});
/** Nothing. */
export type PairingStartParams = Record<string, never>;
/** The code is shown to the administrator in the console, and nowhere else. */
export interface PairingStartResult {
    /** Until when the code can be confirmed, RFC 3339; two minutes. */
    expiresAt: string;
    /** How many wrong codes end it. */
    tries: number;
}
/** The code, as the administrator reads it out. */
export interface PairingConfirmParams {
    /** The six digits. */
    code: string;
}
/** A token for this origin. */
export interface PairingConfirmResult {
    /** Keep it where only this origin can read it. It is shown this once; the agent keeps a hash. */
    token: string;
    /** Its id, for the list that the administrator revokes by. No secret. */
    tokenId: string;
    /** When it ends, RFC 3339; absent: it does not end. */
    expiresAt?: string;
    /** What it carries. */
    rights: Right[];
    /** Its ceiling of fields. */
    fields: FieldName[];
    publicKey: JWK;
    /**
     * As in agent.hello. Keep it with publicKey, and have the agent prove both (agent.prove) before the token is sent
     * again.
     */
    instanceId: string;
}
/** What a token allows. */
export type Right = "read" | "insurance" | "face" | "evidence" | "history" | "simulator" | (string & {});
/** Nothing. */
export type AgentStatusParams = Record<string, never>;
/** How the agent is. */
export interface AgentStatusResult {
    agent: AgentInfo;
    protocol: ProtocolRange;
    /** As in agent.hello. */
    instanceId: string;
    /** The PC's clock, RFC 3339. */
    time: string;
    /** Everything is made up. */
    simulator: boolean;
    /** What is wrong right now; empty: nothing. */
    health: HealthItem[];
    /** How many requests and frames were refused since the start, by error id. */
    refused?: Record<string, number>;
    /** Not served yet. */
    hub?: HubStatus;
}
/** The hospital's hub, where this desk belongs to one. Not served yet. */
export interface HubStatus {
    /** Whether it is reached right now. */
    connected: boolean;
    /** When it last answered, RFC 3339. */
    lastContact?: string;
    /** Check-ins that it has not got yet. */
    queued?: number;
}
/** Nothing. */
export type DiagnosticsBundleParams = Record<string, never>;
/** What support needs to see of this PC, without anything personal. */
export interface DiagnosticsBundleResult {
    /** What data is. */
    mime: "application/zip";
    /** A file name for it. */
    name: string;
    /** The archive, base64. */
    data: string;
    /** What is inside. */
    contents: BundleFile[];
    /** What was left out on purpose, in words. */
    leftOut: string[];
}
/** One file of the bundle. */
export interface BundleFile {
    /** Its name. */
    name: string;
    /** Its size in bytes. */
    bytes: number;
}
/** Nothing. */
export type ReaderListParams = Record<string, never>;
/** The readers of this PC. */
export interface ReaderListResult {
    /** All that were there since the agent started. */
    readers: Reader[];
}
/** A card reader. While it works for another program it is busy, and its card is nobody else's business. */
export interface Reader {
    /** Stable id: the same for the same reader as long as it stays where it is. */
    id: string;
    /** Name for people, as the driver gives it. */
    name: string;
    /** Cards are put on it rather than into it, as far as the name tells. */
    contactless: boolean;
    /** No hardware: a simulated reader. Absent: real. */
    virtual?: boolean;
    /**
     * What it is like. `absent`: was there and has been unplugged. `empty`: no card. `card`: a card is there. `mute`:
     * something is there that does not answer. `busy`: works for another program. `error`: reader or driver is faulty or
     * stuck.
     */
    state: "absent" | "empty" | "card" | "mute" | "busy" | "error" | (string & {});
    card?: ReaderCard;
}
/** The card in a reader. An unknown card is a state and no error. */
export interface ReaderCard {
    /** Answer to reset, upper-case hexadecimal; for support. */
    atr?: string;
    /**
     * What it is. `emrtd`: an identity card or passport with a chip that can be read. `unknown`: not known before it is
     * read.
     */
    kind: "emrtd" | "unknown" | (string & {});
}
/** How the person is identified. */
export type Means = "chip" | "number" | "paper_card" | "vneid" | "no_card" | "emergency";
/** State of a job. After complete, failed, cancelled and void nothing follows. */
export type State = "waiting" | "running" | "needs" | "complete" | "failed" | "cancelled" | "void" | (string & {});
/** What a job is doing. */
export type Phase = "waiting" | "connecting" | "access" | "identity" | "chip" | "portrait" | "face" | "insurance" | "done" | (string & {});
/**
 * The client's own id of a check-in, 1 to 128 printable ASCII characters without spaces, unique for this client. Use
 * no patient number. The same id with the same request gives the same job again (idempotent).
 */
export type JobId = string;
/** The agent's own id of a check-in, unique everywhere and sortable by time. */
export type CheckinId = string;
/** A check-in to be done. */
export interface CheckinStartParams {
    jobId: JobId;
    means: Means;
    /** Id of the reader to use; absent: any. */
    reader?: string;
    key?: KeyInput;
    expect?: Expect;
    subject?: Subject;
    operator?: Operator;
    /** The HIS's own name of the desk, at most 128 bytes. */
    desk?: string;
    visit?: Visit;
    care?: Care;
    /**
     * What is wanted of the person. Absent or empty: what admission needs (never religion, ethnicity, relatives,
     * features or the old number). More than the session's ceiling is left out, with the warning FIELDS_LIMITED.
     */
    fields?: FieldName[];
    /** Whether the picture on the chip is wanted; default true. It comes last. */
    portrait?: boolean;
    /**
     * Who looks the insurance up. `agent`: the agent (the default). `supplied`: the HIS has done so, and gives the
     * answer in eligibility. `off`: nobody.
     */
    insurance?: "agent" | "supplied" | "off";
    eligibility?: Eligibility;
    /**
     * Whether the living face is compared with the chip's. `off`: no (the default). `offered`: yes, and what comes of it
     * stands in the result like every other verdict. `required`: yes, and without a match the result says that a person
     * has to decide (decisionNeeded face); it is never withheld for it.
     */
    face?: "off" | "offered" | "required";
    /** Nonce of the HIS backend, at most 256 bytes, for the signed evidence. */
    nonce?: string;
    timeouts?: Timeouts;
    /** Wait for a card if there is none; default true. False: fails with NO_CARD at once. */
    wait?: boolean;
    /** Goes on when the last connection of its owner is gone for 15 seconds; default false. */
    detached?: boolean;
}
/** A card to be read. */
export interface CardReadParams {
    jobId: JobId;
    means?: Means;
    /** Id of the reader to use; absent: any. */
    reader?: string;
    key?: KeyInput;
    expect?: Expect;
    operator?: Operator;
    /** The HIS's own name of the desk, at most 128 bytes. */
    desk?: string;
    visit?: Visit;
    /** As in checkin.start. */
    fields?: FieldName[];
    /** As in checkin.start. */
    portrait?: boolean;
    /** As in checkin.start. */
    nonce?: string;
    timeouts?: Timeouts;
    /** As in checkin.start. */
    wait?: boolean;
    /** As in checkin.start. */
    detached?: boolean;
}
/**
 * What opens the chip, or with means paper_card the text of its QR code (qr): at most one of can, mrz, qr, number and
 * documentNumber. Secret and personal: it is never echoed, logged or kept. Without a key the job asks for one
 * (job.needs key) once it has a card.
 */
export interface KeyInput {
    /** Card access number: six digits. Of the Vietnamese card these are the last six digits of its number. */
    can?: string;
    /** Machine readable zone as it was scanned or typed, with or without line breaks. */
    mrz?: string;
    /**
     * Text of the QR code of a Vietnamese identity card (with means paper_card of the insurance card), exactly as the
     * scanner gives it.
     */
    qr?: string;
    /**
     * Personal number of a Vietnamese card, twelve digits; alone, or with dateOfBirth and expiresAt where a chip opens
     * by its machine readable zone only.
     */
    number?: string;
    /** Document number of another document; needs both dates. */
    documentNumber?: string;
    /** ISO 8601 date, with number or documentNumber. */
    dateOfBirth?: string;
    /** ISO 8601 date of expiry, with number or documentNumber. */
    expiresAt?: string;
}
/** Whom the desk expects. Another person's card fails with PERSON_UNEXPECTED before anything of it is told. */
export interface Expect {
    /** Personal number; blanks between digits do not matter. */
    number: string;
}
/**
 * The person where the means is not a chip, on the client's word. number needs number or cardCode; paper_card needs
 * cardCode (or its QR code as key.qr, or neither: it is then asked for); vneid needs number, fullName and dateOfBirth;
 * no_card needs fullName and dateOfBirth; emergency needs nothing.
 */
export interface Subject {
    /** Personal number, twelve digits; blanks between them do not matter. */
    number?: string;
    /**
     * Insurance card: fifteen characters (QĐ 1351/QĐ-BHXH) or ten digits (QĐ 1666/QĐ-BHXH); where the insurer is not
     * the state's (FHIR), 1 to 64 printable ASCII characters without blanks.
     */
    cardCode?: string;
    /** Name as the person writes it, at most 200 bytes. */
    fullName?: string;
    dateOfBirth?: PartialDate;
    /** Sex as the card states it. `male`: male. `female`: female. `unspecified`: not stated. */
    sex?: "male" | "female" | "unspecified";
}
/** ISO 8601 date as far as it is known, "1999-01-31", "1999-01" or "1999". */
export type PartialDate = string;
/** The HIS's own references of the visit. */
export interface Visit {
    /** MA_LK of the claim (QĐ 4750/QĐ-BYT), at most 128 bytes. */
    maLk?: string;
    /** MA_BN, the HIS's number of the patient, at most 128 bytes. */
    maBn?: string;
}
/**
 * What of the visit its route depends on. What is not said is taken for an outpatient's visit without papers, and the
 * proposal names what else would apply. The insurer is not told.
 */
export interface Care {
    /** How the patient is treated. `outpatient`: examined or treated without being admitted. `inpatient`: admitted. */
    setting?: "outpatient" | "inpatient";
    /**
     * What the patient brought, or is. `emergency`: an emergency. `transfer`: with a transfer form (phiếu chuyển cơ
     * sở). `residence`: stays elsewhere, with its proof (TT 01/2025 Đ4). `return`: with a form to come again (phiếu
     * hẹn khám lại). `donor`: gave an organ and is treated right after. `newborn`: treated right after birth.
     * `listed_disease`: of the list for this level of facility (TT 01/2025, annexes I and II). `hardship_area`: of an
     * ethnic minority or a poor household in a difficult area, or of an island (Luật BHYT Đ22 k4 b). `medicine`:
     * fetches medicine on an appointment form only. `self_paying`: does not use the insurance.
     */
    grounds?: ("emergency" | "transfer" | "residence" | "return" | "donor" | "newborn" | "listed_disease" | "hardship_area" | "medicine" | "self_paying")[];
}
/** How long the job waits, in milliseconds; 0 or absent is the agent's setting. */
export interface Timeouts {
    /** For a card, milliseconds. */
    waitMs?: number;
    /** For an answer to job.needs, milliseconds. */
    needMs?: number;
    /** For the insurance before it is pending, 1000 to 30000 milliseconds. */
    insuranceMs?: number;
}
/** The job is taken; what becomes of it comes as notifications. */
export interface Accepted {
    jobId: JobId;
    checkinId: CheckinId;
    state: State;
}
/** How far a job is. */
export interface Progress {
    jobId: JobId;
    /**
     * Counts the notifications of this job, from 1, over all kinds. A gap says that the connection lost some; job.resume
     * tells how it stands.
     */
    seq: number;
    phase: Phase;
    /** Of the whole job, by bytes read; percent. */
    percent: number;
    hint?: Step;
}
/** Something that the desk does now. */
export interface Step {
    id: StepId;
    /** One sentence in the session's language. */
    text: string;
}
/** Something that the desk should know and need not act on. */
export interface Warning {
    id: WarningId;
    /** One sentence in the session's language. */
    text: string;
}
/**
 * What a job waits for before it goes on. When it expires the job fails with the cause's error; consent and live_image
 * have no cause, and with them the job goes on without. The same need may be told again when something about it has
 * changed, such as the attempt.
 */
export interface Need {
    jobId: JobId;
    /** As in job.progress. */
    seq: number;
    /**
     * What is needed. `insert_card`: put a card on the reader. `reposition_card`: lift the card and put it down again,
     * or hold it still. `return_card`: a card that was read already lies there; give it back. `key`: the key is missing,
     * or the chip rejected it; answer with job.provide. `choose_reader`: several cards lie there; answer with
     * job.provide. `consent`: the person's consent to have the face compared; answer with consent.record. When it
     * expires the check-in goes on without the comparison. `live_image`: pictures of the living face; answer with
     * face.frame or face.verify, or leave it out with job.provide. When it expires the check-in goes on.
     */
    need: "insert_card" | "reposition_card" | "return_card" | "key" | "choose_reader" | "consent" | "live_image" | (string & {});
    cause?: ErrorData;
    /** Until when, RFC 3339. */
    expiresAt: string;
    /** choose_reader: ids of the readers to choose from. */
    readers?: string[];
    consent?: ConsentNeed;
    face?: FaceNeed;
    capture?: Capture;
}
/**
 * What has to be asked, and of whom. Say it in these words or in the hospital's own; the answer names the version of
 * the text that was used.
 */
export interface ConsentNeed {
    /** What for. */
    purpose: "face_verification";
    /** Version of text. */
    textVersion: string;
    /**
     * What the person is told, in the session's language. Not ticked beforehand; a refusal changes nothing about the
     * care.
     */
    text: string;
    /**
     * Who has to agree: the patient; of a child under seven the guardian, from seven to fifteen both. `patient`: the
     * patient. `guardian`: the guardian.
     */
    by: ("patient" | "guardian")[];
}
/** How far the comparison is. */
export interface FaceNeed {
    /** Which attempt this is, from 1. */
    attempt: number;
    /** How many there can be. */
    attempts: number;
    attackCheck: AttackLevel;
    challenge?: FaceChallenge;
    verdict?: FaceVerdict;
}
/**
 * How it is looked at whether a living person stands before the camera. None is a presentation attack detection as
 * ISO/IEC 30107-3 has it, and none sees a camera that is fed with made-up pictures.
 */
export type AttackLevel = "none" | "passive_hints" | "active_challenge" | (string & {});
/** What the person is asked to do before the camera. Left and right are the person's own. */
export interface FaceChallenge {
    /** Send it with each frame that was taken while it was shown. */
    id: string;
    /**
     * What. `look_straight`: look straight at the camera. `turn_left`: turn the head to the left. `turn_right`: turn the
     * head to the right. `nod`: nod. `blink`: blink. `come_closer`: come closer.
     */
    kind: "look_straight" | "turn_left" | "turn_right" | "nod" | "blink" | "come_closer" | (string & {});
    /** The same in the session's language. */
    text: string;
    /** Until when, RFC 3339. */
    expiresAt?: string;
}
/** Something about a picture that the person or the desk can mend. */
export interface FaceFinding {
    id: FindingId;
    /** An instruction in the session's language. Show it at once, large. */
    text: string;
    /** True: the picture is used all the same. */
    warning?: boolean;
}
/**
 * live_image and consent: the console's window that asks and takes the picture, so that a program needs no camera code
 * of its own. The same address stands in both needs: open it once. It opens the address in the PC's browser, in the
 * session of the operating system that the check-in came from. The job goes on by itself when the agent has what it
 * needs. A web page that takes the picture itself sends it with face.frame.
 */
export interface Capture {
    /**
     * Address of the window for this one job. The ticket stands in the fragment, which browsers send to nobody; it is
     * good once. Give it to the browser only, and do not log it.
     */
    url: string;
    /** Until when it can be opened, RFC 3339. */
    expiresAt: string;
}
/** The answer to a need. */
export interface JobProvideParams {
    jobId: JobId;
    key?: KeyInput;
    /** The reader that was chosen, by id. */
    reader?: string;
    face?: FaceAct;
}
/** What the operator does about the comparison of the face. It is on record, with who and why. */
export interface FaceAct {
    /**
     * What. `retry`: a further attempt, after one that came to no match. `skip`: goes on without (further) attempts;
     * what an attempt has come to stays as it is.
     */
    action: "retry" | "skip";
    /**
     * Why; with skip it must be there, with retry it may. `camera_missing`: there is no camera that works.
     * `patient_cannot`: the patient cannot do it. `patient_refuses`: the patient does not want it. `compared_by_eye`:
     * the operator has compared with their own eyes. `no_time`: there is no time. `other`: something else.
     */
    reason?: "camera_missing" | "patient_cannot" | "patient_refuses" | "compared_by_eye" | "no_time" | "other";
    by?: Operator;
}
/** A job of this client. */
export interface JobRef {
    jobId: JobId;
}
/** How a job stands. */
export interface JobStatus {
    jobId: JobId;
    checkinId: CheckinId;
    state: State;
    phase: Phase;
    /** As in job.progress. */
    percent: number;
    need?: Need;
    result?: Result;
}
/**
 * A check-in, as far as it is known. In job.partial the state is not final, and what is there is already proved; in
 * job.result it is all that there is. Absent means that it is not known or was not asked for.
 */
export interface Result {
    jobId: JobId;
    /** As in job.progress; absent where no job stands behind it. */
    seq?: number;
    checkinId?: CheckinId;
    state: State;
    /**
     * Whether the record on this PC is durable. False in a final result: the disk does not take it (it is caught up
     * later), and NOT_RECORDED is among the warnings. In job.partial it is false until the disclosure is on record.
     */
    recorded: boolean;
    /** True: everything in it is made up. Absent: real. */
    simulated?: boolean;
    means: Means;
    /** When the job began, RFC 3339. */
    startedAt: string;
    /** When it ended, RFC 3339. */
    finishedAt?: string;
    operator?: Operator;
    /** As the request or the agent's settings name it. */
    desk?: string;
    visit?: Visit;
    /** Absent: a real reader. `virtual`: no real hardware. */
    reader?: "virtual" | (string & {});
    identity?: Identity;
    subject?: Subject;
    portrait?: Picture;
    verdicts?: Verdicts;
    eligibility?: Eligibility;
    /**
     * Where two sources disagree about the person: the chip and the insurer, the two parts of the chip, what was scanned
     * and the chip. It holds no values.
     */
    differences?: Difference[];
    claim?: Claim;
    address?: Place;
    /** What the desk does now, in this order. Show them all. */
    next: Step[];
    /** What the desk should know; empty: nothing. */
    warnings: Warning[];
    timings: Timings;
    error?: ErrorData;
    /** What a person has to decide about and has not (checkin.decide). The result is never withheld for it. */
    decisionNeeded?: About[];
    /** What operators decided about it, oldest first. */
    decisions?: Decision[];
    void?: Voiding;
    /** Signed evidence for the HIS backend (JWS, compact). Not served yet. */
    evidence?: string;
}
/**
 * The person as the chip describes them, within the fields that were asked for and allowed. Verified to be consistent;
 * how genuine it is, passiveAuthentication says.
 */
export interface Identity {
    /** Personal number; for Vietnam twelve digits. */
    number?: string;
    /** Name. From DG13 with diacritics, else from the machine readable zone in bare capitals; source says which. */
    fullName?: string;
    dateOfBirth?: PartialDate;
    /** As the card states it. `male`: male. `female`: female. `unspecified`: not stated. */
    sex?: "male" | "female" | "unspecified" | (string & {});
    /** ISO 3166-1 alpha-3 as in the machine readable zone: VNM. */
    nationality?: string;
    /** Place of residence, in Vietnamese as the card has it. */
    residence?: string;
    /** Place of origin, the same. */
    origin?: string;
    /** Number of the card as in the machine readable zone. */
    documentNumber?: string;
    /** As in the machine readable zone: I, ID, P. */
    documentType?: string;
    /** As in the machine readable zone: VNM. */
    issuingState?: string;
    issuedAt?: PartialDate;
    expiresAt?: PartialDate;
    /** The card says that it does not expire. */
    noExpiry?: boolean;
    /** Sensitive; only if asked for and allowed. */
    ethnicity?: string;
    /** Sensitive; only if asked for and allowed. */
    religion?: string;
    /** Distinguishing features; only if asked for and allowed. */
    features?: string;
    /** Another person's name; only if asked for and allowed. */
    father?: string;
    /** Another person's name; only if asked for and allowed. */
    mother?: string;
    /** Another person's name; only if asked for and allowed. */
    spouse?: string;
    /** Nine-digit number of the old card; only if asked for and allowed. */
    oldNumber?: string;
    /** By field: the file of the chip that it came from, dg1 or dg13. */
    source?: Record<string, string>;
}
/** A portrait that anybody can show. */
export interface Picture {
    /** image/jpeg. */
    mime: string;
    /** Pixels. */
    width: number;
    /** Pixels. */
    height: number;
    /** The picture, base64. Absent where pictures are binary. */
    data?: string;
    /** Size of the binary frame's picture in bytes, where pictures are binary. */
    bytes?: number;
    /** Number of the binary frame that follows directly, where pictures are binary. */
    frame?: number;
}
/** What a check came to. */
export type VerdictStatus = "passed" | "failed" | "not_verifiable" | "not_present" | "not_done" | (string & {});
/** On what a comparison with the chip's data stands. */
export type Basis = "anchored" | "unanchored" | (string & {});
/** What could be proved, check by check. Each that is not passed has a reason. */
export interface Verdicts {
    access: AccessVerdict;
    passiveAuthentication: PassiveVerdict;
    chipAuthentication: ExchangeVerdict;
    activeAuthentication: ExchangeVerdict;
    documentValidity: BasisVerdict;
    keyMatchesChip: BasisVerdict;
    face: FaceVerdict;
}
/** How the chip was opened (ICAO 9303-11 §4). */
export interface AccessVerdict {
    status: VerdictStatus;
    reason?: ReasonId;
    /** What opened it. `PACE`: password authenticated connection establishment. `BAC`: basic access control. */
    protocol?: "PACE" | "BAC" | (string & {});
    /** For IT: mapping, cipher and curve. */
    detail?: string;
    /** Which kind of password opened it. `can`: card access number. `mrz`: machine readable zone. `pin`: PIN. `puk`: PUK. */
    key?: "can" | "mrz" | "pin" | "puk" | (string & {});
    /**
     * Where that came from. `can`: typed access number. `mrz`: machine readable zone. `qr`: QR code. `number`: personal
     * number. `document`: document number with dates.
     */
    keyFrom?: "can" | "mrz" | "qr" | "number" | "document" | (string & {});
    /** What was offered and not used, with why. A downgrade is never silent. */
    fallback?: string;
}
/** Whether the data are as they were signed, and by whom (ICAO 9303-11 §5.1). */
export interface PassiveVerdict {
    status: VerdictStatus;
    reason?: ReasonId;
    /** For IT and auditors, English. */
    detail?: string;
    signer?: Signer;
    anchor?: Anchor;
    /** Files of the chip whose hash was compared: DG1, DG2, DG13. */
    checked?: string[];
    /** What is odd and no reason to fail. */
    warnings?: ReasonId[];
}
/** The certificate that signed the chip's data. */
export interface Signer {
    /** Its name, RFC 4514. */
    subject: string;
    /** Its issuer's name. */
    issuer?: string;
    /** SHA-256 of the certificate, lower-case hexadecimal. */
    sha256: string;
    /** How many check-ins of this desk had this signer before. */
    seenBefore?: number;
    /** Valid from, RFC 3339. */
    notBefore?: string;
    /** Valid to, RFC 3339. */
    notAfter?: string;
    /** When it says that it signed, RFC 3339. */
    signedAt?: string;
}
/** The root that the signer was traced to. */
export interface Anchor {
    /** What it is. `csca`: a country's signing authority. `pinned`: this very signer was pinned. */
    kind: "csca" | "pinned" | (string & {});
    /** Its name. */
    subject: string;
    /** SHA-256 of the certificate, lower-case hexadecimal. */
    sha256: string;
    /** The list or file that it was imported from. */
    source: string;
    /** SHA-256 of the link certificates that lead to it. */
    links?: string[];
}
/** Whether the chip proved a key of its own, that is whether it is no copy (ICAO 9303-11 §6). */
export interface ExchangeVerdict {
    status: VerdictStatus;
    reason?: ReasonId;
    exchange?: VerdictStatus;
    /** For IT: algorithm and key. */
    protocol?: string;
    /** Active authentication: who chose the challenge. `self_issued`: by the agent. `given`: by the HIS backend. */
    challenge?: "self_issued" | "given" | (string & {});
}
/** A comparison with the chip's own data. */
export interface BasisVerdict {
    status: VerdictStatus;
    reason?: ReasonId;
    basis?: Basis;
    /** What was compared. */
    compared?: FieldName[];
    /** What of it differs. */
    differs?: FieldName[];
}
/** Whether the living face is the chip's. It never decides about care. */
export interface FaceVerdict {
    status: VerdictStatus;
    reason?: ReasonId;
    basis?: Basis;
    /**
     * What the comparison came to. `match`: the same person. `no_match`: another person. `review`: a person must look.
     * `cannot_tell`: the picture says too little.
     */
    decision?: "match" | "no_match" | "review" | "cannot_tell" | (string & {});
    /** Similarity, 0 to 1. */
    score?: number;
    /** From this score on it is a match. */
    threshold?: number;
    /** The model that compared. */
    model?: string;
    attackCheck?: AttackCheck;
    /** How many attempts were made. Absent: none. */
    attempts?: number;
    /** True: checkin.start asked for it as required, so without a match a person decides. */
    required?: boolean;
}
/** Whether a living person stood before the camera. */
export interface AttackCheck {
    level: AttackLevel;
    status: VerdictStatus;
    reason?: ReasonId;
}
/** What the insurer says. In a request with insurance supplied it is what the HIS was told. */
export interface Eligibility {
    /**
     * What it comes to. `eligible`: covered. `not_eligible`: not covered. `check`: the desk must look at something.
     * `pending`: the insurer is not reached; the agent asks again later. `unknown`: answered, and the answer says
     * nothing that is known. `off`: nobody was asked.
     */
    state: "eligible" | "not_eligible" | "check" | "pending" | "unknown" | "off" | (string & {});
    /**
     * Who answered: bhyt-gateway (Vietnam Social Security), bhyt-training (its training system or a simulated gateway,
     * whose answers are true of nobody), supplied (the HIS, on its own word), relay (one machine of the hospital that
     * asks for all desks), fhir (a FHIR R4 server). Not read in what a client sends: that is always supplied.
     */
    source?: string;
    /** When, RFC 3339. */
    asOf?: string;
    /** Raw result code of the insurer. */
    code?: string;
    /** Meaning of the code in Vietnamese, as the insurer words it. */
    text?: string;
    /** The same in English. */
    textEn?: string;
    advice?: StepId;
    reason?: ErrorId;
    card?: InsuranceCard;
    route?: Route;
    rate?: Rate;
    continuity?: Continuity;
    /** Where the insurer's data differ from the card's. It holds no values. */
    differences?: Difference[];
    /**
     * Who else looked this card up lately, newest first, at most 50. Several facilities on one day may mean that several
     * people use it.
     */
    lookedUpBy?: LookUp[];
    history?: History;
}
/** Another facility's look-up of the same card. */
export interface LookUp {
    /** Code of the facility, or its account where that has another form. */
    facility: string;
    /** When, to the minute, RFC 3339. */
    at?: string;
    /** Raw result code that it was given. */
    code?: string;
}
/**
 * What the person was treated for, as the insurer has it. Only in the answer to insurance.check with history, for a
 * client with that right; it is kept nowhere, so job.status and checkin.list do not give it again.
 */
export interface History {
    /** When it was asked for, RFC 3339. */
    asOf?: string;
    /** Raw result code of the insurer. */
    code?: string;
    reason?: ErrorId;
    /** Newest first, at most 200. */
    visits?: PastVisit[];
    /** There were more. */
    more?: boolean;
}
/** One stay or consultation. discharge, outcome and reason are the insurer's own codes. */
export interface PastVisit {
    /** Id of its dossier with the insurer (maHoSo). */
    id?: string;
    /** Code of the facility. */
    facility?: string;
    /** When it began, to the minute, RFC 3339. */
    from?: string;
    /** When it ended; absent: it has not, or nobody says. */
    to?: string;
    /** Diagnosis, in words. */
    diagnosis?: string;
    /** tinhTrang: 1 discharged, 2 transferred, 3 left without leave, 4 on own request, 5 transferred on request. */
    discharge?: string;
    /** kqDieuTri: 1 cured, 2 better, 3 unchanged, 4 worse, 5 died. */
    outcome?: string;
    /** lyDoVV: 1 right route, 2 emergency, 3 off route, 4 without need of a referral. */
    reason?: string;
}
/** The insurance card as the insurer knows it. */
export interface InsuranceCard {
    /** Code of the card. */
    code?: string;
    /** Valid from, ISO 8601 date. */
    from?: string;
    /** Valid to, ISO 8601 date. */
    to?: string;
    /** Code of the facility where the person is registered for primary care (MA_DKBD). */
    registeredFacility?: string;
    /** Base rate, percent; absent: not known. What is paid depends on route and cost. */
    benefitRate?: number;
    /** Five years without a gap from this day on, ISO 8601 date. */
    fiveYearsFrom?: string;
    /** K1, K2 or K3. */
    area?: string;
    /** Code of the old card, where a new one was issued. */
    previous?: string;
    /** Code of the new card. */
    next?: string;
}
/** A proposal of the care route. It is decided when the visit ends. */
export interface Route {
    /** MA_DOITUONG_KCB as the ministry codes it, such as 1.1; empty where nothing can be proposed. */
    proposal: string;
    /** Of the agent always false: it is a proposal. */
    decided: boolean;
    /** Id of why, or of what is missing. */
    reason?: string;
    /** The same in Vietnamese. */
    text?: string;
    /** The same in English. */
    textEn?: string;
    /** The rule that it follows. */
    source?: string;
    /** Codes that apply instead if something is so that the agent has not been told of. */
    alternatives?: RouteAlternative[];
}
/** Another route, and what would have to be so. */
export interface RouteAlternative {
    /** MA_DOITUONG_KCB. */
    proposal: string;
    /** What the insurer pays of the covered cost under this code, percent; absent: not known. */
    percent?: number;
    /** What would have to be so, in Vietnamese. */
    when?: string;
    /** The same in English. */
    whenEn?: string;
    /** The rule. */
    source?: string;
}
/** The part of the covered cost that the insurer pays. */
export interface Rate {
    /** What the card's code promises, percent; absent: it does not say. */
    basePercent?: number;
    /** Under the proposed route, percent; absent: cannot be said. 0 is nothing. */
    percent?: number;
    /** Nothing that the desk cannot know yet can change percent. Where it is false, reason says what is missing. */
    decided: boolean;
    /** Id of what decides it, or of what is missing. */
    reason?: string;
    /** The same in Vietnamese. */
    text?: string;
    /** The same in English. */
    textEn?: string;
    /** Legal source. */
    source?: string;
}
/**
 * Five years of insurance without a gap. With it alone nobody is exempt; the other condition is what was paid this
 * year, which no desk is told.
 */
export interface Continuity {
    /** Day from which five years are full, ISO 8601 date. */
    from: string;
    /** On the day of the visit. */
    reached: boolean;
    /** Legal source. */
    source?: string;
}
/** One field in which two sources disagree about the person. */
export interface Difference {
    field: FieldName;
    /**
     * How. `value`: they cannot both be right. `diacritics`: the same letters with other marks. `precision`: one says
     * less, a year for a date. `encoding`: the insurer's is in an old encoding (read as such, it is the same), or cannot
     * be read.
     */
    kind: "value" | "diacritics" | "precision" | "encoding" | (string & {});
    /**
     * The likely cause. `spelling`: the same person, written otherwise. `old_card`: the insurer's record is older than
     * the card. `other_person`: somebody else's card or number. `unknown`: nothing points to one.
     */
    cause?: "spelling" | "old_card" | "other_person" | "unknown" | (string & {});
    /**
     * What disagrees. `gateway`: the person at the desk and the insurer. `mrz`: the chip's machine readable zone and its
     * Vietnamese data. `scanned`: what was scanned or typed and the chip.
     */
    between?: "gateway" | "mrz" | "scanned" | (string & {});
    advice?: StepId;
}
/** What the hospital's own table of codes makes of the residence on the card. Absent where there is no table. */
export interface Place {
    province: Unit;
    commune: Unit;
}
/** A proposal for one unit of administration. */
export interface Unit {
    /** As a claim takes it; absent: none fits, or several do. */
    code?: string;
    /** As the table writes it. */
    name?: string;
    /** Exactly one unit fits, by its whole name. Only then its code stands in the claim. */
    decided: boolean;
    /**
     * Why. `FOUND`: as it is called now. `MERGED`: as it was called before; code is what it became. `SPLIT`: as it was
     * called before, and it became several. `AMBIGUOUS`: several are called so. `DIACRITICS`: only without its
     * diacritics. `NOT_IN_TABLE`: none is called so. `DISTRICT_MISSING`: a commune of old, without its district.
     * `PROVINCE_UNKNOWN`: a commune is only looked for within a province.
     */
    reason?: "FOUND" | "MERGED" | "SPLIT" | "AMBIGUOUS" | "DIACRITICS" | "NOT_IN_TABLE" | "DISTRICT_MISSING" | "PROVINCE_UNKNOWN" | (string & {});
    /** The document that the table names. */
    source?: string;
    /** Codes that fit, where several do; at most 10. */
    candidates?: string[];
}
/**
 * Values for the claim as the ministry writes them (QĐ 4750/QĐ-BYT, QĐ 3176/QĐ-BYT): HO_TEN, SO_CCCD, NGAY_SINH
 * (yyyymmddHHMM, zeros where not known), GIOI_TINH (1 male, 2 female, 3 not stated), DIA_CHI, MA_THE_BHYT, MA_DKBD,
 * GT_THE_TU and GT_THE_DEN (yyyymmdd; several cards of one visit are parted by semicolons, the n-th value of each is
 * of the n-th card), MA_KHUVUC, NAM_NAM_LIEN_TUC (yyyymmdd), MA_DOITUONG_KCB only where the HIS said that it is
 * decided; by the hospital's own table of codes MA_QUOCTICH, MA_DANTOC, MATINH_CU_TRU and MAXA_CU_TRU, each only where
 * it is certain. Only what is known, and only what this client may have.
 */
export type Claim = Record<string, string>;
/** Milliseconds from the tap; absent was not reached. */
export interface Timings {
    /** Until the person was known, milliseconds. */
    identityMs?: number;
    /** Until the insurance was, milliseconds. */
    eligibilityMs?: number;
    /** Until everything was, milliseconds. */
    completeMs?: number;
}
/** A check-in, by exactly one of its two ids, and the visit that it belongs to. */
export interface CheckinLinkParams {
    jobId?: JobId;
    checkinId?: CheckinId;
    visit: Visit;
}
/** The visit as it is now. */
export interface CheckinLinkResult {
    checkinId: CheckinId;
    visit: Visit;
    /** The record of it is durable. */
    recorded: boolean;
}
/** What a decision is about. */
export type About = "face" | "identity" | "chip" | "document" | "insurance" | (string & {});
/** A check-in, by exactly one of its two ids; what an operator decided, and why. */
export interface CheckinDecideParams {
    jobId?: JobId;
    checkinId?: CheckinId;
    /**
     * What it is about. `face`: the face. `identity`: who the person is. `chip`: the chip's proofs. `document`: the card
     * and its validity. `insurance`: the insurance.
     */
    about: "face" | "identity" | "chip" | "document" | "insurance";
    /** Which way. `accept`: accepted in spite of what the agent says. `reject`: not accepted. */
    decision: "accept" | "reject";
    /**
     * Why, coded. `known_to_staff`: staff know the person. `other_document`: another document was looked at.
     * `retry_failed`: tried again without success. `system_fault`: a fault of the system. `guardian_present`: a guardian
     * answers for the person. `other`: something else.
     */
    reason: "known_to_staff" | "other_document" | "retry_failed" | "system_fault" | "guardian_present" | "other";
    /** In the operator's own words, at most 500 bytes. Kept in the record. */
    note?: string;
    operator?: Operator;
}
/** All decisions about this check-in. */
export interface CheckinDecideResult {
    checkinId: CheckinId;
    /** Oldest first; the last one about something counts. */
    decisions: Decision[];
    /** What a person still has to decide about. */
    decisionNeeded?: About[];
    /** The record of it is durable. */
    recorded: boolean;
}
/** One decision of an operator. */
export interface Decision {
    about: About;
    /** Which way. `accept`: accepted. `reject`: not accepted. */
    decision: "accept" | "reject" | (string & {});
    /**
     * Why. `known_to_staff`: staff know the person. `other_document`: another document was looked at. `retry_failed`:
     * tried again without success. `system_fault`: a fault of the system. `guardian_present`: a guardian answers for the
     * person. `other`: something else.
     */
    reason: "known_to_staff" | "other_document" | "retry_failed" | "system_fault" | "guardian_present" | "other" | (string & {});
    /** In the operator's words. */
    note?: string;
    operator?: Operator;
    /** When, RFC 3339. */
    at: string;
}
/** A check-in that was a mistake, by exactly one of its two ids. */
export interface CheckinVoidParams {
    jobId?: JobId;
    checkinId?: CheckinId;
    /** Why, coded. `wrong_patient`: another patient. `duplicate`: done twice. `test`: a trial. `other`: something else. */
    reason: "wrong_patient" | "duplicate" | "test" | "other";
    /** In the operator's own words, at most 500 bytes. Kept in the record. */
    note?: string;
    operator?: Operator;
}
/** The check-in is kept, and marked. */
export interface CheckinVoidResult {
    checkinId: CheckinId;
    state: State;
    /** The record of it is durable. */
    recorded: boolean;
}
/** A check-in that is over, by exactly one of its two ids. */
export interface CheckinExportParams {
    jobId?: JobId;
    checkinId?: CheckinId;
    /** What it is to be written as. `fhir`: HL7 FHIR R4 (4.0.1). */
    format: "fhir";
}
/** The check-in in another standard's words. */
export interface CheckinExportResult {
    checkinId: CheckinId;
    /** As it was asked for. `fhir`: HL7 FHIR R4 (4.0.1). */
    format: "fhir" | (string & {});
    /**
     * A FHIR Bundle of type collection with the resources Patient, Coverage (where an insurance card is known),
     * CoverageEligibilityRequest and CoverageEligibilityResponse (where somebody was asked). They refer to each other by
     * urn:uuid, and have the same names each time.
     */
    bundle: Record<string, unknown>;
    /** That it was told is on record. */
    recorded: boolean;
}
/** Why a check-in was taken back. The first reason stays. */
export interface Voiding {
    /** Why. `wrong_patient`: another patient. `duplicate`: done twice. `test`: a trial. `other`: something else. */
    reason: "wrong_patient" | "duplicate" | "test" | "other" | (string & {});
    /** In the operator's words. */
    note?: string;
    operator?: Operator;
    /** When, RFC 3339. */
    at: string;
}
/** From when on, and how many. */
export interface CheckinListParams {
    /** Check-ins that began at or after this time, RFC 3339; absent: in the last 24 hours. */
    since?: string;
    /** At most so many; absent: 100. */
    limit?: number;
}
/** Check-ins of this client, oldest first, without anything about the persons. */
export interface CheckinListResult {
    /** Oldest first. */
    checkins: CheckinSummary[];
    /** True: there are later ones; ask again since the last one's startedAt. Absent: these are all. */
    more?: boolean;
    /** True: the disk could not be read, and these are only what the agent still remembers. */
    incomplete?: boolean;
}
/** One check-in, without anything about the person. */
export interface CheckinSummary {
    checkinId: CheckinId;
    jobId?: JobId;
    means: Means;
    state: State;
    /** When it began, RFC 3339. */
    startedAt: string;
    /** When it ended, RFC 3339. */
    finishedAt?: string;
    visit?: Visit;
    /** As the request or the agent's settings name it. */
    desk?: string;
    operator?: Operator;
    /** As in eligibility.state. */
    eligibilityState?: string;
    /** How many attempts found no answer, at the arrival and later; absent: none. */
    failedAttempts?: number;
    /** True: a look-up has failed and has no answer, so the dossier needs the paper (checkin.proof). */
    proofNeeded?: boolean;
    /** The record is durable. */
    recorded: boolean;
    /** What operators decided about it, oldest first. */
    decisions?: Decision[];
    /** What a person still has to decide about. */
    decisionNeeded?: About[];
    void?: Voiding;
}
/** A check-in that is over, by exactly one of its two ids. */
export interface CheckinProofParams {
    jobId?: JobId;
    checkinId?: CheckinId;
}
/** When who was asked with what, and what came of it. */
export interface CheckinProofResult {
    checkinId: CheckinId;
    /** As in eligibility.state, as it stands now. */
    eligibilityState?: string;
    /** The agent goes on asking. */
    waiting: boolean;
    /** A look-up has failed and has no answer: the dossier needs the paper. */
    proofNeeded: boolean;
    /** Oldest first, at most 1000. */
    attempts: ProofAttempt[];
    /** The paper: a whole page of HTML for A4, in Vietnamese, without script and without anything from elsewhere. */
    html: string;
    /** That it was told is on record. */
    recorded: boolean;
}
/** One attempt, as it is on record. */
export interface ProofAttempt {
    /** When, RFC 3339. */
    at: string;
    /** Id of its look-up on this PC. */
    lookupId: string;
    /**
     * What it was asked for. `arrival`: the check-in itself or insurance.check. `during`: visit.update. `end`:
     * visit.close.
     */
    cause: "arrival" | "during" | "end";
    /** Who was asked, as in eligibility.source; absent: nobody. */
    insurer?: string;
    /** What was sent: names of fields, never their values. */
    fields: string[];
    /** What came of it: answered, not_asked, cancelled, or the id of the error. */
    outcome: string;
    /** Raw result code of the insurer. */
    code?: string;
}
/** Whom to ask about: a check-in, by exactly one of its two ids, or a person. */
export interface InsuranceCheckParams {
    jobId?: JobId;
    checkinId?: CheckinId;
    /** Personal number, twelve digits. */
    number?: string;
    /** Insurance card, fifteen characters or ten digits. */
    cardCode?: string;
    /** Name, at most 200 bytes. */
    fullName?: string;
    dateOfBirth?: PartialDate;
    /** Sex as the card states it. `male`: male. `female`: female. `unspecified`: not stated. */
    sex?: "male" | "female" | "unspecified";
    care?: Care;
    /**
     * Also tell what the person was treated for (eligibility.history); default false. Needs the right history, else
     * FORBIDDEN. If it cannot be had, history.reason says why, and the rest of the answer is as good as without.
     */
    history?: boolean;
}
/** What the insurer says, and the proof that it was asked. */
export interface InsuranceCheckResult {
    eligibility: Eligibility;
    attempt: Attempt;
    /** The record of it is durable. */
    recorded: boolean;
}
/** One look-up, as it is on record. */
export interface Attempt {
    /** When, RFC 3339. */
    at: string;
    /** What came of it: answered, not_asked, cancelled, or the id of the error. */
    outcome: string;
    /** Raw result code of the insurer. */
    code?: string;
    /** Id of its record on this PC. */
    lookupId: string;
}
/**
 * What came of a look-up that nobody waited for. It may come more than once; the same lookupId with the same
 * eligibility.asOf is the same.
 */
export interface EligibilityChanged {
    jobId?: JobId;
    checkinId?: CheckinId;
    /** As in attempt.lookupId and in the answers of visit.update and visit.close. */
    lookupId: string;
    /**
     * What it was asked for. `arrival`: the check-in itself or insurance.check. `during`: visit.update. `end`:
     * visit.close.
     */
    cause: "arrival" | "during" | "end";
    eligibility: Eligibility;
    /** Nobody has answered, and nobody will be asked again: state is unknown, and the dossier needs the proof. */
    givenUp?: boolean;
    /** The last ones, oldest first, at most 20. */
    attempts: Attempt[];
}
/** A stay goes on: its check-in, by exactly one of its two ids. */
export interface VisitUpdateParams {
    jobId?: JobId;
    checkinId?: CheckinId;
    /**
     * What happened. `inpatient`: an outpatient is admitted. `transfer`: to another department. `continued`: the stay
     * goes on into another day or month.
     */
    event: "inpatient" | "transfer" | "continued";
    /** When, RFC 3339; within the last two years. The same event at the same time is the same. */
    at: string;
}
/** A stay has ended: its check-in, by exactly one of its two ids. */
export interface VisitCloseParams {
    jobId?: JobId;
    checkinId?: CheckinId;
    /** When, RFC 3339; within the last two years. */
    at: string;
}
/** The stay as it is now on record, and what of it nobody has verified. */
export interface VisitResult {
    checkinId: CheckinId;
    /**
     * Of the look-up that this brings; absent where nobody can be asked: the insurance is off or the HIS's own, or
     * nobody knows who it is.
     */
    lookupId?: string;
    visit?: Visit;
    eligibility?: Eligibility;
    /** Look-ups without an answer, the one that was just queued among them. */
    unverified: Unverified[];
    /**
     * A look-up has failed and has no answer: the dossier needs the dated proof (NĐ 188/2025 Đ38), unless an answer
     * comes.
     */
    proofNeeded: boolean;
    /** What the desk does now. */
    next: Step[];
    /** The record of it is durable. */
    recorded: boolean;
}
/** A look-up that has no answer. */
export interface Unverified {
    /** Id of its record on this PC. */
    lookupId: string;
    /** What it was asked for. `arrival`: the check-in itself. `during`: visit.update. `end`: visit.close. */
    cause: "arrival" | "during" | "end";
    /** Nobody will be asked again. */
    givenUp?: boolean;
    /** The last ones, oldest first, at most 20. */
    attempts: Attempt[];
}
/** A live picture for a job. */
export interface FaceFrameParams {
    jobId: JobId;
    /** Counts the frames of this job, upwards. */
    seq: number;
    /**
     * When it was taken, milliseconds on a clock of the sender that only runs forward, from any start (performance.now
     * of a page).
     */
    atMs: number;
    image: ImageInput;
    /** Id of the challenge that was shown while it was taken. */
    challenge?: string;
}
/** What is wrong with this picture, at once, and what comes next. */
export interface FaceFrameResult {
    /** The most important one first; empty: nothing. */
    findings: FaceFinding[];
    challenge?: FaceChallenge;
    /** Of this attempt, percent. */
    progress: number;
    /** This attempt has ended: send no more pictures. */
    done: boolean;
    /** Which attempt it was. */
    attempt: number;
    face?: FaceVerdict;
}
/** A single live picture for a job. */
export interface FaceVerifyParams {
    jobId: JobId;
    image: ImageInput;
}
/** The comparison. */
export interface FaceVerifyResult {
    face: FaceVerdict;
    /** What is wrong with the picture; empty: nothing. */
    findings: FaceFinding[];
    /** Which attempt it was. */
    attempt: number;
}
/** A picture. */
export interface ImageInput {
    /** What it is. `image/jpeg`: JPEG. `image/png`: PNG. */
    mime: "image/jpeg" | "image/png";
    /** The picture, base64, at most 4 MiB of picture. 640 pixels wide is enough, and quick. */
    data: string;
}
/** A consent that was asked for: of a check-in, by exactly one of its two ids. */
export interface ConsentRecordParams {
    jobId?: JobId;
    checkinId?: CheckinId;
    /**
     * What for. `face_verification`: comparing the face. `insurance_lookup`: asking the insurer. `evidence`: keeping
     * signed evidence.
     */
    purpose: "face_verification" | "insurance_lookup" | "evidence";
    /** Version of the text that the person was shown, the agent's or the hospital's own. */
    textVersion: string;
    /** True: given. False: refused, or withdrawn. */
    given: boolean;
    /** Who said so. `patient`: the patient. `guardian`: a guardian. `both`: both. */
    by: "patient" | "guardian" | "both";
    operator?: Operator;
}
/** What the person said is on record. */
export interface ConsentRecordResult {
    /** Id of its record. */
    consentId: string;
    checkinId: CheckinId;
    /** The record of it is durable. */
    recorded: boolean;
}
/** A check-in of this client. Not served yet. */
export interface EvidenceGetParams {
    jobId?: JobId;
    checkinId?: CheckinId;
}
/** Signed evidence for the HIS backend. Not served yet. */
export interface EvidenceGetResult {
    /** JWS, compact, by the workstation's key. */
    evidence: string;
}
/** A made-up card on a virtual reader. */
export interface SimInsertParams {
    /** Id of the reader; absent: the first. */
    reader?: string;
    /** Whose card: an, binh, cuong, dung, giang, hoa, khanh, lan; absent: an. tapcheck sim lists them. */
    persona?: string;
    /** Which card, such as cccd-mk, cccd-javelin, cccd-2024 or passport; absent: the one that the persona has. */
    profile?: string;
}
/** Which card is lifted. */
export interface SimRemoveParams {
    /** Id of the reader; absent: the first. */
    reader?: string;
}
/** Something that goes wrong, or right again: exactly one of card, gateway, state, service and face. */
export interface SimFaultParams {
    /** With card and state: id of the reader; absent: the first. */
    reader?: string;
    card?: SimCardFault;
    /**
     * The insurance gateway from now on; or code: and a result code (code:060), with which each look-up is then
     * answered. `normal`: answers. `down`: cuts every connection. `slow`: answers late. `garbage`: answers with bytes
     * that mean nothing. `html`: an error page with status 200. `html_503`: an error page with status 503. `truncated`:
     * JSON that stops in the middle. `cut`: an answer that stops before its length. `drip`: one byte at a time without
     * end. `huge`: 10 MB. `redirect`: to elsewhere. `unauthorized_once`: the session has expired once.
     * `unauthorized_http`: HTTP 401 once. `unauthorized_always`: every look-up is refused. `forbidden`: the account may
     * not look up. `history`: with earlier visits. `restless`: fields of other types. `nulls`: the code, and every other
     * field null. `absurd`: dates that are none. `looked_up`: other facilities looked the card up today. `tcvn3`: names
     * in TCVN3. `tcvn3_bytes`: the same as bytes that are no UTF-8. `vni`: names in VNI. `coded_400`: HTTP 400 with the
     * answer inside. `overloaded`: HTTP 503 once. `too_many`: HTTP 429 and when to come back. `token_down`: gives no
     * token any more. `history_down`: cuts the call for earlier visits.
     */
    gateway?: "normal" | "down" | "slow" | "garbage" | "html" | "html_503" | "truncated" | "cut" | "drip" | "huge" | "redirect" | "unauthorized_once" | "unauthorized_http" | "unauthorized_always" | "forbidden" | "history" | "restless" | "nulls" | "absurd" | "looked_up" | "tcvn3" | "tcvn3_bytes" | "vni" | "coded_400" | "overloaded" | "too_many" | "token_down" | "history_down" | (string & {});
    /** The reader from now on. `unplugged`: gone. `plugged`: back. `busy`: held by another program. `free`: not any more. */
    state?: "unplugged" | "plugged" | "busy" | "free";
    /** The smart card service from now on. `stopped`: does not run. `running`: runs again. */
    service?: "stopped" | "running";
    /**
     * The comparison of faces from now on. `normal`: compares. `match`: takes whoever stands there for the holder,
     * whatever the pictures show. `no_match`: takes whoever stands there for somebody else. `models_missing`: cannot
     * compare at all. `decoder_crash`: the decoder of pictures crashes at each one. `slow`: takes two seconds for each
     * picture.
     */
    face?: "normal" | "match" | "no_match" | "models_missing" | "decoder_crash" | "slow";
}
/** What the card in the reader does at one of its commands. A new one replaces it. */
export interface SimCardFault {
    /**
     * What. `remove`: the card is gone. `mute`: no answer this once. `reset`: the chip loses power for a moment.
     * `status`: answers with sw. `flip`: a bit of the answer is flipped. `truncate`: the answer's last bytes are
     * missing. `lengthen`: the answer has bytes more. `naked`: the answer comes without secure messaging. `replay`: an
     * earlier answer comes again. `replace`: another answer comes. `inner`: the status inside secure messaging is sw.
     */
    kind: "remove" | "mute" | "reset" | "status" | "flip" | "truncate" | "lengthen" | "naked" | "replay" | "replace" | "inner";
    /** At which command, counted from 0 since the card's last reset. */
    apdu: number;
    /** With status and inner: the status word. */
    sw?: string;
    /** How much: bit, bytes, or commands back, by kind; 0 is 1 where nothing would else happen. */
    n?: number;
}
/** Nothing more to say. */
export type Done = Record<string, never>;
/**
 * GET /.well-known/tapcheck.json. A page that is allowed gets all of it, another only allowed (false) and whether
 * pairing is open. Nothing in it is personal.
 */
export interface Discovery {
    /** Whether this origin may connect. */
    allowed: boolean;
    /**
     * True: an administrator holds a pairing window open, so that this origin may call pairing.start. Absent: none is
     * open.
     */
    pairing?: boolean;
    agent?: AgentInfo;
    protocol?: ProtocolRange;
    /** Where to connect, ws://127.0.0.1:PORT/v1. */
    url?: string;
    /** The same by wss://, with a certificate of this PC's own CA. Absent: it is not switched on (his.wss). */
    wss?: string;
    /** What to ask for in Sec-WebSocket-Protocol. */
    subprotocol?: "tapcheck.v1";
    /** As in agent.hello. */
    instanceId?: string;
    /** As in agent.hello. */
    simulator?: boolean;
    proof?: Proof;
}
/** Id of an error. Frozen; the help page at /help/ID has its cause and cure. */
export type ErrorId = "NOT_AVAILABLE" | "AGENT_STOPPING" | "JOURNAL_UNWRITABLE" | "CONFIG_INVALID" | "PORT_TAKEN" | "DATA_FOLDER" | "ALREADY_RUNNING" | "HOST_DENIED" | "ORIGIN_DENIED" | "PEER_DENIED" | "SESSION_REQUIRED" | "SESSION_ALREADY_OPEN" | "TOKEN_REJECTED" | "PROTOCOL_UNSUPPORTED" | "FORBIDDEN" | "RATE_LIMITED" | "TOO_MANY_CONNECTIONS" | "PAIRING_CLOSED" | "PAIRING_CODE_WRONG" | "PAIRING_ENDED" | "PAIRING_BUSY" | "JOB_UNKNOWN" | "JOB_ID_TAKEN" | "TOO_MANY_JOBS" | "JOB_NOT_WAITING" | "NEED_EXPIRED" | "CANCELLED" | "CHECKIN_UNFINISHED" | "CHECKIN_VOID" | "JOURNAL_UNREADABLE" | "KEY_MALFORMED" | "QR_FOREIGN" | "KEY_MISSING" | "KEY_REJECTED" | "KEY_UNSUITABLE" | "PAPER_QR_FOREIGN" | "PAPER_QR_MISSING" | "CARD_REMOVED" | "CARD_MUTE" | "CARD_RESET" | "CARD_UNSUPPORTED" | "CARD_PROTOCOL" | "CARD_TIMEOUT" | "NO_CARD" | "OTHER_CARD" | "CARD_ALREADY_READ" | "ACCESS_FAILED" | "SECURE_MESSAGING_BROKEN" | "FILE_MALFORMED" | "FILE_TOO_LARGE" | "FILE_ABSENT" | "DATA_INCONSISTENT" | "PERSON_UNEXPECTED" | "READER_ABSENT" | "READER_BUSY" | "READER_STUCK" | "READER_FAULT" | "PCSC_STOPPED" | "INSURANCE_UNREACHABLE" | "INSURANCE_REJECTED" | "INSURANCE_GARBAGE" | "INSURANCE_REQUEST" | "CONSOLE_LOGIN_FAILED" | "CONSOLE_SESSION_ENDED" | "CONSOLE_LOCKED" | "CONSOLE_TOO_MANY_TRIES" | "CONSOLE_SETUP_SECRET" | "CONSOLE_FORBIDDEN" | "CONSOLE_ACCOUNT_INVALID" | "CONSOLE_SETTINGS_UNWRITABLE" | "INVALID_REQUEST" | "UNKNOWN_METHOD" | "BAD_REQUEST" | "INTERNAL" | "PARSE_ERROR" | (string & {});
/** Id of something that the desk does now. Frozen. */
export type StepId = "ADMIT_LOOKUP_LATER" | "ADMIT_WITH_PAPERS" | "ASK_INSURANCE_CARD" | "CALL_SUPERVISOR" | "CHECK_IDENTITY" | "CHECK_PAPERS" | "CHECK_VNEID_SCREEN" | "CHILD_WITHOUT_CARD" | "COMPARE_FACE_BY_EYE" | "COMPARE_PAPERS" | "COMPARE_PHOTO" | "CORRECT_AT_INSURER" | "FIX_INPUT" | "IDENTIFY_LATER" | "INSERT_CARD" | "INSURER_RECORD_OLD" | "KEEP_CARD" | "NOT_COVERED" | "POSSIBLE_OTHER_PERSON" | "PRINT_LOOKUP_PROOF" | "PROCEED" | "RETURN_CARD" | "START_NEW_CHECKIN" | "TELL_IT" | "TREAT_FIRST" | "TRY_AGAIN" | "USE_NEW_CARD" | (string & {});
/** Id of something about a live picture. Frozen. */
export type FindingId = "BLURRED" | "EYES_CLOSED" | "FACE_COVERED" | "FACE_OFF_CENTRE" | "FACE_TOO_LARGE" | "FACE_TOO_SMALL" | "FRAME_DROPPED" | "FRAME_OUT_OF_ORDER" | "FRAME_REPEATED" | "FRAME_STALE" | "HEAD_TILTED" | "HEAD_TURNED" | "LOOK_UP_DOWN" | "LOW_CONTRAST" | "MOUTH_OPEN" | "NOT_A_FACE" | "NO_FACE" | "OTHER_FACE" | "PICTURE_BROKEN" | "PICTURE_TOO_LARGE" | "PICTURE_TOO_SMALL" | "PICTURE_TYPE" | "SCREEN_HINT" | "SEVERAL_FACES" | "TOO_BRIGHT" | "TOO_DARK" | "UNEVEN_LIGHT" | (string & {});
/** Id of a warning within a result. Frozen. */
export type WarningId = "AA_HASH_NOT_NAMED" | "ACCESS_ALTERED" | "ACCESS_DOWNGRADED" | "CHIP_PROOF_FAILED" | "DG13_DIFFERS" | "DG13_UNREADABLE" | "DOCUMENT_EXPIRED" | "FIELDS_LIMITED" | "FILE_REFUSED" | "INSURANCE_DATA_DIFFER" | "INSURANCE_TRAINING" | "KEY_DIFFERS" | "KNOWN_DEVIATION" | "MRZ_CHECK_DIGIT" | "NOT_RECORDED" | "PORTRAIT_ABSENT" | "PORTRAIT_UNREADABLE" | "QR_MANGLED" | "REVOCATION_LIST_STALE" | "SIGNER_NEW" | "SIMULATED" | "VIRTUAL_READER" | "WEAK_ALGORITHM" | (string & {});
/** Id of the reason why a verdict is not passed, or of what is odd about it. Frozen. */
export type ReasonId = "AA_HASH_NOT_NAMED" | "ACCESS_ALTERED" | "ACCESS_FAILED" | "ACTIVE_AUTH_FAILED" | "ALGORITHM_UNKNOWN" | "ATTACK_CHECK_FAILED" | "ATTACK_CHECK_OFF" | "CHALLENGE_NOT_MET" | "CHALLENGE_RUNNING" | "CHILD" | "CHIP_AUTH_FAILED" | "CHIP_PHOTO_POOR" | "CHIP_PHOTO_UNREADABLE" | "CONSENT_MISSING" | "CONSENT_REFUSED" | "COUNTRY_MISMATCH" | "DATA_GROUP_NOT_LISTED" | "DECODER_FAILED" | "DG13_DIFFERS" | "DOCUMENT_EXPIRED" | "EXPIRED" | "FACE_BUSY" | "FEATURE_ABSENT" | "FILE_UNREADABLE" | "FLAT_PICTURE" | "FRAMES_REPEATED" | "HASH_MISMATCH" | "IDENTITY_INCOMPLETE" | "KEY_DIFFERS_FROM_CHIP" | "KEY_NOT_ANCHORED" | "KEY_NOT_BOUND" | "KEY_REJECTED" | "KEY_UNSUITABLE" | "KEY_USAGE" | "KNOWN_DEVIATION" | "LIVE_PICTURE_POOR" | "MALFORMED" | "MEANS_IS_NOT_CHIP" | "MODELS_MISSING" | "MRZ_CHECK_DIGIT" | "NOTHING_TO_COMPARE" | "NOT_REACHED" | "NOT_YET_VALID" | "NO_ACCESS_CONTROL" | "NO_CHIP_PHOTO" | "NO_EXPIRY_DATE" | "NO_LIVE_PICTURE" | "NO_MATCH" | "NO_SOD" | "OTHER_FACE" | "PASSIVE_AUTH_FAILED" | "QR_MANGLED" | "REFUSED_BY_CARD" | "RESPONSE_TOO_LONG" | "REVOCATION_LIST_STALE" | "REVOKED" | "SCORE_IN_BETWEEN" | "SIGNATURE_INVALID" | "SIGNER_AMBIGUOUS" | "SIGNER_NOT_ANCHORED" | "SKIPPED_BY_OPERATOR" | "SWITCHED_OFF" | "TOO_FEW_FRAMES" | "UNSUPPORTED" | "WEAK_ALGORITHM" | "WEAK_KEY" | (string & {});
/** What a client may call: parameters and answer of each method. */
export interface Methods {
    /** A signature over your nonce, by the key that you learnt when you paired. */
    "agent.prove": {
        params: AgentProveParams;
        result: Proof;
    };
    /** Says who the client is and who sits at the desk; everything else comes after it. */
    "session.open": {
        params: SessionOpenParams;
        result: SessionOpenResult;
    };
    /** A six-digit code appears in the administrator's console, for this origin. */
    "pairing.start": {
        params: PairingStartParams;
        result: PairingStartResult;
    };
    /** The code that the administrator reads out becomes a token of this origin. */
    "pairing.confirm": {
        params: PairingConfirmParams;
        result: PairingConfirmResult;
    };
    /** Answers at once; how it goes and what it comes to are told by notifications. */
    "checkin.start": {
        params: CheckinStartParams;
        result: Accepted;
    };
    /** A check-in by chip without insurance and face. */
    "card.read": {
        params: CardReadParams;
        result: Accepted;
    };
    /** The key that was missing or rejected, the reader that was chosen, or what the operator does about the face. */
    "job.provide": {
        params: JobProvideParams;
        result: JobRef;
    };
    /** Its state, what it needs, and its result once it has one. */
    "job.status": {
        params: JobRef;
        result: JobStatus;
    };
    /** Its status now, and from now on its notifications, whatever is subscribed. */
    "job.resume": {
        params: JobRef;
        result: JobStatus;
    };
    /** Ends it; cancelling what has ended changes nothing. */
    "job.cancel": {
        params: JobRef;
        result: JobStatus;
    };
    /** A consent that was given, refused or withdrawn, for what and by whom. */
    "consent.record": {
        params: ConsentRecordParams;
        result: ConsentRecordResult;
    };
    /** Quality findings at once, and what the person is to do next. */
    "face.frame": {
        params: FaceFrameParams;
        result: FaceFrameResult;
    };
    /** A single picture against the chip's. */
    "face.verify": {
        params: FaceVerifyParams;
        result: FaceVerifyResult;
    };
    /** The visit that the HIS opened after the card was read. */
    "checkin.link": {
        params: CheckinLinkParams;
        result: CheckinLinkResult;
    };
    /** Accepted in spite of what the agent says, or rejected, with a coded reason. */
    "checkin.decide": {
        params: CheckinDecideParams;
        result: CheckinDecideResult;
    };
    /** A wrong patient or a duplicate; it is kept and marked. */
    "checkin.void": {
        params: CheckinVoidParams;
        result: CheckinVoidResult;
    };
    /** Check-ins since a time, without anything about the persons. */
    "checkin.list": {
        params: CheckinListParams;
        result: CheckinListResult;
    };
    /** Patient, Coverage, CoverageEligibilityRequest and CoverageEligibilityResponse, for a HIS that speaks HL7 FHIR R4. */
    "checkin.export": {
        params: CheckinExportParams;
        result: CheckinExportResult;
    };
    /**
     * Each attempt of a check-in's look-ups, and the dated paper for the dossier (NĐ 188/2025/NĐ-CP Đ38), in
     * Vietnamese, ready to be printed.
     */
    "checkin.proof": {
        params: CheckinProofParams;
        result: CheckinProofResult;
    };
    /** For a job, or by number, name and date of birth. */
    "insurance.check": {
        params: InsuranceCheckParams;
        result: InsuranceCheckResult;
    };
    /** Has the insurer asked during the stay, as the law wants it (TT 12/2026/TT-BTC Đ4). */
    "visit.update": {
        params: VisitUpdateParams;
        result: VisitResult;
    };
    /** Has the insurer asked a last time, and says what is still unverified. */
    "visit.close": {
        params: VisitCloseParams;
        result: VisitResult;
    };
    /** All readers, what they are like, and whether a card is there. */
    "reader.list": {
        params: ReaderListParams;
        result: ReaderListResult;
    };
    /** Coded warnings with cause and cure, and how many requests were refused. */
    "agent.status": {
        params: AgentStatusParams;
        result: AgentStatusResult;
    };
    /** What support needs to see of this PC, redacted. */
    "diagnostics.bundle": {
        params: DiagnosticsBundleParams;
        result: DiagnosticsBundleResult;
    };
    /** What was proved, signed by the workstation, for the HIS backend. Not served yet: NOT_AVAILABLE. */
    "evidence.get": {
        params: EvidenceGetParams;
        result: EvidenceGetResult;
    };
    /** A persona's card on a virtual reader. */
    "sim.insert": {
        params: SimInsertParams;
        result: Done;
    };
    /** The card leaves the virtual reader. */
    "sim.remove": {
        params: SimRemoveParams;
        result: Done;
    };
    /** Of the card, the reader, the smart card service, the insurance gateway or the comparison of faces; or right again. */
    "sim.fault": {
        params: SimFaultParams;
        result: Done;
    };
}
/** What the agent says by itself: parameters of each notification. */
export interface Notifications {
    /** The first frame of every connection. */
    "agent.hello": Hello;
    /** Plugged in, unplugged, a card came or went, or it works for another program. */
    "reader.changed": Reader;
    /** A new phase, or some percent more. */
    "job.progress": Progress;
    /** The job waits for a card, a key, a choice, a consent or a live picture before it goes on. */
    "job.needs": Need;
    /** The person as soon as they are verified, then the insurance and the portrait. */
    "job.partial": Result;
    /** The check-in as it ended, complete or with the error that ended it. */
    "job.result": Result;
    /** The insurer could not be reached then, or was asked for visit.update or visit.close, and has answered now. */
    "eligibility.changed": EligibilityChanged;
}
export type MethodName = keyof Methods;
export type NotificationName = keyof Notifications;
/** Close codes of the websocket. */
export type CloseCode = 
/** The client said goodbye, and so does the agent. Nothing. */
1000
/** The agent stops or is updated. Reconnect after a second, then less and less often; resume your jobs. */
 | 1001
/** A frame against RFC 6455. Repair the client. */
 | 1002
/** A binary frame from the client. Send text frames. */
 | 1003
/** Text that is not UTF-8. Repair the client. */
 | 1007
/** A frame that is too long: over 64 KiB before session.open, over the limit after it. Send less. */
 | 1009
/** session.open did not come within ten seconds. Reconnect and open the session at once. */
 | 4001
/** Three wrong tokens, or the session's token was revoked or has ended. Do not reconnect with this token; pair again or tell IT. */
 | 4003
/** The client does not read what it is sent. Reconnect and resume; find out what blocks the page. */
 | 4008
/** The client goes on far above the request limit. Repair the client. */
 | 4029;
