package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/tapcheck/tapcheck/agent/checkin"
	"github.com/tapcheck/tapcheck/agent/his/client"
)

// Users of this test: the service's own, and two at the desk, who need no account.
const (
	serviceUser = 1 // daemon, an account that is everywhere: systemd takes no number without a name
	userA       = 47002
	userB       = 47003
)

func init() {
	helpers["tapcheck-hardened"] = hardened
	helpers["tapcheck-user"] = deskUser
}

// TestUsersOfOnePCAreApart starts the agent as a user of its own, under the hardening of its unit as far as this machine
// lets, and two other users who have the same desktop token: the one thing that tells them apart is whose their sockets
// are. Each sees its own job and nothing of the other's.
func TestUsersOfOnePCAreApart(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can start programs as three other users; make test as root, as CI does")
	}
	p := hardenedProgram(t, nil)
	testUsersApart(t, p)
	p.stop()
	t.Logf("hardening, as far as this machine lets:\n%s", lines(p.stderr.String(), "hardening: "))
}

// unitProperties are the hardening of the service's unit. PrivateUsers=yes is not among them: see the test below. The error
// number is there because SQLite asks for the owner of its files (fchown), and without it the kernel ends the program.
var unitProperties = []string{
	"User=daemon", "Group=daemon", "UMask=0077", "NoNewPrivileges=yes", "CapabilityBoundingSet=", "AmbientCapabilities=", "ProtectSystem=strict", "ProtectHome=yes",
	"PrivateDevices=yes", "ProtectClock=yes", "ProtectHostname=yes", "ProtectKernelLogs=yes", "ProtectKernelModules=yes", "ProtectKernelTunables=yes",
	"ProtectControlGroups=yes", "ProtectProc=invisible", "ProcSubset=pid", "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6", "RestrictNamespaces=yes",
	"RestrictRealtime=yes", "RestrictSUIDSGID=yes", "LockPersonality=yes", "MemoryDenyWriteExecute=yes", "SystemCallArchitectures=native",
	"SystemCallFilter=@system-service", "SystemCallFilter=~@privileged @resources", "SystemCallErrorNumber=EPERM",
}

// TestUsersOfOnePCAreApartInARealUnit is the same where systemd runs the machine.
func TestUsersOfOnePCAreApartInARealUnit(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can start programs as three other users; make test as root, as CI does")
	}
	if _, err := os.Stat("/run/systemd/system"); err != nil {
		t.Skip("systemd does not run this machine, so there are no units")
	}
	testUsersApart(t, unitProgram(t))
}

func testUsersApart(t *testing.T, p *program) {
	token := p.token("--desktop", "--rights", "read,simulator")
	a, b := newUser(t, p, userA, token), newUser(t, p, userB, token)
	for _, u := range []*user{a, b} {
		if got := u.call("session.open", map[string]any{"protocol": 1}); got.Error != "" {
			t.Fatalf("user %d: %s\n%s", u.uid, got.Error, p.stderr)
		}
	}
	for _, u := range []*user{a, b} {
		if got := u.call("checkin.start", map[string]any{"jobId": u.job, "means": "chip"}); got.Error != "" {
			t.Fatalf("user %d: %s", u.uid, got.Error)
		}
	}
	// The same id is a job of each.
	for _, u := range []*user{a, b} {
		if got := u.call("checkin.start", map[string]any{"jobId": "same", "means": "chip"}); got.Error != "" {
			t.Errorf("user %d: %s", u.uid, got.Error)
		}
	}
	for _, c := range []struct{ by, of *user }{{a, a}, {b, b}, {a, b}, {b, a}} {
		want := ""
		if c.by != c.of {
			want = "JOB_UNKNOWN"
		}
		for _, method := range []string{"job.status", "job.resume"} {
			if got := c.by.call(method, map[string]string{"jobId": c.of.job}); got.Error != want {
				t.Errorf("%s of user %d's job by user %d: %q, want %q", method, c.of.uid, c.by.uid, got.Error, want)
			}
		}
	}
	if got := b.call("job.cancel", map[string]string{"jobId": a.job}); got.Error != "JOB_UNKNOWN" {
		t.Errorf("user %d cancels another's job: %q", b.uid, got.Error)
	}
	var list struct{ Checkins []struct{ JobID string } }
	if err := json.Unmarshal(a.call("checkin.list", map[string]any{}).Result, &list); err != nil {
		t.Error(err)
	}
	for _, c := range list.Checkins {
		if c.JobID == b.job {
			t.Error("the list of one user holds a job of the other")
		}
	}
	// Neither was told anything of the other's.
	for u, other := range map[*user]*user{a: b, b: a} {
		u.call("job.cancel", map[string]string{"jobId": u.job})
		u.call("agent.status", nil)
		if strings.Contains(u.heard.String(), other.job) {
			t.Errorf("user %d heard of the other's job:\n%s", u.uid, u.heard.String())
		}
		if !strings.Contains(u.heard.String(), `"`+u.job+`"`) {
			t.Errorf("user %d heard nothing of its own job:\n%s", u.uid, u.heard.String())
		}
	}
	for _, u := range []*user{a, b} { // what waits before it
		u.call("job.cancel", map[string]string{"jobId": "same"})
	}
	// The hardening lets a whole check-in through, with the picture, which a bounded child process decodes.
	a.call("checkin.start", map[string]any{"jobId": "tap", "means": "chip", "key": map[string]string{"can": "012345"}})
	if got := a.call("sim.insert", map[string]string{"persona": "an"}); got.Error != "" {
		t.Error(got.Error)
	}
	var st checkin.JobStatus
	for deadline := time.Now().Add(20 * time.Second); !st.State.Final() && time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if err := json.Unmarshal(a.call("job.status", map[string]string{"jobId": "tap"}).Result, &st); err != nil {
			t.Fatal(err)
		}
	}
	if r := st.Result; st.State != checkin.Complete || r == nil || r.Portrait == nil || !r.Recorded {
		t.Errorf("the check-in is %s, with %+v\n%s", st.State, r, p.stderr)
	}
	if got := b.call("job.status", map[string]string{"jobId": "tap"}); got.Error != "JOB_UNKNOWN" {
		t.Errorf("user %d sees the patient of user %d: %+v", b.uid, a.uid, got)
	}
}

