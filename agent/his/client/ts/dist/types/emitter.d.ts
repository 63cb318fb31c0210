/** Typed events. A listener that throws does not keep others from hearing. */
export declare class Emitter<Events extends object> {
    private readonly listeners;
    /** Calls listener at each event until the function that it returns is called. */
    on<K extends keyof Events>(name: K, listener: (event: Events[K]) => void): () => void;
    protected emit<K extends keyof Events>(name: K, event: Events[K]): void;
}
