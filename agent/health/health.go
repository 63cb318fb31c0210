// Package health holds what is wrong with this desk right now, as coded warnings: each says what is the matter, why, and
// how it is cured, in Vietnamese and English. The receptionist, IT and the HIS all read the same list (agent.hello,
// agent.status, tapcheck doctor); nobody has to read a log for it.
package health

import (
	"sort"
	"sync"
	"time"

	"github.com/tapcheck/tapcheck/agent/catalog"
)

// Code of a warning. Frozen once released.
type Code string

// Codes.
const (
	PCSCStopped         Code = "PCSC_STOPPED"
	PCSCDenied          Code = "PCSC_ACCESS_DENIED"
	PCSCNotBuilt        Code = "PCSC_NOT_BUILT"
	NoReader            Code = "NO_READER"
	ReaderStuck         Code = "READER_STUCK"
	ReaderHeld          Code = "READER_HELD"
	ReaderDriverless    Code = "READER_WITHOUT_DRIVER"
	NoClient            Code = "NO_CLIENT_ALLOWED"
	InsuranceOff        Code = "INSURANCE_OFF"
	InsuranceDown       Code = "INSURANCE_UNREACHABLE"
	InsuranceRefused    Code = "INSURANCE_REJECTED"
	LookupsWaiting      Code = "LOOKUPS_WAITING"
	LookupsLate         Code = "LOOKUPS_LATE"
	LookupsFull         Code = "LOOKUPS_FULL"
	JournalUnwritable   Code = "JOURNAL_UNWRITABLE"
	RecordsLost         Code = "RECORDS_LOST"
	InternalFault       Code = "INTERNAL_FAULT"
	JournalDamaged      Code = "JOURNAL_DAMAGED"
	TrustRefused        Code = "TRUST_FILE_REFUSED"
	PortsTaken          Code = "PORTS_TAKEN"
	SettingsWrong       Code = "SETTINGS_INVALID"
	SettingsLast        Code = "SETTINGS_LAST_GOOD"
	SettingsRestart     Code = "SETTINGS_NEED_RESTART"
	DataFolderExposed   Code = "DATA_FOLDER_EXPOSED"
	Simulation          Code = "SIMULATION"
	WSSUnusable         Code = "WSS_UNUSABLE"
	WSSEnding           Code = "WSS_CERTIFICATE_ENDING"
	DiskLow             Code = "DISK_LOW"
	ClockImplausible    Code = "CLOCK_IMPLAUSIBLE"
	ClockOff            Code = "CLOCK_OFF"
	TimezoneOther       Code = "TIMEZONE_OTHER"
	TrustStale          Code = "TRUST_STALE"
	BrowserAsks         Code = "BROWSER_POLICY_ABSENT"
	ServiceDown         Code = "SERVICE_NOT_RUNNING"
	RemoteDesktop       Code = "REMOTE_DESKTOP"
	NoCSCAForIDCards    Code = "NO_ID_CARD_ANCHOR"
	DriverPackageAbsent Code = "CARD_DRIVER_ABSENT"
	ScannerAbsent       Code = "SCANNER_ABSENT"
	CompatPortTaken     Code = "COMPAT_PORT_TAKEN"
	CompatUnusable      Code = "COMPAT_UNUSABLE"
	WebhookFailing      Code = "WEBHOOK_UNREACHABLE"
	CodesUnusable       Code = "CODES_UNUSABLE"
	FaceModelsMissing   Code = "FACE_MODELS_MISSING"
	FaceModelUnusable   Code = "FACE_MODEL_UNUSABLE"
	ConsoleClosed       Code = "CONSOLE_ACCOUNTS_UNREADABLE"
	UpdateTakenBack     Code = "UPDATE_TAKEN_BACK"
	UpdateFailing       Code = "UPDATE_FAILING"
	MachineCopied       Code = "MACHINE_COPIED"
	TPMKeysLost         Code = "TPM_KEYS_LOST"
	BackupFailing       Code = "BACKUP_FAILING"
)

// Severity of a warning, explicit because it goes over the wire.
type Severity string

// Severities: nothing works, something does not, good to know.
const (
	Down     Severity = "down"
	Degraded Severity = "degraded"
	Note     Severity = "note"
)

// About is what is known about a code.
type About struct {
	Severity           Severity
	Title, Cause, Cure catalog.Text
}

// Warning is one thing that is wrong, in one language.
type Warning struct {
	Code     Code      `json:"code"`
	Severity Severity  `json:"severity"`
	Title    string    `json:"title"`
	Cause    string    `json:"cause"`
	Cure     string    `json:"cure"`
	Since    time.Time `json:"since"`
}

