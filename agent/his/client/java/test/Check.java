import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import tapcheck.client.AgentKey;
import tapcheck.client.Json;

/** Answers what a test asks on standard input, a line each: "key X Y MESSAGE SIGNATURE" (base64) or "json TEXT" (base64). */
public final class Check {
  public static void main(String[] args) throws IOException {
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    Base64.Decoder d = Base64.getDecoder();
    for (String line; (line = in.readLine()) != null; ) {
      String[] w = line.split(" ", -1);
      try {
        if (w[0].equals("key")) {
          System.out.println(new AgentKey(w[1], w[2]).verify(d.decode(w[3]), d.decode(w[4])));
        } else {
          String a = Json.parse(new String(d.decode(w[1]), StandardCharsets.UTF_8)).get("a").text();
          System.out.println(a == null ? "absent" : a);
        }
      } catch (IllegalArgumentException e) {
        System.out.println("malformed");
      }
    }
  }
}
