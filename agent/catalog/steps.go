package catalog

import (
	"maps"
	"slices"
)

// Ids of what the desk does next, as results carry them.
const (
	StepProceed          = "PROCEED"
	StepCheckPapers      = "CHECK_PAPERS"
	StepAskInsuranceCard = "ASK_INSURANCE_CARD"
	StepLookupLater      = "ADMIT_LOOKUP_LATER"
	StepReturnCard       = "RETURN_CARD"
	StepComparePhoto     = "COMPARE_PHOTO"
	StepNotCovered       = "NOT_COVERED"
	StepUseNewCard       = "USE_NEW_CARD"
	StepCheckIdentity    = "CHECK_IDENTITY"
	StepFixInput         = "FIX_INPUT"
	StepTellIT           = "TELL_IT"
	StepKeepCard         = "KEEP_CARD"
	StepInsertCard       = "INSERT_CARD"
	StepCallSupervisor   = "CALL_SUPERVISOR"
	StepPaperAdmission   = "ADMIT_WITH_PAPERS"
	StepTryAgain         = "TRY_AGAIN"
	StepTempCardFlow     = "CHILD_WITHOUT_CARD"
	StepComparePapers    = "COMPARE_PAPERS"
	StepCheckVNeID       = "CHECK_VNEID_SCREEN"
	StepEmergency        = "TREAT_FIRST"
	StepIdentifyLater    = "IDENTIFY_LATER"
	StepNewCheckin       = "START_NEW_CHECKIN"
	StepCorrectAtInsurer = "CORRECT_AT_INSURER"
	StepRecordOld        = "INSURER_RECORD_OLD"
	StepOtherPerson      = "POSSIBLE_OTHER_PERSON"
	StepPrintProof       = "PRINT_LOOKUP_PROOF"
	StepFaceByEye        = "COMPARE_FACE_BY_EYE"
)

// Ids of warnings, as results carry them.
const (
	WarnSignerNew       = "SIGNER_NEW"
	WarnFieldsLimited   = "FIELDS_LIMITED"
	WarnPortraitBad     = "PORTRAIT_UNREADABLE"
	WarnNoPortrait      = "PORTRAIT_ABSENT"
	WarnNotRecorded     = "NOT_RECORDED"
	WarnDocumentExpired = "DOCUMENT_EXPIRED"
	WarnKeyDiffers      = "KEY_DIFFERS"
	WarnDowngrade       = "ACCESS_DOWNGRADED"
	WarnExchangeFailed  = "CHIP_PROOF_FAILED"
	WarnAccessAltered   = "ACCESS_ALTERED"
	WarnNameDiffers     = "INSURANCE_DATA_DIFFER"
	WarnTraining        = "INSURANCE_TRAINING"
	WarnWeakAlgorithm   = "WEAK_ALGORITHM"
	WarnMRZCheckDigit   = "MRZ_CHECK_DIGIT"
	WarnDG13Unreadable  = "DG13_UNREADABLE"
	WarnDG13Differs     = "DG13_DIFFERS"
	WarnQRMangled       = "QR_MANGLED"
	WarnHashNotNamed    = "AA_HASH_NOT_NAMED"
	WarnFileRefused     = "FILE_REFUSED"
	WarnSimulated       = "SIMULATED"
	WarnVirtualReader   = "VIRTUAL_READER"
	WarnCRLStale        = "REVOCATION_LIST_STALE"
	WarnDeviation       = "KNOWN_DEVIATION"
)

