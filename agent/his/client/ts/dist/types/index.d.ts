/**
 * The Tapcheck agent of this PC, from a web page.
 *
 * @packageDocumentation
 */
export { Client, PROTOCOL, VERSION } from "./client.js";
export type { AssertionRequest, CheckinName, ClientEvents, Options, Pairing, StateChange } from "./client.js";
export type { RequestOptions } from "./connection.js";
export { PORTS } from "./discover.js";
export { clientErrors, TapcheckError } from "./errors.js";
export type { ClientErrorId, Entry, Text } from "./errors.js";
export { Job } from "./job.js";
export type { CheckinRequest, JobEvents, Provision } from "./job.js";
export type { Permission } from "./permission.js";
export { imageInput, pictureURL } from "./picture.js";
export type { BinaryPicture } from "./picture.js";
export { BrowserStore } from "./store.js";
export type { Saved, SavedAgent, Store } from "./store.js";
export type * from "./protocol.js";
