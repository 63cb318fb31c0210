// Tapcheck 0.1.0, the client for web pages. Apache-2.0. Made by make client.
"use strict";
var Tapcheck = (() => {
  var __defProp = Object.defineProperty;
  var __getOwnPropDesc = Object.getOwnPropertyDescriptor;
  var __getOwnPropNames = Object.getOwnPropertyNames;
  var __hasOwnProp = Object.prototype.hasOwnProperty;
  var __export = (target, all) => {
    for (var name in all)
      __defProp(target, name, { get: all[name], enumerable: true });
  };
  var __copyProps = (to, from, except, desc) => {
    if (from && typeof from === "object" || typeof from === "function") {
      for (let key of __getOwnPropNames(from))
        if (!__hasOwnProp.call(to, key) && key !== except)
          __defProp(to, key, { get: () => from[key], enumerable: !(desc = __getOwnPropDesc(from, key)) || desc.enumerable });
    }
    return to;
  };
  var __toCommonJS = (mod) => __copyProps(__defProp({}, "__esModule", { value: true }), mod);

  // src/index.ts
  var index_exports = {};
  __export(index_exports, {
    BrowserStore: () => BrowserStore,
    Client: () => Client,
    Job: () => Job,
    PORTS: () => PORTS,
    PROTOCOL: () => PROTOCOL,
    TapcheckError: () => TapcheckError,
    VERSION: () => VERSION,
    clientErrors: () => clientErrors,
    imageInput: () => imageInput,
    pictureURL: () => pictureURL
  });

  // src/errors.ts
  var clientErrors = {
    NOT_INSTALLED: {
      category: "agent",
      retriable: true,
      text: ["Không tìm thấy Tapcheck trên máy này.", "Tapcheck was not found on this PC."],
      why: [
        "Không cổng nào của Tapcheck trả lời, và trang này chưa từng gặp Tapcheck trong trình duyệt này: chưa cài, chưa chạy, hoặc trình duyệt đã chặn mà không báo cho trang biết.",
        "None of Tapcheck's ports answers, and this page has never met Tapcheck in this browser: it is not installed, not running, or the browser blocked it without telling the page."
      ],
      next: [
        "Nếu trình duyệt hỏi quyền truy cập thiết bị trên máy này, chọn Cho phép. Nếu không, báo bộ phận CNTT cài hoặc khởi động Tapcheck.",
        "If the browser asks whether the page may reach this device, choose Allow. Otherwise ask IT to install or start Tapcheck."
      ]
    },
    NOT_RUNNING: {
      category: "agent",
      retriable: true,
      text: ["Tapcheck trên máy này hiện không chạy.", "Tapcheck does not run on this PC right now."],
      why: [
        "Không cổng nào trả lời, nhưng trang này đã từng làm việc với Tapcheck trong trình duyệt này.",
        "None of its ports answers, but this page has worked with Tapcheck in this browser before."
      ],
      next: [
        "Chờ một phút rồi thử lại; nếu vẫn lỗi, báo bộ phận CNTT khởi động dịch vụ Tapcheck.",
        "Wait a minute and try again; if it stays, ask IT to start the Tapcheck service."
      ]
    },
    PAGE_NOT_SECURE: {
      category: "browser",
      retriable: false,
      text: [
        "Trình duyệt không cho trang http này dùng Tapcheck.",
        "The browser does not let this plain http page use Tapcheck."
      ],
      why: [
        "Chrome và Edge chặn trang không có https truy cập chương trình trên máy mà không hỏi; trang http cũng không kiểm tra được chữ ký của Tapcheck.",
        "Chrome and Edge keep pages without https from programs of the PC, and do not ask; nor can a plain http page check Tapcheck's signature."
      ],
      next: [
        "Mở phần mềm bệnh viện bằng địa chỉ https://. Nếu chưa có, báo bộ phận CNTT.",
        "Open the HIS by its https:// address. If there is none, tell IT."
      ]
    },
    PERMISSION_PENDING: {
      category: "browser",
      retriable: true,
      text: [
        "Trình duyệt đang hỏi có cho trang này dùng Tapcheck không, và chưa ai trả lời.",
        "The browser asks whether this page may use Tapcheck, and nobody has answered."
      ],
      why: [
        "Quyền truy cập mạng cục bộ (loopback-network) của trang còn ở trạng thái hỏi: chưa ai bấm, hoặc câu hỏi bị đóng. Đóng ba lần thì trình duyệt coi là từ chối.",
        "The page's permission for the local network (loopback-network) is still to be asked for: nobody clicked, or the question was closed. Closed three times, it counts as a refusal."
      ],
      next: [
        "Bấm Cho phép ở góc trên bên trái cửa sổ trình duyệt.",
        "Click Allow at the top left of the browser's window."
      ]
    },
    PERMISSION_DENIED: {
      category: "browser",
      retriable: false,
      text: ["Trình duyệt đã bị đặt không cho trang này dùng Tapcheck.", "The browser is set to keep this page from Tapcheck."],
      why: [
        'Quyền loopback-network của trang bị từ chối: có người bấm Chặn, một chính sách, hoặc trang nằm trong khung (iframe) thiếu allow="loopback-network" (detail.frame).',
        `The page's permission loopback-network is denied: somebody clicked Block, by a policy, or the page lies in a frame without allow="loopback-network" (detail.frame).`
      ],
      next: [
        "Bấm biểu tượng bên trái địa chỉ trang, cho phép truy cập ứng dụng trên thiết bị này rồi tải lại trang; nếu không được, báo bộ phận CNTT.",
        "Click the icon left of the address, allow access to apps on this device and reload the page; if that fails, tell IT."
      ]
    },
    ORIGIN_DENIED: {
      category: "access",
      retriable: false,
      text: ["Trang web này chưa được phép dùng Tapcheck.", "This web page is not allowed to use Tapcheck."],
      why: [
        "Tapcheck đang chạy, nhưng origin của trang không có trong danh sách cho phép và quản trị viên chưa mở ghép nối.",
        "Tapcheck runs, but the page's origin is not on its list of allowed ones, and no administrator holds pairing open."
      ],
      next: [
        "Bộ phận CNTT mở ghép nối trên trang tiếp nhận của Tapcheck, hoặc cấp phép bằng lệnh tapcheck token add --origin.",
        "IT opens pairing in Tapcheck's console, or allows the origin with tapcheck token add --origin."
      ]
    },
    NOT_PAIRED: {
      category: "access",
      retriable: false,
      text: ["Trang web này chưa được ghép nối với Tapcheck trên máy này.", "This web page is not paired with Tapcheck on this PC."],
      why: [
        "Trang không có mã truy cập cho Tapcheck này: chưa ghép nối, dữ liệu trình duyệt đã bị xóa, hoặc Tapcheck đã được cài lại.",
        "The page has no token for this Tapcheck: it was never paired, the browser's data were cleared, or Tapcheck was installed anew."
      ],
      next: [
        "Nhờ quản trị viên mở ghép nối trên trang tiếp nhận của Tapcheck, rồi nhập mã sáu chữ số vào trang này.",
        "An administrator opens pairing in Tapcheck's console; then type the six digits into this page."
      ]
    },
    TOKEN_REJECTED: {
      category: "access",
      retriable: false,
      text: ["Mã truy cập của trang này không còn hiệu lực.", "This page's token is not valid any more."],
      why: ["Mã bị thu hồi hoặc hết hạn.", "The token was revoked or has ended."],
      next: ["Ghép nối lại trang này với Tapcheck; báo bộ phận CNTT.", "Pair this page with Tapcheck again; tell IT."]
    },
    AGENT_TOO_OLD: {
      category: "access",
      retriable: false,
      text: ["Tapcheck trên máy này quá cũ đối với phần mềm bệnh viện.", "Tapcheck on this PC is too old for the HIS."],
      why: [
        "Phiên bản giao thức mà trang cần cao hơn, hoặc Tapcheck chưa có phương thức mà trang cần (detail).",
        "The page needs a higher version of the protocol, or a method that this Tapcheck does not serve (detail)."
      ],
      next: ["Bộ phận CNTT cập nhật Tapcheck trên máy này.", "IT updates Tapcheck on this PC."]
    },
    CLIENT_TOO_OLD: {
      category: "access",
      retriable: false,
      text: ["Phần mềm bệnh viện quá cũ đối với Tapcheck trên máy này.", "The HIS is too old for Tapcheck on this PC."],
      why: [
        "Tapcheck không còn phục vụ phiên bản giao thức của trang (detail).",
        "Tapcheck no longer serves the page's version of the protocol (detail)."
      ],
      next: [
        "Tải lại trang; nếu vẫn lỗi, nhà cung cấp cập nhật phần mềm bệnh viện.",
        "Reload the page; if it stays, the vendor updates the HIS."
      ]
    },
    AGENT_NOT_GENUINE: {
      category: "access",
      retriable: false,
      text: [
        "Chương trình đang trả lời không phải Tapcheck mà trang này đã ghép nối. Chưa gửi gì cho nó.",
        "What answers is not the Tapcheck that this page was paired with. Nothing was sent to it."
      ],
      why: [
        "Chữ ký không khớp khóa đã biết: một chương trình khác chiếm cổng, có hai Tapcheck cùng trả lời, hoặc Tapcheck đã được cài lại (detail.reason).",
        "Its signature does not fit the known key: another program took the port, two of them answer, or Tapcheck was installed anew (detail.reason)."
      ],
      next: [
        "Không tiếp tục. Báo bộ phận CNTT kiểm tra máy này; nếu Tapcheck vừa được cài lại, ghép nối lại.",
        "Do not go on. Ask IT to look at this PC; if Tapcheck was just installed anew, pair again."
      ]
    },
    CONNECTION_REFUSED: {
      category: "agent",
      retriable: true,
      text: ["Tapcheck đang chạy nhưng chưa nhận kết nối.", "Tapcheck runs but does not take the connection."],
      why: [
        "Quá nhiều cửa sổ đang kết nối, dịch vụ đang dừng, hoặc trang có Content-Security-Policy thiếu connect-src ws://127.0.0.1:*.",
        "Too many windows are connected, the service is stopping, or the page's Content-Security-Policy lacks connect-src ws://127.0.0.1:*."
      ],
      next: ["Đóng bớt cửa sổ phần mềm bệnh viện rồi thử lại.", "Close some windows of the HIS and try again."]
    },
    CONNECTION_LOST: {
      category: "agent",
      retriable: true,
      text: ["Mất kết nối với Tapcheck.", "The connection to Tapcheck was lost."],
      why: [
        "Dịch vụ Tapcheck dừng hoặc khởi động lại và chưa trở lại kịp.",
        "The Tapcheck service stopped or restarted and did not come back in time."
      ],
      next: ["Chờ ít giây rồi làm lại lượt này.", "Wait some seconds and start this check-in again."]
    },
    JOB_LOST: {
      category: "job",
      retriable: true,
      text: ["Lượt này bị mất khi Tapcheck khởi động lại.", "This check-in was lost when Tapcheck restarted."],
      why: [
        "Tapcheck khởi động lại sau khi đã đưa ra một phần dữ liệu, nên không tự làm lại.",
        "Tapcheck restarted after it had given out a part of the data, so it is not begun again by itself."
      ],
      next: ["Nhấc thẻ lên, đặt lại và bắt đầu lượt mới.", "Lift the card, put it back and start a new check-in."]
    },
    REQUEST_TIMEOUT: {
      category: "agent",
      retriable: true,
      text: ["Tapcheck không trả lời kịp.", "Tapcheck did not answer in time."],
      why: ["Máy quá tải, hoặc Tapcheck bị treo.", "The PC is overloaded, or Tapcheck hangs."],
      next: ["Thử lại; nếu lặp lại, báo bộ phận CNTT.", "Try again; if it repeats, tell IT."]
    },
    ANSWER_MALFORMED: {
      category: "agent",
      retriable: false,
      text: ["Chương trình trả lời trên cổng của Tapcheck không đúng giao thức.", "What answers on Tapcheck's port does not keep to the protocol."],
      why: ["Một chương trình khác đang dùng cổng đó, hoặc một lỗi.", "Another program uses that port, or it is a fault."],
      next: ["Báo bộ phận CNTT.", "Tell IT."]
    },
    ABORTED: {
      category: "request",
      retriable: false,
      text: ["Đã dừng theo yêu cầu.", "It was stopped as asked."],
      why: ["Trang đã hủy việc này (AbortSignal hoặc close).", "The page stopped it (AbortSignal or close)."],
      next: ["Bắt đầu lại khi cần.", "Start again when needed."]
    }
  };
  var TapcheckError = class extends Error {
    constructor(id, text, more = {}) {
      super(`${id}: ${text}`);
      this.id = id;
      this.text = text;
      if (more.cause !== void 0) this.cause = more.cause;
      this.next = more.next ?? "";
      this.why = more.why ?? "";
      this.help = more.help ?? "";
      this.lang = more.lang ?? "vi";
      this.category = more.category ?? "agent";
      this.retriable = more.retriable ?? false;
      this.detail = more.detail ?? {};
      if (more.result) this.result = more.result;
    }
    name = "TapcheckError";
    /** What the desk does now. */
    next;
    /** How that comes, for IT and the vendor. The agent says it on its help page. */
    why;
    /** The help page on the agent's own port, absolute; empty where none is known. */
    help;
    lang;
    category;
    /** The same request can succeed later without anybody changing it. */
    retriable;
    detail;
    /** What was already known when a job ended with this error. */
    result;
  };
  function clientError(id, lang, detail, cause) {
    const entry = clientErrors[id];
    const at = lang === "en" ? 1 : 0;
    return new TapcheckError(id, entry.text[at], {
      next: entry.next[at],
      why: entry.why[at],
      lang,
      category: entry.category,
      retriable: entry.retriable,
      detail,
      cause
    });
  }
  function agentError(w, base, result) {
    return new TapcheckError(w.id, w.text, {
      next: w.next,
      help: w.help?.startsWith("/") ? base + w.help : w.help,
      lang: w.lang,
      category: w.category,
      retriable: w.retriable,
      detail: w.detail,
      result
    });
  }

  // src/abort.ts
  function abortable(p, signal, lang) {
    if (!signal) return p;
    return new Promise((resolve, reject) => {
      const stop = () => reject(clientError("ABORTED", lang, void 0, signal.reason));
      if (signal.aborted) return stop();
      signal.addEventListener("abort", stop, { once: true });
      p.then(resolve, reject).finally(() => signal.removeEventListener("abort", stop));
    });
  }
  function sleep(ms, signal, lang) {
    return abortable(new Promise((resolve) => setTimeout(resolve, ms)), signal, lang);
  }

  // src/connection.ts
  var Connection = class _Connection {
    constructor(port, lang, timeoutMs, notify, closed) {
      this.port = port;
      this.lang = lang;
      this.timeoutMs = timeoutMs;
      this.notify = notify;
      this.closed = closed;
      this.base = `http://127.0.0.1:${port}`;
      this.socket = new WebSocket(`ws://127.0.0.1:${port}/v1`, "tapcheck.v1");
      this.socket.binaryType = "arraybuffer";
      this.socket.onmessage = (e) => this.receive(e.data);
      this.socket.onclose = (e) => this.end(e.code);
    }
    base;
    socket;
    waiting = /* @__PURE__ */ new Map();
    last = 0;
    ended = false;
    failed;
    /** A frame whose picture comes as the next, binary one. */
    held;
    /** Connects and waits for agent.hello. Errors: CONNECTION_REFUSED, ABORTED, ANSWER_MALFORMED. */
    static open(o, notify, closed) {
      const opened = new Promise((resolve, reject) => {
        let hello = false;
        const connection = new _Connection(
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
          }
        );
        const stop = () => connection.fail(clientError("ABORTED", o.lang));
        const timer = setTimeout(() => connection.fail(clientError("CONNECTION_REFUSED", o.lang)), o.timeoutMs);
        o.signal.addEventListener("abort", stop, { once: true });
      });
      return opened;
    }
    /** Asks and waits for the answer. Errors: the agent's, REQUEST_TIMEOUT, CONNECTION_LOST, ABORTED. */
    request(method, params, o = {}) {
      if (this.ended) return Promise.reject(this.failed ?? clientError("CONNECTION_LOST", this.lang));
      const id = ++this.last;
      const answer = new Promise((resolve, reject) => {
        const timer = setTimeout(() => {
          this.waiting.delete(id);
          reject(clientError("REQUEST_TIMEOUT", this.lang, { method }));
        }, o.timeoutMs ?? this.timeoutMs);
        this.waiting.set(id, { resolve, reject, timer });
        this.socket.send(JSON.stringify({ jsonrpc: "2.0", id, method, params }));
      });
      return abortable(answer, o.signal, this.lang);
    }
    close() {
      this.fail(clientError("ABORTED", this.lang));
    }
    /** Ends the connection from this side. */
    fail(e) {
      this.failed ??= e;
      this.socket.close();
      this.end(1e3);
    }
    end(code) {
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
    receive(data) {
      if (this.ended) return;
      if (data instanceof ArrayBuffer) return this.picture(data);
      let frame;
      try {
        frame = JSON.parse(String(data));
      } catch {
        return this.fail(clientError("ANSWER_MALFORMED", this.lang));
      }
      if (frame === null || typeof frame !== "object" || this.held) return this.fail(clientError("ANSWER_MALFORMED", this.lang));
      const picture = announced(frame);
      if (picture) this.held = { frame, picture };
      else this.deliver(frame);
    }
    /** A binary frame: four bytes of number, then the picture that the frame before has announced. */
    picture(data) {
      const held = this.held;
      if (!held || data.byteLength < 4 || new DataView(data).getUint32(0) !== held.picture.frame) {
        return this.fail(clientError("ANSWER_MALFORMED", this.lang));
      }
      this.held = void 0;
      held.picture.content = new Uint8Array(data, 4);
      this.deliver(held.frame);
    }
    deliver(frame) {
      if (typeof frame.method === "string") return this.notify(frame.method, frame.params);
      const w = typeof frame.id === "number" ? this.waiting.get(frame.id) : void 0;
      if (!w) return;
      this.waiting.delete(frame.id);
      clearTimeout(w.timer);
      if (!frame.error) w.resolve(frame.result);
      else if (frame.error.data) w.reject(agentError(frame.error.data, this.base));
      else w.reject(clientError("ANSWER_MALFORMED", this.lang, { code: frame.error.code }));
    }
  };
  function isHello(p) {
    const h = p;
    return typeof h === "object" && typeof h?.challenge === "string" && typeof h.instanceId === "string" && typeof h.protocol?.max === "number";
  }
  function announced(frame) {
    const params = frame.params;
    const result = frame.result;
    for (const p of [params?.portrait, params?.result?.portrait, result?.portrait, result?.result?.portrait]) {
      if (p && typeof p.frame === "number") return p;
    }
    return void 0;
  }

  // src/permission.ts
  var names = ["loopback-network", "local-network-access"];
  async function query() {
    for (const name of names) {
      try {
        return await navigator.permissions.query({ name });
      } catch {
      }
    }
    return void 0;
  }
  async function permission() {
    return (await query())?.state ?? "unknown";
  }
  async function watchPermission(tell, signal) {
    const status = await query();
    if (!status || signal.aborted) return;
    const changed = () => tell(status.state);
    status.addEventListener("change", changed);
    signal.addEventListener("abort", () => status.removeEventListener("change", changed), { once: true });
  }
  function pageIsLocal() {
    const host = location.hostname;
    return location.protocol === "file:" || host === "localhost" || host.endsWith(".localhost") || host === "[::1]" || /^127\./.test(host);
  }
  function framed() {
    return window.top !== window;
  }

  // src/proof.ts
  var encoder = new TextEncoder();
  function newNonce() {
    return toBase64url(crypto.getRandomValues(new Uint8Array(32)));
  }
  function toBase64url(bytes) {
    let s = "";
    for (const b of bytes) s += String.fromCharCode(b);
    return btoa(s).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  }
  function fromBase64url(text) {
    const s = atob(text.replace(/-/g, "+").replace(/_/g, "/"));
    return Uint8Array.from(s, (c) => c.charCodeAt(0));
  }
  function canVerify() {
    return typeof crypto === "object" && crypto.subtle !== void 0;
  }
  function sameKey(a, b) {
    return a.kty === b.kty && a.crv === b.crv && a.x === b.x && a.y === b.y;
  }
  async function verifyProof(proof, nonce, challenge, port) {
    try {
      if (proof.algorithm !== "ES256" || proof.publicKey.kty !== "EC" || proof.publicKey.crv !== "P-256" || proof.port !== port) return false;
      const { kty, crv, x, y } = proof.publicKey;
      const key = await crypto.subtle.importKey("jwk", { kty, crv, x, y }, { name: "ECDSA", namedCurve: "P-256" }, false, ["verify"]);
      const tag = challenge === void 0 ? "tapcheck discovery v1\0" : "tapcheck agent.prove v1\0";
      const parts = [
        encoder.encode(tag),
        fromBase64url(nonce),
        challenge === void 0 ? new Uint8Array() : fromBase64url(challenge),
        Uint8Array.of(port >> 8, port & 255),
        encoder.encode(proof.instanceId)
      ];
      const message = new Uint8Array(parts.reduce((n, p) => n + p.length, 0));
      let at = 0;
      for (const p of parts) {
        message.set(p, at);
        at += p.length;
      }
      return await crypto.subtle.verify({ name: "ECDSA", hash: "SHA-256" }, key, fromBase64url(proof.signature), message);
    } catch {
      return false;
    }
  }

  // src/discover.ts
  var PORTS = [27480, 27481, 27482, 27483];
  var graceMs = 250;
  var questionMs = 1e3;
  async function discover(s) {
    const before = await permission();
    const mayAsk = before === "prompt" && !pageIsLocal();
    const began = performance.now();
    const answers = [];
    const stop = new AbortController();
    const quit = () => stop.abort();
    if (s.signal.aborted) throw clientError("ABORTED", s.lang);
    s.signal.addEventListener("abort", quit, { once: true });
    try {
      await new Promise((done) => {
        const ports = [...new Set(s.last && s.ports.includes(s.last) ? [s.last, ...s.ports] : s.ports)];
        const timers = [
          setTimeout(done, mayAsk ? s.permissionMs : s.timeoutMs),
          setInterval(() => {
            const waited = performance.now() - began;
            const latest = Math.max(0, ...answers.map((a) => a.ms));
            if (mayAsk && waited - latest > questionMs && (answers.length > 0 || waited > s.timeoutMs)) s.asking();
          }, questionMs)
        ];
        let grace;
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
  async function ask(port, began, s, signal) {
    const answer = { port, ms: 0 };
    try {
      const nonce = newNonce();
      const response = await fetch(`http://127.0.0.1:${port}/.well-known/tapcheck.json?nonce=${nonce}`, {
        cache: "no-store",
        credentials: "omit",
        referrerPolicy: "no-referrer",
        redirect: "error",
        signal
      });
      const d = response.ok && JSON.parse(await bounded(response));
      if (isDiscovery(d)) {
        answer.discovery = d;
        if (d.allowed && d.instanceId) {
          answer.known = s.known(d.instanceId);
          answer.genuine = await genuine(d, nonce, port, answer.known);
        }
      }
    } catch {
    }
    answer.ms = performance.now() - began;
    return answer;
  }
  var maxBytes = 65536;
  async function bounded(response) {
    const reader = response.body.getReader();
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
  function isDiscovery(d) {
    if (d === null || typeof d !== "object") return false;
    const { allowed, instanceId, protocol } = d;
    if (allowed === false) return true;
    const range = protocol;
    return allowed === true && typeof instanceId === "string" && instanceId !== "" && typeof range?.min === "number" && typeof range.max === "number";
  }
  async function genuine(d, nonce, port, known) {
    if (known === "any" || !canVerify()) return void 0;
    const proof = d.proof;
    if (!proof || proof.instanceId !== d.instanceId || !await verifyProof(proof, nonce, void 0, port)) return false;
    return !Array.isArray(known) || known.some((k) => sameKey(k, proof.publicKey));
  }
  function choose(s, answers) {
    const found = (a) => ({ port: a.port, discovery: a.discovery, known: a.known ?? "first" });
    const pinned = answers.find((a) => a.genuine && Array.isArray(a.known));
    if (pinned) return found(pinned);
    const usable = answers.filter((a) => a.discovery && a.genuine !== false && (a.discovery.allowed || s.pairing && a.discovery.pairing));
    if (usable.length > 1) {
      const any = usable.find((a) => a.known === "any");
      if (any) return found(usable.find((a) => a.port === s.last) ?? any);
      throw clientError("AGENT_NOT_GENUINE", s.lang, { reason: "several_answer", ports: usable.map((a) => a.port) });
    }
    return usable[0] && found(usable[0]);
  }
  async function diagnose(s, answers, elapsed, mayAsk) {
    const impostor = answers.find((a) => a.genuine === false);
    if (impostor) {
      const reason = impostor.discovery?.proof ? "key" : "no_proof";
      return clientError("AGENT_NOT_GENUINE", s.lang, { reason, ports: [impostor.port] });
    }
    const denied = answers.filter((a) => a.discovery);
    if (denied.length > 0) return clientError(denied.some((a) => a.discovery.pairing) ? "NOT_PAIRED" : "ORIGIN_DENIED", s.lang);
    const now = await permission();
    const detail = { permission: now };
    if (!pageIsLocal()) {
      if (!isSecureContext && now !== "unknown" && !s.seen) return clientError("PAGE_NOT_SECURE", s.lang, detail);
      if (now === "denied" && isSecureContext) {
        if (framed()) detail.frame = true;
        return clientError("PERMISSION_DENIED", s.lang, detail);
      }
      const times = answers.map((a) => a.ms);
      if (answers.length < s.ports.length) times.push(elapsed);
      const together = times.length > 1 ? Math.min(...times) : s.timeoutMs;
      if (mayAsk && now === "prompt" && Math.max(...times) - together > questionMs) return clientError("PERMISSION_PENDING", s.lang, detail);
    }
    return clientError(s.seen ? "NOT_RUNNING" : "NOT_INSTALLED", s.lang, detail);
  }

  // src/emitter.ts
  var Emitter = class {
    listeners = /* @__PURE__ */ new Map();
    /** Calls listener at each event until the function that it returns is called. */
    on(name, listener) {
      let set = this.listeners.get(name);
      if (!set) this.listeners.set(name, set = /* @__PURE__ */ new Set());
      const own = (event) => listener(event);
      set.add(own);
      return () => void set.delete(own);
    }
    emit(name, event) {
      for (const listener of [...this.listeners.get(name) ?? []]) {
        try {
          listener(event);
        } catch (e) {
          setTimeout(() => {
            throw e;
          });
        }
      }
    }
  };

  // src/picture.ts
  function pictureURL(p) {
    const { content } = p;
    if (content) return URL.createObjectURL(new Blob([content], { type: p.mime }));
    return `data:${p.mime};base64,${p.data ?? ""}`;
  }
  async function imageInput(picture) {
    if (!(picture instanceof Blob)) return picture;
    const bytes = new Uint8Array(await picture.arrayBuffer());
    let text = "";
    for (let i = 0; i < bytes.length; i += 32768) text += String.fromCharCode(...bytes.subarray(i, i + 32768));
    return { mime: picture.type === "image/png" ? "image/png" : "image/jpeg", data: btoa(text) };
  }

  // src/job.ts
  var Job = class extends Emitter {
    constructor(host, id, begin, signal) {
      super();
      this.host = host;
      this.id = id;
      this.begin = begin;
      this.result = new Promise((resolve, reject) => {
        this.resolve = resolve;
        this.reject = reject;
      });
      this.result.catch(() => {
      });
      const stop = () => {
        if (this.over) return;
        if (this.accepted || !this.begin) this.cancel().catch(() => {
        });
        this.end(clientError("ABORTED", host.lang, void 0, signal?.reason));
      };
      if (signal?.aborted) stop();
      else signal?.addEventListener("abort", stop, { once: true });
      this.result.finally(() => signal?.removeEventListener("abort", stop)).catch(() => {
      });
    }
    /** The agent's name for the check-in, once it is accepted. */
    checkinId;
    state = "waiting";
    phase = "waiting";
    /** 0 to 100, by bytes. */
    percent = 0;
    /** What it waits for, while its state is "needs". */
    need;
    /** What is already known. */
    known;
    /**
     * The result of a complete check-in, whatever its verdicts. Rejects with a TapcheckError where it failed or was cancelled;
     * what was known until then is its result.
     */
    result;
    accepted = false;
    over = false;
    frames = 0;
    resolve;
    reject;
    get done() {
      return this.over;
    }
    /** Answers a need, or brings the key of a job that waits for its card. */
    async provide(p, o) {
      await this.host.request("job.provide", { ...p, jobId: this.id }, o);
    }
    /**
     * What a person said when they were asked for their consent (need "consent"): in the agent's words, or in the hospital's own, whose version is then to be named.
     */
    async consent(given, by, o = {}) {
      const { textVersion = this.need?.consent?.textVersion ?? "unknown", operator, ...request } = o;
      await this.host.request("consent.record", { jobId: this.id, purpose: "face_verification", textVersion, given, by, ...operator && { operator } }, request);
    }
    /**
     * Sends a live picture (need "live_image") and tells what is wrong with it, what the person is to do next, and whether the attempt is done. Send the next one when this
     * one is answered. challenge is the one that the person was shown while it was taken.
     */
    async frame(picture, challenge, o) {
      const atMs = Math.round(performance.now());
      const image = await imageInput(picture);
      return this.host.request("face.frame", { jobId: this.id, seq: ++this.frames, atMs, image, ...challenge && { challenge: challenge.id } }, o);
    }
    /** Compares a single picture: an attempt of its own, and no proof that the person did what was asked. */
    async verify(picture, o) {
      return this.host.request("face.verify", { jobId: this.id, image: await imageInput(picture) }, o);
    }
    /** A further attempt after one that came to no match, or no (further) one. */
    async face(action, reason, o) {
      await this.provide({ face: { action, ...reason && { reason } } }, o);
    }
    /** Ends it. The result then rejects with CANCELLED; a job that is over stays as it is. */
    async cancel(o) {
      const status = await this.host.request("job.cancel", { jobId: this.id }, o);
      this.take(status);
      return status;
    }
    /** @internal Starts it, or takes it up again on a new connection. */
    async attach() {
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
          if (!this.begin || this.known) return this.end(clientError("JOB_LOST", this.host.lang, void 0, e));
          this.accepted = false;
          return this.attach();
        }
        if (!(e.id === "CONNECTION_LOST" && this.host.recovering)) this.end(e);
      }
    }
    async start(b) {
      const a = await this.host.request(b.method, b.request);
      this.checkinId = a.checkinId;
      if (this.over) await this.cancel();
      else if (!this.accepted) {
        this.accepted = true;
        this.state = a.state;
      }
    }
    /** @internal */
    progress(p) {
      if (this.over) return;
      this.accepted = true;
      this.state = p.phase === "waiting" ? "waiting" : "running";
      this.need = void 0;
      this.phase = p.phase;
      this.percent = p.percent;
      this.emit("progress", p);
    }
    /** @internal */
    partial(r) {
      if (this.over) return;
      this.known = r;
      this.checkinId = r.checkinId ?? this.checkinId;
      this.emit("partial", r);
    }
    /** @internal */
    needs(n) {
      if (this.over) return;
      this.state = "needs";
      this.need = n;
      this.emit("needs", n);
    }
    /** @internal The final result. */
    finish(r) {
      if (this.over) return;
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
    end(e) {
      if (this.over) return;
      this.over = true;
      if (this.known && !e.result) e.result = this.known;
      if (this.state !== "failed") this.state = "cancelled";
      this.host.finished(this);
      this.reject(e);
    }
    take(s) {
      if (this.over) return;
      this.checkinId = s.checkinId;
      this.state = s.state;
      this.phase = s.phase;
      this.percent = s.percent;
      if (s.result) return this.finish(s.result);
      if (s.need && s.need.seq !== this.need?.seq) this.needs(s.need);
    }
  };

  // src/store.ts
  var BrowserStore = class {
    constructor(key = "tapcheck") {
      this.key = key;
    }
    memory = "{}";
    load() {
      let text = null;
      try {
        text = localStorage.getItem(this.key);
      } catch {
      }
      try {
        const saved = JSON.parse(text ?? this.memory);
        return isSaved(saved) ? saved : {};
      } catch {
        return {};
      }
    }
    save(saved) {
      this.memory = JSON.stringify(saved);
      try {
        localStorage.setItem(this.key, this.memory);
      } catch {
      }
    }
  };
  function isSaved(s) {
    if (s === null || typeof s !== "object") return false;
    const { agents = {} } = s;
    return agents !== null && typeof agents === "object" && Object.values(agents).every((a) => a !== null && typeof a === "object");
  }

  // src/client.ts
  var PROTOCOL = { min: 1, max: 1 };
  var VERSION = "0.1.0";
  var Client = class extends Emitter {
    constructor(options = {}) {
      super();
      this.options = options;
      this.lang = options.language ?? "vi";
      this.store = options.store ?? new BrowserStore();
    }
    /** What the agent told about itself; undefined until it is connected. */
    hello;
    /** What the session may do; undefined until it is open. */
    session;
    /** Whether the agent's signature was checked against a key that was known before. */
    proven = false;
    state = "idle";
    /** The simulator of `tapcheck demo`. */
    sim = {
      /** Puts a persona's card into a reader. */
      insert: async (card = {}) => void await this.request("sim.insert", card),
      remove: async (from = {}) => void await this.request("sim.remove", from),
      fault: async (fault) => void await this.request("sim.fault", fault)
    };
    store;
    lang;
    jobs = /* @__PURE__ */ new Set();
    // that are not over; a page may have asked for one twice
    connection;
    opening;
    retrying = false;
    stop = new AbortController();
    /** Finds the agent and opens a session, or gives the one that is open. */
    connect(signal) {
      if (this.connection && this.session) return Promise.resolve(this.session);
      if (this.stop.signal.aborted) this.stop = new AbortController();
      if (!this.opening) {
        if (!this.retrying) this.change({ state: "connecting" });
        this.opening = this.open(this.stop.signal);
        this.opening.then(
          () => {
            this.opening = void 0;
            this.change({ state: "open" });
            for (const job of this.jobs) void job.attach();
          },
          (e) => {
            this.opening = void 0;
            if (!this.retrying) this.change({ state: "closed", error: e });
          }
        );
      }
      return abortable(this.opening, signal, this.lang);
    }
    /** Lets go of the agent. Jobs that are not detached are cancelled by it after 15 seconds unless the page comes back. */
    close() {
      this.stop.abort();
      this.connection?.close();
      this.drop();
      for (const job of [...this.jobs]) job.end(clientError("ABORTED", this.lang));
      this.change({ state: "closed" });
    }
    /** Asks for any method of the protocol. Errors: the agent's and those of the connection. */
    async request(method, params, o = {}) {
      await this.connect(o.signal);
      if (!this.connection) throw clientError("CONNECTION_LOST", this.lang);
      return this.connection.request(method, params, o);
    }
    status(o) {
      return this.request("agent.status", {}, o);
    }
    async readers(o) {
      return (await this.request("reader.list", {}, o)).readers;
    }
    /**
     * Starts a check-in; its result comes as job.result. means is "chip" and jobId made up where they are left out. Aborting the
     * signal cancels it.
     */
    checkin(request = {}, o = {}) {
      return this.begin("checkin.start", request, o.signal);
    }
    /** Reads a card without asking the insurance. */
    readCard(request = {}, o = {}) {
      return this.begin("card.read", request, o.signal);
    }
    /** Takes up a job that another page of this origin has started: after a reload, within 15 seconds, or in another window. */
    follow(jobId, o = {}) {
      return [...this.jobs].find((j) => j.id === jobId) ?? this.launch(new Job(this.host, jobId, void 0, o.signal));
    }
    /** Names the visit that came later. */
    link(of, visit, o) {
      return this.request("checkin.link", { ...of, visit }, o);
    }
    /** Records what a person has decided about a verdict. */
    decide(of, decision, o) {
      return this.request("checkin.decide", { ...of, ...decision }, o);
    }
    /** Takes back a check-in of the wrong patient. It is kept, and marked. */
    void(of, why, o) {
      return this.request("checkin.void", { ...of, ...why }, o);
    }
    /** A check-in that is over as a FHIR R4 Bundle: Patient, Coverage, CoverageEligibilityRequest and CoverageEligibilityResponse. */
    export(of, format = "fhir", o) {
      return this.request("checkin.export", { ...of, format }, o);
    }
    /** The proof that the insurer was asked, attempt by attempt, and `html`, the paper for the dossier (NĐ 188/2025 Đ38): print it as it is. */
    proof(of, o) {
      return this.request("checkin.proof", { ...of }, o);
    }
    /** Forgets token and key, for a PC whose agent was installed anew. */
    async forget() {
      await this.store.save({});
    }
    /** Begins to pair this page's origin, while an administrator holds pairing open in the console, which then shows six digits. */
    async pair(signal) {
      const stop = new AbortController();
      const quit = () => stop.abort();
      signal?.addEventListener("abort", quit, { once: true });
      if (signal?.aborted) stop.abort();
      const saved = await this.store.load();
      const found = await this.search(saved, true, stop.signal);
      const { connection, hello } = await this.dial(found, stop.signal, () => {
      });
      try {
        const key = canVerify() && this.options.agentKey !== "any" ? await this.prove(connection, hello, this.known(hello.instanceId, saved)) : void 0;
        const started = await connection.request("pairing.start", {}, { signal });
        return {
          expiresAt: new Date(started.expiresAt),
          tries: started.tries,
          confirm: async (code) => {
            const paired = await connection.request("pairing.confirm", { code: code.replace(/\D/g, "") }, { signal });
            connection.close();
            await this.save({ port: found.port, instanceId: hello.instanceId, key, token: paired.token });
            const old = this.connection;
            this.drop();
            old?.close();
            return this.connect(signal);
          },
          cancel: () => connection.close()
        };
      } catch (e) {
        connection.close();
        throw e;
      }
    }
    // What follows is how it gets and keeps a session.
    async open(signal) {
      const saved = await this.store.load();
      const found = await this.search(saved, false, signal);
      this.checkVersion(found.discovery.protocol);
      const { connection, hello } = await this.dial(found, signal, (code, e) => this.lost(connection, code, e));
      try {
        if (hello.instanceId !== found.discovery.instanceId) throw clientError("AGENT_NOT_GENUINE", this.lang, { reason: "key", ports: [found.port] });
        const missing = (this.options.requires ?? []).filter((m) => !hello.capabilities.includes(m));
        if (missing.length > 0) throw clientError("AGENT_TOO_OLD", this.lang, { missing });
        const session = await this.login(connection, hello, found, saved);
        this.connection = connection;
        this.hello = hello;
        return this.session = session;
      } catch (e) {
        connection.close();
        throw e;
      }
    }
    search(saved, pairing, signal) {
      const o = this.options;
      return discover({
        ports: o.ports ?? PORTS,
        last: saved.port,
        seen: saved.seen !== void 0,
        known: (instanceId) => this.known(instanceId, saved),
        pairing,
        timeoutMs: o.discoveryMs ?? 3e3,
        permissionMs: o.permissionMs ?? 6e4,
        lang: this.lang,
        signal,
        asking: () => this.emit("permission", "prompt")
      }).catch(async (e) => {
        if (e.id === "PERMISSION_PENDING" || e.id === "PERMISSION_DENIED" || e.detail.permission === "prompt") {
          void watchPermission((p) => this.emit("permission", p), this.stop.signal);
          this.emit("permission", await permission());
        }
        throw e;
      });
    }
    known(instanceId, saved) {
      const given = this.options.agentKey;
      if (given === "any") return "any";
      if (given) return Array.isArray(given) ? given : [given];
      const key = saved.agents?.[instanceId]?.key;
      if (key) return [key];
      return Object.values(saved.agents ?? {}).some((a) => a.key) ? "stranger" : "first";
    }
    checkVersion(theirs) {
      if (theirs.max < PROTOCOL.min) throw clientError("AGENT_TOO_OLD", this.lang, { agent: theirs, client: PROTOCOL });
      if (theirs.min > PROTOCOL.max) throw clientError("CLIENT_TOO_OLD", this.lang, { agent: theirs, client: PROTOCOL });
    }
    dial(found, signal, closed) {
      const o = { port: found.port, lang: this.lang, timeoutMs: this.options.requestMs ?? 15e3, signal };
      return Connection.open(o, (method, params) => this.heard(method, params), closed);
    }
    /** Checks the agent's signature on this very connection, and gives its key. */
    async prove(connection, hello, known) {
      const nonce = newNonce();
      const proof = await connection.request("agent.prove", { nonce });
      const holds = proof.instanceId === hello.instanceId && await verifyProof(proof, nonce, hello.challenge, connection.port);
      if (!holds || Array.isArray(known) && !known.some((k) => sameKey(k, proof.publicKey))) {
        throw clientError("AGENT_NOT_GENUINE", this.lang, { reason: "key", ports: [connection.port] });
      }
      return proof.publicKey;
    }
    async login(connection, hello, found, saved) {
      const o = this.options;
      const paired = saved.agents?.[hello.instanceId]?.token;
      if (!o.assertion && !o.token && !paired) throw clientError("NOT_PAIRED", this.lang);
      let key;
      if (found.known !== "any") {
        if (found.known === "stranger") throw clientError("AGENT_NOT_GENUINE", this.lang, { reason: "unknown_instance", ports: [found.port] });
        if (canVerify()) key = await this.prove(connection, hello, found.known);
        else if (Array.isArray(found.known)) throw clientError("PAGE_NOT_SECURE", this.lang, { reason: "no_webcrypto" });
      }
      const secret = o.assertion ? { assertion: await o.assertion({ challenge: hello.challenge, instanceId: hello.instanceId }) } : { token: typeof o.token === "function" ? await o.token() : o.token ?? paired };
      try {
        const session = await connection.request("session.open", {
          protocol: Math.min(PROTOCOL.max, hello.protocol.max),
          client: { name: o.client?.name ?? "tapcheck client", version: o.client?.version ?? VERSION },
          language: this.lang,
          pictures: o.pictures ?? "inline",
          ...o.operator && { operator: o.operator },
          ...secret
        });
        this.proven = key !== void 0 && Array.isArray(found.known);
        await this.save({ port: found.port, instanceId: hello.instanceId, key });
        return session;
      } catch (e) {
        if (e instanceof TapcheckError && e.id === "TOKEN_REJECTED" && !o.assertion && !o.token) await this.save({ instanceId: hello.instanceId, token: null });
        throw e;
      }
    }
    /** token null removes it. A key that is pinned stays. */
    async save(what) {
      const saved = await this.store.load();
      const agent = { ...saved.agents?.[what.instanceId] };
      if (what.key && this.options.agentKey !== "any") agent.key ??= what.key;
      if (what.token === null) delete agent.token;
      else if (what.token !== void 0) agent.token = what.token;
      await this.store.save({
        ...saved,
        ...what.port && { port: what.port, seen: (/* @__PURE__ */ new Date()).toISOString() },
        agents: { ...saved.agents, [what.instanceId]: agent }
      });
    }
    drop() {
      this.connection = this.session = this.hello = void 0;
      this.proven = false;
    }
    lost(connection, code, e) {
      if (connection !== this.connection) return;
      this.drop();
      if (this.stop.signal.aborted) return;
      if (!e.retriable || code === 4003) return this.giveUp(e);
      void this.reconnect(e);
    }
    async reconnect(why) {
      const { signal } = this.stop;
      const until = performance.now() + (this.options.reconnectMs ?? 6e4);
      this.retrying = true;
      try {
        for (let attempt = 0, e = why; ; attempt++) {
          this.change({ state: "reconnecting", error: e });
          await sleep(Math.min(5e3, 200 * 2 ** attempt) * (0.5 + Math.random()), signal, this.lang);
          try {
            await this.connect();
            return;
          } catch (failed) {
            e = failed;
            if (signal.aborted) return;
            if (!e.retriable) return this.giveUp(e);
            if (performance.now() > until) return this.giveUp(clientError("CONNECTION_LOST", this.lang, void 0, e));
          }
        }
      } catch {
      } finally {
        this.retrying = false;
      }
    }
    giveUp(e) {
      this.retrying = false;
      for (const job of [...this.jobs]) job.end(e);
      this.change({ state: "closed", error: e });
    }
    change(s) {
      this.state = s.state;
      this.emit("state", s);
    }
    host = /* @__PURE__ */ (() => {
      const self = this;
      return {
        get lang() {
          return self.lang;
        },
        get base() {
          return self.connection?.base ?? "";
        },
        get recovering() {
          return !self.stop.signal.aborted && (self.retrying || self.connection !== void 0);
        },
        request: (method, params, o) => self.request(method, params, o),
        finished: (job) => void self.jobs.delete(job)
      };
    })();
    begin(method, request, signal) {
      const jobId = request.jobId ?? "job-" + toBase64url(crypto.getRandomValues(new Uint8Array(15)));
      const params = { means: "chip", ...request, jobId };
      return this.launch(new Job(this.host, jobId, { method, request: params }, signal));
    }
    launch(job) {
      if (job.done) return job;
      this.jobs.add(job);
      if (this.connection) void job.attach();
      else this.connect().catch((e) => this.retrying || job.end(e));
      return job;
    }
    heard(method, params) {
      if (method === "reader.changed") return this.emit("reader", params);
      if (method === "eligibility.changed") return this.emit("eligibility", params);
      const jobId = params?.jobId;
      if (typeof jobId !== "string") return;
      const jobs = [...this.jobs].filter((j) => j.id === jobId);
      switch (method) {
        case "job.progress":
          for (const job of jobs) job.progress(params);
          return this.emit("job", { kind: "progress", jobId, event: params });
        case "job.partial":
          for (const job of jobs) job.partial(params);
          return this.emit("job", { kind: "partial", jobId, event: params });
        case "job.needs":
          for (const job of jobs) job.needs(params);
          return this.emit("job", { kind: "needs", jobId, event: params });
        case "job.result":
          for (const job of jobs) job.finish(params);
          return this.emit("job", { kind: "result", jobId, event: params });
      }
    }
  };
  return __toCommonJS(index_exports);
})();