var steps = map[string]Text{
	StepProceed:          {"Tiếp nhận người bệnh.", "Admit the patient."},
	StepCheckPapers:      {"Kiểm tra thẻ BHYT và giấy tờ tùy thân.", "Check the insurance card and an identity paper."},
	StepAskInsuranceCard: {"Hỏi người bệnh thẻ BHYT khác hoặc mở VssID/VNeID.", "Ask for another insurance card or for VssID/VNeID."},
	StepPrintProof:       {"In giấy xác nhận đã tra cứu nhưng chưa có kết quả, và kèm vào hồ sơ thanh toán.", "Print the proof of the failed look-up and put it into the claim's dossier."},
	StepLookupLater:      {"Vẫn tiếp nhận; tra cứu lại thẻ BHYT khi cổng hoạt động.", "Admit the patient; look the insurance up again when the gateway works."},
	StepReturnCard:       {"Trả thẻ cho người bệnh.", "Return the card to the patient."},
	StepFaceByEye:        {"Chưa xác nhận được khuôn mặt: so người bệnh với ảnh trên thẻ bằng mắt rồi ghi quyết định. Vẫn tiếp nhận người bệnh.", "The face is not confirmed: compare the patient with the card's photo by eye and record what you decide. Admit the patient all the same."},
	StepComparePhoto:     {"So ảnh trong chip với người đứng trước quầy.", "Compare the chip's photo with the person at the desk."},
	StepNotCovered:       {"Báo người bệnh thẻ BHYT không còn giá trị; tiếp nhận theo diện tự chi trả hoặc giấy tờ khác.", "Tell the patient that the insurance is not valid; admit as self-paying or with other papers."},
	StepUseNewCard:       {"Dùng mã thẻ BHYT mới trong kết quả.", "Use the new insurance card code in the result."},
	StepCheckIdentity:    {"Thông tin trên cổng BHYT khác với thẻ căn cước: đối chiếu họ tên, ngày sinh với người bệnh.", "The insurer's data differ from the ID card's: compare name and date of birth with the patient."},
	StepCorrectAtInsurer: {"Chỉ khác cách ghi: vẫn tiếp nhận; hướng dẫn người bệnh đề nghị cơ quan BHXH sửa cho khớp thẻ căn cước.", "Only written otherwise: admit; tell the patient to have the insurer's record corrected to match the ID card."},
	StepRecordOld:        {"Thông tin trên cổng BHYT là của thẻ hoặc hồ sơ cũ: xem thẻ mới trên VssID/VNeID; hướng dẫn người bệnh đề nghị cơ quan BHXH cập nhật.", "The insurer's data are those of an old card or record: look at the new card in VssID/VNeID; tell the patient to have the record updated."},
	StepOtherPerson:      {"Có thể là thẻ hoặc số của người khác: đối chiếu ảnh và giấy tờ tùy thân, hỏi lại số thẻ và báo người phụ trách. Vẫn tiếp nhận người bệnh.", "It may be somebody else's card or number: compare photo and papers, ask for the number again and tell your supervisor. Admit the patient all the same."},
	StepFixInput:         {"Kiểm tra lại số hoặc mã thẻ đã nhập.", "Check the number or card code that was typed."},
	StepTellIT:           {"Vẫn tiếp nhận; báo bộ phận CNTT.", "Admit the patient; tell IT."},
	StepKeepCard:         {"Giữ yên thẻ trên đầu đọc.", "Keep the card on the reader."},
	StepInsertCard:       {"Đặt thẻ lên đầu đọc.", "Put the card on the reader."},
	StepCallSupervisor:   {"Tiếp nhận bằng giấy tờ và báo người phụ trách.", "Admit with papers and tell your supervisor."},
	StepPaperAdmission:   {"Tiếp nhận bằng giấy tờ.", "Admit with papers."},
	StepTryAgain:         {"Thử lại một lần.", "Try once more."},
	StepComparePapers:    {"So thẻ BHYT giấy với giấy tờ tùy thân có ảnh của người bệnh.", "Compare the paper card with an identity paper that has a photo."},
	StepCheckVNeID:       {"Xem trực tiếp trong ứng dụng VNeID trên điện thoại của người bệnh; không nhận ảnh chụp màn hình.", "Look at the VNeID app itself on the patient's phone; a screenshot does not count."},
	StepEmergency:        {"Cấp cứu: tiếp nhận và điều trị ngay, không chờ giấy tờ.", "Emergency: admit and treat at once, without waiting for papers."},
	StepIdentifyLater:    {"Bổ sung giấy tờ và thẻ BHYT trước khi người bệnh ra viện; khi đó tiếp nhận lại và gắn với mã lượt khám này.", "Add papers and insurance card before discharge; then check in again and link it to the same visit."},
	StepNewCheckin:       {"Bắt đầu lượt mới với đúng người bệnh.", "Start a new check-in with the right patient."},
	StepTempCardFlow:     {"Trẻ em chưa có thẻ: tiếp nhận bằng giấy khai sinh hoặc giấy chứng sinh.", "Child without a card: admit with the birth certificate or birth slip."},
}

