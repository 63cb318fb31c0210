package tapcheck.client;

import java.io.IOException;
import java.net.ConnectException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpTimeoutException;
import java.net.http.WebSocket;
import java.net.http.WebSocketHandshakeException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.SecureRandom;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.BiConsumer;

/**
 * A connection to the agent on this PC: protocol tapcheck.v1, JSON-RPC 2.0. Java 11 or newer, no dependencies. Safe for use from several
 * threads. Notifications come one after the other, in order, on a thread of the HTTP client: a window hands them on to its own.
 */
public final class TapcheckClient implements AutoCloseable {
  private static final int MAX_FRAME = 16 << 20; // characters; a portrait fits several times

  /** Where to and as whom. */
  public static final class Options {
    /** The token of this desktop program ({@code tapcheck token add --desktop}). Keep it in the user's protected store. */
    public String token;

    /** The agent's key. With it, no other program is ever sent the token. Without it whoever holds the port is believed. */
    public AgentKey key;

    /** The agent serves on the first of these that is free. */
    public int[] ports = {27480, 27481, 27482, 27483};

    /** Name and version of this program, up to 100 characters each. */
    public String name = "HIS";

    public String version = "1";

    /** Language of texts: vi or en. */
    public String language = "vi";

    /** Who sits at the desk; null if each check-in says so itself. */
    public String operator;

    /** How long an answer may take. */
    public Duration timeout = Duration.ofSeconds(15);
  }

  private final Options options;
  private final Object lock = new Object();
  private final Map<Long, CompletableFuture<Json>> open = new HashMap<>();
  private final CompletableFuture<Json> hello = new CompletableFuture<>();
  private final CompletableFuture<Void> closed = new CompletableFuture<>(); // always exceptionally
  private final List<BiConsumer<String, Json>> listeners = new CopyOnWriteArrayList<>();
  private WebSocket socket;
  private Json session;
  private long lastId;
  private CompletableFuture<?> sent = CompletableFuture.completedFuture(null); // the frame before; only one may be under way

  private TapcheckClient(Options options) {
    this.options = options;
  }

  /**
   * Finds the agent, checks its key if that is known, connects and opens a session. Throws {@link TapcheckException}: AGENT_NOT_FOUND,
   * AGENT_NOT_PROVED, or what the agent says, such as TOKEN_REJECTED or PROTOCOL_VERSION.
   */
  public static TapcheckClient connect(Options options) throws TapcheckException, InterruptedException {
    // Loopback needs no proxy, and must not meet one; redirects are never followed.
    HttpClient http = HttpClient.newBuilder().proxy(HttpClient.Builder.NO_PROXY).connectTimeout(Duration.ofSeconds(2)).build();
    boolean impostor = false;
    TapcheckException refusal = null;
    for (int port : options.ports) {
      Found found = look(http, options, port);
      if (found != Found.AGENT) {
        impostor |= found == Found.OTHER && options.key != null;
        continue;
      }
      TapcheckClient c = new TapcheckClient(options);
      try {
        c.open(http, port);
        return c;
      } catch (TapcheckException e) {
        c.close();
        refusal = e;
      }
    }
    if (refusal != null) {
      throw refusal;
    }
    throw impostor ? TapcheckException.notProved(options.language) : TapcheckException.notFound(options.language);
  }

  private enum Found { NOBODY, OTHER, AGENT }

  // Asks who is at a port, before anything secret goes there.
  private static Found look(HttpClient http, Options options, int port) throws InterruptedException {
    byte[] nonce = new byte[32];
    new SecureRandom().nextBytes(nonce);
    URI uri = URI.create("http://127.0.0.1:" + port + "/.well-known/tapcheck.json?nonce=" + Base64.getUrlEncoder().withoutPadding().encodeToString(nonce));
    try {
      HttpResponse<java.io.InputStream> answer =
          http.send(HttpRequest.newBuilder(uri).timeout(Duration.ofSeconds(2)).build(), HttpResponse.BodyHandlers.ofInputStream());
      try (java.io.InputStream body = answer.body()) {
        Json d = Json.parse(new String(body.readNBytes(64 << 10), StandardCharsets.UTF_8));
        boolean ours =
            answer.statusCode() == 200
                && "tapcheck.v1".equals(d.get("subprotocol").text())
                && (options.key == null || options.key.proves(d.get("proof"), "tapcheck discovery v1", nonce, new byte[0], port));
        return ours ? Found.AGENT : Found.OTHER;
      }
    } catch (ConnectException | HttpTimeoutException e) {
      return Found.NOBODY;
    } catch (IOException | IllegalArgumentException e) {
      return Found.OTHER;
    }
  }

