import type { Picture } from "./protocol.js";

/** A picture of a session with binary pictures. */
export interface BinaryPicture extends Picture {
  content?: Uint8Array<ArrayBuffer>;
}

/** An address for <img src>. Of a binary picture it is to be released with URL.revokeObjectURL. */
export function pictureURL(p: Picture): string {
  const { content } = p as BinaryPicture;
  if (content) return URL.createObjectURL(new Blob([content], { type: p.mime }));
  return `data:${p.mime};base64,${p.data ?? ""}`;
}
