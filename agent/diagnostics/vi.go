package diagnostics

import "strings"

// vietnamese has the words of a bundle for whoever decides to send it; the bundle itself is in English.
var vietnamese = map[string]string{
	"patients: names, numbers, portraits, keys and results of check-ins (the journal stays here)":                      "người bệnh: họ tên, số giấy tờ, ảnh, khóa và kết quả tiếp nhận (sổ tiếp nhận ở lại máy này)",
	"operators and administrators: accounts, PINs and passwords":                                                       "nhân viên và quản trị viên: tài khoản, PIN, mật khẩu",
	"secrets: tokens, keys, passwords, and the files that hold them":                                                   "bí mật: token, khóa, mật khẩu và các tệp chứa chúng",
	"settings with free text, paths or addresses, but for those that are known to be harmless: told as set or not set": "các mục cấu hình có chữ tự do, đường dẫn hay địa chỉ, trừ những mục vô hại: chỉ nói đã đặt hay chưa",
	"cards: answers to reset and everything that was read":                                                             "thẻ: ATR và mọi thứ đã đọc",
	"names of this PC and of its users, and network addresses":                                                         "tên máy, tên người dùng của máy và địa chỉ mạng",
	"the program and the libraries in it":                                                                              "chương trình và các thư viện trong đó",
	"the operating system, memory and disk":                                                                            "hệ điều hành, bộ nhớ và ổ đĩa",
	"the settings in force, without secrets and free text":                                                             "cấu hình đang dùng, không có bí mật và chữ tự do",
	"card readers and their state":                                                                                     "đầu đọc thẻ và trạng thái",
	"how many root certificates and lists are loaded":                                                                  "số chứng thư gốc và danh sách đã nạp",
	"the last lines of the log, oldest first":                                                                          "những dòng nhật ký cuối, cũ nhất ở trên",
	"what is in this bundle and what is not":                                                                           "trong gói có gì và không có gì",
	"what doctor finds":                                                                                                "những gì tapcheck doctor tìm thấy",
	"the service, as the system's manager knows it":                                                                    "dịch vụ, theo trình quản lý dịch vụ của hệ thống",
	"the system, and versions of what Tapcheck stands on":                                                              "hệ thống và phiên bản những phần Tapcheck cần",
	"log.jsonl: the service's log is not there, or this user may not read it":                                          "log.jsonl: không có nhật ký của dịch vụ, hoặc người dùng này không được đọc",
	"settings.json: the settings have a mistake (doctor.json names it); what it shows are the defaults":                "settings.json: cấu hình có chỗ sai (xem doctor.json); những gì ghi là giá trị mặc định",
	"of the log: lines that are no events of the agent, and texts in its events that may name somebody":                "trong nhật ký: các dòng không phải sự kiện của Tapcheck, và những chữ có thể chỉ ra một người",
	"could not be had (the system does not give it to this user, or has none)":                                         "không lấy được (hệ thống không cho người dùng này đọc, hoặc không có)",
	"could not be had (took too long)":                                                                                 "không lấy được (quá lâu)",
	"could not be had (a fault in the program)":                                                                        "không lấy được (lỗi trong chương trình)",
	"could not be had (too large)":                                                                                     "không lấy được (quá lớn)",
}

// VI is the Vietnamese of a text of a bundle's contents or of what it left out; "" where there is none.
func VI(text string) string {
	if vi := vietnamese[text]; vi != "" {
		return vi
	}
	if file, why, ok := strings.Cut(text, ": "); ok && vietnamese[why] != "" {
		return file + ": " + vietnamese[why]
	}
	return ""
}
