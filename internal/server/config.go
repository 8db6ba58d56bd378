package server

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"atoll/internal/catalog"
	"atoll/internal/clientaddr"
	"atoll/internal/errs"
)

// Config says what to run. Bind and Load fill in the settings; the fields
// below them are the caller's. The zero value of every field has a meaning but
// Data's.
type Config struct {
	Data        string // data directory
	Listen      string // HOST:PORT of both doors, in place of the next two; "": two ports
	S3Addr      string // HOST:PORT of the S3 door; port 0 picks a free one
	ControlAddr string // HOST:PORT of the control door
	S3URL       string // URL that clients shall use; "": made from the address
	PublicURL   string // URL that share URLs begin with; "": the control door's
	// TrustedProxies are addresses and networks, separated by commas, whose
	// X-Forwarded-For is believed.
	TrustedProxies string
	S3Profile      string // "contract" or "extended": which operations SigV4 requests have
	TLSCert        string // certificate file (PEM, with its chain); "": plain HTTP
	TLSKey         string // private key file (PEM)
	Region         string // region code of new disks
	Memory         Size   // budget for caches, buffers and queues; 0: a quarter of RAM, at most 2 GiB
	LogFormat      string // "text" or "json"
	LogLevel       string // "debug", "info", "warn" or "error"
	AccessLog      string // "stderr", "off" or a file: a line a request
	PprofAddr      string // HOST:PORT for profiles; "": none
	MaxInFlight    int    // S3 requests in work at a time
	DrainTimeout   time.Duration

	// APIKey becomes the key on the first start, MasterKey replaces the file
	// of that name; two of them, separated by a comma, are accepted while a
	// rotation is under way. They come from the environment only: a flag
	// would show in the list of processes.
	APIKey    string
	MasterKey string

	Version string           // shown to clients
	Stderr  io.Writer        // logs; nil: os.Stderr
	Now     func() time.Time // nil: time.Now
	Rand    io.Reader        // nil: crypto/rand
	// OnReady is called once, when requests are served.
	OnReady func(Endpoints)
	// Reload is received from when the operator asks for certificates and
	// log files to be opened again; nil: never.
	Reload <-chan os.Signal
	// Chores is received from when it is time for housekeeping; nil: every
	// minute.
	Chores <-chan time.Time
}

// Endpoints say where a running server is found.
type Endpoints struct {
	S3      string `json:"s3"`      // URL
	Control string `json:"control"` // URL
	Data    string `json:"data"`
	PID     int    `json:"pid"`
	Pprof   string `json:"pprof,omitempty"`   // URL
	TLSCert string `json:"tlsCert,omitempty"` // file of the certificate in use
	// FirstAPIKey is set on the start that made it only, and never in the file.
	FirstAPIKey string `json:"apiKey,omitempty"`
}

// Defaults of the settings.
const (
	DefaultS3Addr       = "127.0.0.1:9000"
	DefaultControlAddr  = "127.0.0.1:8080"
	DefaultMaxInFlight  = 4096
	DefaultDrainTimeout = 30 * time.Second
)

// The values of S3Profile.
const (
	ProfileContract = "contract" // the documented operations
	ProfileExtended = "extended" // and uploads in parts, copies, appends, ListBuckets, signed chunks
)

// Default is the configuration that no flag, variable or file has changed.
func Default() Config {
	return Config{
		S3Addr: DefaultS3Addr, ControlAddr: DefaultControlAddr, Region: catalog.DefaultRegion,
		LogFormat: "text", LogLevel: "info", AccessLog: "stderr",
		S3Profile: ProfileContract, MaxInFlight: DefaultMaxInFlight, DrainTimeout: DefaultDrainTimeout,
	}
}

// DefaultDataDir is where a server keeps its data if it is not told, and
// where the command line looks for its key: $XDG_DATA_HOME/atoll, else
// $HOME/.local/share/atoll. It is "" if the environment has neither.
func DefaultDataDir(getenv func(string) string) string {
	if d := getenv("XDG_DATA_HOME"); filepath.IsAbs(d) {
		return filepath.Join(d, "atoll")
	}
	if h := getenv("HOME"); h != "" {
		return filepath.Join(h, ".local", "share", "atoll")
	}
	return ""
}

