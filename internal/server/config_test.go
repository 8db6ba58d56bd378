package server

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
)

// load runs one command line with an environment and a file.
func load(t *testing.T, args []string, env map[string]string, file string) (Config, error) {
	t.Helper()
	c := Default()
	fs := pflag.NewFlagSet("serve", pflag.ContinueOnError)
	Bind(fs, &c)
	fs.Bool("json", false, "")
	if file != "" {
		path := filepath.Join(t.TempDir(), "atoll.conf")
		if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, "--config", path)
	}
	if err := fs.Parse(args); err != nil {
		t.Fatal(err)
	}
	err := Load(fs, &c, func(k string) (string, bool) { v, ok := env[k]; return v, ok })
	return c, err
}

// settings has a value for each setting, other than its default, in four
// versions that can be told apart.
var settings = []struct {
	flag   string
	values [3]string // of flag, environment, file
	get    func(*Config) any
	want   [3]any
}{
	{"data", [3]string{"a", "b", "c"}, func(c *Config) any { return c.Data }, [3]any{"a", "b", "c"}},
	{"listen", [3]string{"a:3", "b:3", "c:3"}, func(c *Config) any { return c.Listen }, [3]any{"a:3", "b:3", "c:3"}},
	{"public-url", [3]string{"a", "b", "c"}, func(c *Config) any { return c.PublicURL }, [3]any{"a", "b", "c"}},
	{"trusted-proxies", [3]string{"a", "b", "c"}, func(c *Config) any { return c.TrustedProxies }, [3]any{"a", "b", "c"}},
	{"s3-profile", [3]string{"a", "b", "c"}, func(c *Config) any { return c.S3Profile }, [3]any{"a", "b", "c"}},
	{"s3-addr", [3]string{"a:1", "b:1", "c:1"}, func(c *Config) any { return c.S3Addr }, [3]any{"a:1", "b:1", "c:1"}},
	{"control-addr", [3]string{"a:2", "b:2", "c:2"}, func(c *Config) any { return c.ControlAddr }, [3]any{"a:2", "b:2", "c:2"}},
	{"s3-url", [3]string{"a", "b", "c"}, func(c *Config) any { return c.S3URL }, [3]any{"a", "b", "c"}},
	{"tls-cert", [3]string{"a", "b", "c"}, func(c *Config) any { return c.TLSCert }, [3]any{"a", "b", "c"}},
	{"tls-key", [3]string{"a", "b", "c"}, func(c *Config) any { return c.TLSKey }, [3]any{"a", "b", "c"}},
	{"region", [3]string{"a", "b", "c"}, func(c *Config) any { return c.Region }, [3]any{"a", "b", "c"}},
	{"memory", [3]string{"1GiB", "512m", "100000000"}, func(c *Config) any { return c.Memory }, [3]any{Size(1 << 30), Size(512 << 20), Size(100000000)}},
	{"log-format", [3]string{"a", "b", "c"}, func(c *Config) any { return c.LogFormat }, [3]any{"a", "b", "c"}},
	{"log-level", [3]string{"a", "b", "c"}, func(c *Config) any { return c.LogLevel }, [3]any{"a", "b", "c"}},
	{"access-log", [3]string{"a", "b", "c"}, func(c *Config) any { return c.AccessLog }, [3]any{"a", "b", "c"}},
	{"pprof-addr", [3]string{"a", "b", "c"}, func(c *Config) any { return c.PprofAddr }, [3]any{"a", "b", "c"}},
	{"max-in-flight", [3]string{"1", "2", "3"}, func(c *Config) any { return c.MaxInFlight }, [3]any{1, 2, 3}},
	{"drain-timeout", [3]string{"1s", "2s", "3s"}, func(c *Config) any { return c.DrainTimeout }, [3]any{time.Second, 2 * time.Second, 3 * time.Second}},
}

// TestPrecedence sets each setting in all combinations of the three places.
func TestPrecedence(t *testing.T) {
	defaults := Default()
	covered := map[string]bool{"config": true, "json": true}
	for _, s := range settings {
		covered[s.flag] = true
		for places := range 8 {
			var args []string
			env := map[string]string{}
			file := "# nothing\n"
			want := s.get(&defaults)
			if places&1 != 0 {
				file += "  " + strings.ReplaceAll(s.flag, "-", "_") + "  =  " + s.values[2] + "  \n"
				want = s.want[2]
			}
			if places&2 != 0 {
				env["ATOLL_"+strings.ToUpper(strings.ReplaceAll(s.flag, "-", "_"))] = s.values[1]
				want = s.want[1]
			}
			if places&4 != 0 {
				args = append(args, "--"+s.flag, s.values[0])
				want = s.want[0]
			}
			c, err := load(t, args, env, file)
			if err != nil {
				t.Fatalf("%s, %03b: %v", s.flag, places, err)
			}
			if got := s.get(&c); !reflect.DeepEqual(got, want) {
				t.Errorf("%s, %03b: %v, want %v", s.flag, places, got, want)
			}
		}
	}
	c := Default()
	fs := pflag.NewFlagSet("", pflag.ContinueOnError)
	Bind(fs, &c)
	fs.VisitAll(func(f *pflag.Flag) {
		if !covered[f.Name] {
			t.Errorf("setting %s is not tested", f.Name)
		}
	})
}

