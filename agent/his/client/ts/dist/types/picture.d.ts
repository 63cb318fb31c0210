import type { ImageInput, Picture } from "./protocol.js";
/** A picture of a session with binary pictures. */
export interface BinaryPicture extends Picture {
    content?: Uint8Array<ArrayBuffer>;
}
/** An address for <img src>. Of a binary picture it is to be released with URL.revokeObjectURL. */
export declare function pictureURL(p: Picture): string;
/** A picture to send: a JPEG or PNG, such as a canvas gives with toBlob. */
export declare function imageInput(picture: Blob | ImageInput): Promise<ImageInput>;
