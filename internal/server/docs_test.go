package server

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

// TestOperationsPage keeps docs/operations.md complete: it names every
// setting, with its variable, every metric and every file.
func TestOperationsPage(t *testing.T) {
	b, err := os.ReadFile(filepath.Join("..", "..", "docs", "operations.md"))
	if err != nil {
		t.Fatal(err)
	}
	page := string(b)
	c := Default()
	fs := pflag.NewFlagSet("", pflag.ContinueOnError)
	Bind(fs, &c)
	fs.VisitAll(func(f *pflag.Flag) {
		env := EnvPrefix + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		if !strings.Contains(page, "`--"+f.Name+"`") || !strings.Contains(page, "`"+env+"`") {
			t.Errorf("setting %s or its variable is not on the page", f.Name)
		}
	})
	for _, name := range []string{formatFile, lockFile, masterFile, nextFile, restoreFile, apiKeyFile, endpointFile, metaDir + "/", blobDir + "/"} {
		if !strings.Contains(page, "`"+name+"`") {
			t.Errorf("%s is not on the page", name)
		}
	}
	r := begin(t, testConfig(t.TempDir()))
	defer r.end()
	_, metrics := get(t, r.e.Control+"/metrics")
	seen := 0
	for _, line := range strings.Split(metrics, "\n") {
		name, ok := strings.CutPrefix(line, "# TYPE ")
		if !ok || !strings.HasPrefix(name, "atoll_") {
			continue
		}
		seen++
		if name, _, _ = strings.Cut(name, " "); !strings.Contains(page, "`"+name) {
			t.Errorf("metric %s is not on the page", name)
		}
	}
	if seen < 20 {
		t.Errorf("only %d metrics", seen)
	}
}
