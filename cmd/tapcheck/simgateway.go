package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/tapcheck/tapcheck/insurance/bhyt"
	"github.com/tapcheck/tapcheck/insurance/bhyt/localgateway"
)

type simGatewayCmd struct {
	Addr      string        `help:"Loopback address to listen at." default:"127.0.0.1:27490" placeholder:"HOST:PORT"`
	Scenario  string        `help:"How it is to begin with: a name that --list shows." default:"normal" placeholder:"NAME"`
	Latency   time.Duration `help:"How long each call takes." placeholder:"DURATION"`
	Delay     time.Duration `help:"How long what is slow takes." default:"8s"`
	TokenLife time.Duration `help:"How long a token is good for." default:"1h"`
	Settings  string        `help:"Write settings for tapcheck run into this new folder, with the two secrets in files of their own." type:"path" placeholder:"DIR"`
	For       time.Duration `help:"End after this time; 0 serves until it is interrupted." placeholder:"DURATION"`
	List      bool          `help:"List scenarios and people, and serve nothing."`
	JSON      bool          `help:"Say it as JSON."`
}

// Names of the files that --settings writes.
const (
	simSettings = "tapcheck.toml"
	simPassword = "gateway-password"
	simStaff    = "staff-number"
)

// simPerson is somebody in the gateway's register.
type simPerson struct {
	Persona     string `json:"persona"`
	FullName    string `json:"fullName"`
	DateOfBirth string `json:"dateOfBirth"` // dd/MM/yyyy, as the gateway takes it
	Number      string `json:"number"`
	CardCode    string `json:"cardCode,omitempty"`
	Result      string `json:"result"`
	Behaviour   string `json:"behaviour,omitempty"`
}

// Run serves until it is interrupted. Each line of standard input is a scenario from then on.
func (c simGatewayCmd) Run(a *app) error {
	if !loopback(c.Addr) || strings.HasPrefix(c.Addr, "localhost:") {
		return usage("--addr is a loopback address such as 127.0.0.1:27490")
	}
	if c.Latency < 0 || c.Delay < 0 || c.TokenLife <= 0 || c.For < 0 {
		return usage("no time is negative")
	}
	g := localgateway.New(localgateway.Options{Delay: c.Delay, Latency: c.Latency, TokenLife: c.TokenLife, Marked: true})
	if err := g.Set(localgateway.Scenario(c.Scenario)); err != nil {
		return usage("no scenario %q: see tapcheck sim gateway --list", c.Scenario)
	}
	if c.List {
		return c.tell(a, g, "")
	}
	ctx := a.ctx
	if c.For > 0 {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeout(ctx, c.For)
		defer stop()
	}
	base, err := g.Start(ctx, c.Addr)
	if err != nil {
		return err
	}
	defer g.Close()
	if c.Settings != "" {
		if err := c.write(g, base); err != nil {
			return err
		}
	}
	if err := c.tell(a, g, base); err != nil {
		return err
	}
	lines := make(chan string)
	go func() { // a read of a terminal cannot be stopped; it ends with the program
		in := bufio.NewScanner(a.Stdin)
		for in.Scan() {
			select {
			case lines <- strings.TrimSpace(in.Text()):
			case <-ctx.Done():
				return
			}
		}
	}()
	for {
		select {
		case <-ctx.Done():
			if c.For > 0 && a.ctx.Err() == nil {
				return nil
			}
			return a.ctx.Err()
		case s := <-lines:
			if s == "" {
				continue
			}
			if g.Set(localgateway.Scenario(s)) != nil {
				fmt.Fprintf(a.Stderr, "%s\n", a.say("không có kịch bản này: xem --list", "no such scenario: see --list"))
				continue
			}
			fmt.Fprintf(a.Stderr, "%s %s\n", a.say("kịch bản:", "scenario:"), s)
		}
	}
}