func (c *Config) ensureDefaults() {
	if c.Stderr == nil {
		c.Stderr = os.Stderr
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Version == "" {
		c.Version = "dev"
	}
}

// validate finds what can be found wrong without trying.
func (c *Config) validate() error {
	if c.Data == "" {
		return fmt.Errorf("a data directory is needed: atoll serve --data DIR")
	}
	if err := c.validateAddrs(); err != nil {
		return err
	}
	if (c.TLSCert == "") != (c.TLSKey == "") {
		return fmt.Errorf("tls-cert and tls-key go together")
	}
	if err := checkURL("s3-url", c.S3URL, "https://s3.example.com"); err != nil {
		return err
	}
	if err := checkURL("public-url", c.PublicURL, "https://files.example.com"); err != nil {
		return err
	}
	if _, err := c.trustedProxies(); err != nil {
		return fmt.Errorf("trusted-proxies: %s", errs.Text(err))
	}
	if c.S3Profile != ProfileContract && c.S3Profile != ProfileExtended {
		return fmt.Errorf("s3-profile: %q is neither contract nor extended", c.S3Profile)
	}
	if c.LogFormat != "text" && c.LogFormat != "json" {
		return fmt.Errorf("log-format: %q is neither text nor json", c.LogFormat)
	}
	if _, err := parseLevel(c.LogLevel); err != nil {
		return err
	}
	if c.Region == "" || strings.ContainsAny(c.Region, " \t\r\n<>&") {
		return fmt.Errorf("region: %q is not a region code such as aws-us-east-1", c.Region)
	}
	if c.Memory != 0 && c.Memory < minMemory {
		return fmt.Errorf("memory: %s is too little, at least %s is needed", c.Memory, Size(minMemory))
	}
	if c.MaxInFlight < 1 {
		return fmt.Errorf("max-in-flight: at least 1 is needed")
	}
	if c.DrainTimeout < 0 {
		return fmt.Errorf("drain-timeout: a time can't be negative")
	}
	return nil
}

// validateAddrs checks the addresses to listen on.
func (c *Config) validateAddrs() error {
	addrs := map[string]string{"s3-addr": c.S3Addr, "control-addr": c.ControlAddr}
	if c.Listen != "" {
		for name, own := range map[string]bool{
			"s3-addr":      c.S3Addr != "" && c.S3Addr != DefaultS3Addr,
			"control-addr": c.ControlAddr != "" && c.ControlAddr != DefaultControlAddr,
		} {
			if own {
				return fmt.Errorf("listen and %s don't go together: listen is the address of both APIs", name)
			}
		}
		addrs = map[string]string{"listen": c.Listen}
	}
	if c.PprofAddr != "" {
		addrs["pprof-addr"] = c.PprofAddr
	}
	for name, addr := range addrs {
		if _, _, err := net.SplitHostPort(addr); err != nil {
			return fmt.Errorf("%s: %q is not HOST:PORT", name, addr)
		}
	}
	return nil
}

// checkURL tells why a setting is not a URL to put in front of paths.
func checkURL(name, s, example string) error {
	if s == "" {
		return nil
	}
	u, err := url.Parse(s)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return fmt.Errorf("%s: %q is not a URL such as %s", name, s, example)
	}
	return nil
}

// trustedProxies reads the setting of that name.
func (c *Config) trustedProxies() (clientaddr.Allowed, error) {
	return clientaddr.ParseAllowed(strings.FieldsFunc(c.TrustedProxies, func(r rune) bool { return r == ',' || r == ' ' }))
}

func parseLevel(s string) (slog.Level, error) {
	switch s {
	case "debug":
		return slog.LevelDebug, nil
	case "info":
		return slog.LevelInfo, nil
	case "warn":
		return slog.LevelWarn, nil
	case "error":
		return slog.LevelError, nil
	}
	return 0, fmt.Errorf("log-level: %q is none of debug, info, warn, error", s)
}
