package catalog

// Ids of errors.
const (
	ParseError      ID = "PARSE_ERROR"
	InvalidRequest  ID = "INVALID_REQUEST"
	BadRequest      ID = "BAD_REQUEST"
	UnknownMethod   ID = "UNKNOWN_METHOD"
	NotAvailable    ID = "NOT_AVAILABLE"
	Internal        ID = "INTERNAL"
	AgentStopping   ID = "AGENT_STOPPING"
	JournalRefused  ID = "JOURNAL_UNWRITABLE"
	ConfigInvalid   ID = "CONFIG_INVALID"
	PortTaken       ID = "PORT_TAKEN"
	DataFolder      ID = "DATA_FOLDER"
	AlreadyRunning  ID = "ALREADY_RUNNING"
	HostDenied      ID = "HOST_DENIED"
	OriginDenied    ID = "ORIGIN_DENIED"
	PeerDenied      ID = "PEER_DENIED"
	SessionRequired ID = "SESSION_REQUIRED"
	SessionOpen     ID = "SESSION_ALREADY_OPEN"
	TokenRejected   ID = "TOKEN_REJECTED"
	ProtocolVersion ID = "PROTOCOL_UNSUPPORTED"
	Forbidden       ID = "FORBIDDEN"
	RateLimited     ID = "RATE_LIMITED"
	TooManyClients  ID = "TOO_MANY_CONNECTIONS"
	PairingClosed   ID = "PAIRING_CLOSED"
	PairingCode     ID = "PAIRING_CODE_WRONG"
	PairingEnded    ID = "PAIRING_ENDED"
	PairingBusy     ID = "PAIRING_BUSY"

	JobUnknown    ID = "JOB_UNKNOWN"
	JobIDTaken    ID = "JOB_ID_TAKEN"
	TooManyJobs   ID = "TOO_MANY_JOBS"
	JobNotWaiting ID = "JOB_NOT_WAITING"
	NeedExpired   ID = "NEED_EXPIRED"
	Cancelled     ID = "CANCELLED"

	CheckinUnfinished ID = "CHECKIN_UNFINISHED"
	CheckinVoid       ID = "CHECKIN_VOID"
	JournalUnreadable ID = "JOURNAL_UNREADABLE"

	KeyMalformed ID = "KEY_MALFORMED"
	QRForeign    ID = "QR_FOREIGN"

	PaperQRForeign ID = "PAPER_QR_FOREIGN"
	PaperQRMissing ID = "PAPER_QR_MISSING"
	KeyMissing     ID = "KEY_MISSING"
	KeyRejected    ID = "KEY_REJECTED"
	KeyUnsuitable  ID = "KEY_UNSUITABLE"

	CardRemoved      ID = "CARD_REMOVED"
	CardMute         ID = "CARD_MUTE"
	CardReset        ID = "CARD_RESET"
	CardUnsupported  ID = "CARD_UNSUPPORTED"
	CardProtocol     ID = "CARD_PROTOCOL"
	CardTimeout      ID = "CARD_TIMEOUT"
	NoCard           ID = "NO_CARD"
	OtherCard        ID = "OTHER_CARD"
	ReturnCard       ID = "CARD_ALREADY_READ"
	AccessFailed     ID = "ACCESS_FAILED"
	SecureMessaging  ID = "SECURE_MESSAGING_BROKEN"
	FileMalformed    ID = "FILE_MALFORMED"
	FileTooLarge     ID = "FILE_TOO_LARGE"
	FileAbsent       ID = "FILE_ABSENT"
	DataInconsistent ID = "DATA_INCONSISTENT"
	PersonUnexpected ID = "PERSON_UNEXPECTED"

	ReaderAbsent ID = "READER_ABSENT"
	ReaderBusy   ID = "READER_BUSY"
	ReaderStuck  ID = "READER_STUCK"
	ReaderFault  ID = "READER_FAULT"
	PCSCStopped  ID = "PCSC_STOPPED"

	InsuranceUnreachable ID = "INSURANCE_UNREACHABLE"
	InsuranceRejected    ID = "INSURANCE_REJECTED"
	InsuranceGarbage     ID = "INSURANCE_GARBAGE"
	InsuranceRequest     ID = "INSURANCE_REQUEST"

	ConsoleLoginFailed  ID = "CONSOLE_LOGIN_FAILED"
	ConsoleSessionEnded ID = "CONSOLE_SESSION_ENDED"
	ConsoleLocked       ID = "CONSOLE_LOCKED"
	ConsoleTooManyTries ID = "CONSOLE_TOO_MANY_TRIES"
	ConsoleSetupSecret  ID = "CONSOLE_SETUP_SECRET"
	ConsoleForbidden    ID = "CONSOLE_FORBIDDEN"
	ConsoleAccount      ID = "CONSOLE_ACCOUNT_INVALID"
	ConsoleSettingsFile ID = "CONSOLE_SETTINGS_UNWRITABLE"
)