  private void open(HttpClient http, int port) throws TapcheckException, InterruptedException {
    try {
      socket =
          http.newWebSocketBuilder()
              .subprotocols("tapcheck.v1")
              .header("Authorization", "Bearer " + options.token)
              .connectTimeout(options.timeout)
              .buildAsync(URI.create("ws://127.0.0.1:" + port + "/v1"), new Receiver())
              .get(options.timeout.toMillis(), TimeUnit.MILLISECONDS);
    } catch (ExecutionException e) {
      if (e.getCause() instanceof WebSocketHandshakeException) {
        HttpResponse<?> answer = ((WebSocketHandshakeException) e.getCause()).getResponse();
        throw TapcheckException.refused(answer.headers().firstValue("Tapcheck-Reason").orElse("UNKNOWN"), options.language);
      }
      throw TapcheckException.lost(options.language, e.getCause());
    } catch (TimeoutException e) {
      throw TapcheckException.lost(options.language, e);
    }
    inTime(hello);
    Map<String, Object> p = new LinkedHashMap<>();
    p.put("protocol", 1);
    p.put("client", Map.of("name", options.name, "version", options.version));
    p.put("language", options.language);
    p.put("operator", options.operator == null ? null : Map.of("id", options.operator));
    session = call("session.open", p);
  }

  /** agent.hello: the agent's version, what it serves, its health, whether it is a simulation. */
  public Json hello() {
    return hello.getNow(null);
  }

  /** What session.open answered: the rights, and the ceiling of fields. */
  public Json session() {
    return session;
  }

  /** Hears job.progress, job.partial, job.needs, job.result and reader.changed: method and params. */
  public void listen(BiConsumer<String, Json> listener) {
    listeners.add(listener);
  }

  private Json inTime(CompletableFuture<Json> answer) throws TapcheckException, InterruptedException {
    try {
      return answer.get(options.timeout.toMillis(), TimeUnit.MILLISECONDS);
    } catch (ExecutionException e) {
      if (e.getCause() instanceof TapcheckException) {
        throw (TapcheckException) e.getCause();
      }
      throw TapcheckException.lost(options.language, e.getCause());
    } catch (TimeoutException e) {
      throw TapcheckException.lost(options.language, e);
    }
  }

  /**
   * Asks and waits for the answer. params is a map (see {@link Json#write}). Throws {@link TapcheckException} with the agent's id, or
   * CONNECTION_LOST.
   */
  public Json call(String method, Map<String, ?> params) throws TapcheckException, InterruptedException {
    CompletableFuture<Json> answer = new CompletableFuture<>();
    long id;
    synchronized (lock) {
      if (closed.isDone()) {
        throw TapcheckException.lost(options.language, null);
      }
      id = ++lastId;
      open.put(id, answer);
      Map<String, Object> frame = new LinkedHashMap<>();
      frame.put("jsonrpc", "2.0");
      frame.put("id", id);
      frame.put("method", method);
      frame.put("params", params);
      String text = Json.write(frame);
      sent = sent.handle((done, e) -> null).thenCompose(done -> socket.sendText(text, true));
      sent.exceptionally(
          e -> {
            answer.completeExceptionally(TapcheckException.lost(options.language, e));
            return null;
          });
    }
    try {
      return inTime(answer);
    } finally {
      synchronized (lock) {
        open.remove(id);
      }
    }
  }

  /**
   * Starts a check-in and waits for its result; what it is told meanwhile goes to onEvent. params is checkin.start's; a jobId is made
   * where there is none. Interrupting the thread ends the job at the agent too. A result whose state is {@code failed} is thrown as its
   * error.
   */
  public Json checkin(Map<String, ?> params, BiConsumer<String, Json> onEvent) throws TapcheckException, InterruptedException {
    Map<String, Object> p = new LinkedHashMap<>(params);
    p.putIfAbsent("jobId", UUID.randomUUID().toString());
    p.putIfAbsent("means", "chip");
    return follow("checkin.start", p, onEvent);
  }