var warnings = map[string]Text{
	WarnSignerNew:       {"Lần đầu gặp chứng thư ký này tại quầy.", "This document signer was never seen at this desk before."},
	WarnFieldsLimited:   {"Một số trường không được trả vì phần mềm chưa được phép.", "Some fields were left out because the program may not have them."},
	WarnPortraitBad:     {"Ảnh trong chip không hiển thị được.", "The chip's photo cannot be shown."},
	WarnNoPortrait:      {"Chip không có ảnh.", "The chip holds no photo."},
	WarnNotRecorded:     {"Chưa ghi được lượt này vào sổ; kết quả vẫn dùng được.", "This check-in could not be recorded yet; its result can be used."},
	WarnDocumentExpired: {"Thẻ căn cước đã hết hạn.", "The ID card has expired."},
	WarnKeyDiffers:      {"Thông tin vừa quét hoặc nhập khác với chip.", "What was scanned or typed differs from the chip."},
	WarnDowngrade:       {"Chip được mở bằng cách cũ hơn (BAC) thay cho PACE.", "The chip was opened the older way (BAC) in place of PACE."},
	WarnExchangeFailed:  {"Chip không chứng minh được khóa của nó: có thể là bản sao.", "The chip could not prove its key: it may be a copy."},
	WarnAccessAltered:   {"Chip khai cách mở khác với phần đã ký: có thể có thiết bị xen giữa.", "What the chip offers to open it with is not what was signed: something may stand in between."},
	WarnTraining:        {"Kết quả BHYT đến từ hệ thống đào tạo hoặc cổng mô phỏng: không đúng với người này, không dùng để thanh toán. Báo bộ phận CNTT.", "The insurance was looked up in the training system or a simulated gateway: it is not true of this person and no ground to claim on. Tell IT."},
	WarnNameDiffers:     {"Thông tin trên cổng BHYT khác với thẻ.", "The insurer's data differ from the card's."},
	WarnWeakAlgorithm:   {"Thẻ được ký bằng thuật toán cũ.", "The card was signed with an old algorithm."},
	WarnMRZCheckDigit:   {"Số kiểm tra phụ trong MRZ không khớp.", "A secondary check digit of the MRZ does not match."},
	WarnDG13Unreadable:  {"Phần dữ liệu tiếng Việt trong chip không đọc được; họ tên lấy từ MRZ không có dấu.", "The chip's Vietnamese data cannot be decoded; the name comes from the MRZ, without diacritics."},
	WarnDG13Differs:     {"Hai phần dữ liệu trong chip không khớp nhau; phần theo chuẩn quốc tế được dùng. Đối chiếu với mặt thẻ và người bệnh.", "Two parts of the chip's data contradict each other; the international part is used. Compare with the card's face and the patient."},
	WarnHashNotNamed:    {"Thẻ không cho biết thuật toán băm của chữ ký thử; đã dùng thuật toán theo độ dài khóa.", "The card does not say which hash its chip signs with; the one that fits its key was taken."},
	WarnQRMangled:       {"Bộ gõ tiếng Việt đã làm sai dữ liệu quét; chỉ số căn cước được dùng. Hãy tắt bộ gõ khi quét.", "A Vietnamese keyboard driver mangled the scan; only the number is used. Switch it off for scanning."},
	WarnFileRefused:     {"Chip không cho đọc một phần dữ liệu.", "The chip refuses some of its data."},
	WarnSimulated:       {"Dữ liệu mô phỏng, không phải người bệnh thật.", "Simulated data, not a real patient."},
	WarnVirtualReader:   {"Thẻ được đọc qua đầu đọc ảo.", "The card was read through a virtual reader."},
	WarnCRLStale:        {"Danh sách chứng thư bị thu hồi đã cũ; báo bộ phận CNTT cập nhật.", "The list of revoked certificates is out of date; tell IT to get a new one."},
	WarnDeviation:       {"Nước cấp đã công bố sai khác so với tiêu chuẩn ở loại thẻ này.", "The issuing state has published that these documents deviate from the standard."},
}

