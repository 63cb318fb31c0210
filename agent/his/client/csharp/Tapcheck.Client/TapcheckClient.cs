using System;
using System.Collections.Generic;
using System.IO;
using System.Net.Http;
using System.Net.WebSockets;
using System.Security.Cryptography;
using System.Text;
using System.Threading;
using System.Threading.Tasks;

namespace Tapcheck.Client
{
    /// <summary>Where to and as whom.</summary>
    public sealed class TapcheckOptions
    {
        /// <summary>The token of this desktop program (<c>tapcheck token add --desktop</c>). Keep it in the user's protected store.</summary>
        public string Token;

        /// <summary>The agent's key. With it, no other program is ever sent the token. Without it whoever holds the port is believed.</summary>
        public AgentKey Key;

        /// <summary>The agent serves on the first of these that is free.</summary>
        public int[] Ports = { 27480, 27481, 27482, 27483 };

        /// <summary>Name of this program, up to 100 characters.</summary>
        public string Name = "HIS";

        /// <summary>Version of this program, up to 100 characters.</summary>
        public string Version = "1";

        /// <summary>Language of texts: vi or en.</summary>
        public string Language = "vi";

        /// <summary>Who sits at the desk; null if each check-in says so itself.</summary>
        public string Operator;

        /// <summary>How long an answer may take.</summary>
        public TimeSpan Timeout = TimeSpan.FromSeconds(15);
    }

    /// <summary>
    /// A connection to the agent on this PC: protocol tapcheck.v1, JSON-RPC 2.0. Safe for use from several threads.
    /// Notifications come one after the other, in order, on a thread of the pool: a form hands them on to its own.
    /// </summary>
    public sealed class TapcheckClient : IDisposable
    {
        const int MaxFrame = 16 << 20; // a portrait fits several times
        const int MaxDiscovery = 64 << 10;

        readonly TapcheckOptions options;
        readonly ClientWebSocket socket = new ClientWebSocket();
        readonly CancellationTokenSource end = new CancellationTokenSource();
        readonly SemaphoreSlim sending = new SemaphoreSlim(1, 1);
        readonly Dictionary<long, TaskCompletionSource<JsonValue>> open = new Dictionary<long, TaskCompletionSource<JsonValue>>();
        readonly TaskCompletionSource<JsonValue> hello = Promise();
        long lastId;
        Exception cause; // why the connection is over

        /// <summary>job.progress, job.partial, job.needs, job.result, reader.changed: method and params.</summary>
        public event Action<string, JsonValue> Notification;

        /// <summary>The connection is over.</summary>
        public event Action<TapcheckException> Closed;

        /// <summary>agent.hello: the agent's version, what it serves, its health, whether it is a simulation.</summary>
        public JsonValue Hello { get; private set; }

        /// <summary>What session.open answered: the rights, and the ceiling of fields.</summary>
        public JsonValue Session { get; private set; }

        TapcheckClient(TapcheckOptions options) { this.options = options; }

        static TaskCompletionSource<JsonValue> Promise()
        {
            // Whoever waits must not go on within the thread that receives.
            return new TaskCompletionSource<JsonValue>(TaskCreationOptions.RunContinuationsAsynchronously);
        }

        /// <summary>
        /// Finds the agent, checks its key if that is known, connects and opens a session. Throws <see cref="TapcheckException"/>: AGENT_NOT_FOUND, AGENT_NOT_PROVED,
        /// or what the agent says, such as TOKEN_REJECTED or PROTOCOL_VERSION.
        /// </summary>
        public static async Task<TapcheckClient> ConnectAsync(TapcheckOptions options, CancellationToken cancel)
        {
            var impostor = false;
            TapcheckException refusal = null;
            foreach (var port in options.Ports)
            {
                cancel.ThrowIfCancellationRequested();
                switch (await LookAsync(options, port, cancel).ConfigureAwait(false))
                {
                    case Found.Nobody: continue;
                    case Found.Other: impostor = options.Key != null; continue;
                }
                var client = new TapcheckClient(options);
                try
                {
                    await client.OpenAsync(port, cancel).ConfigureAwait(false);
                    return client;
                }
                catch (TapcheckException e)
                {
                    client.Dispose();
                    refusal = e;
                }
                catch
                {
                    client.Dispose();
                    throw;
                }
            }
            if (refusal != null) throw refusal;
            throw impostor ? TapcheckException.NotProved(options.Language) : TapcheckException.NotFound(options.Language);
        }

        enum Found { Nobody, Other, Agent }