// Where the unit has a user namespace of its own (PrivateUsers=yes) the kernel names all users of the PC alike. They are
// turned away: a desk that does not work is noticed, and one that shows one user another's patients may not be.
func TestUsersWhomTheServiceCannotTellApartAreTurnedAway(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can start programs as three other users; make test as root, as CI does")
	}
	p := hardenedProgram(t, &syscall.SysProcAttr{
		Cloneflags:                 syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings:                []syscall.SysProcIDMap{{ContainerID: 0, HostID: 0, Size: 1}, {ContainerID: serviceUser, HostID: serviceUser, Size: 1}},
		GidMappingsEnableSetgroups: true,
		GidMappings:                []syscall.SysProcIDMap{{ContainerID: 0, HostID: 0, Size: 1}, {ContainerID: serviceUser, HostID: serviceUser, Size: 1}},
	})
	token := p.token("--desktop")
	for _, uid := range []uint32{userA, userB} {
		if u := newUser(t, p, uid, token); u.refused != "PEER_DENIED" {
			t.Errorf("user %d: %q", uid, u.refused)
		}
	}
}

func lines(text, prefix string) string {
	var b strings.Builder
	for l := range strings.Lines(text) {
		if strings.HasPrefix(l, prefix) {
			b.WriteString(l)
		}
	}
	return b.String()
}

// hardenedProgram runs `tapcheck demo` by way of hardened. attr is what the kernel does before that.
func hardenedProgram(t *testing.T, attr *syscall.SysProcAttr) *program {
	t.Helper()
	if attr == nil {
		attr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	}
	p, own, args := sharedDesk(t)
	p.cmd = exec.Command(filepath.Join(p.tmp, "tapcheck-hardened"), append([]string{own}, args...)...)
	p.cmd.Env = append(os.Environ(), "TMPDIR="+own, "HOME="+own)
	p.cmd.SysProcAttr, p.cmd.Dir = attr, "/"
	launch(t, p)
	return p
}

// unitProgram runs `tapcheck demo` as a unit of systemd.
func unitProgram(t *testing.T) *program {
	t.Helper()
	p, own, args := sharedDesk(t)
	unit := fmt.Sprintf("tapcheck-test-%d", os.Getpid())
	run := []string{"--quiet", "--collect", "--pipe", "--unit=" + unit, "--setenv=TMPDIR=" + own, "--setenv=HOME=" + own, "--property=ReadWritePaths=" + own}
	for _, property := range unitProperties {
		run = append(run, "--property="+property)
	}
	p.cmd = exec.Command("systemd-run", append(run, args...)...)
	launch(t, p)
	t.Cleanup(func() { _ = exec.Command("systemctl", "stop", unit).Run() })
	return p
}

