package errs

import (
	"errors"
	"fmt"
	"testing"
)

// TestTable walks the table in every direction: kind to mapping, wire code
// back to the kind, errno to a kind of the same errno.
func TestTable(t *testing.T) {
	names := map[string]Kind{}
	for k := Kind(0); k < numKinds; k++ {
		m := Map(k)
		if m.Kind != k {
			t.Errorf("row %d holds kind %d", k, m.Kind)
		}
		if m.Name == "" || m.S3Code == "" || m.Errno == 0 || texts[k] == "" {
			t.Errorf("kind %d has a gap: %+v", k, m)
		}
		if m.Status < 400 || m.Status > 599 {
			t.Errorf("%s: status %d", m.Name, m.Status)
		}
		if prev, dup := names[m.Name]; dup {
			t.Errorf("%q names kinds %d and %d", m.Name, prev, k)
		}
		names[m.Name] = k
		if got := FromName(m.Name); got != k {
			t.Errorf("FromName(%q) = %d, want %d", m.Name, got, k)
		}
		if got := Map(FromErrno(m.Errno)).Errno; got != m.Errno {
			t.Errorf("%s: errno %d came back as %d", m.Name, m.Errno, got)
		}
	}
	if Map(200).Kind != Other || FromName("no such") != Other {
		t.Error("an unknown kind or name must map to Other")
	}
}

func TestKindOf(t *testing.T) {
	inner := New("get", "a/b", NotFound, "gone")
	for _, tc := range []struct {
		err  error
		want Kind
	}{
		{nil, Other},
		{errors.New("x"), Other},
		{inner, NotFound},
		{fmt.Errorf("wrapped: %w", inner), NotFound},
		{E("outer", "", Other, inner), NotFound},
		{E("outer", "", Corrupt, inner), Corrupt},
	} {
		if got := KindOf(tc.err); got != tc.want {
			t.Errorf("KindOf(%v) = %v, want %v", tc.err, got, tc.want)
		}
	}
	if Text(E("outer", "p", Other, inner)) != "gone" {
		t.Error("Text must give the innermost explanation")
	}
	if got := inner.Error(); got != "get a/b: not found: gone" {
		t.Errorf("Error() = %q", got)
	}
}
