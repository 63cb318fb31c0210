package catalog

// FaceConsentVersion is the version of FaceConsentText: whenever the text changes, it does.
const FaceConsentVersion = "tapcheck-face-1"

// FaceConsentText is what a person is told before a face is compared (Luật 91/2025/QH15, NĐ 356/2025 Đ6): what for, that the data
// are sensitive, what becomes of them, and that refusing changes nothing about the care.
var FaceConsentText = Text{
	"Cơ sở muốn so khuôn mặt của người bệnh với ảnh trong chip căn cước, chỉ để xác nhận người đến khám là chủ thẻ. Ảnh khuôn mặt và đặc trưng khuôn mặt là dữ liệu cá nhân nhạy cảm. " +
		"Việc so ảnh làm ngay trên máy này; ảnh chụp được xóa khi có kết quả, không lưu lại và không gửi đi đâu; chỉ lưu kết quả so và sự đồng ý này. Người bệnh có quyền không đồng ý hoặc rút lại sự đồng ý; việc khám chữa bệnh không thay đổi.",
	"The facility would like to compare the patient's face with the photo in the card's chip, only to confirm that the person who came is the card's holder. Pictures and features of a face are sensitive personal data. " +
		"The comparison is made on this PC; the picture taken is deleted as soon as there is a result, is not kept and goes nowhere; only the result and this consent are kept. The patient may refuse, or withdraw the consent; the care is the same.",
}