// sharedDesk makes a folder that other users can walk through (the folders of a test are root's alone), with the programs in it
// and the service's own folder, and gives the command that runs there.
func sharedDesk(t *testing.T) (p *program, own string, args []string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "tapcheck-users-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"tapcheck", "tapcheck-hardened", "tapcheck-user"} {
		copyProgram(t, filepath.Join(dir, name))
	}
	own = filepath.Join(dir, "service")
	if err := errors.Join(os.Mkdir(own, 0o700), os.Chown(own, serviceUser, serviceUser)); err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(dir, "tapcheck.toml")
	if err := os.WriteFile(config, fmt.Appendf(nil, "[his]\nports = [%d]\n", freePort(t)), 0o644); err != nil {
		t.Fatal(err)
	}
	p = &program{t: t, data: filepath.Join(own, simulationFolder), tmp: dir, stderr: &lockedBuffer{}, done: make(chan struct{})}
	return p, own, []string{filepath.Join(dir, "tapcheck"), "--data", own, "--config", config, "--lang", "en", "demo", "--no-tap", "--json", "--log", "info"}
}

func launch(t *testing.T, p *program) {
	t.Helper()
	p.cmd.Stdout, p.cmd.Stderr = p.stderr, p.stderr
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	t.Cleanup(p.stop)
}

func copyProgram(t *testing.T, to string) {
	t.Helper()
	in, err := os.Open("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(out, in); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(out.Chmod(0o755), out.Close()); err != nil {
		t.Fatal(err)
	}
}

// hardened does to itself what the unit asks systemd for, and becomes the program: hardened DIR PROGRAM ARG…. What the
// machine does not let is said and left out; the user is not.
func hardened() {
	runtime.LockOSThread() // what follows is the thread's, and goes with it through exec
	say := func(what string, err error) {
		if err != nil {
			fmt.Fprintf(os.Stderr, "hardening: NOT %s: %v\n", what, err)
			return
		}
		fmt.Fprintf(os.Stderr, "hardening: %s\n", what)
	}
	own, args := os.Args[1], os.Args[2:]
	private := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")
	say("mount namespace", private)
	if private == nil {
		err := unix.Mount(own, own, "", unix.MS_BIND, "")
		if err == nil {
			err = unix.Mount("", "/", "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY, "")
		}
		say("ProtectSystem=strict (the file system of / is read-only but for the data folder)", err)
		say("ProtectProc=invisible ProcSubset=pid", unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "hidepid=invisible,subset=pid"))
		say("ProtectHome", unix.Mount("tmpfs", "/home", "tmpfs", unix.MS_RDONLY, "mode=000"))
	}
	var dropped error
	for c := range uintptr(unix.CAP_LAST_CAP + 1) {
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0); err != nil && !errors.Is(err, unix.EINVAL) {
			dropped = err
		}
	}
	say("CapabilityBoundingSet=", dropped)
	unix.Umask(0o077)
	_, _, e1 := unix.RawSyscall(unix.SYS_SETGROUPS, 0, 0, 0)
	_, _, e2 := unix.RawSyscall(unix.SYS_SETRESGID, serviceUser, serviceUser, serviceUser)
	_, _, e3 := unix.RawSyscall(unix.SYS_SETRESUID, serviceUser, serviceUser, serviceUser)
	if e1 != 0 || e2 != 0 || e3 != 0 {
		fmt.Fprintln(os.Stderr, "cannot become the service's user:", e1, e2, e3)
		os.Exit(1)
	}
	say("User= of its own, no capabilities", nil)
	say("NoNewPrivileges", unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
	say("RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6, SystemCallFilter of @privileged, @mount, @debug", restrict())
	if fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_SOCK_DIAG); err == nil {
		_ = unix.Close(fd)
		say("sock_diag closed", errors.New("it is open"))
	} else {
		say("sock_diag closed: "+err.Error(), nil)
	}
	err := syscall.Exec(args[0], args, os.Environ())
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// restrict installs a seccomp filter of the calling thread: sockets of three families only, and none of the calls that the
// unit's SystemCallFilter takes away and a Go program could make. The layout is struct seccomp_data of linux/seccomp.h.
func restrict() error {
	const (
		ld, jeq, ret   = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, unix.BPF_RET | unix.BPF_K
		allow, refuse  = 0x7fff0000, 0x00050000 // SECCOMP_RET_ALLOW, SECCOMP_RET_ERRNO
		atNr, atFamily = 0, 16                  // offsets; the low half of the first argument (little-endian)
	)
	var f []unix.SockFilter
	f = append(f, unix.SockFilter{Code: ld, K: atNr})
	for _, nr := range []uint32{
		unix.SYS_PTRACE, unix.SYS_PROCESS_VM_READV, unix.SYS_PROCESS_VM_WRITEV, unix.SYS_MOUNT, unix.SYS_UMOUNT2, unix.SYS_PIVOT_ROOT, unix.SYS_CHROOT,
		unix.SYS_UNSHARE, unix.SYS_SETNS, unix.SYS_SETUID, unix.SYS_SETRESUID, unix.SYS_SETGROUPS, unix.SYS_CAPSET, unix.SYS_BPF, unix.SYS_KEXEC_LOAD,
		unix.SYS_INIT_MODULE, unix.SYS_FINIT_MODULE, unix.SYS_REBOOT, unix.SYS_SWAPON, unix.SYS_PERF_EVENT_OPEN,
	} {
		f = append(f, unix.SockFilter{Code: jeq, K: nr, Jf: 1}, unix.SockFilter{Code: ret, K: refuse | uint32(unix.EPERM)})
	}
	f = append(f, unix.SockFilter{Code: jeq, K: unix.SYS_SOCKET, Jf: 5}, unix.SockFilter{Code: ld, K: atFamily})
	for i, family := range []uint32{unix.AF_UNIX, unix.AF_INET, unix.AF_INET6} {
		f = append(f, unix.SockFilter{Code: jeq, K: family, Jt: uint8(3 - i)})
	}
	f = append(f, unix.SockFilter{Code: ret, K: refuse | uint32(unix.EAFNOSUPPORT)}, unix.SockFilter{Code: ret, K: allow})
	prog := unix.SockFprog{Len: uint16(len(f)), Filter: &f[0]}
	return unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&prog)), 0, 0)
}

