// The PC's camera: a live preview, and single frames as JPEG. Nothing is recorded, and the camera is switched off as soon
// as nobody looks at the preview.

const wanted = { video: { width: { ideal: 1280 }, height: { ideal: 960 }, facingMode: "user" }, audio: false };

// CameraError says why there is no picture: "none", "denied", "busy" or "unsupported".
export class CameraError extends Error {
	constructor(why) {
		super(why);
		this.why = why;
	}
}

export class Camera {
	#stream = null;
	#video;
	#canvas = document.createElement("canvas");

	constructor(video) { this.#video = video; }

	async start() {
		if (!navigator.mediaDevices || !navigator.mediaDevices.getUserMedia) throw new CameraError("unsupported");
		try {
			this.#stream = await navigator.mediaDevices.getUserMedia(wanted);
		} catch (err) {
			throw new CameraError({ NotAllowedError: "denied", SecurityError: "denied", NotReadableError: "busy", AbortError: "busy" }[err.name] || "none");
		}
		this.#video.srcObject = this.#stream;
		await this.#video.play();
	}

	stop() {
		for (const track of this.#stream ? this.#stream.getTracks() : []) track.stop();
		this.#stream = null;
		this.#video.srcObject = null;
	}

	// next waits for a picture that has not been taken yet: the same one twice looks like a camera that stands still. A window that
	// nobody sees is told of none; then a while has to do.
	#next() {
		return new Promise((done) => {
			const timer = setTimeout(done, 250);
			if (this.#video.requestVideoFrameCallback) this.#video.requestVideoFrameCallback(() => { clearTimeout(timer); done(); });
		});
	}

	// picture gives what the camera sees now: a JPEG of 640 pixels' width, which is enough for a face and quick to send. null: nothing
	// yet.
	async picture() {
		const v = this.#video;
		await this.#next();
		if (!this.#stream || !v.videoWidth) return null;
		const at = performance.now();
		this.#canvas.width = Math.min(v.videoWidth, 640);
		this.#canvas.height = Math.round((this.#canvas.width * v.videoHeight) / v.videoWidth);
		this.#canvas.getContext("2d").drawImage(v, 0, 0, this.#canvas.width, this.#canvas.height);
		const blob = await new Promise((r) => this.#canvas.toBlob(r, "image/jpeg", .88));
		return blob && { at, mime: "image/jpeg", bytes: new Uint8Array(await blob.arrayBuffer()) };
	}
}
