package update

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Source is where releases are. Get gives a file of it; whoever reads it bounds what he reads, and closes it.
type Source interface {
	Get(ctx context.Context, name string) (io.ReadCloser, error)
}

// Folder is a folder or a share, read with the rights of whoever runs the updater: of the computer, where that is SYSTEM.
type Folder string

// Get opens a file. A pipe, a device or a folder in its place is refused. Error: ErrUnreachable.
func (f Folder) Get(ctx context.Context, name string) (io.ReadCloser, error) {
	type opened struct {
		f   *os.File
		err error
	}
	done := make(chan opened, 1)
	go func() { // a share that is dead does not let go of a caller
		file, err := openRegular(filepath.Join(string(f), name))
		done <- opened{file, err}
	}()
	select {
	case o := <-done:
		if o.err != nil {
			return nil, fmt.Errorf("%w: %w", ErrUnreachable, o.err)
		}
		return o.f, nil
	case <-ctx.Done():
		go func() {
			if o := <-done; o.f != nil {
				_ = o.f.Close()
			}
		}()
		return nil, fmt.Errorf("%w: %w", ErrUnreachable, ctx.Err())
	}
}

func openRegular(path string) (*os.File, error) {
	f, err := openNoWait(path)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("no regular file")
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

// HTTPS is an https address. What it redirects to is not followed: it is the hospital's own address, and it is bound to that.
type HTTPS struct {
	base   string
	token  string
	client *http.Client
}

// NewHTTPS makes the source of a base address. token, a bearer token, is sent where one is given; a CA takes the place of those
// that the PC trusts where one is given (PEM).
func NewHTTPS(base, token string, ca []byte) (*HTTPS, error) {
	u, err := url.Parse(base)
	if err != nil || u.Scheme != "https" {
		return nil, fmt.Errorf("%w: not https", ErrUnreachable)
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if ca != nil {
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(ca) {
			return nil, errors.New("no PEM certificate")
		}
	}
	return &HTTPS{strings.TrimRight(base, "/"), token, &http.Client{
		Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, TLSClientConfig: c, DisableKeepAlives: true, TLSHandshakeTimeout: 20 * time.Second,
			ResponseHeaderTimeout: time.Minute, MaxResponseHeaderBytes: 64 << 10, DisableCompression: true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// Get asks for a file. Error: ErrUnreachable.
func (h *HTTPS) Get(ctx context.Context, name string) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, h.base+"/"+url.PathEscape(name), nil)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	if h.token != "" {
		req.Header.Set("Authorization", "Bearer "+h.token)
	}
	resp, err := h.client.Do(req)
	if err != nil {
		var u *url.Error // its text holds the address, which IT knows, and nothing secret
		if errors.As(err, &u) {
			err = u.Err
		}
		return nil, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	if resp.StatusCode != http.StatusOK {
		_ = resp.Body.Close()
		return nil, fmt.Errorf("%w: HTTP %d", ErrUnreachable, resp.StatusCode)
	}
	return resp.Body, nil
}
