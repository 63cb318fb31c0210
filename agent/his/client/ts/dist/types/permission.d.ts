/** The browser's answer to "may this page reach programs of this PC": unknown where the browser does not ask such a thing. */
export type Permission = PermissionState | "unknown";
export declare function permission(): Promise<Permission>;
/** Tells when somebody answers the browser's question or changes the setting, until signal aborts. */
export declare function watchPermission(tell: (p: Permission) => void, signal: AbortSignal): Promise<void>;
/** Whether the page itself comes from this PC, which browsers let reach it without asking. */
export declare function pageIsLocal(): boolean;
/** Whether the page lies in a frame of another page. */
export declare function framed(): boolean;