var codes = map[Code]About{
	PCSCStopped: {Down,
		catalog.Text{VI: "Dịch vụ thẻ thông minh không chạy.", EN: "The smart card service is not running."},
		catalog.Text{VI: "Windows: dịch vụ SCardSvr dừng khi không có đầu đọc; Linux: pcscd chưa cài hoặc bị dừng.", EN: "Windows stops SCardSvr when there is no reader; on Linux pcscd is not installed or was stopped."},
		catalog.Text{VI: "Cắm đầu đọc. Linux: systemctl start pcscd.socket. Tapcheck tự nối lại.", EN: "Plug a reader in. Linux: systemctl start pcscd.socket. Tapcheck reconnects by itself."}},
	PCSCDenied: {Down,
		catalog.Text{VI: "Dịch vụ thẻ thông minh từ chối tài khoản này.", EN: "The smart card service refuses this account."},
		catalog.Text{VI: "Trên Linux, polkit chỉ cho người dùng đang ngồi tại máy dùng pcscd.", EN: "On Linux, polkit lets only users who sit at the PC use pcscd."},
		catalog.Text{VI: "Cài quy tắc polkit của Tapcheck, hoặc chạy bằng tài khoản dịch vụ tapcheck.", EN: "Install Tapcheck's polkit rule, or run as the service's own account."}},
	PCSCNotBuilt: {Down,
		catalog.Text{VI: "Bản này không dùng được đầu đọc thật.", EN: "This build cannot use real readers."},
		catalog.Text{VI: "Chương trình được dựng với thẻ nopcsc hoặc không có cgo.", EN: "The program was built with the tag nopcsc or without cgo."},
		catalog.Text{VI: "Cài bản phát hành, hoặc dựng lại khi có libpcsclite-dev.", EN: "Install a release, or build again with libpcsclite-dev."}},
	NoReader: {Down,
		catalog.Text{VI: "Không thấy đầu đọc thẻ.", EN: "No card reader is there."},
		catalog.Text{VI: "Chưa cắm, dây lỏng, hoặc thiếu trình điều khiển (Linux: libccid).", EN: "Not plugged in, a loose cable, or no driver (Linux: libccid)."},
		catalog.Text{VI: "Cắm lại đầu đọc; cài trình điều khiển của hãng.", EN: "Plug the reader in again; install the maker's driver."}},
	ReaderStuck: {Degraded,
		catalog.Text{VI: "Một đầu đọc bị treo.", EN: "A reader hangs."},
		catalog.Text{VI: "Trình điều khiển không trả lời một lệnh.", EN: "The driver does not return from a command."},
		catalog.Text{VI: "Rút và cắm lại đầu đọc; nếu vẫn treo, khởi động lại Tapcheck.", EN: "Unplug it and plug it in again; if it stays, restart Tapcheck."}},
	ReaderHeld: {Degraded,
		catalog.Text{VI: "Chương trình khác đang giữ đầu đọc hoặc thẻ.", EN: "Another program holds the reader or its card."},
		catalog.Text{VI: "Phần mềm khác (chữ ký số, phần mềm của hãng đầu đọc, GnuPG) đang mở thẻ. Nếu Tapcheck đang đọc một thẻ thì đây là chính lượt đó.", EN: "Other software (digital signatures, the reader maker's tool, GnuPG) has the card open. While Tapcheck reads a card, that is what is seen here."},
		catalog.Text{VI: "Đóng hoặc gỡ chương trình đó; chữ ký số nên dùng đầu đọc hay USB token riêng.", EN: "Close or remove that program; give digital signatures a reader or token of their own."}},
	ReaderDriverless: {Degraded,
		catalog.Text{VI: "Có đầu đọc USB đang cắm mà hệ thống không dùng được.", EN: "A USB reader is plugged in and the system does not use it."},
		catalog.Text{VI: "Thiếu trình điều khiển (gói libccid), đầu đọc quá mới với gói đang cài, hoặc pcscd chưa nhận.", EN: "Its driver is missing (package libccid), older than the reader, or pcscd has not taken it."},
		catalog.Text{VI: "Cài hoặc cập nhật libccid, chạy systemctl restart pcscd, rồi cắm lại đầu đọc.", EN: "Install or update libccid, run systemctl restart pcscd, and plug the reader in again."}},
	NoClient: {Note,
		catalog.Text{VI: "Chưa phần mềm nào được phép kết nối.", EN: "No program may connect yet."},
		catalog.Text{VI: "Chưa cấp token cho trang web hay phần mềm bệnh viện.", EN: "No token was issued to the HIS."},
		catalog.Text{VI: "Chạy tapcheck token add --origin https://… hoặc --desktop.", EN: "Run tapcheck token add --origin https://… or --desktop."}},
	InsuranceOff: {Note,
		catalog.Text{VI: "Tra cứu BHYT đang tắt.", EN: "Insurance look-ups are off."},
		catalog.Text{VI: "Mục insurance.provider trong cấu hình là off.", EN: "insurance.provider is off in the settings."},
		catalog.Text{VI: "Điền tài khoản cổng BHYT vào cấu hình.", EN: "Put the gateway account into the settings."}},
	InsuranceDown: {Degraded,
		catalog.Text{VI: "Cổng BHYT không trả lời.", EN: "The insurance gateway does not answer."},
		catalog.Text{VI: "Mạng lỗi, hoặc cổng quá tải hay bảo trì.", EN: "The network fails, or the gateway is overloaded or in maintenance."},
		catalog.Text{VI: "Vẫn tiếp nhận người bệnh; tra cứu lại khi cổng hoạt động.", EN: "Go on admitting; look up again when the gateway works."}},
	InsuranceRefused: {Degraded,
		catalog.Text{VI: "Cổng BHYT từ chối tài khoản của cơ sở.", EN: "The insurance gateway refuses the facility's account."},
		catalog.Text{VI: "Sai mật khẩu, IP chưa đăng ký, hoặc cán bộ tra cứu chưa đăng ký.", EN: "Wrong password, or the IP address or staff member is not registered."},
		catalog.Text{VI: "Kiểm tra tài khoản trên cổng BHYT.", EN: "Check the account on the gateway's portal."}},
	LookupsWaiting: {Note,
		catalog.Text{VI: "Có lượt đang chờ tra cứu lại thẻ BHYT.", EN: "Insurance look-ups wait to be asked again."},
		catalog.Text{VI: "Lúc tiếp nhận, cổng BHYT không trả lời; hoặc người bệnh vừa chuyển khoa hay ra viện.", EN: "The gateway did not answer at the check-in, or a patient was just transferred or discharged."},
		catalog.Text{VI: "Không cần làm gì: Tapcheck tự hỏi lại và báo phần mềm bệnh viện. Hãy để máy này bật.", EN: "Nothing needs to be done: Tapcheck asks again and tells the HIS. Leave this PC on."}},
	LookupsLate: {Degraded,
		catalog.Text{VI: "Có lượt chờ tra cứu thẻ BHYT đã hơn một ngày.", EN: "An insurance look-up has waited for more than a day."},
		catalog.Text{VI: "Cổng BHYT hoặc đường mạng hỏng lâu, tài khoản bị từ chối, hoặc máy này thường tắt.", EN: "The gateway or the network has long been down, the account is refused, or this PC is often off."},
		catalog.Text{VI: "Kiểm tra mạng và tài khoản cổng BHYT; người bệnh ra viện thì in giấy xác nhận đã tra cứu, kèm vào hồ sơ.", EN: "Check the network and the gateway account; for a patient who goes home, print the proof of the look-ups and put it into the dossier."}},
	LookupsFull: {Degraded,
		catalog.Text{VI: "Hàng chờ tra cứu thẻ BHYT đã đầy.", EN: "The queue of insurance look-ups is full."},
		catalog.Text{VI: "Quá nhiều lượt chưa tra cứu được; các lượt mới không được xếp hàng.", EN: "Too many look-ups have found no answer; new ones are not queued."},
		catalog.Text{VI: "Sửa kết nối tới cổng BHYT; các lượt mới phải tra cứu trên trang của cổng.", EN: "Mend the connection to the gateway; look new patients up on the gateway's own page."}},
	JournalUnwritable: {Degraded,
		catalog.Text{VI: "Không ghi được sổ lượt tiếp nhận.", EN: "Check-ins cannot be recorded."},
		catalog.Text{VI: "Ổ đĩa đầy, chỉ đọc hoặc hỏng.", EN: "The disk is full, read-only or faulty."},
		catalog.Text{VI: "Giải phóng ổ đĩa; kết quả chưa ghi được đánh dấu recorded: false.", EN: "Free the disk; results that were not recorded say recorded: false."}},
	RecordsLost: {Degraded,
		catalog.Text{VI: "Một số dòng sổ đã mất, không ghi lại được.", EN: "Some records were lost for good."},
		catalog.Text{VI: "Ổ đĩa không ghi được quá lâu nên hàng chờ trong bộ nhớ đã đầy.", EN: "The disk refused for so long that the queue in memory was full."},
		catalog.Text{VI: "Sửa ổ đĩa; đối chiếu các lượt có recorded: false với phần mềm bệnh viện, rồi khởi động lại Tapcheck.", EN: "Mend the disk; compare the check-ins that say recorded: false with the HIS, then restart Tapcheck."}},
	InternalFault: {Note,
		catalog.Text{VI: "Đã có lỗi bên trong Tapcheck.", EN: "There was a fault inside Tapcheck."},
		catalog.Text{VI: "Một lượt tiếp nhận hoặc một lần tra cứu gặp lỗi lập trình; các lượt khác không bị ảnh hưởng.", EN: "A check-in or a look-up met a bug; others were not touched by it."},
		catalog.Text{VI: "Gửi nhật ký (job.panic) cho nhà phát triển; khởi động lại Tapcheck xóa cảnh báo này.", EN: "Send the log (job.panic) to the makers; a restart of Tapcheck clears this warning."}},
	JournalDamaged: {Degraded,
		catalog.Text{VI: "Sổ lượt tiếp nhận cũ không mở được; đã bắt đầu sổ mới.", EN: "The old journal could not be opened; a new one was begun."},
		catalog.Text{VI: "Lỗi ổ đĩa, tệp bị sửa từ bên ngoài, hoặc tệp khóa đã bị thay.", EN: "A fault of the disk, somebody changed the file, or the key file was replaced."},
		catalog.Text{VI: "Giữ thư mục damaged-… trong thư mục dữ liệu và kiểm tra ổ đĩa.", EN: "Keep the folder damaged-… in the data folder, and check the disk."}},
	TrustRefused: {Degraded,
		catalog.Text{VI: "Có tệp trong thư mục tin cậy không dùng được, hoặc chỉ dùng được một phần.", EN: "A file in the trust folder, or a part of one, cannot be used."},
		catalog.Text{VI: "Tệp hỏng, không đúng loại, hoặc chưa có chứng thư CSCA đã ký nó.", EN: "It is broken or of another kind, or the CSCA certificate that signed it is not there."},
		catalog.Text{VI: "Chạy tapcheck trust check để biết tệp nào, chỗ nào và cách sửa.", EN: "tapcheck trust check names the file, the place and the cure."}},
	NoCSCAForIDCards: {Note,
		catalog.Text{VI: "Chưa có chứng thư gốc của thẻ căn cước.", EN: "There is no root certificate for citizen cards yet."},
		catalog.Text{VI: "Danh sách công khai không có CSCA của thẻ căn cước; kết quả là «chưa kết luận được».", EN: "The public lists hold no CSCA of the citizen card, so verdicts are not_verifiable."},
		catalog.Text{VI: "Xin chứng thư từ cơ quan cấp và đặt vào thư mục trust.", EN: "Get it from the issuing authority and put it into the trust folder."}},
	WSSUnusable: {Degraded,
		catalog.Text{VI: "Kết nối wss:// không dùng được.", EN: "wss:// cannot be used."},
		catalog.Text{VI: "Mục his.wss đã bật nhưng chưa có chứng thư, chứng thư đã hết hạn, hoặc mọi cổng ở his.wss_ports đều bận. Kết nối ws:// vẫn hoạt động.", EN: "his.wss is on, and there is no certificate, it has ended, or every port of his.wss_ports is taken. ws:// still works."},
		catalog.Text{VI: "Quản trị viên chạy tapcheck wss renew, cho máy tin cậy CA mới, rồi khởi động lại Tapcheck.", EN: "An administrator runs tapcheck wss renew, lets the PC trust the new CA, and restarts Tapcheck."}},
	WSSEnding: {Note,
		catalog.Text{VI: "Chứng thư wss:// sắp hết hạn.", EN: "The certificate of wss:// ends soon."},
		catalog.Text{VI: "Còn dưới 30 ngày.", EN: "Less than 30 days are left."},
		catalog.Text{VI: "Quản trị viên chạy tapcheck wss renew và cho máy tin cậy CA mới.", EN: "An administrator runs tapcheck wss renew and lets the PC trust the new CA."}},
	PortsTaken: {Down,
		catalog.Text{VI: "Các cổng của Tapcheck đang bị chiếm.", EN: "Tapcheck's ports are taken."},
		catalog.Text{VI: "Chương trình khác, hoặc một Tapcheck khác, đang dùng các cổng ghi ở his.ports trên 127.0.0.1.", EN: "Another program, or another Tapcheck, uses the ports of his.ports on 127.0.0.1."},
		catalog.Text{VI: "Tắt chương trình đó hoặc đổi his.ports.", EN: "Close that program or change his.ports."}},
	SettingsWrong: {Down,
		catalog.Text{VI: "Tệp cấu hình có chỗ sai.", EN: "The settings file has a mistake."},
		catalog.Text{VI: "Thông báo nêu dòng và giá trị được phép.", EN: "The message names the line and what is allowed."},
		catalog.Text{VI: "Sửa dòng đó rồi khởi động lại.", EN: "Correct that line and restart."}},
	SettingsLast: {Degraded,
		catalog.Text{VI: "Cấu hình có chỗ sai; đang dùng cấu hình đúng gần nhất.", EN: "The settings have a mistake; the last good ones are in use."},
		catalog.Text{VI: "Tệp cấu hình, biến môi trường hoặc chính sách đã bị sửa sai hay bị hỏng sau lần chạy tốt gần nhất. Thay đổi sau đó chưa có hiệu lực.", EN: "The settings file, the environment or a policy was changed wrongly or damaged since the agent last started well. What was changed since is not in force."},
		catalog.Text{VI: "Chạy tapcheck config check để biết chỗ nào, sửa rồi chạy tapcheck service reload.", EN: "tapcheck config check names the place; correct it and run tapcheck service reload."}},
	SettingsRestart: {Note,
		catalog.Text{VI: "Có thay đổi cấu hình chờ khởi động lại.", EN: "Changed settings wait for a restart."},
		catalog.Text{VI: "Những mục này không đổi được khi đang tiếp nhận mà không làm ngắt kết nối.", EN: "Settings of this kind cannot change while desks work without breaking their connections."},
		catalog.Text{VI: "Khi quầy vắng, chạy tapcheck service restart.", EN: "When the desk is quiet, run tapcheck service restart."}},
	DataFolderExposed: {Down,
		catalog.Text{VI: "Thư mục dữ liệu hoặc tệp khóa không an toàn.", EN: "The data folder or a key file is not safe."},
		catalog.Text{VI: "Người dùng khác đọc được tệp, hoặc Tapcheck không có quyền.", EN: "Other users can read it, or Tapcheck may not."},
		catalog.Text{VI: "Chỉ cho tài khoản dịch vụ quyền đọc (0700 và 0600).", EN: "Let only the service account read it (0700 and 0600)."}},
	Simulation: {Note,
		catalog.Text{VI: "Đang chạy mô phỏng: không có người bệnh thật.", EN: "This is a simulation: no real patients."},
		catalog.Text{VI: "Chạy bằng tapcheck demo.", EN: "Started by tapcheck demo."},
		catalog.Text{VI: "Dùng tapcheck run cho công việc thật.", EN: "Use tapcheck run for real work."}},
	DiskLow: {Degraded,
		catalog.Text{VI: "Ổ đĩa sắp đầy.", EN: "The disk is nearly full."},
		catalog.Text{VI: "Còn dưới 200 MB nơi đặt thư mục dữ liệu.", EN: "Less than 200 MB are left where the data folder lies."},
		catalog.Text{VI: "Giải phóng ổ đĩa.", EN: "Free some space."}},
	ClockImplausible: {Degraded,
		catalog.Text{VI: "Đồng hồ của máy sai.", EN: "The PC's clock is wrong."},
		catalog.Text{VI: "Thời gian trước ngày phát hành chương trình, hoặc trước lúc Tapcheck ghi dữ liệu lần cuối.", EN: "The time lies before this program was made, or before Tapcheck last wrote its data."},
		catalog.Text{VI: "Đặt lại ngày giờ hoặc bật đồng bộ thời gian.", EN: "Set the clock or switch time synchronisation on."}},
	ClockOff: {Degraded,
		catalog.Text{VI: "Đồng hồ của máy lệch so với cổng BHYT.", EN: "The PC's clock differs from the insurance gateway's."},
		catalog.Text{VI: "Lệch hơn một phút: giờ tra cứu ghi trong hồ sơ bị sai, và đăng nhập bằng chữ ký của phần mềm bệnh viện có thể bị từ chối.", EN: "By more than a minute: times of look-ups in the dossier are wrong, and logins that a HIS signs may be refused."},
		catalog.Text{VI: "Bật đồng bộ thời gian. Windows: w32tm /resync; Linux: timedatectl set-ntp true.", EN: "Switch time synchronisation on. Windows: w32tm /resync; Linux: timedatectl set-ntp true."}},
	TimezoneOther: {Note,
		catalog.Text{VI: "Múi giờ của máy không phải giờ Việt Nam.", EN: "The PC's time zone is not Vietnam's."},
		catalog.Text{VI: "Ngày trên giấy và trong danh sách «Hôm nay» tính theo múi giờ của máy.", EN: "Days on paper and in the list of today are those of the PC's time zone."},
		catalog.Text{VI: "Đặt múi giờ UTC+7. Windows: tzutil /s \"SE Asia Standard Time\"; Linux: timedatectl set-timezone Asia/Ho_Chi_Minh.", EN: "Set UTC+7. Windows: tzutil /s \"SE Asia Standard Time\"; Linux: timedatectl set-timezone Asia/Ho_Chi_Minh."}},
	TrustStale: {Note,
		catalog.Text{VI: "Chứng thư gốc hoặc danh sách thu hồi của bệnh viện đã cũ.", EN: "The hospital's root certificates or revocation lists are out of date."},
		catalog.Text{VI: "Danh sách đã quá ngày cập nhật kế tiếp, hoặc chứng thư đã hết hạn. Những gì đã thu hồi vẫn bị coi là thu hồi; những gì mới thu hồi thì chưa biết.", EN: "A list is past its next update, or a certificate has ended. What was revoked still is; what was revoked since is not known."},
		catalog.Text{VI: "Lấy bản mới từ nơi cấp, chạy tapcheck trust import, rồi khởi động lại dịch vụ.", EN: "Get the new ones from their issuer, run tapcheck trust import, and restart the service."}},
	BrowserAsks: {Note,
		catalog.Text{VI: "Trình duyệt sẽ hỏi người dùng trước khi cho trang của bệnh viện kết nối tới máy này.", EN: "A browser will ask its user before the hospital's page may reach this PC."},
		catalog.Text{VI: "Chưa có chính sách trình duyệt cho các trang ghi ở his.origins, hoặc cho trang của quầy dùng camera.", EN: "No browser policy names the pages of his.origins, or lets the desk's page use the camera."},
		catalog.Text{VI: "Quản trị viên chạy tapcheck setup --browsers, hoặc đặt chính sách nhóm; mở lại trình duyệt.", EN: "An administrator runs tapcheck setup --browsers, or sets it by group policy; start the browser anew."}},
	RemoteDesktop: {Note,
		catalog.Text{VI: "Có người đang làm việc trên máy này từ xa (Remote Desktop).", EN: "Somebody works on this PC from afar (remote desktop)."},
		catalog.Text{VI: "Dịch vụ chỉ thấy đầu đọc và máy quét cắm vào chính máy này, không thấy đầu đọc ở chỗ người đó ngồi. Các phiên vẫn tách riêng: không ai thấy lượt của người khác.", EN: "The service sees readers and scanners of this PC alone, not those where that person sits. Sessions stay apart: nobody sees another's check-ins."},
		catalog.Text{VI: "Cài Tapcheck trên máy có đầu đọc và mở phần mềm bệnh viện ở đó; từ xa thì tiếp nhận bằng số, không dùng thẻ.", EN: "Install Tapcheck on the PC that has the reader and open the HIS there; from afar check in by number, without a card."}},
	ServiceDown: {Down,
		catalog.Text{VI: "Dịch vụ Tapcheck đã cài nhưng không chạy.", EN: "Tapcheck's service is installed and does not run."},
		catalog.Text{VI: "Dịch vụ bị dừng, bị tắt, hoặc kết thúc ngay vì cấu hình hay thư mục dữ liệu.", EN: "It was stopped or disabled, or ended at once because of its settings or data folder."},
		catalog.Text{VI: "Chạy tapcheck service start; nếu vẫn không chạy, xem nhật ký: journalctl -u tapcheck, hoặc Event Viewer, nguồn tapcheck.", EN: "Run tapcheck service start; if it still does not run, see its log: journalctl -u tapcheck, or the Event Viewer, source tapcheck."}},
	DriverPackageAbsent: {Note,
		catalog.Text{VI: "Chưa cài trình điều khiển đầu đọc CCID.", EN: "The CCID reader driver is not installed."},
		catalog.Text{VI: "Hầu hết đầu đọc USB cần gói libccid trên Linux.", EN: "Most USB readers need the package libccid on Linux."},
		catalog.Text{VI: "Chạy lệnh: apt install libccid.", EN: "Run: apt install libccid."}},
	MachineCopied: {Degraded,
		catalog.Text{VI: "Dữ liệu trên máy này do một máy khác tạo ra; máy đã nhận định danh mới.", EN: "The data on this PC were made on another one; it has been given an identity of its own."},
		catalog.Text{VI: "Thư mục dữ liệu được chép sang, máy được nhân bản từ ảnh đĩa đã chạy Tapcheck, hoặc bo mạch chủ vừa thay. Sổ và token cũ nằm trong thư mục copied-… của thư mục dữ liệu.", EN: "The data folder was copied, the PC comes from an image of a disk on which Tapcheck had run, or its mainboard was replaced. The old journal and tokens lie in the folder copied-… of the data folder."},
		catalog.Text{VI: "Vẫn tiếp nhận được; phần mềm bệnh viện phải ghép nối lại. Quản trị viên chạy tapcheck machine forget nếu đây là máy khác, tapcheck machine keep nếu vẫn là máy cũ vừa sửa.", EN: "Go on admitting; the HIS must be paired again. An administrator runs tapcheck machine forget if this is another PC, tapcheck machine keep if it is the same one, repaired."}},
	TPMKeysLost: {Degraded,
		catalog.Text{VI: "TPM không mở được khóa của quầy này; máy đã nhận định danh mới.", EN: "The TPM does not open this desk's keys; it has been given an identity of its own."},
		catalog.Text{VI: "TPM bị xóa, bị thay (cùng bo mạch chủ) hoặc bị tắt, dịch vụ mất quyền dùng TPM, hoặc máy được nhân bản. Sổ và token cũ nằm trong thư mục copied-… của thư mục dữ liệu.", EN: "The TPM was cleared, replaced (with its mainboard) or switched off, the service lost the right to use it, or this PC is a twin from an image. The old journal and tokens lie in the folder copied-… of the data folder."},
		catalog.Text{VI: "Vẫn tiếp nhận được; phần mềm bệnh viện phải ghép nối lại. Quản trị viên bật lại TPM, dừng dịch vụ rồi chạy tapcheck machine keep; nếu TPM đã bị xóa thì tapcheck restore từ bản sao lưu, sau đó tapcheck machine forget.", EN: "Go on admitting; the HIS must be paired again. An administrator switches the TPM on again, stops the service and runs tapcheck machine keep; where it was cleared, tapcheck restore from a backup, and then tapcheck machine forget."}},
	BackupFailing: {Degraded,
		catalog.Text{VI: "Không sao lưu được dữ liệu của quầy.", EN: "The desk's data cannot be backed up."},
		catalog.Text{VI: "Thư mục ghi ở backup.folder không ghi được, ổ đĩa đầy, hoặc đã ba ngày không có bản sao lưu nào.", EN: "The folder of backup.folder cannot be written to, a disk is full, or there was no backup for three days."},
		catalog.Text{VI: "Vẫn tiếp nhận bình thường. Quản trị viên xem tapcheck backup status.", EN: "Go on admitting. An administrator looks at tapcheck backup status."}},
	UpdateTakenBack: {Note,
		catalog.Text{VI: "Bản mới không chạy được trên máy này; đã trở lại bản cũ.", EN: "A new version did not do its work on this PC; the old one is back."},
		catalog.Text{VI: "Sau khi cài, dịch vụ không chạy ổn định trong một phút, hoặc không cài được.", EN: "After its installation the service was not healthy within a minute, or it could not be installed."},
		catalog.Text{VI: "Vẫn tiếp nhận bình thường. Quản trị viên xem tapcheck update status rồi báo cho người phát hành.", EN: "Go on admitting. An administrator looks at tapcheck update status and tells whoever made the release."}},
	UpdateFailing: {Note,
		catalog.Text{VI: "Không lấy được bản mới.", EN: "New versions cannot be had."},
		catalog.Text{VI: "Nơi ghi ở update.source không đọc được, hoặc bản phát hành ở đó bị từ chối.", EN: "The place of update.source cannot be read, or the release there is refused."},
		catalog.Text{VI: "Vẫn tiếp nhận bình thường. Quản trị viên xem tapcheck update status.", EN: "Go on admitting. An administrator looks at tapcheck update status."}},
	ConsoleClosed: {Degraded,
		catalog.Text{VI: "Không đọc được danh sách tài khoản của trang tiếp nhận.", EN: "The accounts of the desk's page cannot be read."},
		catalog.Text{VI: "Tệp console-accounts.json trong thư mục dữ liệu bị hỏng hoặc người khác đọc được. Không ai đăng nhập được vào trang; phần mềm bệnh viện vẫn dùng được Tapcheck.", EN: "The file console-accounts.json of the data folder is damaged or open to others. Nobody can log in to the page; the HIS can still use Tapcheck."},
		catalog.Text{VI: "Chạy tapcheck console accounts để biết lý do; khôi phục tệp từ bản sao lưu, hoặc đổi tên tệp, khởi động lại rồi thiết lập lại.", EN: "tapcheck console accounts says why; restore the file from a backup, or rename it, restart and set the page up again."}},
	ScannerAbsent: {Degraded,
		catalog.Text{VI: "Không thấy máy quét mã đã khai báo.", EN: "A scanner of the settings is not there."},
		catalog.Text{VI: "Chưa cắm, sai cổng ở scanner.serial, máy quét đang ở chế độ bàn phím, hoặc chương trình khác đang giữ cổng.", EN: "It is not plugged in, scanner.serial names another port, it is in keyboard mode, or another program holds the port."},
		catalog.Text{VI: "Cắm lại máy quét, hoặc sửa mục scanner. Trong lúc chờ, gõ sáu số cuối trên thẻ.", EN: "Plug it in again or correct the settings below scanner. Meanwhile, type the last six digits on the card."}},
	CompatPortTaken: {Degraded,
		catalog.Text{VI: "Cổng Socket.IO tương thích đang bị chiếm.", EN: "The port of the Socket.IO dialect is taken."},
		catalog.Text{VI: "Phần mềm của đầu đọc cũ, hoặc chương trình khác, đang dùng cổng ghi ở compat.socketio_port.", EN: "The old box's own software, or another program, uses the port of compat.socketio_port."},
		catalog.Text{VI: "Gỡ hoặc tắt phần mềm đó; Tapcheck tự thử lại.", EN: "Close or remove that program; Tapcheck tries again by itself."}},
	CompatUnusable: {Degraded,
		catalog.Text{VI: "Kết nối tương thích chưa hoạt động.", EN: "The compatibility ways do not work."},
		catalog.Text{VI: "Tệp ánh xạ hoặc tệp bí mật của webhook có chỗ sai; hoặc compat.socketio bật mà chưa cho phép trang web hay phần mềm nào.", EN: "The mapping file or the webhook's secret file has a mistake; or compat.socketio is on and lets neither a page nor programs listen."},
		catalog.Text{VI: "Chạy tapcheck config check để biết chỗ nào, sửa rồi khởi động lại.", EN: "Run tapcheck config check, correct what it names, and restart."}},
	CodesUnusable: {Degraded,
		catalog.Text{VI: "Bảng mã của bệnh viện chưa dùng được.", EN: "The hospital's table of codes cannot be used."},
		catalog.Text{VI: "Tệp ghi ở facility.codes_file không đọc được hoặc có chỗ sai; mã tỉnh, xã, dân tộc, quốc tịch được bỏ qua.", EN: "The file of facility.codes_file cannot be read or has a mistake; codes of province, commune, ethnicity and nationality are left out."},
		catalog.Text{VI: "Chạy tapcheck config check để biết dòng nào, sửa rồi khởi động lại.", EN: "Run tapcheck config check, correct the line that it names, and restart."}},
	FaceModelsMissing: {Degraded,
		catalog.Text{VI: "Chương trình này không so được khuôn mặt.", EN: "This program cannot compare faces."},
		catalog.Text{VI: "Bản này được đóng gói không kèm mô hình nhận dạng, nhưng phần mềm bệnh viện yêu cầu so khuôn mặt; các lượt đó vẫn tiếp nhận và ghi MODELS_MISSING.", EN: "It was built without the models, and the HIS asks for faces; those check-ins go on and say MODELS_MISSING."},
		catalog.Text{VI: "Cài bản đầy đủ của Tapcheck, hoặc đặt face.enabled = false và tắt so khuôn mặt trong phần mềm bệnh viện.", EN: "Install the full build of Tapcheck, or set face.enabled = false and switch the comparison off in the HIS."}},
	FaceModelUnusable: {Degraded,
		catalog.Text{VI: "Mô hình so khuôn mặt của bệnh viện chưa dùng được.", EN: "The hospital's face model cannot be used."},
		catalog.Text{VI: "Tệp ghi ở face.model_file không đọc được, có chỗ sai, hoặc không khớp tổng kiểm tra; khi đó không so khuôn mặt bằng mô hình nào khác.", EN: "The file of face.model_file cannot be read, has a mistake, or does not fit its checksum; no other model stands in for it."},
		catalog.Text{VI: "Sửa tệp, hoặc bỏ face.model_file để dùng mô hình đi kèm, rồi khởi động lại.", EN: "Correct the file, or take face.model_file out to use the program's own, and restart."}},
	WebhookFailing: {Degraded,
		catalog.Text{VI: "Phần mềm bệnh viện không nhận được dữ liệu webhook.", EN: "The HIS does not take the webhook."},
		catalog.Text{VI: "Địa chỉ compat.webhook_url không trả lời, từ chối, chuyển hướng, hoặc chứng thư không tin được.", EN: "The address of compat.webhook_url does not answer, refuses, redirects, or its certificate is not trusted."},
		catalog.Text{VI: "Kiểm tra phần mềm bệnh viện; lượt vừa rồi phải nhập tay hoặc đặt thẻ lại.", EN: "See to the HIS; the last check-in has to be typed, or the card put down again."}},
}

