package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"

	"github.com/rs/zerolog"

	"github.com/tapcheck/tapcheck/agent"
	"github.com/tapcheck/tapcheck/agent/catalog"
	"github.com/tapcheck/tapcheck/agent/his"
	"github.com/tapcheck/tapcheck/agent/keys"
	"github.com/tapcheck/tapcheck/agent/settings"
	"github.com/tapcheck/tapcheck/agent/update"
	"github.com/tapcheck/tapcheck/icao/trust"
	"github.com/tapcheck/tapcheck/insurance"
	"github.com/tapcheck/tapcheck/insurance/bhyt"
	"github.com/tapcheck/tapcheck/insurance/fhir"
	"github.com/tapcheck/tapcheck/insurance/relay"
	"github.com/tapcheck/tapcheck/reader/pcsc"
)

type runCmd struct {
	Service bool   `help:"As a service: where all ports are taken, wait for one; tell systemd or the SCM how it goes."`
	Log     string `help:"Write the log into files of this folder, at most 16 MiB, in place of standard error. A service of Windows does so in its data folder." type:"path" placeholder:"DIR"`
}

// Run runs the agent on real readers until it is interrupted.
func (c runCmd) Run(a *app) error {
	if c.Service {
		return a.managed(func(alone bool) error { // nobody reads standard error
			if dir, err := a.dataFolder(); alone && c.Log == "" && err == nil {
				c.Log = filepath.Join(dir, logFolder)
			}
			return c.serve(a)
		})
	}
	return c.serve(a)
}

func (c runCmd) serve(a *app) error {
	dir, err := a.dataFolder()
	if err != nil {
		return err
	}
	if c.Log != "" {
		closeLog, err := a.logTo(c.Log, dir)
		if err != nil {
			return err
		}
		defer closeLog()
	}
	l, err := c.load(a, dir)
	if err != nil {
		return a.settingsError(err)
	}
	s := l.Settings
	level := newLevel(s.Log.Level)
	logger := zerolog.New(levelled{a.Stderr, level}).With().Timestamp().Logger()
	if l.Wrong != nil {
		a.complain(a.settingsError(l.Wrong))
		if a.report != nil {
			a.report(a.say("Đang dùng cấu hình đúng gần nhất, vì:\n", "The last good settings are in use, because:\n") + a.inWords(a.settingsError(l.Wrong)))
		}
		logger.Warn().Msg("settings.last_good") // health says it too, for as long as it is so
	}
	insurer, err := insurer(s.Insurance, func(event string, fields map[string]any) {
		level := zerolog.DebugLevel // one line a call, and one that is always there for each that failed
		if fields["error"] != nil {
			level = zerolog.WarnLevel
		}
		logger.WithLevel(level).Fields(fields).Msg(event)
	})
	if err != nil {
		return err
	}
	if i, ok := insurer.(io.Closer); ok {
		defer i.Close()
	}
	readers := pcsc.New(pcsc.Options{})
	unpublish := func() {}
	options := agent.Options{
		Settings: s, DataDir: dir, Version: version, Log: logger, Readers: readers, Insurer: insurer,
		Trust: func() (*trust.Store, *trust.Report, error) {
			store, report, err := trust.Load(trustOptions(s, ""))
			return store, report, errors.Join(err, trustFolder(s.Trust.Folder)) // a folder that is not there is empty to trust, and a mistake to health
		},
		SettingsFile: a.config, SettingsFrom: l.From, SettingsOver: a.sources().Over, SettingsWrong: l.Wrong != nil, PortFiles: a.portFiles(dir), Service: c.Service, Moments: a.moments,
		Renewed: func(l settings.Loaded) {
			level.set(l.Settings.Log.Level)
			keep(l, dir, logger)
		},
		Updates: func() (update.State, error) { return update.ReadState(updatePlaces().work) },
		Ready: func(r agent.Ready) {
			keep(l, dir, logger)
			unpublish = publishPort(r.Addr)
			fmt.Fprintf(a.Stderr, "%s ws://%s/v1\n", a.say("Sẵn sàng tại", "Ready at"), r.Addr)
		},
	}
	if c.Service {
		m := newManager(a.Getenv)
		options.Pulse, options.Busy = m.pulse, m.work
		defer context.AfterFunc(a.ctx, m.stopping)()
	}
	ctx, stop := context.WithCancel(a.ctx)
	defer stop()
	options.Renew = c.renewals(ctx, a, dir)
	ended := func() {}
	if c.Service {
		options.Present, ended = a.listen(ctx)
	}
	err = agent.Run(ctx, options)
	stop()
	ended()
	unpublish()
	return a.ended(err)
}

// load reads the settings. A service goes on with the last good ones where some have a mistake; a person is told at once.
func (c runCmd) load(a *app, dir string) (settings.Loaded, error) {
	if c.Service {
		return a.sources().LoadOrLast(dir)
	}
	return a.sources().Load()
}

