package tapcheck.client;

/** Why something did not come about, with the words for the desk. */
public final class TapcheckException extends Exception {
  private static final long serialVersionUID = 1L;

  private final String id;
  private final String text;
  private final String next;
  private final String help;
  private final boolean retriable;

  private TapcheckException(String id, String text, String next, String help, boolean retriable, Throwable cause) {
    super(id + ": " + text, cause);
    this.id = id;
    this.text = text;
    this.next = next;
    this.help = help;
    this.retriable = retriable;
  }

  /** The frozen id: one of the agent's, or AGENT_NOT_FOUND, AGENT_NOT_PROVED, CONNECTION_LOST of this client. */
  public String id() {
    return id;
  }

  /** What to show at the desk, in the session's language. It never holds personal data. */
  public String text() {
    return text;
  }

  /** What the desk does now. */
  public String next() {
    return next;
  }

  /** Path of the page with cause and cure, on the agent's own port; null for the client's own ids. */
  public String help() {
    return help;
  }

  /** Whether the same request may succeed later. */
  public boolean retriable() {
    return retriable;
  }

  private static String or(String s, String other) {
    return s == null ? other : s;
  }

  /** From the data of an error, or of a result's error. */
  static TapcheckException from(Json data) {
    return new TapcheckException(
        or(data.get("id").text(), "UNKNOWN"), or(data.get("text").text(), ""), or(data.get("next").text(), ""), data.get("help").text(),
        data.get("retriable").isTrue(), null);
  }

  static TapcheckException notFound(String language) {
    return language.equals("en")
        ? new TapcheckException("AGENT_NOT_FOUND", "Tapcheck does not run on this PC.", "Start the Tapcheck service.", null, true, null)
        : new TapcheckException("AGENT_NOT_FOUND", "Tapcheck chưa chạy trên máy này.", "Khởi động dịch vụ Tapcheck.", null, true, null);
  }

  static TapcheckException notProved(String language) {
    return language.equals("en")
        ? new TapcheckException(
            "AGENT_NOT_PROVED", "Another program answers in Tapcheck's place. No token was sent to it.", "Do not go on; call IT.", null, false, null)
        : new TapcheckException(
            "AGENT_NOT_PROVED", "Có phần mềm khác trả lời thay cho Tapcheck. Mã kết nối chưa được gửi đi.", "Không tiếp tục; báo bộ phận CNTT.", null, false, null);
  }

  /** The gate turned this program away: why stands in a header. */
  static TapcheckException refused(String reason, String language) {
    return language.equals("en")
        ? new TapcheckException(reason, "Tapcheck does not let this program in.", "Check this program's token.", "/help/" + reason, false, null)
        : new TapcheckException(reason, "Tapcheck chưa cho phép phần mềm này.", "Kiểm tra mã kết nối (token) của phần mềm.", "/help/" + reason, false, null);
  }

  static TapcheckException lost(String language, Throwable cause) {
    return language.equals("en")
        ? new TapcheckException("CONNECTION_LOST", "The connection to Tapcheck was lost.", "Try again.", null, true, cause)
        : new TapcheckException("CONNECTION_LOST", "Mất kết nối với Tapcheck.", "Thử lại.", null, true, cause);
  }
}
