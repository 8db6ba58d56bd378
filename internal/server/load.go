package server

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/pflag"
)

// EnvPrefix begins the names of environment variables: the setting
// control-addr is ATOLL_CONTROL_ADDR.
const EnvPrefix = "ATOLL_"

// configFlag names the flag of the configuration file, which is not itself a
// setting of the file.
const configFlag = "config"

// Bind makes a flag of every setting of c. c holds the defaults.
func Bind(fs *pflag.FlagSet, c *Config) {
	fs.String(configFlag, "", "configuration `FILE` of lines `setting = value`")
	fs.StringVar(&c.Data, "data", c.Data, "data `DIR`ectory, made on the first start")
	fs.StringVar(&c.Listen, "listen", c.Listen, "`HOST:PORT` of both APIs, in place of --s3-addr and --control-addr")
	fs.StringVar(&c.S3Addr, "s3-addr", c.S3Addr, "`HOST:PORT` of the S3 API; port 0 picks a free one")
	fs.StringVar(&c.ControlAddr, "control-addr", c.ControlAddr, "`HOST:PORT` of the control API, metrics and health checks")
	fs.StringVar(&c.S3URL, "s3-url", c.S3URL, "`URL` under which clients reach the S3 API, if not by its address")
	fs.StringVar(&c.PublicURL, "public-url", c.PublicURL, "`URL` that share URLs begin with, if not the control API's address")
	fs.StringVar(&c.TrustedProxies, "trusted-proxies", c.TrustedProxies, "`ADDRESS,...` and networks of proxies whose X-Forwarded-For is believed")
	fs.StringVar(&c.S3Profile, "s3-profile", c.S3Profile, "`contract` or extended: S3 operations beyond the documented ones for all requests")
	fs.StringVar(&c.TLSCert, "tls-cert", c.TLSCert, "certificate `FILE` (PEM): HTTPS on both addresses; read again when it changes")
	fs.StringVar(&c.TLSKey, "tls-key", c.TLSKey, "private key `FILE` (PEM)")
	fs.StringVar(&c.Region, "region", c.Region, "region `CODE` of new disks")
	fs.Var(&c.Memory, "memory", "bound of caches, buffers and queues together (default a quarter of RAM, at most 2GiB)")
	fs.StringVar(&c.LogFormat, "log-format", c.LogFormat, "`text` or json")
	fs.StringVar(&c.LogLevel, "log-level", c.LogLevel, "`debug`, info, warn or error")
	fs.StringVar(&c.AccessLog, "access-log", c.AccessLog, "where a line for each S3 request goes: a `FILE`, stderr or off")
	fs.StringVar(&c.PprofAddr, "pprof-addr", c.PprofAddr, "`HOST:PORT` for profiles; no authentication, so loopback only")
	fs.IntVar(&c.MaxInFlight, "max-in-flight", c.MaxInFlight, "S3 requests in work at a time; more get 503")
	fs.DurationVar(&c.DrainTimeout, "drain-timeout", c.DrainTimeout, "how long a stopping server waits for requests")
}

// Load fills in what no flag has set: from the environment, else from the
// configuration file (flag --config or ATOLL_CONFIG). lookup is os.LookupEnv.
func Load(fs *pflag.FlagSet, c *Config, lookup func(string) (string, bool)) error {
	path := fs.Lookup(configFlag).Value.String()
	if v, ok := lookup(EnvPrefix + "CONFIG"); path == "" && ok {
		path = v
	}
	file := map[string]fileValue{}
	if path != "" {
		var err error
		if file, err = readConfigFile(path); err != nil {
			return err
		}
	}
	var failed error
	fs.VisitAll(func(f *pflag.Flag) {
		fromFile, inFile := file[f.Name]
		delete(file, f.Name)
		if f.Name == configFlag || f.Changed || failed != nil || !isSetting(f) {
			return
		}
		env := EnvPrefix + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		if v, ok := lookup(env); ok {
			if err := f.Value.Set(v); err != nil {
				failed = fmt.Errorf("environment variable %s: %w", env, err)
			}
		} else if inFile {
			if err := f.Value.Set(fromFile.text); err != nil {
				failed = fmt.Errorf("%s:%d: %s: %w", path, fromFile.line, f.Name, err)
			}
		}
	})
	if failed != nil {
		return failed
	}
	for name, v := range file {
		return fmt.Errorf("%s:%d: there is no setting %q", path, v.line, name)
	}
	c.APIKey, _ = lookup(EnvPrefix + "API_KEY")
	c.MasterKey, _ = lookup(EnvPrefix + "MASTER_KEY")
	return nil
}

// notSettings are flags of the serve command that only make sense on its
// command line.
var notSettings = map[string]bool{"help": true, "json": true}

func isSetting(f *pflag.Flag) bool { return !notSettings[f.Name] }

type fileValue struct {
	text string
	line int
}

// readConfigFile reads lines `setting = value`. Empty lines and lines that
// begin with '#' are skipped; a value may stand in double quotes, as in Go.
// Names are the flags', with '-' or '_'.
func readConfigFile(path string) (map[string]fileValue, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read the configuration: %w", err)
	}
	defer f.Close()
	values := map[string]fileValue{}
	sc := bufio.NewScanner(f)
	for n := 1; sc.Scan(); n++ {
		line := strings.TrimSpace(sc.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		name, value, found := strings.Cut(line, "=")
		name = strings.ReplaceAll(strings.TrimSpace(name), "_", "-")
		value = strings.TrimSpace(value)
		if !found || name == "" {
			return nil, fmt.Errorf("%s:%d: a line is `setting = value`", path, n)
		}
		if strings.HasPrefix(value, `"`) {
			if value, err = strconv.Unquote(value); err != nil {
				return nil, fmt.Errorf("%s:%d: %s: a quoted value ends with its quote", path, n, name)
			}
		}
		if _, twice := values[name]; twice {
			return nil, fmt.Errorf("%s:%d: %s is set twice", path, n, name)
		}
		if name == configFlag || notSettings[name] {
			return nil, fmt.Errorf("%s:%d: %s can't be set in a file", path, n, name)
		}
		values[name] = fileValue{value, n}
	}
	if err := sc.Err(); err != nil {
		return nil, fmt.Errorf("read the configuration: %w", err)
	}
	return values, nil
}
