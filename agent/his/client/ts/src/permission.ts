/** The browser's answer to "may this page reach programs of this PC": unknown where the browser does not ask such a thing. */
export type Permission = PermissionState | "unknown";

// Since Chrome 145; before, and still as an alias, the wider one.
const names = ["loopback-network", "local-network-access"];

async function query(): Promise<PermissionStatus | undefined> {
  for (const name of names) {
    try {
      return await navigator.permissions.query({ name: name as PermissionName });
    } catch {
      // not a name that this browser knows, or no permissions at all
    }
  }
  return undefined;
}

export async function permission(): Promise<Permission> {
  return (await query())?.state ?? "unknown";
}

/** Tells when somebody answers the browser's question or changes the setting, until signal aborts. */
export async function watchPermission(tell: (p: Permission) => void, signal: AbortSignal): Promise<void> {
  const status = await query();
  if (!status || signal.aborted) return;
  const changed = () => tell(status.state);
  status.addEventListener("change", changed);
  signal.addEventListener("abort", () => status.removeEventListener("change", changed), { once: true });
}

/** Whether the page itself comes from this PC, which browsers let reach it without asking. */
export function pageIsLocal(): boolean {
  const host = location.hostname;
  return location.protocol === "file:" || host === "localhost" || host.endsWith(".localhost") || host === "[::1]" || /^127\./.test(host);
}

/** Whether the page lies in a frame of another page. */
export function framed(): boolean {
  return window.top !== window;
}
