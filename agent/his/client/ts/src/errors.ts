import type { ErrorData, ErrorId, Language, Result } from "./protocol.js";

/** In Vietnamese and in English. */
export type Text = readonly [vi: string, en: string];

export interface Entry {
  readonly category: string;
  readonly retriable: boolean;
  readonly text: Text; // what is the matter, for the desk
  readonly why: Text; // how that comes, for IT and the vendor
  readonly next: Text; // what the desk does now
}

/** Ids that this client finds out by itself. */
export type ClientErrorId =
  | "NOT_INSTALLED"
  | "NOT_RUNNING"
  | "PAGE_NOT_SECURE"
  | "PERMISSION_PENDING"
  | "PERMISSION_DENIED"
  | "ORIGIN_DENIED"
  | "NOT_PAIRED"
  | "TOKEN_REJECTED"
  | "AGENT_TOO_OLD"
  | "CLIENT_TOO_OLD"
  | "AGENT_NOT_GENUINE"
  | "CONNECTION_REFUSED"
  | "CONNECTION_LOST"
  | "JOB_LOST"
  | "REQUEST_TIMEOUT"
  | "ANSWER_MALFORMED"
  | "ABORTED";

/**
 * What only the page's side can find out. The agent's own errors come in its own words (its catalogue); ids that both know mean
 * the same.
 */
