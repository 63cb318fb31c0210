using System;

namespace Tapcheck.Client
{
    /// <summary>Why something did not come about, with the words for the desk.</summary>
    public sealed class TapcheckException : Exception
    {
        /// <summary>The frozen id: one of the agent's, or AGENT_NOT_FOUND, AGENT_NOT_PROVED, CONNECTION_LOST of this client.</summary>
        public string Id { get; private set; }

        /// <summary>What to show at the desk, in the session's language. It never holds personal data.</summary>
        public string Text { get; private set; }

        /// <summary>What the desk does now.</summary>
        public string Next { get; private set; }

        /// <summary>Path of the page with cause and cure, on the agent's own port.</summary>
        public string Help { get; private set; }

        /// <summary>Whether the same request may succeed later.</summary>
        public bool Retriable { get; private set; }

        internal TapcheckException(string id, string text, string next, bool retriable, Exception cause = null) : base(id + ": " + text, cause)
        {
            Id = id;
            Text = text;
            Next = next;
            Retriable = retriable;
        }

        /// <summary>From the data of an error, or of a result's error.</summary>
        internal static TapcheckException From(JsonValue data)
        {
            return new TapcheckException(data["id"].Text ?? "UNKNOWN", data["text"].Text ?? "", data["next"].Text ?? "", data["retriable"].IsTrue)
            {
                Help = data["help"].Text,
            };
        }

        internal static TapcheckException NotFound(string language)
        {
            return language == "en"
                ? new TapcheckException("AGENT_NOT_FOUND", "Tapcheck does not run on this PC, or does not let this program in.", "Start the Tapcheck service; if it runs, check this program's token.", true)
                : new TapcheckException("AGENT_NOT_FOUND", "Tapcheck chưa chạy trên máy này, hoặc chưa cho phép phần mềm này.", "Khởi động dịch vụ Tapcheck; nếu đã chạy, kiểm tra mã kết nối (token) của phần mềm.", true);
        }

        internal static TapcheckException NotProved(string language)
        {
            return language == "en"
                ? new TapcheckException("AGENT_NOT_PROVED", "Another program answers in Tapcheck's place. No token was sent to it.", "Do not go on; call IT.", false)
                : new TapcheckException("AGENT_NOT_PROVED", "Có phần mềm khác trả lời thay cho Tapcheck. Mã kết nối chưa được gửi đi.", "Không tiếp tục; báo bộ phận CNTT.", false);
        }

        internal static TapcheckException Lost(string language, Exception cause)
        {
            return language == "en"
                ? new TapcheckException("CONNECTION_LOST", "The connection to Tapcheck was lost.", "Try again.", true, cause)
                : new TapcheckException("CONNECTION_LOST", "Mất kết nối với Tapcheck.", "Thử lại.", true, cause);
        }
    }
}