// renewals reads the settings whenever somebody asks for it: SIGHUP, or the SCM's PARAMCHANGE. A watcher would also take a file
// that is half written, or three settings of which two are changed.
func (c runCmd) renewals(ctx context.Context, a *app, dir string) <-chan settings.Loaded {
	out := make(chan settings.Loaded)
	stop := func() {}
	if c.Service { // in a terminal it says that the terminal is gone
		stop = onHangup(a.reload)
	}
	go func() {
		defer stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-a.renew:
			}
			l, err := a.sources().LoadOrLast(dir)
			if err != nil {
				l.Wrong = err
			}
			select {
			case out <- l:
			case <-ctx.Done():
				return
			}
		}
	}()
	return out
}

// keep notes that settings are good. A disk that takes nothing keeps no desk from its work.
func keep(l settings.Loaded, dir string, logger zerolog.Logger) {
	if err := l.Keep(dir); err != nil {
		logger.Warn().Msg("settings.unkept")
	}
}

// portFile is the name of the file that publishes the port in use.
const portFile = "port.json"

// portFiles are where run publishes its port: the data folder, which only the agent's own user can read, and for a service on
// Linux a folder that everybody can read and only the service can write: the one that systemd has made for it
// (RuntimeDirectory=tapcheck), or root's own. On Windows the registry is that place (publishPort).
func (a *app) portFiles(dir string) []string {
	files := []string{filepath.Join(dir, portFile)}
	if runtime.GOOS != "linux" {
		return files
	}
	if given := a.Getenv("RUNTIME_DIRECTORY"); given == runFolder {
		return append(files, filepath.Join(runFolder, portFile))
	}
	if os.Geteuid() == 0 {
		if err := os.MkdirAll(runFolder, 0o755); err == nil {
			files = append(files, filepath.Join(runFolder, portFile))
		}
	}
	return files
}

// runFolder is of a service on Linux.
const runFolder = "/run/tapcheck"

// runningPort is the port of the agent that runs with this data folder. Where no folder was named (shared), it is the
// service's: whoever works at the desk cannot read the service's own folder.
func runningPort(dir string, shared bool) (port int, ok bool) {
	if port, ok = portIn(filepath.Join(dir, portFile)); ok || !shared {
		return port, ok
	}
	return servicePort()
}

func portIn(file string) (port int, ok bool) {
	raw, err := os.ReadFile(file)
	if err != nil {
		return 0, false
	}
	var at his.PortInfo
	return at.Port, json.Unmarshal(raw, &at) == nil && at.Port > 0 && at.Port < 1<<16
}

// ended turns the end of an agent into the program's: being interrupted is how an agent ends.
func (a *app) ended(err error) error {
	if a.ctx.Err() != nil && err == nil {
		return nil
	}
	return err
}

func (a *app) logger(level string) zerolog.Logger {
	return zerolog.New(levelled{a.Stderr, newLevel(level)}).With().Timestamp().Logger()
}

// logLevel is how much is logged. It can change while the program runs.
type logLevel struct{ at atomic.Int32 }

func newLevel(name string) *logLevel {
	l := &logLevel{}
	l.set(name)
	return l
}

func (l *logLevel) set(name string) {
	level, err := zerolog.ParseLevel(name)
	if err != nil {
		level = zerolog.InfoLevel
	}
	l.at.Store(int32(level))
}

// levelled writes what is of the level or above.
type levelled struct {
	io.Writer
	level *logLevel
}

// WriteLevel implements zerolog.LevelWriter.
func (w levelled) WriteLevel(level zerolog.Level, p []byte) (int, error) {
	if int32(level) < w.level.at.Load() {
		return len(p), nil
	}
	return w.Write(p)
}

// insurer is the provider that the settings ask for, or nil. It asks nobody yet. Error: *catalog.Error, CONFIG_INVALID.
// What happens on the way to it is told to logs, without personal data and without addresses.
func insurer(s settings.Insurance, logs ...func(event string, fields map[string]any)) (insurance.Provider, error) {
	log := func(event string, fields map[string]any) {
		for _, l := range logs {
			l(event, fields)
		}
	}
	if s.Provider == "off" {
		return nil, nil
	}
	switch s.Provider {
	case "relay":
		return relayInsurer(s, log)
	case "fhir":
		return fhirInsurer(s, log)
	}
	password, err := secretFile("insurance.password_file", s.PasswordFile)
	if err != nil {
		return nil, err
	}
	staff, err := secretFile("insurance.staff_number_file", s.StaffFile)
	if err != nil {
		return nil, err
	}
	c := bhyt.Config{
		BaseURL: s.URL, Username: s.Username, Password: bhyt.Secret(password), StaffName: s.StaffName, StaffNumber: bhyt.Secret(staff), Log: log,
	}
	if s.Training {
		c.BaseURL = bhyt.Training
	}
	if c.Proxy, err = bhyt.ParseProxy(s.Proxy); err != nil {
		return nil, settingError("insurance.proxy", err)
	}
	if s.StaffList != "" {
		raw, err := keys.ReadPrivate(s.StaffList)
		if err == nil {
			c.Staff, err = bhyt.ParseStaff(raw)
		}
		if err != nil {
			return nil, settingError("insurance.staff_file", err)
		}
	}
	client, err := bhyt.New(c)
	if err != nil {
		return nil, settingError("insurance", err)
	}
	return client, nil
}

