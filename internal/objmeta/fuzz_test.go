package objmeta

import (
	"strings"
	"testing"

	"atoll/internal/disk"
)

// FuzzMeta reads arbitrary bytes as stored metadata, and reads back what the
// codec wrote.
func FuzzMeta(f *testing.F) {
	f.Add([]byte{}, "name", "value")
	f.Add(AppendUser(nil, "Color", "blue"), "", "")
	f.Add(AppendField(AppendField(nil, TagSniffedType, "text/x"), TagChecksum+1, "\x01\x02\x03\x04"), "x", strings.Repeat("y", 300))
	f.Add([]byte{1, 1, 0xff, 0xff, 0xff, 0xff, 0x7f}, "a", "b")
	f.Fuzz(func(t *testing.T, stored []byte, name, value string) {
		m := Read(stored)
		for n := 0; m.Next(); n++ {
			if n > len(stored) {
				t.Fatal("no end")
			}
		}
		_, _ = ParseContent(stored)
		if len(name)+len(value) > disk.MaxMeta {
			return
		}
		b := AppendField(AppendUser(nil, name, value), TagExpires, value)
		m = Read(b)
		if !m.Next() || m.Tag != TagUser || m.Name != name || m.Value != value {
			t.Fatalf("%+v", m)
		}
		if !m.Next() || m.Tag != TagExpires || m.Value != value || m.Next() || m.Err() != nil {
			t.Fatalf("%+v", m)
		}
	})
}
