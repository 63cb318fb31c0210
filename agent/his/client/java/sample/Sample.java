import java.util.Arrays;
import java.util.Map;
import tapcheck.client.AgentKey;
import tapcheck.client.Json;
import tapcheck.client.TapcheckClient;
import tapcheck.client.TapcheckException;

/**
 * One check-in from a console: TAPCHECK_TOKEN holds the token, TAPCHECK_KEY_X and TAPCHECK_KEY_Y the agent's key where it is known.
 * Arguments: the ports to try, and the card's number; "sim" and a name before the number put that person's simulated card on a reader.
 */
public final class Sample {
  public static void main(String[] args) throws InterruptedException {
    TapcheckClient.Options o = new TapcheckClient.Options();
    o.token = System.getenv("TAPCHECK_TOKEN");
    String x = System.getenv("TAPCHECK_KEY_X");
    o.key = x == null || x.isEmpty() ? null : new AgentKey(x, System.getenv("TAPCHECK_KEY_Y"));
    o.ports = Arrays.stream(args[0].split(",")).mapToInt(Integer::parseInt).toArray();
    o.name = "Java sample";
    o.operator = "lt.hoa";
    try (TapcheckClient agent = TapcheckClient.connect(o)) {
      System.out.println("connected simulator=" + agent.hello().get("simulator").isTrue() + " read=" + agent.session().get("rights").get("read").isTrue());
      if (args[1].equals("sim")) {
        agent.call("sim.insert", Map.of("persona", args[2]));
      }
      Json r =
          agent.checkin(
              Map.of("key", Map.of("number", args[args.length - 1])),
              (method, data) -> {
                for (String member : new String[] {"phase", "need", "state"}) {
                  if (data.get(member).exists()) {
                    System.out.println(method + " " + data.get(member).text());
                    break;
                  }
                }
              });
      String portrait = r.get("portrait").get("data").text();
      System.out.println("name " + r.get("identity").get("fullName").text());
      System.out.println("chip " + r.get("verdicts").get("passiveAuthentication").get("status").text());
      System.out.println("insurance " + r.get("eligibility").get("state").text());
      System.out.println("portrait " + (portrait == null ? 0 : portrait.length()));
      for (Json step : r.get("next")) {
        System.out.println("next " + step.get("id").text() + " " + step.get("text").text());
      }
    } catch (TapcheckException e) {
      System.out.println("error " + e.id() + " retriable=" + e.retriable() + " | " + e.text() + " | " + e.next());
      System.exit(1);
    }
  }
}
