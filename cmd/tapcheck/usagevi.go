package main

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/tapcheck/tapcheck/agent/catalog"
)

// usagePairs are what is said about a wrong command line, in English as it is written where it is found out (kong's in the first part,
// ours in the second), and in Vietnamese. The verbs of both stand for the same, in the same order.
var usagePairs = []struct{ en, vi string }{
	{"unknown flag %s, did you mean one of %s?", "không có cờ %s; ý bạn là một trong %s?"},
	{"unknown flag %s, did you mean %s?", "không có cờ %s; ý bạn là %s?"},
	{"unknown flag %s", "không có cờ %s"},
	{"unexpected argument %s, did you mean one of %s?", "thừa %s; ý bạn là một trong %s?"},
	{"unexpected argument %s, did you mean %s?", "thừa %s; ý bạn là %s?"},
	{"unexpected argument %s", "thừa %s"},
	{"missing flags: %s", "thiếu cờ: %s"},
	{"missing positional arguments %s", "thiếu %s"},
	{"expected one of %s", "cần một trong các lệnh %s"},
	{"%s and %s can't be used together", "%s và %s không đi cùng nhau"},
	{"%s: missing value, expecting %s", "%s: thiếu giá trị %s"},
	{"%s must be one of %s but got %s", "%s phải là một trong %s, không phải %s"},
	{"%s: bool value must be true, 1, yes, false, 0 or no but got %s", "%s: cần true hoặc false, không phải %s"},
	{"%s: expected a valid %s bit int but got %s", "%s: cần số nguyên %s bit, không phải %s"},
	{"%s: expected duration but got %s", "%s: cần một khoảng thời gian như 500ms hoặc 2m, không phải %s"},
	{"%s: expected %s value but got %s", "%s: cần %s, không phải %s"},
	{"expected %s", "thiếu %s"},

	{"the PIN is one line of standard input", "mã PIN là một dòng ở đầu vào chuẩn"},
	{"no administrator %q", "không có người quản trị %q"},
	{"no persona %q: see tapcheck sim", "không có nhân vật %q: xem tapcheck sim"},
	{"no profile %q: see tapcheck sim", "không có loại thẻ %q: xem tapcheck sim"},
	{"no scenario %q: see tapcheck sim gateway --list", "không có kịch bản %q: xem tapcheck sim gateway --list"},
	{"no token %q", "không có mã truy cập %q"},
	{"no time is negative", "thời gian không được âm"},
	{"--reader is tcp:127.0.0.1:PORT", "--reader có dạng tcp:127.0.0.1:CỔNG"},
	{"--reader tcp: listens on a loopback address such as tcp:127.0.0.1:27491 only", "--reader tcp: chỉ nghe ở địa chỉ của chính máy này, ví dụ tcp:127.0.0.1:27491"},
	{"--once checks in by the agent's own protocol; leave --socketio out", "--once tiếp nhận bằng giao thức riêng của dịch vụ; bỏ --socketio"},
	{"--trust: there is no folder %s", "--trust: không có thư mục %s"},
	{"there is no folder %s that can be read", "không có thư mục %s nào đọc được"},
	{"--terminal: there is no folder %s that can be read", "--terminal: không có thư mục %s nào đọc được"},
	{"--at is a time such as 2026-11-23T08:15:00+07:00 or a day such as 2026-11-23", "--at là thời điểm như 2026-11-23T08:15:00+07:00 hoặc ngày như 2026-11-23"},
	{"standard input can give one value only", "đầu vào chuẩn chỉ cho được một giá trị"},
	{"--ports: %q is no number", "--ports: %q không phải số"},
	{"--key goes with --origins", "--key đi cùng --origins"},
	{"--key goes with --origin: a desktop program keeps a token", "--key đi cùng --origin: phần mềm trên máy giữ mã truy cập"},
	{"--gateway: %s holds username, password, staff_name, staff_number and maybe url, as TOML, and nothing else", "--gateway: %s chỉ chứa username, password, staff_name, staff_number và có thể url, dạng TOML"},
	{"--vpcd is a loopback address such as 127.0.0.1:35963", "--vpcd là địa chỉ của chính máy này, ví dụ 127.0.0.1:35963"},
	{"--addr is a loopback address such as 127.0.0.1:27490", "--addr là địa chỉ của chính máy này, ví dụ 127.0.0.1:27490"},
	{"--days is 0 or more", "--days từ 0 trở lên"},
	{"no trust folder is named: set trust.folder in %s, or give --trust DIR", "chưa có thư mục tin cậy: đặt trust.folder trong %s, hoặc thêm --trust THƯ_MỤC"},
	{"--ring: %q is neither now, never nor a time such as 2026-12-01T01:00:00+07:00", "--ring: %q không phải now, never hay thời điểm như 2026-12-01T01:00:00+07:00"},
	{"--ring: ring %d would take it and an earlier one never", "--ring: nhóm %d được cài mà một nhóm trước đó thì không bao giờ"},
	{"--out or --of", "cần --out hoặc --of"},
	{"--key: %s holds no key", "--key: %s không chứa khóa nào"},
	{"no persona %q with a face: there are %s", "không có nhân vật %q có khuôn mặt: có %s"},
	{"say where it goes: --out DIR, --mjpeg FILE or --y4m FILE", "nêu nơi ghi: --out THƯ_MỤC, --mjpeg TỆP hoặc --y4m TỆP"},
	{"--fps is 1 to 60", "--fps từ 1 đến 60"},
	{"%d pictures, and %d are the most", "%d ảnh, mà nhiều nhất là %d"},
	{"--size is like 640x480: even numbers from 64 to 1920", "--size có dạng 640x480: số chẵn từ 64 đến 1920"},
}

var usageVerb = regexp.MustCompile(`%[sqvd]`)

// usagePattern matches what a format makes.
func usagePattern(format string) *regexp.Regexp {
	parts := usageVerb.Split(format, -1)
	for i, p := range parts {
		parts[i] = regexp.QuoteMeta(p)
	}
	return regexp.MustCompile(`(?s)^` + strings.Join(parts, `(.+?)`) + `$`)
}

// usageIn says in a language what is wrong with a command line. What has no words of its own, such as what the system said about a
// file, stays as it is.
func usageIn(lang catalog.Lang, said string) string {
	if lang != catalog.VI {
		return said
	}
	for _, p := range usagePairs {
		if m := usagePattern(p.en).FindStringSubmatch(said); m != nil {
			values := make([]any, len(m)-1)
			for i, v := range m[1:] {
				values[i] = v
			}
			return fmt.Sprintf(usageVerb.ReplaceAllString(p.vi, "%s"), values...)
		}
	}
	return said
}

// wantedLang is the language of a command line that cannot be read as a whole.
func wantedLang(args []string, otherwise string) catalog.Lang {
	for i, arg := range args {
		value, is := strings.CutPrefix(arg, "--lang=")
		if !is && arg == "--lang" && i+1 < len(args) {
			value, is = args[i+1], true
		}
		if is && (value == "vi" || value == "en") {
			return catalog.Lang(value)
		}
	}
	return catalog.Lang(otherwise)
}
