import { type TapcheckError } from "./errors.js";
import type { Hello, Language, MethodName, Methods } from "./protocol.js";
export interface RequestOptions {
    /** How long to wait for the answer, in milliseconds. */
    timeoutMs?: number;
    /** Ends the waiting. The agent is told only where there is something to cancel (Job.cancel). */
    signal?: AbortSignal;
}
/** One websocket. It ends once and is not used again. */
export declare class Connection {
    readonly port: number;
    private readonly lang;
    private readonly timeoutMs;
    private readonly notify;
    private readonly closed;
    readonly base: string;
    private readonly socket;
    private readonly waiting;
    private last;
    private ended;
    private failed?;
    /** A frame whose picture comes as the next, binary one. */
    private held?;
    private constructor();
    /** Connects and waits for agent.hello. Errors: CONNECTION_REFUSED, ABORTED, ANSWER_MALFORMED. */
    static open(o: {
        port: number;
        lang: Language;
        timeoutMs: number;
        signal: AbortSignal;
    }, notify: (method: string, params: unknown) => void, closed: (code: number, e: TapcheckError) => void): Promise<{
        connection: Connection;
        hello: Hello;
    }>;
    /** Asks and waits for the answer. Errors: the agent's, REQUEST_TIMEOUT, CONNECTION_LOST, ABORTED. */
    request<M extends MethodName>(method: M, params: Methods[M]["params"], o?: RequestOptions): Promise<Methods[M]["result"]>;
    close(): void;
    /** Ends the connection from this side. */
    fail(e: TapcheckError): void;
    private end;
    private receive;
    /** A binary frame: four bytes of number, then the picture that the frame before has announced. */
    private picture;
    private deliver;
}