// user is a program of another user of the PC, which does what it is told.
type user struct {
	t       *testing.T
	uid     uint32
	job     string
	refused string // by the gate
	in      io.Writer
	out     *bufio.Scanner
	heard   strings.Builder
}

// said is a line of it.
type said struct {
	Refused string          `json:"refused,omitempty"`
	Ready   bool            `json:"ready,omitempty"`
	Note    string          `json:"note,omitempty"`
	Result  json.RawMessage `json:"result,omitempty"`
	Error   string          `json:"error,omitempty"`
	Answer  bool            `json:"answer,omitempty"`
}

func newUser(t *testing.T, p *program, uid uint32, token string) *user {
	t.Helper()
	u := &user{t: t, uid: uid, job: "job-of-" + strconv.Itoa(int(uid))}
	cmd := exec.Command(filepath.Join(p.tmp, "tapcheck-user"), p.addr(), token)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	cmd.Dir, cmd.Env, cmd.Stderr = "/", []string{"HOME=/"}, os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = in.Close(); _ = cmd.Wait() })
	u.in, u.out = in, bufio.NewScanner(out)
	u.out.Buffer(nil, 1<<20)
	first := u.next()
	if u.refused = first.Refused; u.refused == "" && !first.Ready {
		t.Fatalf("user %d: %+v", uid, first)
	}
	return u
}

func (u *user) next() (s said) {
	u.t.Helper()
	if !u.out.Scan() || json.Unmarshal(u.out.Bytes(), &s) != nil {
		u.t.Fatalf("user %d ended: %v", u.uid, u.out.Err())
	}
	return s
}

func (u *user) call(method string, params any) said {
	u.t.Helper()
	raw, _ := json.Marshal(map[string]any{"method": method, "params": params})
	if _, err := fmt.Fprintf(u.in, "%s\n", raw); err != nil {
		u.t.Fatal(err)
	}
	for {
		s := u.next()
		if s.Answer {
			return s
		}
		u.heard.WriteString(s.Note + "\n")
	}
}

// deskUser connects as a desktop program and passes on what it reads: deskUser ADDR TOKEN.
func deskUser() {
	out := json.NewEncoder(os.Stdout)
	ctx, stop := context.WithTimeout(context.Background(), time.Minute)
	defer stop()
	c, err := client.Dial(ctx, client.Options{Addr: os.Args[1], Bearer: os.Args[2]})
	if refused, ok := errors.AsType[*client.Refused](err); ok {
		_ = out.Encode(said{Refused: refused.Reason})
		return
	}
	if err != nil {
		_ = out.Encode(said{Error: err.Error()})
		return
	}
	defer c.Close()
	_ = out.Encode(said{Ready: true})
	commands := bufio.NewScanner(os.Stdin)
	for commands.Scan() {
		var do struct {
			Method string
			Params json.RawMessage
		}
		if json.Unmarshal(commands.Bytes(), &do) != nil {
			return
		}
		var result json.RawMessage
		answer := said{Answer: true}
		if err := c.Call(ctx, do.Method, do.Params, &result); err != nil {
			answer.Error = err.Error()
			if e, ok := errors.AsType[*client.Error](err); ok {
				answer.Error = string(e.Data.ID)
			}
		}
		answer.Result = result
		// What the agent has told up to now, with whose job it was.
		for more := true; more; {
			select {
			case n, open := <-c.Notifications():
				more = open
				_ = out.Encode(said{Note: n.Method + " " + string(n.Params)})
			default:
				more = false
			}
		}
		_ = out.Encode(answer)
	}
}