// tell says where it is, who it lets in and whom it knows. Everything of it is invented.
func (c simGatewayCmd) tell(a *app, g *localgateway.Gateway, base string) error {
	account := g.Account()
	var people []simPerson
	for _, m := range localgateway.Members() {
		p := simPerson{Persona: m.Persona, FullName: m.FullName, DateOfBirth: m.DateOfBirth, Number: m.Number, Result: m.Result, Behaviour: string(m.Behaviour)}
		if m.Card != nil {
			p.CardCode = m.Card.Code
		}
		people = append(people, p)
	}
	if c.JSON {
		type staff struct {
			Name   string `json:"name"`
			Number string `json:"number"`
		}
		var registered []staff
		for _, s := range g.Registered() {
			registered = append(registered, staff(s))
		}
		return a.json(struct {
			URL       string                  `json:"url,omitempty"`
			Username  string                  `json:"username"`
			Password  string                  `json:"password"`
			Staff     []staff                 `json:"staff"`
			Paths     []string                `json:"paths"`
			Scenarios []localgateway.Scenario `json:"scenarios"`
			People    []simPerson             `json:"people"`
		}{base, account.Username, account.Password, registered, []string{bhyt.PathToken, bhyt.PathLookup, bhyt.PathHistory}, localgateway.Scenarios(), people})
	}
	if base != "" {
		a.printf("%s %s\n", a.say("Cổng BHYT mô phỏng, chỉ trên máy này:", "Simulated insurance gateway, on this PC only:"), base)
	}
	a.printf("%s %s\n%s %s (MD5 hex)\n", a.say("Tài khoản:", "Account: "), account.Username, a.say("Mật khẩu: ", "Password:"), account.Password)
	for _, s := range g.Registered() {
		a.printf("%s %s, %s\n", a.say("Cán bộ:   ", "Staff:   "), s.Name, s.Number)
	}
	a.printf("\n%s\n", a.say("Người không có thật, và mã kết quả khi họ tên, ngày sinh đúng:", "Invented people, and the result code where name and date of birth are right:"))
	for _, p := range people {
		code := p.CardCode
		if code == "" {
			code = "–"
		}
		a.printf("  %-8s %-16s %-11s %-13s %-16s %s %s\n", p.Persona, p.FullName, p.DateOfBirth, p.Number, code, p.Result, p.Behaviour)
	}
	var named []string
	for _, s := range localgateway.Scenarios() {
		named = append(named, string(s))
	}
	i := slices.IndexFunc(named, func(s string) bool { return strings.HasPrefix(s, "code:") })
	a.printf("\n%s\n  %s\n  %s\n", a.say("Kịch bản (gõ một tên để đổi):", "Scenarios (type a name to change):"), strings.Join(named[:i], " "), strings.Join(named[i:], " "))
	if base == "" {
		return nil
	}
	if c.Settings != "" {
		a.printf("\n%s\n  tapcheck --config %s run\n", a.say("Chạy Tapcheck với cổng này:", "Run Tapcheck with it:"), filepath.Join(c.Settings, simSettings))
	} else {
		a.printf("\n%s\n%s", a.say("Cấu hình để tapcheck run hỏi cổng này (--settings THƯ-MỤC ghi sẵn cho bạn):", "Settings with which tapcheck run asks it (--settings DIR writes them for you):"), indent(simFile(g, base, simPassword, simStaff)))
	}
	a.printf("\n%s\n", a.say("Kết quả được ghi rõ là bhyt-training: không đúng với ai cả. Ctrl-C để dừng.", "Answers are marked bhyt-training: they are true of nobody. Ctrl-C stops."))
	return nil
}

func indent(s string) string {
	return "  " + strings.ReplaceAll(strings.TrimSpace(s), "\n", "\n  ") + "\n"
}

// simFile is a settings file that asks the gateway.
func simFile(g *localgateway.Gateway, base, password, staff string) string {
	account := g.Account()
	return fmt.Sprintf("[insurance]\nprovider = \"bhyt\"\nurl = %q\nusername = %q\npassword_file = %q\nstaff_name = %q\nstaff_number_file = %q\n", base, account.Username, password, account.StaffName, staff)
}

// write makes the folder of --settings. Nothing that is there is written over.
func (c simGatewayCmd) write(g *localgateway.Gateway, base string) error {
	if err := os.Mkdir(c.Settings, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	account := g.Account()
	password, staff := filepath.Join(c.Settings, simPassword), filepath.Join(c.Settings, simStaff)
	return errors.Join(
		writeNew(password, []byte(account.Password+"\n")), writeNew(staff, []byte(account.StaffNumber+"\n")),
		writeNew(filepath.Join(c.Settings, simSettings), []byte(simFile(g, base, password, staff))),
	)
}