// reasons are the texts of verdict reasons (lds.Reason), in plain words for the desk.
var reasons = map[string]Text{
	"MALFORMED":             {"Tệp chữ ký của chip không đọc được.", "The chip's signature file cannot be decoded."},
	"HASH_MISMATCH":         {"Dữ liệu trên chip đã bị thay đổi sau khi ký.", "Data on the chip were changed after they were signed."},
	"DATA_GROUP_NOT_LISTED": {"Chip có dữ liệu không nằm trong phần đã ký.", "The chip has data that are not among the signed ones."},
	"SIGNATURE_INVALID":     {"Chữ ký trên chip không đúng.", "The signature on the chip is wrong."},
	"SIGNER_AMBIGUOUS":      {"Không xác định được ai đã ký dữ liệu.", "It cannot be told who signed the data."},
	"COUNTRY_MISMATCH":      {"Nước của bên ký khác với nước cấp thẻ.", "The signer's country is not the issuing state."},
	"ALGORITHM_UNKNOWN":     {"Thẻ được ký bằng thuật toán chưa hỗ trợ.", "The card was signed with an unknown algorithm."},
	"KEY_USAGE":             {"Chứng thư ký không được phép dùng để ký thẻ.", "The signer's certificate may not sign cards."},
	"REVOKED":               {"Chứng thư ký đã bị thu hồi.", "The signer's certificate was revoked."},
	"SIGNER_NOT_ANCHORED":   {"Chưa có chứng thư gốc để xác minh bên ký: chưa kết luận được, đây là tình trạng bình thường.", "There is no root certificate yet to verify the signer by: nothing can be said either way, which is normal."},
	"NOT_YET_VALID":         {"Chứng thư ký chưa có hiệu lực.", "The signer's certificate is not valid yet."},
	"EXPIRED":               {"Chứng thư ký đã hết hiệu lực.", "The signer's certificate has expired."},
	"KEY_REJECTED":          {"Chip không nhận mã.", "The chip rejected the key."},
	"KEY_UNSUITABLE":        {"Chip không mở được bằng loại mã này.", "The chip does not open with this kind of key."},
	"ACCESS_FAILED":         {"Không mở được chip.", "The chip could not be opened."},
	"DG13_DIFFERS":          {"Hai phần dữ liệu trong chip không khớp nhau.", "Two parts of the chip's data contradict each other."},
	"QR_MANGLED":            {"Bộ gõ tiếng Việt đã làm sai dữ liệu quét.", "A Vietnamese keyboard driver mangled the scan."},
	"NO_SOD":                {"Chip không có tệp chữ ký.", "The chip has no signature file."},
	"IDENTITY_INCOMPLETE":   {"Chip thiếu dữ liệu nhận dạng.", "The chip lacks data of the holder."},
	"KEY_NOT_ANCHORED":      {"Chưa xác minh được bên ký nên khóa của chip chưa nói lên điều gì.", "The signer is not verified, so the chip's key proves nothing yet."},
	"AA_HASH_NOT_NAMED":     {"Thẻ không cho biết thuật toán băm dùng khi ký.", "The card does not say which hash it signs with."},
	"KEY_NOT_BOUND":         {"Khóa mà chip chứng minh không nằm trong dữ liệu đã ký của chính giấy tờ này.", "The key that the chip proved is not among this document's own signed data."},
	"CHIP_AUTH_FAILED":      {"Chip không chứng minh được khóa của nó.", "The chip could not prove its key."},
	"ACTIVE_AUTH_FAILED":    {"Chip ký thử sai.", "The chip's signature over our challenge is wrong."},
	"RESPONSE_TOO_LONG":     {"Đầu đọc không nhận được câu trả lời dài của chip.", "The reader cannot take the chip's long answer."},
	"UNSUPPORTED":           {"Chip dùng thuật toán chưa hỗ trợ.", "The chip uses an algorithm that is not supported."},
	"WEAK_KEY":              {"Khóa của chip quá ngắn.", "The chip's key is too short."},
	"REFUSED_BY_CARD":       {"Chip từ chối bước này.", "The chip refuses this step."},
	"FEATURE_ABSENT":        {"Thẻ không có tính năng này.", "The card has no such feature."},
	"NOT_REACHED":           {"Chưa làm đến bước này.", "This step was not reached."},
	"SWITCHED_OFF":          {"Bước này đang tắt.", "This step is switched off."},
	"FILE_UNREADABLE":       {"Không đọc được tệp cần cho bước này.", "A file that this step needs could not be read."},
	"PASSIVE_AUTH_FAILED":   {"Khóa của chip không khớp phần đã ký.", "The chip's key is not the signed one."},
	"NO_ACCESS_CONTROL":     {"Chip đọc được không cần mã.", "The chip can be read without a key."},
	"DOCUMENT_EXPIRED":      {"Thẻ đã hết hạn.", "The card has expired."},
	"NO_EXPIRY_DATE":        {"Thẻ không ghi ngày hết hạn.", "The card states no date of expiry."},
	"NOTHING_TO_COMPARE":    {"Không có gì để so với chip.", "There was nothing to compare with the chip."},
	"KEY_DIFFERS_FROM_CHIP": {"Thông tin vừa quét hoặc nhập khác với chip.", "What was scanned or typed differs from the chip."},
	"NO_CHIP_PHOTO":         {"Chip không có ảnh để so.", "The chip holds no photo to compare with."},
	"CHIP_PHOTO_POOR":       {"Ảnh trong chip quá kém, không so được.", "The chip's photo is too poor to compare with."},
	"CHIP_PHOTO_UNREADABLE": {"Ảnh trong chip không đọc được.", "The chip's photo cannot be read."},
	"NO_MATCH":              {"Khuôn mặt trước camera không giống ảnh trong chip.", "The face before the camera is not the one of the chip's photo."},
	"NO_LIVE_PICTURE":       {"Chưa chụp được ảnh khuôn mặt nào.", "No live picture was taken in time."},
	"LIVE_PICTURE_POOR":     {"Ảnh chụp không đủ rõ để so.", "The live pictures are not good enough to compare."},
	"SCORE_IN_BETWEEN":      {"Mức giống chưa đủ để kết luận: cần người so bằng mắt.", "The likeness is in between: a person has to look."},
	"OTHER_FACE":            {"Có hơn một người trước camera trong lúc chụp.", "More than one person came before the camera meanwhile."},
	"ATTACK_CHECK_FAILED":   faces["ATTACK_CHECK_FAILED"],
	"CHALLENGE_NOT_MET":     faces["CHALLENGE_NOT_MET"],
	"CHALLENGE_RUNNING":     faces["CHALLENGE_RUNNING"],
	"FLAT_PICTURE":          faces["FLAT_PICTURE"],
	"FRAMES_REPEATED":       faces["FRAMES_REPEATED"],
	"TOO_FEW_FRAMES":        faces["TOO_FEW_FRAMES"],
	"ATTACK_CHECK_OFF":      faces["ATTACK_CHECK_OFF"],
	"CONSENT_REFUSED":       {"Người bệnh không đồng ý so khuôn mặt; việc tiếp nhận không thay đổi.", "The patient does not want the face compared; the admission is the same."},
	"CONSENT_MISSING":       {"Chưa có sự đồng ý so khuôn mặt.", "There is no consent to compare the face."},
	"MODELS_MISSING":        {"Bản cài đặt này không có phần so khuôn mặt.", "This installation cannot compare faces."},
	"DECODER_FAILED":        {"Phần xử lý ảnh gặp lỗi: không kết luận được.", "The handling of pictures broke down: nothing can be said."},
	"FACE_BUSY":             {"Máy đang so khuôn mặt cho quá nhiều lượt cùng lúc.", "This PC is comparing too many faces at the same time."},
	"CHILD":                 {"Trẻ em thay đổi nhanh so với ảnh trong chip: cần người so bằng mắt.", "A child soon looks unlike the photo in the chip: a person has to look."},
	"SKIPPED_BY_OPERATOR":   {"Nhân viên đã bỏ qua bước so khuôn mặt.", "The operator left the comparison out."},
	"MEANS_IS_NOT_CHIP":     {"Lượt này không dùng chip.", "This check-in does not use a chip."},
}

// StepText says what the desk does; ok is false for an id that is none.
func StepText(id string, l Lang) (s string, ok bool) { return in(steps, id, l) }

// WarningText says what the desk should know.
func WarningText(id string, l Lang) (s string, ok bool) { return in(warnings, id, l) }

// ReasonText says a verdict's reason in plain words.
func ReasonText(id string, l Lang) (s string, ok bool) { return in(reasons, id, l) }

// StepIDs are the ids of all steps, sorted.
func StepIDs() []string { return slices.Sorted(maps.Keys(steps)) }

// WarningIDs are the ids of all warnings, sorted.
func WarningIDs() []string { return slices.Sorted(maps.Keys(warnings)) }

// ReasonIDs are the ids of all reasons of verdicts, sorted.
func ReasonIDs() []string { return slices.Sorted(maps.Keys(reasons)) }

func in(m map[string]Text, id string, l Lang) (string, bool) {
	t, ok := m[id]
	return t.In(l), ok
}