export const clientErrors: Readonly<Record<ClientErrorId, Entry>> = {
  NOT_INSTALLED: {
    category: "agent",
    retriable: true,
    text: ["Không tìm thấy Tapcheck trên máy này.", "Tapcheck was not found on this PC."],
    why: [
      "Không cổng nào của Tapcheck trả lời, và trang này chưa từng gặp Tapcheck trong trình duyệt này: chưa cài, chưa chạy, hoặc trình duyệt đã chặn mà không báo cho trang biết.",
      "None of Tapcheck's ports answers, and this page has never met Tapcheck in this browser: it is not installed, not running, or the browser blocked it without telling the page.",
    ],
    next: [
      "Nếu trình duyệt hỏi quyền truy cập thiết bị trên máy này, chọn Cho phép. Nếu không, báo bộ phận CNTT cài hoặc khởi động Tapcheck.",
      "If the browser asks whether the page may reach this device, choose Allow. Otherwise ask IT to install or start Tapcheck.",
    ],
  },
  NOT_RUNNING: {
    category: "agent",
    retriable: true,
    text: ["Tapcheck trên máy này hiện không chạy.", "Tapcheck does not run on this PC right now."],
    why: [
      "Không cổng nào trả lời, nhưng trang này đã từng làm việc với Tapcheck trong trình duyệt này.",
      "None of its ports answers, but this page has worked with Tapcheck in this browser before.",
    ],
    next: [
      "Chờ một phút rồi thử lại; nếu vẫn lỗi, báo bộ phận CNTT khởi động dịch vụ Tapcheck.",
      "Wait a minute and try again; if it stays, ask IT to start the Tapcheck service.",
    ],
  },
  PAGE_NOT_SECURE: {
    category: "browser",
    retriable: false,
    text: [
      "Trình duyệt không cho trang http này dùng Tapcheck.",
      "The browser does not let this plain http page use Tapcheck.",
    ],
    why: [
      "Chrome và Edge chặn trang không có https truy cập chương trình trên máy mà không hỏi; trang http cũng không kiểm tra được chữ ký của Tapcheck.",
      "Chrome and Edge keep pages without https from programs of the PC, and do not ask; nor can a plain http page check Tapcheck's signature.",
    ],
    next: [
      "Mở phần mềm bệnh viện bằng địa chỉ https://. Nếu chưa có, báo bộ phận CNTT.",
      "Open the HIS by its https:// address. If there is none, tell IT.",
    ],
  },
  PERMISSION_PENDING: {
    category: "browser",
    retriable: true,
    text: [
      "Trình duyệt đang hỏi có cho trang này dùng Tapcheck không, và chưa ai trả lời.",
      "The browser asks whether this page may use Tapcheck, and nobody has answered.",
    ],
    why: [
      "Quyền truy cập mạng cục bộ (loopback-network) của trang còn ở trạng thái hỏi: chưa ai bấm, hoặc câu hỏi bị đóng. Đóng ba lần thì trình duyệt coi là từ chối.",
      "The page's permission for the local network (loopback-network) is still to be asked for: nobody clicked, or the question was closed. Closed three times, it counts as a refusal.",
    ],
    next: [
      "Bấm Cho phép ở góc trên bên trái cửa sổ trình duyệt.",
      "Click Allow at the top left of the browser's window.",
    ],
  },
  PERMISSION_DENIED: {
    category: "browser",
    retriable: false,
    text: ["Trình duyệt đã bị đặt không cho trang này dùng Tapcheck.", "The browser is set to keep this page from Tapcheck."],
    why: [
      "Quyền loopback-network của trang bị từ chối: có người bấm Chặn, một chính sách, hoặc trang nằm trong khung (iframe) thiếu allow=\"loopback-network\" (detail.frame).",
      "The page's permission loopback-network is denied: somebody clicked Block, by a policy, or the page lies in a frame without allow=\"loopback-network\" (detail.frame).",
    ],
    next: [
      "Bấm biểu tượng bên trái địa chỉ trang, cho phép truy cập ứng dụng trên thiết bị này rồi tải lại trang; nếu không được, báo bộ phận CNTT.",
      "Click the icon left of the address, allow access to apps on this device and reload the page; if that fails, tell IT.",
    ],
  },
  ORIGIN_DENIED: {
    category: "access",
    retriable: false,
    text: ["Trang web này chưa được phép dùng Tapcheck.", "This web page is not allowed to use Tapcheck."],
    why: [
      "Tapcheck đang chạy, nhưng origin của trang không có trong danh sách cho phép và quản trị viên chưa mở ghép nối.",
      "Tapcheck runs, but the page's origin is not on its list of allowed ones, and no administrator holds pairing open.",
    ],
    next: [
      "Bộ phận CNTT mở ghép nối trên trang tiếp nhận của Tapcheck, hoặc cấp phép bằng lệnh tapcheck token add --origin.",
      "IT opens pairing in Tapcheck's console, or allows the origin with tapcheck token add --origin.",
    ],
  },
  NOT_PAIRED: {
    category: "access",
    retriable: false,
    text: ["Trang web này chưa được ghép nối với Tapcheck trên máy này.", "This web page is not paired with Tapcheck on this PC."],
    why: [
      "Trang không có mã truy cập cho Tapcheck này: chưa ghép nối, dữ liệu trình duyệt đã bị xóa, hoặc Tapcheck đã được cài lại.",
      "The page has no token for this Tapcheck: it was never paired, the browser's data were cleared, or Tapcheck was installed anew.",
    ],
    next: [
      "Nhờ quản trị viên mở ghép nối trên trang tiếp nhận của Tapcheck, rồi nhập mã sáu chữ số vào trang này.",
      "An administrator opens pairing in Tapcheck's console; then type the six digits into this page.",
    ],
  },
  TOKEN_REJECTED: {
    category: "access",
    retriable: false,
    text: ["Mã truy cập của trang này không còn hiệu lực.", "This page's token is not valid any more."],
    why: ["Mã bị thu hồi hoặc hết hạn.", "The token was revoked or has ended."],
    next: ["Ghép nối lại trang này với Tapcheck; báo bộ phận CNTT.", "Pair this page with Tapcheck again; tell IT."],
  },
  AGENT_TOO_OLD: {
    category: "access",
    retriable: false,
    text: ["Tapcheck trên máy này quá cũ đối với phần mềm bệnh viện.", "Tapcheck on this PC is too old for the HIS."],
    why: [
      "Phiên bản giao thức mà trang cần cao hơn, hoặc Tapcheck chưa có phương thức mà trang cần (detail).",
      "The page needs a higher version of the protocol, or a method that this Tapcheck does not serve (detail).",
    ],
    next: ["Bộ phận CNTT cập nhật Tapcheck trên máy này.", "IT updates Tapcheck on this PC."],
  },
  CLIENT_TOO_OLD: {
    category: "access",
    retriable: false,
    text: ["Phần mềm bệnh viện quá cũ đối với Tapcheck trên máy này.", "The HIS is too old for Tapcheck on this PC."],
    why: [
      "Tapcheck không còn phục vụ phiên bản giao thức của trang (detail).",
      "Tapcheck no longer serves the page's version of the protocol (detail).",
    ],
    next: [
      "Tải lại trang; nếu vẫn lỗi, nhà cung cấp cập nhật phần mềm bệnh viện.",
      "Reload the page; if it stays, the vendor updates the HIS.",
    ],
  },
  AGENT_NOT_GENUINE: {
    category: "access",
    retriable: false,
    text: [
      "Chương trình đang trả lời không phải Tapcheck mà trang này đã ghép nối. Chưa gửi gì cho nó.",
      "What answers is not the Tapcheck that this page was paired with. Nothing was sent to it.",
    ],
    why: [
      "Chữ ký không khớp khóa đã biết: một chương trình khác chiếm cổng, có hai Tapcheck cùng trả lời, hoặc Tapcheck đã được cài lại (detail.reason).",
      "Its signature does not fit the known key: another program took the port, two of them answer, or Tapcheck was installed anew (detail.reason).",
    ],
    next: [
      "Không tiếp tục. Báo bộ phận CNTT kiểm tra máy này; nếu Tapcheck vừa được cài lại, ghép nối lại.",
      "Do not go on. Ask IT to look at this PC; if Tapcheck was just installed anew, pair again.",
    ],
  },
  CONNECTION_REFUSED: {
    category: "agent",
    retriable: true,
    text: ["Tapcheck đang chạy nhưng chưa nhận kết nối.", "Tapcheck runs but does not take the connection."],
    why: [
      "Quá nhiều cửa sổ đang kết nối, dịch vụ đang dừng, hoặc trang có Content-Security-Policy thiếu connect-src ws://127.0.0.1:*.",
      "Too many windows are connected, the service is stopping, or the page's Content-Security-Policy lacks connect-src ws://127.0.0.1:*.",
    ],
    next: ["Đóng bớt cửa sổ phần mềm bệnh viện rồi thử lại.", "Close some windows of the HIS and try again."],
  },
  CONNECTION_LOST: {
    category: "agent",
    retriable: true,
    text: ["Mất kết nối với Tapcheck.", "The connection to Tapcheck was lost."],
    why: [
      "Dịch vụ Tapcheck dừng hoặc khởi động lại và chưa trở lại kịp.",
      "The Tapcheck service stopped or restarted and did not come back in time.",
    ],
    next: ["Chờ ít giây rồi làm lại lượt này.", "Wait some seconds and start this check-in again."],
  },
  JOB_LOST: {
    category: "job",
    retriable: true,
    text: ["Lượt này bị mất khi Tapcheck khởi động lại.", "This check-in was lost when Tapcheck restarted."],
    why: [
      "Tapcheck khởi động lại sau khi đã đưa ra một phần dữ liệu, nên không tự làm lại.",
      "Tapcheck restarted after it had given out a part of the data, so it is not begun again by itself.",
    ],
    next: ["Nhấc thẻ lên, đặt lại và bắt đầu lượt mới.", "Lift the card, put it back and start a new check-in."],
  },
  REQUEST_TIMEOUT: {
    category: "agent",
    retriable: true,
    text: ["Tapcheck không trả lời kịp.", "Tapcheck did not answer in time."],
    why: ["Máy quá tải, hoặc Tapcheck bị treo.", "The PC is overloaded, or Tapcheck hangs."],
    next: ["Thử lại; nếu lặp lại, báo bộ phận CNTT.", "Try again; if it repeats, tell IT."],
  },
  ANSWER_MALFORMED: {
    category: "agent",
    retriable: false,
    text: ["Chương trình trả lời trên cổng của Tapcheck không đúng giao thức.", "What answers on Tapcheck's port does not keep to the protocol."],
    why: ["Một chương trình khác đang dùng cổng đó, hoặc một lỗi.", "Another program uses that port, or it is a fault."],
    next: ["Báo bộ phận CNTT.", "Tell IT."],
  },
  ABORTED: {
    category: "request",
    retriable: false,
    text: ["Đã dừng theo yêu cầu.", "It was stopped as asked."],
    why: ["Trang đã hủy việc này (AbortSignal hoặc close).", "The page stopped it (AbortSignal or close)."],
    next: ["Bắt đầu lại khi cần.", "Start again when needed."],
  },
};

