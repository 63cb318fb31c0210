import { abortable } from "./abort.js";
import { agentError, clientError, type TapcheckError } from "./errors.js";
import type { ErrorData, Hello, Language, MethodName, Methods } from "./protocol.js";
import type { BinaryPicture } from "./picture.js";

export interface RequestOptions {
  /** How long to wait for the answer, in milliseconds. */
  timeoutMs?: number;
  /** Ends the waiting. The agent is told only where there is something to cancel (Job.cancel). */
  signal?: AbortSignal;
}

interface Frame {
  id?: number | string | null;
  method?: string;
  params?: unknown;
  result?: unknown;
  error?: { code: number; message: string; data?: ErrorData };
}

interface Waiting {
  resolve(result: unknown): void;
  reject(e: TapcheckError): void;
  timer: ReturnType<typeof setTimeout>;
}

/** One websocket. It ends once and is not used again. */
export class Connection {
  readonly base: string;
  private readonly socket: WebSocket;
  private readonly waiting = new Map<number, Waiting>();
  private last = 0;
  private ended = false;
  private failed?: TapcheckError;
  /** A frame whose picture comes as the next, binary one. */
  private held?: { frame: Frame; picture: BinaryPicture };

  private constructor(
    readonly port: number,
    private readonly lang: Language,
    private readonly timeoutMs: number,
    private readonly notify: (method: string, params: unknown) => void,
    private readonly closed: (code: number, e: TapcheckError) => void,
  ) {
    this.base = `http://127.0.0.1:${port}`;
    this.socket = new WebSocket(`ws://127.0.0.1:${port}/v1`, "tapcheck.v1");
    this.socket.binaryType = "arraybuffer";
    this.socket.onmessage = (e) => this.receive(e.data);
    this.socket.onclose = (e) => this.end(e.code);
  }

  /** Connects and waits for agent.hello. Errors: CONNECTION_REFUSED, ABORTED, ANSWER_MALFORMED. */
  static open(
    o: { port: number; lang: Language; timeoutMs: number; signal: AbortSignal },
    notify: (method: string, params: unknown) => void,
    closed: (code: number, e: TapcheckError) => void,
  ): Promise<{ connection: Connection; hello: Hello }> {
    const opened = new Promise<{ connection: Connection; hello: Hello }>((resolve, reject) => {
      let hello = false;
      const connection = new Connection(
        o.port,
        o.lang,
        o.timeoutMs,
        (method, params) => {
          if (hello) return notify(method, params);
          if (method !== "agent.hello" || !isHello(params)) return connection.fail(clientError("ANSWER_MALFORMED", o.lang));
          hello = true;
          clearTimeout(timer);
          resolve({ connection, hello: params });
        },
        (code, e) => {
          clearTimeout(timer);
          o.signal.removeEventListener("abort", stop);
          if (hello) closed(code, e);
          else reject(e.id === "CONNECTION_LOST" ? clientError("CONNECTION_REFUSED", o.lang, { code }) : e);
        },
      );
      const stop = () => connection.fail(clientError("ABORTED", o.lang));
      const timer = setTimeout(() => connection.fail(clientError("CONNECTION_REFUSED", o.lang)), o.timeoutMs);
      o.signal.addEventListener("abort", stop, { once: true });
    });
    return opened;
  }

  /** Asks and waits for the answer. Errors: the agent's, REQUEST_TIMEOUT, CONNECTION_LOST, ABORTED. */
  request<M extends MethodName>(method: M, params: Methods[M]["params"], o: RequestOptions = {}): Promise<Methods[M]["result"]> {
    if (this.ended) return Promise.reject(this.failed ?? clientError("CONNECTION_LOST", this.lang));
    const id = ++this.last;
    const answer = new Promise<unknown>((resolve, reject) => {
      const timer = setTimeout(() => {
        this.waiting.delete(id);
        reject(clientError("REQUEST_TIMEOUT", this.lang, { method }));
      }, o.timeoutMs ?? this.timeoutMs);
      this.waiting.set(id, { resolve, reject, timer });
      this.socket.send(JSON.stringify({ jsonrpc: "2.0", id, method, params }));
    });
    return abortable(answer, o.signal, this.lang) as Promise<Methods[M]["result"]>;
  }

  close(): void {
    this.fail(clientError("ABORTED", this.lang));
  }

  /** Ends the connection from this side. */
  fail(e: TapcheckError): void {
    this.failed ??= e;
    this.socket.close();
    this.end(1000); // the browser may take its time, or for a socket that never opened say something else
  }

  private end(code: number): void {
    if (this.ended) return;
    this.ended = true;
    const e = this.failed ?? clientError(code === 4003 ? "TOKEN_REJECTED" : "CONNECTION_LOST", this.lang, { code });
    for (const w of this.waiting.values()) {
      clearTimeout(w.timer);
      w.reject(e);
    }
    this.waiting.clear();
    this.closed(code, e);
  }

  private receive(data: unknown): void {
    if (this.ended) return;
    if (data instanceof ArrayBuffer) return this.picture(data);
    let frame: Frame;
    try {
      frame = JSON.parse(String(data)) as Frame;
    } catch {
      return this.fail(clientError("ANSWER_MALFORMED", this.lang));
    }
    if (frame === null || typeof frame !== "object" || this.held) return this.fail(clientError("ANSWER_MALFORMED", this.lang));
    const picture = announced(frame);
    if (picture) this.held = { frame, picture };
    else this.deliver(frame);
  }

  /** A binary frame: four bytes of number, then the picture that the frame before has announced. */
  private picture(data: ArrayBuffer): void {
    const held = this.held;
    if (!held || data.byteLength < 4 || new DataView(data).getUint32(0) !== held.picture.frame) {
      return this.fail(clientError("ANSWER_MALFORMED", this.lang));
    }
    this.held = undefined;
    held.picture.content = new Uint8Array(data, 4);
    this.deliver(held.frame);
  }

  private deliver(frame: Frame): void {
    if (typeof frame.method === "string") return this.notify(frame.method, frame.params);
    const w = typeof frame.id === "number" ? this.waiting.get(frame.id) : undefined;
    if (!w) return; // it came too late
    this.waiting.delete(frame.id as number);
    clearTimeout(w.timer);
    if (!frame.error) w.resolve(frame.result);
    else if (frame.error.data) w.reject(agentError(frame.error.data, this.base));
    else w.reject(clientError("ANSWER_MALFORMED", this.lang, { code: frame.error.code }));
  }
}

function isHello(p: unknown): p is Hello {
  const h = p as Partial<Hello> | null;
  return typeof h === "object" && typeof h?.challenge === "string" && typeof h.instanceId === "string" && typeof h.protocol?.max === "number";
}

/** The picture in a frame that the next frame brings. */
function announced(frame: Frame): BinaryPicture | undefined {
  type Holder = { portrait?: BinaryPicture; result?: { portrait?: BinaryPicture } } | null | undefined;
  const params = frame.params as Holder;
  const result = frame.result as Holder;
  for (const p of [params?.portrait, params?.result?.portrait, result?.portrait, result?.result?.portrait]) {
    if (p && typeof p.frame === "number") return p;
  }
  return undefined;
}