// relayInsurer is the hospital's relay. What is wrong with a certificate is said by its setting, and nothing of it is quoted.
func relayInsurer(s settings.Insurance, log func(string, map[string]any)) (insurance.Provider, error) {
	pair, err := keyPair("insurance.relay_cert", s.RelayCert, "insurance.relay_key", s.RelayKey)
	if err != nil {
		return nil, err
	}
	pool, err := authority("insurance.relay_ca", s.RelayCA)
	if err != nil {
		return nil, err
	}
	client, err := relay.New(relay.Config{URL: s.RelayURL, Cert: pair, CA: pool, Log: log})
	if err != nil {
		return nil, settingError("insurance.relay_url", err)
	}
	return client, nil
}

// fhirInsurer is an insurer's FHIR server.
func fhirInsurer(s settings.Insurance, log func(string, map[string]any)) (insurance.Provider, error) {
	f := s.FHIR
	c := fhir.Config{
		BaseURL: f.URL, Insurer: fhir.ParseIdentifier(f.Insurer), Facility: fhir.ParseIdentifier(f.Facility), NumberSystem: f.NumberSystem, CardSystem: f.CardSystem, Log: log,
	}
	var err error
	if c.Proxy, err = bhyt.ParseProxy(s.Proxy); err != nil {
		return nil, settingError("insurance.proxy", err)
	}
	if f.TokenFile != "" {
		c.Token = func() (insurance.Secret, error) { return tokenFile(f.TokenFile) }
		if _, err := c.Token(); err != nil {
			return nil, settingError("insurance.fhir.token_file", err)
		}
	}
	if f.TokenURL != "" {
		secret, err := secretFile("insurance.fhir.client_secret_file", f.SecretFile)
		if err != nil {
			return nil, err
		}
		c.OAuth = &fhir.OAuth{TokenURL: f.TokenURL, ClientID: f.ClientID, ClientSecret: insurance.Secret(secret), Scope: f.Scope}
	}
	if f.CertFile != "" {
		pair, err := keyPair("insurance.fhir.certificate_file", f.CertFile, "insurance.fhir.key_file", f.KeyFile)
		if err != nil {
			return nil, err
		}
		c.Certificate = &pair
	}
	if f.CAFile != "" {
		if c.RootCAs, err = authority("insurance.fhir.ca_file", f.CAFile); err != nil {
			return nil, err
		}
	}
	client, err := fhir.New(c)
	if err != nil {
		return nil, settingError("insurance.fhir", err)
	}
	return client, nil
}

// tokenFile reads a bearer token, which is longer than a password may be.
func tokenFile(path string) (insurance.Secret, error) {
	raw, err := keys.ReadPrivate(path)
	if err != nil {
		return "", err
	}
	return insurance.Secret(bytes.TrimSpace(raw)), nil
}

// keyPair is a certificate of this desk's and its key. What is wrong is said by the setting, and nothing of it is quoted.
func keyPair(certSetting, certFile, keySetting, keyFile string) (tls.Certificate, error) {
	key, err := keys.ReadPrivate(keyFile)
	if err != nil {
		return tls.Certificate{}, settingError(keySetting, err)
	}
	certs, err := readFile(certFile)
	if err != nil {
		return tls.Certificate{}, settingError(certSetting, err)
	}
	pair, err := tls.X509KeyPair(certs, key)
	if err != nil {
		_, name, _ := strings.Cut(strings.TrimPrefix(keySetting, "insurance"), ".")
		return tls.Certificate{}, settingError(certSetting, errors.New("no PEM certificate that the key in "+name+" belongs to"))
	}
	return pair, nil
}

// authority are the CAs of a file, for a server whose certificate no other may have issued.
func authority(setting, path string) (*x509.CertPool, error) {
	raw, err := readFile(path)
	if err != nil {
		return nil, settingError(setting, err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(raw) {
		return nil, settingError(setting, errors.New("no PEM certificate"))
	}
	return pool, nil
}

// readFile reads a file that holds no secret, at most 1 MiB of it.
func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, &keys.FileError{Path: path, Err: err}
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, 1<<20))
	if err != nil {
		return nil, &keys.FileError{Path: path, Err: err}
	}
	return raw, nil
}

// secretFile reads the secret that a setting names the file of.
func secretFile(setting, path string) (string, error) {
	secret, err := keys.ReadSecret(path)
	if err != nil {
		return "", settingError(setting, err)
	}
	return secret, nil
}

// settingError is CONFIG_INVALID for a setting that has the right form and cannot be used.
func settingError(setting string, err error) error {
	detail := map[string]any{"setting": setting, "problem": err.Error()}
	var f *keys.FileError
	if errors.As(err, &f) {
		detail["file"], detail["problem"] = f.Path, f.Err.Error()
		var path *fs.PathError
		if errors.As(f.Err, &path) {
			detail["problem"] = path.Err.Error()
		}
		if f.Cure != "" {
			detail["cure"] = f.Cure
		}
	}
	return &catalog.Error{ID: catalog.ConfigInvalid, Detail: detail, Err: err}
}