// In puts a code into words.
func In(c Code, l catalog.Lang, since time.Time) Warning {
	a := codes[c]
	return Warning{Code: c, Severity: a.Severity, Title: a.Title.In(l), Cause: a.Cause.In(l), Cure: a.Cure.In(l), Since: since}
}

// Tracker knows what is wrong now. It is safe for concurrent use; the zero value is ready.
type Tracker struct {
	Now func() time.Time // nil is time.Now

	mu      sync.Mutex
	since   map[Code]time.Time
	changed chan struct{}
}

// Changes gives a channel that has a value after something has become wrong, or right; what comes while it lies there coalesces
// with it. There is one, for one listener.
func (t *Tracker) Changes() <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.changed == nil {
		t.changed = make(chan struct{}, 1)
	}
	return t.changed
}

// Set says whether something is wrong.
func (t *Tracker) Set(c Code, wrong bool) {
	if _, known := codes[c]; !known {
		panic("health: unknown code " + string(c))
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, is := t.since[c]; is == wrong {
		return
	}
	if wrong {
		if t.since == nil {
			t.since = map[Code]time.Time{}
		}
		now := time.Now
		if t.Now != nil {
			now = t.Now
		}
		t.since[c] = now()
	} else {
		delete(t.since, c)
	}
	select {
	case t.changed <- struct{}{}: // never, where nobody listens
	default:
	}
}

// List says what is wrong, worst first, then by code.
func (t *Tracker) List(l catalog.Lang) []Warning {
	t.mu.Lock()
	defer t.mu.Unlock()
	list := make([]Warning, 0, len(t.since))
	for c, since := range t.since {
		list = append(list, In(c, l, since))
	}
	rank := map[Severity]int{Down: 0, Degraded: 1, Note: 2}
	sort.Slice(list, func(i, j int) bool {
		if a, b := rank[list[i].Severity], rank[list[j].Severity]; a != b {
			return a < b
		}
		return list[i].Code < list[j].Code
	})
	return list
}