        // Asks who is at a port, before anything secret goes there.
        static async Task<Found> LookAsync(TapcheckOptions options, int port, CancellationToken cancel)
        {
            var nonce = new byte[32];
            using (var random = RandomNumberGenerator.Create()) random.GetBytes(nonce);
            using (var handler = new HttpClientHandler { UseProxy = false, AllowAutoRedirect = false, UseCookies = false })
            using (var http = new HttpClient(handler) { Timeout = TimeSpan.FromSeconds(2), MaxResponseContentBufferSize = MaxDiscovery })
            {
                JsonValue d;
                try
                {
                    var answer = await http.GetAsync("http://127.0.0.1:" + port + "/.well-known/tapcheck.json?nonce=" + Base64Url.Encode(nonce), cancel).ConfigureAwait(false);
                    var body = await answer.Content.ReadAsByteArrayAsync().ConfigureAwait(false);
                    if (!answer.IsSuccessStatusCode) return Found.Other;
                    d = JsonValue.Parse(body, body.Length);
                }
                catch (HttpRequestException) { return Found.Nobody; }
                catch (FormatException) { return Found.Other; }
                catch (OperationCanceledException)
                {
                    cancel.ThrowIfCancellationRequested();
                    return Found.Nobody;
                }
                if (d["subprotocol"].Text != "tapcheck.v1") return Found.Other;
                return options.Key == null || options.Key.Proves(d["proof"], "tapcheck discovery v1", nonce, new byte[0], port) ? Found.Agent : Found.Other;
            }
        }

        async Task OpenAsync(int port, CancellationToken cancel)
        {
            socket.Options.AddSubProtocol("tapcheck.v1");
            socket.Options.Proxy = null;
            socket.Options.SetRequestHeader("Authorization", "Bearer " + options.Token);
            try
            {
                await socket.ConnectAsync(new Uri("ws://127.0.0.1:" + port + "/v1"), cancel).ConfigureAwait(false);
            }
            catch (WebSocketException)
            {
                throw TapcheckException.NotFound(options.Language); // the framework does not tell which id the gate gave
            }
            Receive();
            Hello = await InTime(hello.Task, cancel).ConfigureAwait(false);
            var p = new Dictionary<string, object>
            {
                { "protocol", 1 },
                { "client", new Dictionary<string, object> { { "name", options.Name }, { "version", options.Version } } },
                { "language", options.Language },
                { "operator", options.Operator == null ? null : new Dictionary<string, object> { { "id", options.Operator } } },
            };
            Session = await CallAsync("session.open", p, cancel).ConfigureAwait(false);
        }

        async Task<T> InTime<T>(Task<T> task, CancellationToken cancel)
        {
            using (var stop = CancellationTokenSource.CreateLinkedTokenSource(cancel))
            {
                if (await Task.WhenAny(task, Task.Delay(options.Timeout, stop.Token)).ConfigureAwait(false) != task)
                {
                    cancel.ThrowIfCancellationRequested();
                    throw TapcheckException.Lost(options.Language, new TimeoutException());
                }
                stop.Cancel();
                return await task.ConfigureAwait(false);
            }
        }

        /// <summary>
        /// Asks and waits for the answer. parameters is a dictionary (see <see cref="JsonValue.Write(object)"/>). Throws <see cref="TapcheckException"/> with the agent's id, or
        /// CONNECTION_LOST.
        /// </summary>
        public async Task<JsonValue> CallAsync(string method, IDictionary<string, object> parameters, CancellationToken cancel)
        {
            var answer = Promise();
            long id;
            lock (open)
            {
                if (cause != null) throw TapcheckException.Lost(options.Language, cause);
                id = ++lastId;
                open[id] = answer;
            }
            try
            {
                var frame = Encoding.UTF8.GetBytes(JsonValue.Write(new Dictionary<string, object>
                {
                    { "jsonrpc", "2.0" }, { "id", id }, { "method", method }, { "params", parameters ?? new Dictionary<string, object>() },
                }));
                await sending.WaitAsync(cancel).ConfigureAwait(false);
                try
                {
                    // Not cancel: half a frame would break the connection.
                    await socket.SendAsync(new ArraySegment<byte>(frame), WebSocketMessageType.Text, true, end.Token).ConfigureAwait(false);
                }
                catch (Exception e)
                {
                    throw TapcheckException.Lost(options.Language, e);
                }
                finally
                {
                    sending.Release();
                }
                return await InTime(answer.Task, cancel).ConfigureAwait(false);
            }
            finally
            {
                lock (open) open.Remove(id);
            }
        }

        void Receive() { Task.Run(ReceiveAsync); } // it ends with the connection and tells everybody who waits

