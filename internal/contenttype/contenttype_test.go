package contenttype

import (
	"strings"
	"testing"
)

func TestTable(t *testing.T) {
	if len(typeByExtension) < 100 {
		t.Errorf("the table has %d extensions", len(typeByExtension))
	}
	for ext, typ := range typeByExtension {
		if ext != strings.ToLower(ext) || ByName("x."+ext) != typ || ByName("x."+strings.ToUpper(ext)) != typ || len(ext) > maxExtension {
			t.Errorf("%q: %q", ext, typ)
		}
	}
}