  /**
   * Goes on with a check-in after CONNECTION_LOST, on a new connection: within 15 seconds, or at any time if it was started as detached. A
   * result that came meanwhile is given at once.
   */
  public Json resume(String jobId, BiConsumer<String, Json> onEvent) throws TapcheckException, InterruptedException {
    return follow("job.resume", Map.of("jobId", jobId), onEvent);
  }

  private Json follow(String method, Map<String, ?> params, BiConsumer<String, Json> onEvent) throws TapcheckException, InterruptedException {
    Object job = params.get("jobId");
    CompletableFuture<Json> result = new CompletableFuture<>();
    BiConsumer<String, Json> listener =
        (name, data) -> {
          if (job.equals(data.get("jobId").text())) {
            onEvent.accept(name, data);
            if (name.equals("job.result")) {
              result.complete(data);
            }
          }
        };
    listeners.add(listener);
    closed.exceptionally(
        e -> {
          result.completeExceptionally(e);
          return null;
        });
    try {
      Json answer = call(method, params);
      if (answer.get("result").exists()) {
        result.complete(answer.get("result"));
      }
      Json r = result.get();
      if ("failed".equals(r.get("state").text())) {
        throw TapcheckException.from(r.get("error"));
      }
      return r;
    } catch (ExecutionException e) {
      throw (TapcheckException) e.getCause();
    } catch (InterruptedException e) {
      synchronized (lock) { // the answer is not waited for: this thread has been told to stop
        String frame = Json.write(Map.of("jsonrpc", "2.0", "method", "job.cancel", "params", Map.of("jobId", job)));
        sent = sent.handle((done, x) -> null).thenCompose(done -> socket.sendText(frame, true));
      }
      throw e;
    } finally {
      listeners.remove(listener);
    }
  }

  private void end(Throwable why) {
    TapcheckException lost = TapcheckException.lost(options.language, why);
    List<CompletableFuture<Json>> waiting;
    synchronized (lock) {
      closed.completeExceptionally(lost);
      waiting = new ArrayList<>(open.values());
      open.clear();
    }
    hello.completeExceptionally(lost);
    waiting.forEach(w -> w.completeExceptionally(lost));
  }

  private final class Receiver implements WebSocket.Listener {
    private final StringBuilder text = new StringBuilder();

    @Override
    public CompletionStage<?> onText(WebSocket ws, CharSequence data, boolean last) {
      text.append(data);
      if (text.length() > MAX_FRAME) {
        ws.abort();
        end(new IOException("frame is too long"));
        return null;
      }
      if (last) {
        String message = text.toString();
        text.setLength(0);
        try {
          take(Json.parse(message));
        } catch (RuntimeException e) {
          ws.abort();
          end(e);
          return null;
        }
      }
      ws.request(1);
      return null;
    }

    @Override
    public CompletionStage<?> onBinary(WebSocket ws, ByteBuffer data, boolean last) {
      ws.request(1); // pictures that nobody asked for
      return null;
    }

    @Override
    public CompletionStage<?> onClose(WebSocket ws, int code, String reason) {
      end(new IOException("closed with " + code));
      return null;
    }

    @Override
    public void onError(WebSocket ws, Throwable e) {
      end(e);
    }
  }

  private void take(Json m) {
    String method = m.get("method").text();
    if (method != null) {
      if (method.equals("agent.hello")) {
        hello.complete(m.get("params"));
      }
      listeners.forEach(l -> l.accept(method, m.get("params")));
      return;
    }
    CompletableFuture<Json> answer;
    synchronized (lock) {
      answer = open.get(m.get("id").number());
    }
    if (answer == null) {
      return;
    }
    if (m.get("error").exists()) {
      answer.completeExceptionally(TapcheckException.from(m.get("error").get("data")));
    } else {
      answer.complete(m.get("result"));
    }
  }

  /** Ends the connection. Jobs that are not detached end 15 seconds later, unless they are resumed. */
  @Override
  public void close() {
    if (socket != null) {
      socket.abort();
    }
    end(null);
  }
}
