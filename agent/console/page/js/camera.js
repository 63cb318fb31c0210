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

	#draw(width) {
		const v = this.#video;
		if (!v.videoWidth) return null;
		this.#canvas.width = width;
		this.#canvas.height = Math.round((width * v.videoHeight) / v.videoWidth);
		const c = this.#canvas.getContext("2d", { willReadFrequently: true });
		c.drawImage(v, 0, 0, this.#canvas.width, this.#canvas.height);
		return c;
	}

	// hint says what can be told of the light without knowing anything about faces: "dark", "bright", "flat" or "fine".
	// Whether there is a face, and how good it is, is the agent's to say.
	hint() {
		const c = this.#draw(96);
		if (!c) return "none";
		const { data } = c.getImageData(0, 0, this.#canvas.width, this.#canvas.height);
		let sum = 0;
		let squares = 0;
		const n = data.length / 4;
		for (let i = 0; i < data.length; i += 4) {
			const y = .299 * data[i] + .587 * data[i + 1] + .114 * data[i + 2];
			sum += y;
			squares += y * y;
		}
		const mean = sum / n;
		if (mean < 50) return "dark";
		if (mean > 220) return "bright";
		return Math.sqrt(squares / n - mean * mean) < 12 ? "flat" : "fine";
	}

	// frame gives the picture as it is now: a JPEG, base64.
	async frame() {
		if (!this.#draw(Math.min(this.#video.videoWidth, 1280))) return null;
		const blob = await new Promise((r) => this.#canvas.toBlob(r, "image/jpeg", .9));
		if (!blob) return null;
		const bytes = new Uint8Array(await blob.arrayBuffer());
		let s = "";
		for (let i = 0; i < bytes.length; i += 0x8000) s += String.fromCharCode(...bytes.subarray(i, i + 0x8000));
		return { mime: "image/jpeg", width: this.#canvas.width, height: this.#canvas.height, data: btoa(s) };
	}
}
