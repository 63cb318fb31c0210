/** Typed events. A listener that throws does not keep others from hearing. */
export class Emitter<Events extends object> {
  private readonly listeners = new Map<keyof Events, Set<(event: never) => void>>();

  /** Calls listener at each event until the function that it returns is called. */
  on<K extends keyof Events>(name: K, listener: (event: Events[K]) => void): () => void {
    let set = this.listeners.get(name);
    if (!set) this.listeners.set(name, (set = new Set()));
    const own = (event: Events[K]) => listener(event);
    set.add(own);
    return () => void set.delete(own);
  }

  protected emit<K extends keyof Events>(name: K, event: Events[K]): void {
    for (const listener of [...(this.listeners.get(name) ?? [])]) {
      try {
        (listener as (event: Events[K]) => void)(event);
      } catch (e) {
        setTimeout(() => {
          throw e; // the page's own mistake belongs on its console
        });
      }
    }
  }
}
