package catalog

import (
	"maps"
	"slices"
)

// faces are what is said while a face is looked at (package face, which names the ids): findings, as an instruction to the
// person who stands before the camera or to the desk; challenges, which are asked of the person; and why an attack check
// did not pass. Left and right are the person's own.
var faces = map[string]Text{
	// Findings.
	"NO_FACE":            {"Nhìn thẳng vào camera, để cả khuôn mặt lọt trong khung.", "Look at the camera, with the whole face in the frame."},
	"SEVERAL_FACES":      {"Chỉ một người đứng trước camera; mời người khác lùi ra.", "Only one person in front of the camera; ask others to step back."},
	"NOT_A_FACE":         {"Đây không phải khuôn mặt người thật. Đưa khuôn mặt vào trước camera.", "This is not a person's face. Bring the face in front of the camera."},
	"FACE_TOO_SMALL":     {"Lại gần camera hơn.", "Come closer to the camera."},
	"FACE_TOO_LARGE":     {"Lùi ra xa camera một chút.", "Move back from the camera a little."},
	"FACE_OFF_CENTRE":    {"Đưa khuôn mặt vào giữa khung.", "Bring the face to the middle of the frame."},
	"HEAD_TURNED":        {"Quay mặt thẳng về phía camera.", "Turn the face straight to the camera."},
	"HEAD_TILTED":        {"Giữ đầu thẳng, không nghiêng sang bên.", "Hold the head upright, not leaning to a side."},
	"LOOK_UP_DOWN":       {"Nhìn ngang tầm camera, không ngẩng hoặc cúi.", "Look level into the camera, neither up nor down."},
	"EYES_CLOSED":        {"Mở mắt nhìn vào camera.", "Open the eyes and look at the camera."},
	"MOUTH_OPEN":         {"Ngậm miệng lại.", "Close the mouth."},
	"BLURRED":            {"Ảnh bị mờ: giữ yên, hoặc lau ống kính camera.", "The picture is blurred: hold still, or wipe the camera's lens."},
	"TOO_DARK":           {"Thiếu sáng: bật đèn chiếu từ phía trước.", "Too dark: put a light in front."},
	"TOO_BRIGHT":         {"Quá sáng: tránh đèn hoặc nắng chiếu thẳng vào mặt.", "Too bright: keep lamps and sunlight off the face."},
	"UNEVEN_LIGHT":       {"Ánh sáng lệch một bên: quay về phía có đèn phía trước.", "The light comes from one side: face a light in front."},
	"LOW_CONTRAST":       {"Ảnh quá nhạt: tránh ngược sáng, lau ống kính camera.", "The picture is too flat: no light from behind, wipe the camera's lens."},
	"FACE_COVERED":       {"Bỏ khẩu trang, kính râm hoặc vật che mặt.", "Take off the mask, the sunglasses or what else covers the face."},
	"FRAME_REPEATED":     {"Hình camera bị đứng: kiểm tra camera.", "The camera's picture stands still: check the camera."},
	"FRAME_STALE":        {"Hình camera đến quá chậm: đóng bớt chương trình đang dùng camera.", "The camera's pictures come too late: close other programs that use the camera."},
	"FRAME_OUT_OF_ORDER": {"Hình camera đến không đúng thứ tự: mở lại cửa sổ chụp.", "The camera's pictures come in a wrong order: open the capture window again."},
	"OTHER_FACE":         {"Khuôn mặt đã đổi sang người khác: chỉ người bệnh đứng trước camera.", "The face has changed to another person's: only the patient in front of the camera."},
	"SCREEN_HINT":        {"Có thể là màn hình hoặc ảnh in: nhìn người bệnh trực tiếp.", "This may be a screen or a print: look at the patient."},
	"PICTURE_TOO_SMALL":  {"Ảnh quá nhỏ: chọn độ phân giải camera cao hơn.", "The picture is too small: choose a higher camera resolution."},
	"PICTURE_TOO_LARGE":  {"Ảnh quá lớn: chọn độ phân giải camera thấp hơn.", "The picture is too large: choose a lower camera resolution."},
	"PICTURE_BROKEN":     {"Ảnh bị hỏng: chụp lại.", "The picture is broken: take it again."},
	"FRAME_DROPPED":      {"Máy đang xử lý ảnh trước: tiếp tục nhìn vào camera.", "The last picture is still being looked at: keep looking at the camera."},
	"PICTURE_TYPE":       {"Loại ảnh này không dùng được: gửi ảnh JPEG hoặc PNG.", "This type of picture cannot be used: send JPEG or PNG."},

	// Challenges.
	"look_straight": {"Nhìn thẳng vào camera.", "Look straight at the camera."},
	"turn_left":     {"Từ từ quay mặt sang trái.", "Slowly turn the head to the left."},
	"turn_right":    {"Từ từ quay mặt sang phải.", "Slowly turn the head to the right."},
	"nod":           {"Cúi đầu rồi ngẩng lên.", "Lower the head, then raise it again."},
	"blink":         {"Nhắm mắt một chút rồi mở ra.", "Close the eyes for a moment, then open them."},
	"come_closer":   {"Đưa mặt lại gần camera.", "Bring the face closer to the camera."},

	// Why an attack check did not pass.
	"CHALLENGE_NOT_MET":   {"Người bệnh chưa làm động tác được yêu cầu.", "What was asked of the patient was not done."},
	"CHALLENGE_RUNNING":   {"Chưa kiểm tra xong.", "The check is not finished."},
	"FLAT_PICTURE":        {"Vật trước camera phẳng như ảnh in hoặc màn hình.", "What was before the camera is flat, like a print or a screen."},
	"FRAMES_REPEATED":     {"Hình camera lặp lại hoặc sai thứ tự.", "The camera's pictures repeat or are out of order."},
	"TOO_FEW_FRAMES":      {"Quá ít hình dùng được để kết luận.", "Too few pictures could be used to say anything."},
	"ATTACK_CHECK_OFF":    {"Kiểm tra giả mạo đang tắt.", "The check for attacks is switched off."},
	"ATTACK_CHECK_FAILED": {"Kiểm tra giả mạo không đạt: nhân viên phải nhìn người bệnh trực tiếp.", "The check for attacks was not passed: the desk has to look at the patient."},
}

// FaceText says a finding, a challenge or the reason of an attack check.
func FaceText(id string, l Lang) (s string, ok bool) { return in(faces, id, l) }

// FaceIDs are the ids of all of these, sorted.
func FaceIDs() []string { return slices.Sorted(maps.Keys(faces)) }