var entries = []Entry{
	// The request.
	{ParseError, -32700, "request", false,
		Text{"Phần mềm gửi dữ liệu không đọc được.", "The program sent something that cannot be read."},
		Text{"Khung tin không phải JSON, quá lồng nhau, hoặc không phải UTF-8.", "The frame is no JSON, is nested too deeply, or is not UTF-8."},
		Text{"Báo nhà cung cấp phần mềm bệnh viện.", "Tell the HIS vendor."}},
	{InvalidRequest, -32600, "request", false,
		Text{"Phần mềm gửi một khung tin không phải yêu cầu JSON-RPC.", "The program sent a frame that is no JSON-RPC request."},
		Text{"Thiếu jsonrpc \"2.0\" hoặc method, id sai kiểu, hoặc gửi nhiều yêu cầu trong một khung; detail.field cho biết phần nào.", "jsonrpc \"2.0\" or method is missing, the id has a wrong type, or it is a batch; detail.field names the part."},
		Text{"Báo nhà cung cấp phần mềm bệnh viện.", "Tell the HIS vendor."}},
	{BadRequest, -32602, "request", false,
		Text{"Phần mềm gửi yêu cầu sai định dạng.", "The program's request has the wrong form."},
		Text{"Một trường bị thiếu, sai kiểu hoặc ngoài phạm vi; detail.field cho biết trường nào.", "A field is missing, of the wrong type or out of range; detail.field names it."},
		Text{"Báo nhà cung cấp phần mềm bệnh viện.", "Tell the HIS vendor."}},
	{UnknownMethod, -32601, "request", false,
		Text{"Phần mềm gọi một chức năng không tồn tại.", "The program called a method that does not exist."},
		Text{"Tên phương thức sai, hoặc phần mềm dùng phiên bản giao thức khác.", "The method's name is wrong, or the program speaks another version of the protocol."},
		Text{"Báo nhà cung cấp phần mềm bệnh viện.", "Tell the HIS vendor."}},
	{NotAvailable, -32001, "request", false,
		Text{"Chức năng này chưa có trên máy này.", "This function is not available on this PC."},
		Text{"Phiên bản hoặc chế độ chạy hiện tại chưa phục vụ chức năng này; agent.hello liệt kê những gì có.", "This version or mode does not serve it; agent.hello lists what it serves."},
		Text{"Làm tiếp theo cách thông thường; báo bộ phận CNTT nếu cần chức năng này.", "Go on in the usual way; tell IT if you need this function."}},
	{Internal, -32603, "agent", true,
		Text{"Tapcheck gặp lỗi bên trong. Các lượt khác không bị ảnh hưởng.", "Tapcheck had an internal error. Other check-ins are not affected."},
		Text{"Lỗi phần mềm; đã được đếm và ghi nhật ký, không kèm dữ liệu cá nhân.", "A fault in the program; it is counted and logged without personal data."},
		Text{"Thử lại một lần. Nếu vẫn lỗi, tiếp nhận bằng giấy tờ và báo bộ phận CNTT.", "Try once more. If it fails again, admit with papers and tell IT."}},
	{AgentStopping, -32002, "agent", true,
		Text{"Tapcheck đang dừng hoặc khởi động lại.", "Tapcheck is stopping or restarting."},
		Text{"Dịch vụ được dừng, cập nhật, hoặc máy đang tắt.", "The service is being stopped or updated, or the PC is shutting down."},
		Text{"Chờ ít giây rồi làm lại lượt này.", "Wait some seconds and start this check-in again."}},
	{JournalRefused, -32003, "agent", true,
		Text{"Không ghi được sổ lượt tiếp nhận vào ổ đĩa.", "The check-in could not be written to the disk."},
		Text{"Ổ đĩa đầy, chỉ đọc hoặc hỏng; kết quả vẫn được trả và đánh dấu recorded: false.", "The disk is full, read-only or faulty; the result still goes out, marked recorded: false."},
		Text{"Vẫn tiếp nhận người bệnh; báo bộ phận CNTT kiểm tra ổ đĩa.", "Admit the patient; ask IT to check the disk."}},
	{ConfigInvalid, -32004, "agent", false,
		Text{"Tệp cấu hình của Tapcheck có chỗ sai.", "Tapcheck's settings file has a mistake."},
		Text{"Một mục không tồn tại hoặc có giá trị không được phép; thông báo nêu dòng và giá trị được phép.", "A setting does not exist or has a value that is not allowed; the message names the line and what is allowed."},
		Text{"Bộ phận CNTT sửa dòng được nêu rồi khởi động lại.", "IT corrects that line and restarts."}},
	{PortTaken, -32005, "agent", true,
		Text{"Cổng kết nối của Tapcheck đang bị chương trình khác dùng.", "Another program uses Tapcheck's ports."},
		Text{"Mọi cổng trong mục cấu hình his.ports đều bận trên 127.0.0.1.", "Every port of his.ports is taken on 127.0.0.1."},
		Text{"Bộ phận CNTT tắt chương trình đang chiếm cổng hoặc đổi cổng.", "IT closes the program that holds the port or sets another port."}},
	{DataFolder, -32006, "agent", false,
		Text{"Tapcheck không dùng được thư mục dữ liệu.", "Tapcheck cannot use its data folder."},
		Text{"Thiếu quyền, hoặc tệp khóa cho phép người khác đọc, hoặc thư mục thuộc về bản mô phỏng.", "Rights are missing, or a key file can be read by others, or it belongs to a simulation."},
		Text{"Bộ phận CNTT chạy lệnh tapcheck doctor.", "IT runs tapcheck doctor."}},
	{AlreadyRunning, -32007, "agent", false,
		Text{"Tapcheck đã chạy trên máy này với cùng thư mục dữ liệu.", "Tapcheck already runs on this PC with the same data folder."},
		Text{"Một tiến trình khác đang mở sổ lượt tiếp nhận: dịch vụ Tapcheck, hoặc một cửa sổ lệnh khác.", "Another process has the journal open: the Tapcheck service, or another terminal."},
		Text{"Dùng Tapcheck đang chạy, hoặc dừng nó trước; --data chọn thư mục khác để thử.", "Use the one that runs, or stop it first; --data names another folder for a trial."}},

	// Who may speak.
	{HostDenied, -32010, "access", false,
		Text{"Kết nối bị từ chối: địa chỉ không phải của máy này.", "Connection refused: the address is not this PC's."},
		Text{"Header Host không phải 127.0.0.1, localhost hay [::1] với đúng cổng (chống DNS rebinding).", "The Host header is not 127.0.0.1, localhost or [::1] with our port (DNS rebinding)."},
		Text{"Báo nhà cung cấp phần mềm bệnh viện dùng đúng địa chỉ 127.0.0.1.", "The HIS vendor must use the literal address 127.0.0.1."}},
	{OriginDenied, -32011, "access", false,
		Text{"Trang web này chưa được phép dùng Tapcheck.", "This web page is not allowed to use Tapcheck."},
		Text{"Origin của trang không có trong danh sách cho phép.", "The page's origin is not on the list of allowed ones."},
		Text{"Bộ phận CNTT cấp phép bằng lệnh tapcheck token add --origin.", "IT allows it with tapcheck token add --origin."}},
	{PeerDenied, -32012, "access", false,
		Text{"Kết nối từ ngoài máy này bị từ chối.", "Connections from outside this PC are refused."},
		Text{"Bên gọi không ở loopback hoặc không thuộc phiên làm việc tại máy này.", "The peer is not on loopback or belongs to no session of this PC."},
		Text{"Mở phần mềm bệnh viện trên chính máy tiếp nhận.", "Open the HIS on the reception PC itself."}},
	{SessionRequired, -32013, "access", false,
		Text{"Phần mềm chưa mở phiên làm việc với Tapcheck.", "The program has not opened a session with Tapcheck."},
		Text{"session.open phải thành công trước mọi phương thức khác, trong 10 giây.", "session.open must succeed before any other method, within 10 seconds."},
		Text{"Tải lại trang; nếu vẫn lỗi, báo nhà cung cấp phần mềm.", "Reload the page; if it stays, tell the vendor."}},
	{SessionOpen, -32014, "access", false,
		Text{"Phiên làm việc đã được mở rồi.", "The session is open already."},
		Text{"session.open được gọi hai lần trên một kết nối.", "session.open was called twice on one connection."},
		Text{"Báo nhà cung cấp phần mềm bệnh viện.", "Tell the HIS vendor."}},
	{TokenRejected, -32015, "access", false,
		Text{"Mã truy cập của phần mềm không hợp lệ hoặc đã hết hạn.", "The program's token is not valid or has ended."},
		Text{"Token sai, bị thu hồi, hết hạn, hoặc được cấp cho origin khác.", "The token is wrong, revoked, out of date, or was issued to another origin."},
		Text{"Bộ phận CNTT cấp token mới bằng lệnh tapcheck token add.", "IT issues a new one with tapcheck token add."}},
	{ProtocolVersion, -32016, "access", false,
		Text{"Phần mềm và Tapcheck dùng phiên bản giao thức khác nhau.", "The program and Tapcheck speak different versions of the protocol."},
		Text{"detail.min và detail.max cho biết phiên bản được phục vụ.", "detail.min and detail.max say which versions are served."},
		Text{"Bộ phận CNTT cập nhật Tapcheck hoặc phần mềm bệnh viện.", "IT updates Tapcheck or the HIS."}},
	{Forbidden, -32017, "access", false,
		Text{"Phần mềm này không có quyền làm việc đó.", "This program has no right to do that."},
		Text{"Quyền được cấp theo token; detail.right cho biết quyền còn thiếu.", "Rights are given per token; detail.right names the missing one."},
		Text{"Bộ phận CNTT cấp thêm quyền nếu cần.", "IT grants the right if it is needed."}},
	{RateLimited, -32018, "access", true,
		Text{"Phần mềm gửi yêu cầu quá nhanh.", "The program sends requests too fast."},
		Text{"Vượt giới hạn số yêu cầu mỗi giây của một phiên.", "The limit of requests per second of one session is exceeded."},
		Text{"Chờ một giây rồi thử lại.", "Wait a second and try again."}},
	{TooManyClients, -32019, "access", true,
		Text{"Có quá nhiều cửa sổ đang kết nối với Tapcheck.", "Too many windows are connected to Tapcheck."},
		Text{"Vượt giới hạn số kết nối cùng lúc.", "The limit of connections at the same time is reached."},
		Text{"Đóng bớt cửa sổ phần mềm bệnh viện rồi thử lại.", "Close some windows of the HIS and try again."}},
	{PairingClosed, -32020, "access", true,
		Text{"Việc ghép nối chưa được mở trên máy này.", "Pairing is not open on this PC."},
		Text{"Quản trị viên chưa mở cửa sổ ghép nối trên trang tiếp nhận của Tapcheck, hoặc đã hết 10 phút.", "No administrator holds a pairing window open in Tapcheck's console, or its ten minutes are over."},
		Text{"Nhờ quản trị viên vào trang tiếp nhận của Tapcheck, mở Quản trị › Ghép nối phần mềm, rồi thử lại.", "Ask an administrator to open pairing in Tapcheck's console (Administration › Pair a program), then try again."}},
	{PairingCode, -32021, "access", true,
		Text{"Mã ghép nối không đúng.", "The pairing code is wrong."},
		Text{"Sáu chữ số không khớp với mã đang hiện trên trang tiếp nhận của Tapcheck; detail.triesLeft cho biết còn mấy lần thử.", "The six digits are not those that the console shows; detail.triesLeft says how many tries are left."},
		Text{"Đọc lại mã trên trang tiếp nhận của Tapcheck và nhập lại.", "Read the code in Tapcheck's console again and type it once more."}},
	{PairingEnded, -32022, "access", true,
		Text{"Lượt ghép nối đã kết thúc.", "This attempt to pair is over."},
		Text{"Mã đã quá 2 phút, đã nhập sai 5 lần, hoặc trang chưa yêu cầu mã (pairing.start).", "The code is older than two minutes, was wrong five times, or none was asked for (pairing.start)."},
		Text{"Bấm ghép nối lại trên trang để nhận mã mới.", "Start pairing on the page again for a new code."}},
	{PairingBusy, -32023, "access", true,
		Text{"Có quá nhiều yêu cầu ghép nối.", "There are too many requests to pair."},
		Text{"Vượt giới hạn số trang cùng chờ mã hoặc số mã của một trang trong một lần mở ghép nối.", "The limit of pages that wait for a code, or of codes in one window, is reached."},
		Text{"Quản trị viên xem danh sách ở Quản trị › Ghép nối phần mềm, đóng cửa sổ ghép rồi mở lại.", "The administrator looks at the list in the console, closes pairing, and opens it again."}},

	// Jobs.
	{JobUnknown, -32030, "job", false,
		Text{"Không có lượt tiếp nhận này.", "There is no such check-in."},
		Text{"Mã lượt sai, đã quá cũ, hoặc thuộc về phần mềm khác.", "The job id is wrong, too old, or another program's."},
		Text{"Bắt đầu lượt mới.", "Start a new check-in."}},
	{JobIDTaken, -32031, "job", false,
		Text{"Mã lượt này đã dùng cho một yêu cầu khác.", "This job id was used for another request."},
		Text{"Cùng jobId nhưng nội dung khác.", "The same jobId came with another content."},
		Text{"Báo nhà cung cấp phần mềm: mỗi lượt một mã mới.", "Tell the vendor: every job needs an id of its own."}},
	{TooManyJobs, -32032, "job", true,
		Text{"Có quá nhiều lượt đang chờ.", "Too many check-ins are waiting."},
		Text{"Vượt giới hạn số lượt chưa xong của một phần mềm hoặc của máy.", "The limit of unfinished jobs of one program or of this PC is reached."},
		Text{"Hoàn tất hoặc hủy lượt đang chờ rồi làm lại.", "Finish or cancel a waiting one and try again."}},
	{JobNotWaiting, -32033, "job", false,
		Text{"Lượt này hiện không cần thông tin đó.", "This check-in does not need that now."},
		Text{"job.provide không khớp với job.needs đang mở.", "job.provide does not match the open job.needs."},
		Text{"Xem lại trạng thái lượt (job.status).", "Look at the state of the job (job.status)."}},
	{NeedExpired, -32034, "job", true,
		Text{"Đã hết thời gian chờ thao tác.", "The time to respond has run out."},
		Text{"Không ai đáp lại job.needs trong thời hạn.", "Nobody answered job.needs in time."},
		Text{"Bắt đầu lại lượt tiếp nhận khi người bệnh sẵn sàng.", "Start again when the patient is ready."}},
	{Cancelled, -32035, "job", false,
		Text{"Lượt tiếp nhận đã được hủy.", "The check-in was cancelled."},
		Text{"Phần mềm hủy, hoặc cửa sổ của nó đã đóng quá 15 giây.", "The program cancelled it, or its window was closed for over 15 seconds."},
		Text{"Bắt đầu lượt mới nếu cần.", "Start a new one if needed."}},
	{CheckinUnfinished, -32036, "job", false,
		Text{"Lượt tiếp nhận này chưa xong.", "This check-in is not over yet."},
		Text{"Chỉ hủy kết quả hoặc tra cứu lại được một lượt đã kết thúc.", "Only a check-in that is over can be taken back or looked up again."},
		Text{"Chờ lượt kết thúc, hoặc hủy lượt rồi làm lại.", "Wait until it is over, or cancel it first."}},
	{CheckinVoid, -32037, "job", false,
		Text{"Kết quả của lượt này đã bị hủy.", "This check-in was taken back."},
		Text{"Lượt đã hủy kết quả vẫn được lưu nhưng không nhận thêm thông tin.", "It is kept, and nothing more can be added to it."},
		Text{"Bắt đầu lượt mới với đúng người bệnh.", "Start a new check-in with the right patient."}},
	{JournalUnreadable, -32038, "agent", true,
		Text{"Không đọc được sổ lượt tiếp nhận trên ổ đĩa.", "The check-ins on the disk cannot be read."},
		Text{"Ổ đĩa hỏng hoặc không phản hồi; lượt này không còn trong bộ nhớ.", "The disk is faulty or does not answer, and the agent no longer remembers this check-in by itself."},
		Text{"Tiếp tục công việc và thử lại sau; báo bộ phận CNTT kiểm tra ổ đĩa.", "Go on and try again later; ask IT to check the disk."}},

	// Keys.
	{KeyMalformed, -32050, "key", false,
		Text{"Số hoặc mã vừa nhập không đúng dạng.", "The number or code has the wrong form."},
		Text{"CAN phải có 6 chữ số, số căn cước 12 chữ số, dòng MRZ phải đúng số kiểm tra; detail.problem nói rõ.", "A CAN has 6 digits, a citizen number 12, an MRZ must match its check digits; detail.problem says which."},
		Text{"Kiểm tra và nhập lại, hoặc quét lại mã QR trên thẻ.", "Check and type it again, or scan the card's QR code again."}},
	{QRForeign, -32051, "key", false,
		Text{"Mã QR vừa quét không phải của thẻ căn cước.", "The QR code that was scanned is not an ID card's."},
		Text{"Quét nhầm mã khác, hoặc bộ gõ tiếng Việt (Unikey…) làm hỏng dữ liệu từ máy quét.", "Another code was scanned, or a Vietnamese keyboard driver mangled the scanner's data."},
		Text{"Quét mã QR trên thẻ căn cước; nếu vẫn lỗi, tắt bộ gõ tiếng Việt hoặc nhập 6 số cuối của số căn cước.", "Scan the QR code on the ID card; if it stays, switch the Vietnamese keyboard driver off or type the last 6 digits of the number."}},
	{PaperQRForeign, -32055, "key", false,
		Text{"Mã QR vừa quét không phải của thẻ BHYT giấy.", "The QR code that was scanned is not a paper insurance card's."},
		Text{"Quét nhầm mã khác, hoặc bộ gõ tiếng Việt (Unikey…) làm hỏng dữ liệu từ máy quét.", "Another code was scanned, or a Vietnamese keyboard driver mangled the scanner's data."},
		Text{"Quét mã QR trên thẻ BHYT, hoặc nhập mã thẻ, họ tên và ngày sinh in trên thẻ.", "Scan the QR code on the insurance card, or type the code, name and date of birth that are printed on it."}},
	{PaperQRMissing, -32056, "key", false,
		Text{"Chưa quét thẻ BHYT giấy.", "The paper insurance card has not been scanned."},
		Text{"Lượt bằng thẻ giấy cần mã QR của thẻ, hoặc mã thẻ nhập tay.", "A check-in by paper card needs the card's QR code, or its code typed in."},
		Text{"Quét mã QR trên thẻ BHYT của người bệnh.", "Scan the QR code on the patient's insurance card."}},
	{KeyMissing, -32052, "key", false,
		Text{"Chưa có mã để mở chip.", "There is no key yet to open the chip."},
		Text{"Chip chỉ mở bằng CAN, MRZ hoặc mã QR của chính thẻ đó.", "A chip opens only with the CAN, MRZ or QR code of that card."},
		Text{"Quét mã QR trên thẻ, hoặc nhập 6 số cuối của số căn cước.", "Scan the card's QR code, or type the last 6 digits of the number."}},
	{KeyRejected, -32053, "key", false,
		Text{"Chip không nhận mã này: thẻ trên đầu đọc không phải thẻ vừa quét, hoặc nhập sai số.", "The chip does not accept this key: the card on the reader is not the one that was scanned, or a digit is wrong."},
		Text{"Xác thực PACE hoặc BAC thất bại với mã đã cho. Không tự thử lại vì chip sẽ chậm dần.", "PACE or BAC failed with this key. It is not tried again by itself, for chips slow down."},
		Text{"So số trên thẻ với số đã nhập; quét lại mã QR của chính thẻ đang đặt trên đầu đọc.", "Compare the number on the card with the typed one; scan the QR code of the very card on the reader."}},
	{KeyUnsuitable, -32054, "key", false,
		Text{"Thẻ này không mở được bằng loại mã đã nhập.", "This card does not open with this kind of key."},
		Text{"Chip chỉ có BAC nên cần dòng MRZ, hoặc không có CAN.", "The chip has BAC only and needs the MRZ, or has no CAN."},
		Text{"Quét dòng MRZ ở mặt sau thẻ, hoặc nhập số thẻ với ngày sinh và ngày hết hạn.", "Scan the MRZ, or type the document number with dates of birth and expiry."}},

	// Cards.
	{CardRemoved, -32060, "card", true,
		Text{"Thẻ bị lấy ra khi đang đọc.", "The card was taken away while it was being read."},
		Text{"Thẻ rời đầu đọc hoặc xê dịch khỏi vùng sóng.", "The card left the reader or moved out of its field."},
		Text{"Đặt lại thẻ và giữ yên đến khi có thông báo xong.", "Put the card back and leave it there until it is done."}},
	{CardMute, -32061, "card", true,
		Text{"Đầu đọc thấy thẻ nhưng chip không trả lời.", "The reader sees a card but the chip does not answer."},
		Text{"Thẻ đặt lệch, có hai thẻ chồng nhau, hoặc chip hỏng.", "The card lies askew, two cards lie on each other, or the chip is broken."},
		Text{"Nhấc thẻ lên, đặt lại cho phẳng, bỏ thẻ khác và điện thoại ra xa.", "Lift the card, put it down flat, keep other cards and phones away."}},
	{CardReset, -32062, "card", true,
		Text{"Chương trình khác đã ngắt việc đọc thẻ.", "Another program interrupted the reading."},
		Text{"Thẻ bị chương trình khác đặt lại giữa chừng.", "The card was reset by another program."},
		Text{"Đặt lại thẻ; nếu lặp lại, báo bộ phận CNTT tắt phần mềm đọc thẻ khác.", "Put the card down again; if it happens again, IT closes other card programs."}},
	{CardUnsupported, -32063, "card", false,
		Text{"Thẻ này không phải căn cước gắn chip hoặc hộ chiếu điện tử.", "This card is no chip ID card or e-passport."},
		Text{"Chip không có ứng dụng eMRTD (ICAO 9303).", "The chip has no eMRTD application (ICAO 9303)."},
		Text{"Kiểm tra đã đặt đúng thẻ căn cước; nếu đúng, tiếp nhận bằng giấy tờ.", "Check that it is the ID card; if it is, admit with papers."}},
	{CardProtocol, -32064, "card", true,
		Text{"Chip trả lời không đúng chuẩn.", "The chip answered against the standard."},
		Text{"Lỗi truyền, hoặc chip không theo ICAO 9303; detail.sw là mã trạng thái.", "A fault of transmission, or a chip that does not follow ICAO 9303; detail.sw is the status word."},
		Text{"Nhấc thẻ, đặt lại một lần; nếu vẫn lỗi, tiếp nhận bằng giấy tờ.", "Lift the card and put it down once more; if it fails again, admit with papers."}},
	{CardTimeout, -32065, "card", true,
		Text{"Chưa có thẻ nào được đặt lên đầu đọc.", "No card was put on the reader."},
		Text{"Hết thời gian chờ thẻ.", "The time to wait for a card ran out."},
		Text{"Bắt đầu lại khi người bệnh đã có thẻ, hoặc tiếp nhận bằng số căn cước.", "Start again when the patient has the card, or check in by number."}},
	{NoCard, -32066, "card", true,
		Text{"Không có thẻ trên đầu đọc.", "There is no card on the reader."},
		Text{"Yêu cầu không chờ thẻ, và đầu đọc đang trống.", "The request does not wait for a card, and the reader is empty."},
		Text{"Đặt thẻ lên đầu đọc rồi bắt đầu lại.", "Put the card on the reader and start again."}},
	{OtherCard, -32067, "card", false,
		Text{"Thẻ vừa đặt lại là thẻ khác.", "The card that was put back is another one."},
		Text{"EF.SOD hoặc khóa chip khác với thẻ ban đầu.", "EF.SOD or the chip's key differs from the first card's."},
		Text{"Trả thẻ, bắt đầu lượt mới với đúng thẻ của người bệnh.", "Return the card and start a new check-in with the patient's own."}},
	{ReturnCard, -32068, "card", true,
		Text{"Thẻ này đã đọc cho lượt trước.", "This card was already read for an earlier check-in."},
		Text{"Một lần đặt thẻ chỉ dùng cho một lượt.", "A card that was put down once serves one check-in."},
		Text{"Trả thẻ cho người bệnh, rồi đặt thẻ của lượt này.", "Return the card, then put down the one for this check-in."}},
	{AccessFailed, -32069, "card", true,
		Text{"Không mở được chip.", "The chip could not be opened."},
		Text{"PACE hoặc BAC thất bại vì lý do khác ngoài mã sai; detail.sw là mã trạng thái.", "PACE or BAC failed for another reason than the key; detail.sw is the status word."},
		Text{"Nhấc thẻ, chờ hai giây, đặt lại một lần; nếu vẫn lỗi, tiếp nhận bằng giấy tờ.", "Lift the card, wait two seconds, put it down once more; if it fails again, admit with papers."}},
	{SecureMessaging, -32070, "card", true,
		Text{"Kênh bảo mật với chip bị hỏng giữa chừng.", "The secure channel to the chip broke."},
		Text{"Phản hồi không có hoặc sai mã xác thực: lỗi truyền, hoặc có thứ chen vào giữa. Không có dữ liệu nào như vậy được chấp nhận.", "An answer without or with a wrong authentication code: a fault of transmission, or something in between. Nothing of it is accepted."},
		Text{"Nhấc thẻ, đặt lại một lần; nếu lặp lại với cùng thẻ, kiểm tra giấy tờ kỹ hơn.", "Lift the card and put it down once more; if it repeats with the same card, look at the papers closely."}},
	{FileMalformed, -32071, "card", false,
		Text{"Dữ liệu trên chip không đọc được.", "Data on the chip cannot be decoded."},
		Text{"Một tệp của chip không đúng cấu trúc; detail.file cho biết tệp nào.", "A file of the chip has the wrong structure; detail.file names it."},
		Text{"Tiếp nhận bằng giấy tờ; ghi nhận thẻ có chip lỗi.", "Admit with papers; note that the chip is faulty."}},
	{FileTooLarge, -32072, "card", false,
		Text{"Dữ liệu trên chip lớn bất thường.", "Data on the chip are larger than allowed."},
		Text{"Tệp vượt giới hạn kích thước.", "A file is over the limit."},
		Text{"Tiếp nhận bằng giấy tờ; báo bộ phận CNTT.", "Admit with papers; tell IT."}},
	{FileAbsent, -32073, "card", false,
		Text{"Chip thiếu dữ liệu nhận dạng.", "The chip lacks the data that identify its holder."},
		Text{"DG1 hoặc EF.SOD không có hoặc không cho đọc; detail.file cho biết tệp nào.", "DG1 or EF.SOD is absent or refused; detail.file names it."},
		Text{"Tiếp nhận bằng giấy tờ.", "Admit with papers."}},
	{DataInconsistent, -32074, "card", false,
		Text{"Dữ liệu trên chip không khớp chữ ký của cơ quan cấp.", "Data on the chip do not match their signature."},
		Text{"Giá trị băm hoặc chữ ký trong EF.SOD sai: dữ liệu bị sửa hoặc chip hỏng.", "A hash or the signature in EF.SOD is wrong: data were changed or the chip is broken."},
		Text{"Không dùng dữ liệu từ chip. Tiếp nhận bằng giấy tờ và báo người phụ trách.", "Do not use data from the chip. Admit with papers and tell your supervisor."}},
	{PersonUnexpected, -32075, "card", false,
		Text{"Thẻ trên đầu đọc là của người khác.", "The card on the reader is another person's."},
		Text{"Số căn cước trên chip khác với số đang chờ.", "The number on the chip is not the expected one."},
		Text{"Kiểm tra đã gọi đúng người bệnh và đặt đúng thẻ.", "Check that this is the right patient and the right card."}},

	// Readers.
	{ReaderAbsent, -32080, "reader", true,
		Text{"Không thấy đầu đọc thẻ.", "No card reader is there."},
		Text{"Đầu đọc chưa cắm, thiếu trình điều khiển, hoặc tên đầu đọc trong yêu cầu không đúng.", "The reader is not plugged in, has no driver, or the request names another one."},
		Text{"Cắm lại đầu đọc; nếu vẫn không thấy, báo bộ phận CNTT. Có thể tiếp nhận bằng số căn cước.", "Plug the reader in again; if it is not found, tell IT. You can check in by number."}},
	{ReaderBusy, -32081, "reader", true,
		Text{"Đầu đọc đang được chương trình khác dùng.", "Another program uses the reader."},
		Text{"Chương trình khác giữ thẻ ở chế độ độc quyền.", "Another program holds the card exclusively."},
		Text{"Đóng phần mềm đọc thẻ khác rồi đặt lại thẻ.", "Close the other card program and put the card down again."}},
	{ReaderStuck, -32082, "reader", false,
		Text{"Đầu đọc bị treo.", "The reader hangs."},
		Text{"Trình điều khiển không trả lời; chương trình không thể ngắt nó.", "The driver does not return from a call; no program can stop it."},
		Text{"Rút và cắm lại đầu đọc; nếu vẫn treo, khởi động lại dịch vụ Tapcheck.", "Unplug the reader and plug it in again; if it stays, restart the Tapcheck service."}},
	{ReaderFault, -32083, "reader", true,
		Text{"Đầu đọc không truyền được dữ liệu với thẻ.", "The reader could not transmit to the card."},
		Text{"Lỗi truyền giữa đầu đọc và chip; detail.pcsc là mã PC/SC, nếu có.", "A fault between reader and chip; detail.pcsc is the PC/SC code, where there is one."},
		Text{"Đặt lại thẻ; nếu lặp lại, rút và cắm lại đầu đọc.", "Put the card down again; if it repeats, unplug the reader and plug it in again."}},
	{PCSCStopped, -32084, "reader", true,
		Text{"Dịch vụ thẻ thông minh của máy không chạy.", "The PC's smart card service is not running."},
		Text{"Windows: dịch vụ Smart Card (SCardSvr); Linux: pcscd. Tapcheck tự nối lại khi dịch vụ chạy.", "Windows: the Smart Card service (SCardSvr); Linux: pcscd. Tapcheck reconnects by itself when it runs."},
		Text{"Cắm lại đầu đọc và chờ vài giây; nếu vẫn lỗi, báo bộ phận CNTT. Có thể tiếp nhận bằng số căn cước.", "Plug the reader in again and wait some seconds; if it stays, tell IT. You can check in by number."}},

	// Insurance.
	{InsuranceUnreachable, -32090, "insurance", true,
		Text{"Chưa tra cứu được thẻ BHYT: cổng giám định không trả lời.", "Insurance could not be looked up: the gateway does not answer."},
		Text{"Mạng lỗi, cổng BHXH quá tải hoặc bảo trì.", "The network fails, or the gateway is overloaded or in maintenance."},
		Text{"Vẫn tiếp nhận người bệnh; tra cứu lại thẻ BHYT khi cổng hoạt động.", "Admit the patient; look the insurance up again when the gateway works."}},
	{InsuranceRejected, -32091, "insurance", false,
		Text{"Cổng BHYT từ chối tài khoản của cơ sở.", "The insurance gateway refuses the facility's account."},
		Text{"Sai tài khoản, thiếu quyền tra cứu, địa chỉ IP hoặc cán bộ tra cứu chưa đăng ký.", "Wrong account, no right to look up, or the IP address or staff member is not registered."},
		Text{"Vẫn tiếp nhận người bệnh; báo bộ phận CNTT kiểm tra tài khoản cổng BHYT.", "Admit the patient; IT checks the gateway account."}},
	{InsuranceGarbage, -32092, "insurance", true,
		Text{"Cổng BHYT trả lời không đọc được.", "The insurance gateway's answer makes no sense."},
		Text{"Trang lỗi, dữ liệu bị cắt hoặc quá lớn.", "An error page, or an answer that is cut or too large."},
		Text{"Vẫn tiếp nhận người bệnh; tra cứu lại thẻ BHYT khi cổng hoạt động.", "Admit the patient; look the insurance up again when the gateway works."}},
	{InsuranceRequest, -32093, "insurance", false,
		Text{"Thiếu thông tin để tra cứu thẻ BHYT.", "Data that the insurance look-up needs are missing."},
		Text{"Cần số căn cước hoặc mã thẻ, họ tên và ngày sinh.", "It needs the number or card code, the name and the date of birth."},
		Text{"Bổ sung họ tên và ngày sinh rồi tra cứu lại.", "Add name and date of birth and look up again."}},

	// The desk's own page.
	{ConsoleLoginFailed, -32100, "access", false,
		Text{"Đăng nhập không thành công.", "The login failed."},
		Text{"Tên, PIN, mật khẩu hoặc mã xác thực không đúng, mã đã dùng rồi, hoặc tài khoản đã bị tắt; không nói rõ điều nào để không giúp người đoán mò.", "Name, PIN, password or code is wrong, the code was used before, or the account is switched off; which of them is not said, for it would help who guesses."},
		Text{"Nhập lại tên và mã PIN hoặc mật khẩu. Nếu quên, nhờ quản trị viên đặt lại ở Quản trị › Người dùng.", "Type name and PIN or password again. If it is forgotten, an administrator sets a new one under Administration › Users."}},
	{ConsoleSessionEnded, -32101, "access", false,
		Text{"Phiên đăng nhập đã kết thúc.", "The login has ended."},
		Text{"Đã đăng xuất, quá 12 giờ, tài khoản hoặc PIN đã thay đổi, Tapcheck khởi động lại, hoặc mã phiên thuộc phiên Windows/Linux khác.", "Logged out, more than 12 hours, the account or its PIN was changed, Tapcheck was restarted, or the token belongs to another session of the PC."},
		Text{"Đăng nhập lại.", "Log in again."}},
	{ConsoleLocked, -32102, "access", false,
		Text{"Trang tiếp nhận đang khóa.", "The console is locked."},
		Text{"Không ai thao tác trong thời gian ghi ở console.idle_ms, hoặc người dùng đã khóa.", "Nobody touched it for the time of console.idle_ms, or its user locked it."},
		Text{"Nhập mã PIN hoặc mật khẩu để mở khóa.", "Type the PIN or password to unlock it."}},
	{ConsoleTooManyTries, -32103, "access", true,
		Text{"Đã nhập sai nhiều lần; cần chờ trước khi thử lại.", "There were too many wrong tries; wait before the next one."},
		Text{"Thời gian chờ tăng dần theo tài khoản và theo phiên đăng nhập của máy; detail.retryAfterMs là thời gian còn lại.", "The delay grows by account and by session of the PC; detail.retryAfterMs is what is left of it."},
		Text{"Chờ hết thời gian hiển thị rồi nhập lại; nếu quên PIN, nhờ quản trị viên đặt lại.", "Wait for the time shown and try again; if the PIN is forgotten, an administrator sets a new one."}},
	{ConsoleSetupSecret, -32104, "access", false,
		Text{"Mã bí mật cài đặt không đúng hoặc không còn hiệu lực.", "The setup secret is wrong or no longer valid."},
		Text{"Mã nằm trong tệp console-setup-secret.txt của thư mục dữ liệu, chỉ quản trị máy đọc được; tệp mất sau khi đã có quản trị viên. Sau 100 lần sai phải khởi động lại Tapcheck.", "It stands in the file console-setup-secret.txt of the data folder, which only the PC's administrator can read, and is gone once there is an administrator. After 100 wrong tries Tapcheck must be restarted."},
		Text{"Bộ phận CNTT mở tệp đó, chép mã rồi nhập lại.", "IT opens that file, copies the secret and types it again."}},
	{ConsoleForbidden, -32105, "access", false,
		Text{"Chỉ quản trị viên làm được việc này.", "Only an administrator can do that."},
		Text{"Tài khoản đang đăng nhập là của nhân viên tiếp nhận.", "The account that is logged in is an operator's."},
		Text{"Nhờ quản trị viên đăng nhập và thực hiện.", "Ask an administrator to log in and do it."}},
	{ConsoleAccount, -32106, "request", false,
		Text{"Không lưu được tài khoản này.", "This account cannot be saved."},
		Text{"Tên sai dạng hoặc đã có, PIN quá dễ đoán hoặc không đủ 6 chữ số, mật khẩu ngắn hơn 12 ký tự, hoặc đó là quản trị viên cuối cùng; detail.what cho biết điều nào.", "The name has the wrong form or is taken, the PIN has less than 6 digits or is easily guessed, the password has less than 12 characters, or it is the last administrator; detail.what says which."},
		Text{"Sửa mục được nêu rồi lưu lại.", "Correct what is named and save again."}},
	{ConsoleSettingsFile, -32107, "agent", false,
		Text{"Không ghi được tệp cấu hình.", "The settings file cannot be written."},
		Text{"Tài khoản của dịch vụ không có quyền ghi tệp hoặc thư mục, ổ đĩa đầy, hoặc mục này viết ở dạng chỉ sửa tay được; detail.problem nói rõ.", "The service's account may not write the file or its folder, the disk is full, or the setting is written in a form that can only be changed by hand; detail.problem says which."},
		Text{"Bộ phận CNTT sửa tệp cấu hình trực tiếp rồi khởi động lại Tapcheck.", "IT edits the settings file and restarts Tapcheck."}},
}
