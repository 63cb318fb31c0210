import type { ImageInput, Picture } from "./protocol.js";

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

/** A picture to send: a JPEG or PNG, such as a canvas gives with toBlob. */
export async function imageInput(picture: Blob | ImageInput): Promise<ImageInput> {
  if (!(picture instanceof Blob)) return picture;
  const bytes = new Uint8Array(await picture.arrayBuffer());
  let text = "";
  for (let i = 0; i < bytes.length; i += 0x8000) text += String.fromCharCode(...bytes.subarray(i, i + 0x8000));
  return { mime: picture.type === "image/png" ? "image/png" : "image/jpeg", data: btoa(text) };
}
