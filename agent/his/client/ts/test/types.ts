// Not run: what a vendor writes, for the compiler to judge. Lines that must not compile say so.
import { Client, pictureURL, TapcheckError, type Result } from "../dist/tapcheck";

export async function desk(client: Client, stop: AbortSignal): Promise<string> {
  client.on("permission", (p) => p === "prompt");
  client.on("state", (s) => s.error?.text);
  const job = client.checkin({ key: { qr: "…" }, visit: { maLk: "1" } }, { signal: stop });
  job.on("progress", (p) => p.percent + 1);
  job.on("needs", (n) => (n.need === "key" ? job.provide({ key: { can: "012345" } }) : undefined));
  job.on("partial", (r: Result) => r.portrait && pictureURL(r.portrait));
  const said = await job.frame(new Blob(), { id: "c1" });
  if (said.done && said.face?.decision !== "match") await job.face("retry", "other");
  await job.consent(true, "guardian", { textVersion: "2026-1" });
  // @ts-expect-error: no such reason
  await job.face("skip", "bored");
  // @ts-expect-error: no such event
  job.on("finished", () => {});
  // @ts-expect-error: no such means
  client.checkin({ means: "face" });
  const { attempt } = await client.request("insurance.check", { number: "001099012345" });
  // @ts-expect-error: no such method
  await client.request("card.write", {});
  // @ts-expect-error: a job has to be named
  await client.request("job.status", {});
  try {
    const result = await job.result;
    return result.verdicts?.passiveAuthentication.status ?? attempt.outcome;
  } catch (e) {
    if (!(e instanceof TapcheckError)) throw e;
    switch (e.id) {
      case "NOT_RUNNING":
      case "CARD_REMOVED":
        return e.next;
    }
    return e.result?.identity?.fullName ?? e.text;
  }
}