func TestConfigFile(t *testing.T) {
	c, err := load(t, nil, map[string]string{"ATOLL_API_KEY": "k", "ATOLL_MASTER_KEY": "m"}, "data = \"/a b # c\"\nregion=x=y\n")
	if err != nil || c.Data != "/a b # c" || c.Region != "x=y" || c.APIKey != "k" || c.MasterKey != "m" {
		t.Fatalf("%+v, %v", c, err)
	}
	for file, want := range map[string]string{
		"nonsense\n":             ":1: a line is",
		"\n= x\n":                ":2: a line is",
		"data = a\n\ndata = b\n": ":3: data is set twice",
		"no-such = 1\n":          `:1: there is no setting "no-such"`,
		"data = \"open\n":        ":1: data: a quoted value",
		"max-in-flight = many\n": ":1: max-in-flight:",
		"memory = lots\n":        "not a size",
		"config = x\n":           "can't be set in a file",
		"json = true\n":          "can't be set in a file",
		"api-key = x\n":          `no setting "api-key"`,
	} {
		if _, err := load(t, nil, nil, file); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", file, err, want)
		}
	}
	if _, err := load(t, []string{"--config", "/no/such/file"}, nil, ""); err == nil {
		t.Error("a missing file is passed over")
	}
	if _, err := load(t, nil, map[string]string{"ATOLL_CONFIG": "/no/such/file"}, ""); err == nil {
		t.Error("ATOLL_CONFIG is passed over")
	}
	if _, err := load(t, nil, map[string]string{"ATOLL_MEMORY": "x"}, ""); err == nil || !strings.Contains(err.Error(), "ATOLL_MEMORY") {
		t.Errorf("a bad variable: %v", err)
	}
}

func TestValidate(t *testing.T) {
	good := Default()
	good.Data = "d"
	if err := good.validate(); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Config){
		"data":          func(c *Config) { c.Data = "" },
		"s3-addr":       func(c *Config) { c.S3Addr = "9000" },
		"control-addr":  func(c *Config) { c.ControlAddr = "" },
		"pprof-addr":    func(c *Config) { c.PprofAddr = "x" },
		"tls-cert":      func(c *Config) { c.TLSCert = "x" },
		"tls-key":       func(c *Config) { c.TLSKey = "x" },
		"s3-url":        func(c *Config) { c.S3URL = "s3.example.com" },
		"log-format":    func(c *Config) { c.LogFormat = "xml" },
		"log-level":     func(c *Config) { c.LogLevel = "loud" },
		"region":        func(c *Config) { c.Region = "a b" },
		"memory":        func(c *Config) { c.Memory = 1 << 20 },
		"max-in-flight": func(c *Config) { c.MaxInFlight = 0 },
		"drain-timeout": func(c *Config) { c.DrainTimeout = -1 },
	} {
		c := good
		change(&c)
		if err := c.validate(); err == nil || !strings.Contains(err.Error(), name) && name != "data" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSize(t *testing.T) {
	for text, want := range map[string]Size{
		"0": 0, "17": 17, "1k": 1024, "1K": 1024, "1KiB": 1024, "1kb": 1024, "1.5g": 3 << 29, " 2 GiB ": 2 << 30, "3b": 3, "1TiB": 1 << 40,
	} {
		var s Size
		if err := s.Set(text); err != nil || s != want {
			t.Errorf("%q: %d, %v, want %d", text, s, err, want)
		}
		var again Size
		if err := again.Set(s.String()); err != nil || again != s {
			t.Errorf("%q is written %q and read as %d, %v", text, s, again, err)
		}
	}
	for _, text := range []string{"", "x", "-1", "1x", "g", "1gg", "1e30", "9999999t"} {
		var s Size
		if err := s.Set(text); err == nil {
			t.Errorf("%q is read as %d", text, s)
		}
	}
}

// TestDivide checks that no division of the budget promises more than there is.
func TestDivide(t *testing.T) {
	for _, total := range []int64{minMemory, 256 << 20, 2 << 30, 64 << 30} {
		s := divide(total)
		if sum := s.cache + s.rows + 4*s.memTable + s.uploads + s.requests; sum > total {
			t.Errorf("%d: parts are %d", total, sum)
		}
		if s.heap < s.uploads+s.requests || s.heap > total {
			t.Errorf("%d: heap %d", total, s.heap)
		}
	}
	if m := defaultMemory(); m < minMemory || m > maxDefaultMemory {
		t.Errorf("default memory %s", m)
	}
}

func TestDefaultDataDir(t *testing.T) {
	for _, tc := range []struct {
		env  map[string]string
		want string
	}{
		{map[string]string{"XDG_DATA_HOME": "/x", "HOME": "/h"}, "/x/atoll"},
		{map[string]string{"XDG_DATA_HOME": "relative", "HOME": "/h"}, "/h/.local/share/atoll"},
		{map[string]string{}, ""},
	} {
		if got := DefaultDataDir(func(k string) string { return tc.env[k] }); got != tc.want {
			t.Errorf("%v: %q, want %q", tc.env, got, tc.want)
		}
	}
}
