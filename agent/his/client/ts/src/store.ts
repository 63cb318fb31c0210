import type { JWK } from "./protocol.js";

/** What a page remembers of the agents that it met in this browser. */
export interface Saved {
  /** The port that worked last. */
  port?: number;
  /** When an agent last answered, RFC 3339. */
  seen?: string;
  /** By instance id: a roaming profile sees the agents of several PCs. */
  agents?: Record<string, SavedAgent>;
}

export interface SavedAgent {
  /** The agent's key, pinned at pairing or when it was first met. */
  key?: JWK;
  /** The token from pairing. */
  token?: string;
}

/** Where a page keeps what it remembers. A HIS may keep it with the workstation's profile on its server. */
export interface Store {
  load(): Saved | Promise<Saved>;
  save(saved: Saved): void | Promise<void>;
}

/** Keeps it in the browser, for this origin; or only as long as the page lives, where the browser does not allow that. */
export class BrowserStore implements Store {
  private memory = "{}";

  constructor(private readonly key = "tapcheck") {}

  load(): Saved {
    let text: string | null = null;
    try {
      text = localStorage.getItem(this.key);
    } catch {
      // blocked by the browser's settings
    }
    try {
      const saved: unknown = JSON.parse(text ?? this.memory);
      return isSaved(saved) ? saved : {};
    } catch {
      return {};
    }
  }

  save(saved: Saved): void {
    this.memory = JSON.stringify(saved);
    try {
      localStorage.setItem(this.key, this.memory);
    } catch {
      // blocked or full
    }
  }
}

// Other scripts of the origin can write there too.
function isSaved(s: unknown): s is Saved {
  if (s === null || typeof s !== "object") return false;
  const { agents = {} } = s as Saved;
  return agents !== null && typeof agents === "object" && Object.values(agents).every((a: unknown) => a !== null && typeof a === "object");
}