/** An error in words for the desk. */
export class TapcheckError extends Error {
  override readonly name = "TapcheckError";
  /** What the desk does now. */
  readonly next: string;
  /** How that comes, for IT and the vendor. The agent says it on its help page. */
  readonly why: string;
  /** The help page on the agent's own port, absolute; empty where none is known. */
  readonly help: string;
  readonly lang: Language;
  readonly category: string;
  /** The same request can succeed later without anybody changing it. */
  readonly retriable: boolean;
  readonly detail: Record<string, unknown>;
  /** What was already known when a job ended with this error. */
  result?: Result;

  constructor(
    /** Frozen: what programs look at. */
    readonly id: ClientErrorId | ErrorId,
    /** What is the matter, in one sentence. Never holds personal data. */
    readonly text: string,
    more: Partial<Pick<TapcheckError, "next" | "why" | "help" | "lang" | "category" | "retriable" | "detail" | "result">> & { cause?: unknown } = {},
  ) {
    super(`${id}: ${text}`);
    if (more.cause !== undefined) (this as { cause?: unknown }).cause = more.cause;
    this.next = more.next ?? "";
    this.why = more.why ?? "";
    this.help = more.help ?? "";
    this.lang = more.lang ?? "vi";
    this.category = more.category ?? "agent";
    this.retriable = more.retriable ?? false;
    this.detail = more.detail ?? {};
    if (more.result) this.result = more.result;
  }
}

/** Makes an error that this side has found out. */
export function clientError(id: ClientErrorId, lang: Language, detail?: Record<string, unknown>, cause?: unknown): TapcheckError {
  const entry = clientErrors[id];
  const at = lang === "en" ? 1 : 0;
  return new TapcheckError(id, entry.text[at], {
    next: entry.next[at],
    why: entry.why[at],
    lang,
    category: entry.category,
    retriable: entry.retriable,
    detail,
    cause,
  });
}

/** Makes an error of what the agent has answered. base is the agent's own address. */
export function agentError(w: ErrorData, base: string, result?: Result): TapcheckError {
  return new TapcheckError(w.id, w.text, {
    next: w.next,
    help: w.help?.startsWith("/") ? base + w.help : w.help,
    lang: w.lang,
    category: w.category,
    retriable: w.retriable,
    detail: w.detail,
    result,
  });
}