        async Task ReceiveAsync()
        {
            Exception why = null;
            try
            {
                var buffer = new byte[64 << 10];
                while (true)
                {
                    var message = new MemoryStream();
                    WebSocketReceiveResult r;
                    do
                    {
                        r = await socket.ReceiveAsync(new ArraySegment<byte>(buffer), end.Token).ConfigureAwait(false);
                        if (r.MessageType == WebSocketMessageType.Close) return;
                        if (message.Length + r.Count > MaxFrame) throw new InvalidDataException("frame is too long");
                        message.Write(buffer, 0, r.Count);
                    } while (!r.EndOfMessage);
                    if (r.MessageType == WebSocketMessageType.Text) Take(JsonValue.Parse(message.GetBuffer(), (int)message.Length));
                }
            }
            catch (Exception e)
            {
                why = e;
            }
            finally
            {
                var lost = TapcheckException.Lost(options.Language, why);
                var waiting = new List<TaskCompletionSource<JsonValue>> { hello };
                lock (open)
                {
                    cause = why ?? new EndOfStreamException();
                    waiting.AddRange(open.Values);
                    open.Clear();
                }
                foreach (var w in waiting) w.TrySetException(lost);
                var observed = hello.Task.Exception; // it is no unobserved one if nobody waits any more
                var closed = Closed;
                if (closed != null) closed(lost);
            }
        }

        void Take(JsonValue m)
        {
            if (m["method"].Text == "agent.hello") hello.TrySetResult(m["params"]);
            if (m["method"].Exists)
            {
                var told = Notification;
                if (told != null) told(m["method"].Text, m["params"]);
                return;
            }
            TaskCompletionSource<JsonValue> answer;
            lock (open)
            {
                if (!open.TryGetValue(m["id"].Number, out answer)) return;
            }
            if (m["error"].Exists) answer.TrySetException(TapcheckException.From(m["error"]["data"]));
            else answer.TrySetResult(m["result"]);
        }

        /// <summary>
        /// Starts a check-in and waits for its result; what it is told meanwhile goes to onEvent. parameters is checkin.start's; a jobId is made where there is none. Cancelling ends
        /// the job at the agent too. A result whose state is <c>failed</c> is thrown as its error.
        /// </summary>
        public Task<JsonValue> CheckinAsync(IDictionary<string, object> parameters, Action<string, JsonValue> onEvent, CancellationToken cancel)
        {
            var p = new Dictionary<string, object>(parameters);
            if (!p.ContainsKey("jobId")) p["jobId"] = Guid.NewGuid().ToString("N");
            if (!p.ContainsKey("means")) p["means"] = "chip";
            return FollowAsync("checkin.start", p, onEvent, cancel);
        }

        /// <summary>
        /// Goes on with a check-in after CONNECTION_LOST, on a new connection: within 15 seconds, or at any time if it was started as detached. A result that came meanwhile is given at once.
        /// </summary>
        public Task<JsonValue> ResumeAsync(string jobId, Action<string, JsonValue> onEvent, CancellationToken cancel)
        {
            return FollowAsync("job.resume", new Dictionary<string, object> { { "jobId", jobId } }, onEvent, cancel);
        }

        async Task<JsonValue> FollowAsync(string method, IDictionary<string, object> parameters, Action<string, JsonValue> onEvent, CancellationToken cancel)
        {
            var job = (string)parameters["jobId"];
            var result = Promise();
            Action<string, JsonValue> told = (name, data) =>
            {
                if (data["jobId"].Text != job) return;
                if (onEvent != null) onEvent(name, data);
                if (name == "job.result") result.TrySetResult(data);
            };
            Action<TapcheckException> lost = e => result.TrySetException(e);
            Notification += told;
            Closed += lost;
            try
            {
                var answer = await CallAsync(method, parameters, cancel).ConfigureAwait(false);
                if (answer["result"].Exists) result.TrySetResult(answer["result"]);
                using (cancel.Register(() => result.TrySetCanceled()))
                {
                    var r = await result.Task.ConfigureAwait(false);
                    if (r["state"].Text == "failed") throw TapcheckException.From(r["error"]);
                    return r;
                }
            }
            catch (OperationCanceledException)
            {
                await CancelAsync(job).ConfigureAwait(false);
                throw;
            }
            finally
            {
                Notification -= told;
                Closed -= lost;
            }
        }

        async Task CancelAsync(string job)
        {
            try
            {
                await CallAsync("job.cancel", new Dictionary<string, object> { { "jobId", job } }, CancellationToken.None).ConfigureAwait(false);
            }
            catch (TapcheckException)
            {
                // The connection is gone, and with it the job.
            }
        }

        /// <summary>Ends the connection. Jobs that are not detached end 15 seconds later, unless they are resumed.</summary>
        public void Dispose()
        {
            end.Cancel();
            socket.Dispose();
        }
    }
}
