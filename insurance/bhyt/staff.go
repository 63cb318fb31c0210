package bhyt

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/pelletier/go-toml/v2"

	"github.com/tapcheck/tapcheck/insurance"
)

// Staff says in whose name the gateway is asked: each operator in his own where he is registered, else in the name of whoever is
// registered for the desk's department, else in the facility's (Config.StaffName). The nil Staff knows nobody.
type Staff struct {
	operators, desks map[string]insurance.Staff
}

// MaxStaffFile is the largest file of registered staff, in bytes.
const MaxStaffFile = 1 << 20

// ParseStaff reads a file of registered staff:
//
//	[[staff]]
//	name = "Lê Thị Thu"
//	number = "001180000001"          # personal number, 12 digits
//	operators = ["lt.thu"]           # their ids in the HIS
//	desks = ["tiep-don-1", "cap-cuu"] # departments or desks for which this person stands in
//
// Ids are compared as they are written. An error says in which entry something is wrong, from 1, and never a value.
func ParseStaff(raw []byte) (*Staff, error) {
	var file struct {
		Staff []struct {
			Name      string   `toml:"name"`
			Number    string   `toml:"number"`
			Operators []string `toml:"operators"`
			Desks     []string `toml:"desks"`
		} `toml:"staff"`
	}
	if len(raw) > MaxStaffFile || !utf8.Valid(raw) {
		return nil, errors.New("bhyt: the staff file is no UTF-8 text of at most 1 MiB")
	}
	d := toml.NewDecoder(strings.NewReader(strings.TrimPrefix(string(raw), "\ufeff")))
	d.DisallowUnknownFields()
	if err := d.Decode(&file); err != nil {
		var at *toml.DecodeError
		if errors.As(err, &at) { // its text quotes the file
			line, _ := at.Position()
			return nil, fmt.Errorf("bhyt: the staff file is not valid at line %d", line)
		}
		return nil, errors.New("bhyt: the staff file has a field that is not known or has the wrong type")
	}
	s := &Staff{operators: map[string]insurance.Staff{}, desks: map[string]insurance.Staff{}}
	for i, one := range file.Staff {
		wrong := func(what string) error { return fmt.Errorf("bhyt: the staff file's entry %d: %s", i+1, what) }
		who := insurance.Staff{Name: plain(one.Name, maxText), Number: strings.TrimSpace(one.Number)}
		switch {
		case who.Name == "" || len(one.Name) > 256:
			return nil, wrong("name is missing or too long")
		case !twelveDigits.MatchString(who.Number):
			return nil, wrong("number must be 12 digits")
		case len(one.Operators)+len(one.Desks) == 0:
			return nil, wrong("neither operators nor desks")
		}
		for into, ids := range map[*map[string]insurance.Staff][]string{&s.operators: one.Operators, &s.desks: one.Desks} {
			for _, id := range ids {
				if _, twice := (*into)[id]; twice || id == "" {
					return nil, wrong("an operator or a desk is empty or stands in another entry too")
				}
				(*into)[id] = who
			}
		}
	}
	return s, nil
}

// Of gives the registered member of staff for an operator at a desk.
func (s *Staff) Of(operator, desk string) (insurance.Staff, bool) {
	if s == nil {
		return insurance.Staff{}, false
	}
	if who, ok := s.operators[operator]; ok {
		return who, true
	}
	who, ok := s.desks[desk]
	return who, ok
}

// Len is how many operators and desks are known.
func (s *Staff) Len() int {
	if s == nil {
		return 0
	}
	return len(s.operators) + len(s.desks)
}
