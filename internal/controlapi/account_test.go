package controlapi

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"atoll/internal/catalog"
	"atoll/internal/disk"
)

func keySpec(name string) catalog.APIKeySpec { return catalog.APIKeySpec{Name: name} }

func TestTokens(t *testing.T) {
	b := newBench(t)
	id := b.makeDisk("photos")
	made := b.want(201, "", "POST", "/api/tokens", `{"name":"ci","description":"of the build","disks":["`+id+`","`+id+`.root"],"readOnly":true,"expiresIn":3600}`).data(t)
	key := made["token"].(string)
	if !strings.HasPrefix(key, "key-") || !strings.HasSuffix(key, made["tokenSuffix"].(string)) || made["readOnly"] != true ||
		fmt.Sprint(made["disks"]) != "["+id+"]" || made["expiresAt"] != "2026-01-02T04:04:05.006Z" || made["lastUsedAt"] != nil {
		t.Errorf("made: %v", made)
	}
	b.as(key, "GET", "/api/disks/"+id, "").want(t, "its disk", 200, "")
	b.as(key, "DELETE", "/api/disks/"+id, "").want(t, "to delete it", 403, "permission_denied")
	b.as(key, "POST", "/api/tokens", `{"name":"more"}`).want(t, "to make keys", 403, "permission_denied")
	r := b.want(200, "", "GET", "/api/tokens", "")
	if strings.Contains(r.raw, key) || !strings.Contains(r.raw, `"lastUsedAt":"2026-01-02T03:04:05.006Z"`) {
		t.Errorf("list: %s", r.raw)
	}
	b.ahead.Store(int64(time.Hour))
	b.as(key, "GET", "/api/disks/"+id, "").want(t, "expired", 401, "unauthorized")
	for _, body := range []string{
		`{}`, `{"name":""}`, `{"name":"` + strings.Repeat("x", 101) + `"}`, `{"name":"x","description":"` + strings.Repeat("x", 501) + `"}`,
		`{"name":"x","expiresIn":0}`, `{"name":"x","expiresIn":-1}`, `{"name":"x","expiresIn":99999999999}`, `{"name":"x","expiresAt":"2020-01-01T00:00:00Z"}`,
		`{"name":"x","expiresAt":"0001-01-01T00:00:00Z"}`, `{"name":"x","expiresAt":"soon"}`, `{"name":"x","expiresAt":"2030-01-01T00:00:00Z","expiresIn":5}`, `{"name":"x","disks":[]}`, `{"name":"x","disks":["x"]}`,
	} {
		b.want(400, "invalid", "POST", "/api/tokens", body)
	}
	b.want(404, "no_such_disk", "POST", "/api/tokens", `{"name":"x","disks":["`+absentDisk+`"]}`)
	for _, bad := range []string{"x", strings.Repeat("0", 64)} {
		b.want(404, "not_found", "DELETE", "/api/tokens/"+bad, "")
	}
	for range 4 {
		b.want(201, "", "POST", "/api/tokens", `{"name":"more"}`)
	}
	seen := map[string]bool{}
	for target := "/api/tokens?limit=2"; target != ""; {
		r := b.want(200, "", "GET", target, "")
		for _, k := range r.data(t)["tokens"].([]any) {
			seen[k.(map[string]any)["id"].(string)] = true
		}
		target = ""
		if r.env.NextCursor != "" {
			target = "/api/tokens?limit=2&cursor=" + r.env.NextCursor
		}
	}
	if len(seen) != 6 {
		t.Errorf("%d keys on all pages", len(seen))
	}
}

// TestLimitedKeySeesItsDisks pages through the disks of a key that does not
// open all.
func TestLimitedKeySeesItsDisks(t *testing.T) {
	b := newBench(t)
	var own []disk.ID
	for i := range 30 {
		id := b.makeDisk(fmt.Sprintf("d%02d", i))
		if i%3 == 0 {
			own = append(own, diskID(t, id))
		}
	}
	_, key := b.newKey(catalog.APIKeySpec{Name: "some", Disks: own})
	var names []string
	pages := 0
	for target := "/api/disks?limit=4"; target != ""; pages++ {
		r := b.as(key, "GET", target, "")
		for _, part := range strings.Split(r.raw, `"name":"`)[1:] {
			names = append(names, part[:3])
		}
		target = ""
		if r.env.NextCursor != "" {
			target = "/api/disks?limit=4&cursor=" + r.env.NextCursor
		}
	}
	if got := strings.Join(names, " "); got != "d00 d03 d06 d09 d12 d15 d18 d21 d24 d27" || pages != 3 {
		t.Errorf("%s on %d pages", got, pages)
	}
	if r := b.as(key, "GET", "/api/disks?name=d01", ""); string(r.env.Data) != "[]" {
		t.Errorf("another's, by name: %s", r.raw)
	}
	if r := b.as(key, "GET", "/api/disks?name=d03", ""); !strings.Contains(r.raw, `"d03"`) {
		t.Errorf("its own, by name: %s", r.raw)
	}
}

func TestAuditLog(t *testing.T) {
	b := newBench(t)
	id := b.makeDisk("photos")
	b.want(201, "", "POST", "/api/disks/"+id+"/users", `{"type":"s3","nickname":"x"}`)
	b.want(400, "invalid", "PUT", "/api/disks/"+id+"/quota", `{"bytes":-1}`)
	b.want(200, "", "DELETE", "/api/disks/"+id, "")
	b.makeDisk("other")
	b.want(200, "", "GET", "/api/disks", "")
	type line struct{ action, disk, status string }
	lines := func(target string) (out []line) {
		for target != "" {
			r := b.want(200, "", "GET", target, "")
			for _, e := range r.data(t)["entries"].([]any) {
				m := e.(map[string]any)
				out = append(out, line{m["action"].(string), fmt.Sprint(m["disk"]), fmt.Sprint(m["status"])})
			}
			base, _, _ := strings.Cut(target, "&cursor")
			target = ""
			if r.env.NextCursor != "" {
				target = base + "&cursor=" + r.env.NextCursor
			}
		}
		return out
	}
	want := []line{{"disk.delete", id, "200"}, {"quota.set", id, "400"}, {"user.add", id, "201"}, {"disk.create", id, "201"}}
	if got := lines("/api/audit?limit=1&disk=" + id); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("of the disk: %v", got)
	}
	if got := lines("/api/audit?limit=2"); len(got) != 5 || got[0].action != "disk.create" {
		t.Errorf("all: %v", got)
	}
	for _, q := range []string{"disk=x", "cursor=!", "limit=0"} {
		b.want(400, "invalid", "GET", "/api/audit?"+q, "")
	}
}

// failing is a catalog whose audit log can't be written.
type failing struct{ *catalog.Catalog }

func (failing) Audit(context.Context, catalog.AuditEntry) error { return fmt.Errorf("disk full") }

// TestUnrecordedIsNotDone withholds a secret that no audit entry tells of.
func TestUnrecordedIsNotDone(t *testing.T) {
	b := newBench(t)
	b.h = New(Options{Catalog: failing{b.c}, Disks: b.core})
	r := b.want(500, "internal", "POST", "/api/tokens", `{"name":"x"}`)
	if strings.Contains(r.raw, "key-") {
		t.Errorf("%s", r.raw)
	}
}

func TestDefaultToken(t *testing.T) {
	b := newBench(t)
	made := b.want(201, "", "POST", "/api/disks", `{"name":"photos","allowedIps":["192.0.2.1/24"]}`).data(t)
	u := made["authorizedUsers"].([]any)[0].(map[string]any)
	token := u["token"].(string)
	if u["type"] != "token" || !strings.HasPrefix(token, "adt_") || !strings.HasSuffix(token, u["tokenSuffix"].(string)) || u["identifier"] != u["principal"] {
		t.Errorf("%v", u)
	}
	if got, ok, err := b.c.VerifyToken(t.Context(), token); err != nil || !ok || got.Disk.String() != made["diskId"] {
		t.Errorf("the token: %v, %v, %v", got, ok, err)
	}
	again := b.want(200, "", "POST", "/api/disks", `{"name":"photos","allowedIps":["192.0.2.0/24"]}`)
	if strings.Contains(again.raw, token) || !strings.Contains(again.raw, u["identifier"].(string)) {
		t.Errorf("again: %s", again.raw)
	}
	b.want(409, "exists", "POST", "/api/disks", `{"name":"photos"}`)
	d := b.want(200, "", "GET", "/api/disks/"+made["diskId"].(string), "").data(t)
	if fmt.Sprint(d["allowedIps"]) != "[192.0.2.0/24]" {
		t.Errorf("%v", d)
	}
	users := "/api/disks/" + made["diskId"].(string) + "/users"
	b.want(200, "", "DELETE", users+"/token?principal="+u["identifier"].(string), "")
	if _, ok, err := b.c.VerifyToken(t.Context(), token); err != nil || ok {
		t.Errorf("the removed token: %v, %v", ok, err)
	}
	b.want(501, "not_supported", "POST", users, `{"type":"token","nickname":"x","principal":"p","tokenSuffix":"abcd"}`)
}

func TestSettings(t *testing.T) {
	b := newBench(t)
	id := b.makeDisk("photos")
	base := "/api/disks/" + id
	b.put(id, "root", "a.txt", "12345")
	if q := b.want(200, "", "GET", base+"/quota", "").data(t); fmt.Sprint(q) != "map[bytes:0 files:0 usedBytes:5 usedFiles:1]" {
		t.Errorf("%v", q)
	}
	b.want(200, "", "PUT", base+"/quota", `{"bytes":100}`)
	if q := b.want(200, "", "PUT", base+"/quota", `{"files":7}`).data(t); q["bytes"] != 100.0 || q["files"] != 7.0 {
		t.Errorf("%v", q)
	}
	b.want(400, "invalid", "PUT", base+"/quota", `{"files":-7}`)
	if r := b.want(200, "", "GET", base+"/allowed-ips", ""); !strings.Contains(r.raw, `"allowedIps":[]`) {
		t.Errorf("%s", r.raw)
	}
	b.want(400, "invalid", "PUT", base+"/allowed-ips", `{}`)
	b.want(400, "invalid", "PUT", base+"/allowed-ips", `{"allowedIps":["10.0.0.0/8","x"]}`)
	b.want(200, "", "PUT", base+"/allowed-ips", `{"allowedIps":["10.0.0.0/8"]}`)
	if r := b.want(200, "", "PUT", base+"/allowed-ips", `{"allowedIps":[]}`); !strings.Contains(r.raw, `"allowedIps":[]`) {
		t.Errorf("%s", r.raw)
	}
	if r := b.want(200, "", "GET", base+"/cors", ""); !strings.Contains(r.raw, `"rules":[]`) {
		t.Errorf("%s", r.raw)
	}
	b.want(400, "invalid", "PUT", base+"/cors", `{"rules":[{"allowedOrigins":["*"],"allowedMethods":["BREW"]}]}`)
	b.want(400, "invalid", "PUT", base+"/cors", `{}`)
}

func TestUnoffered(t *testing.T) {
	b := newBench(t)
	id := b.makeDisk("photos")
	base := "/api/disks/" + id
	b.wantText(501, "not_supported", "Exec is not enabled", "POST", base+"/exec", `{"command":"ls"}`)
	b.wantText(501, "not_supported", "Exec is not enabled", "POST", "/api/exec", `{"disks":{"a":"`+id+`"},"command":"ls"}`)
	b.wantText(404, "no_such_disk", "Disk not found", "POST", "/api/exec", `{"disks":{"a":{"disk":"`+absentDisk+`"}},"command":"ls"}`)
	for _, body := range []string{`{"disks":{"a":7},"command":"ls"}`, `{"disks":{"a":{"disk":"x","y":1}},"command":"ls"}`, `{"disks":{},"command":""}`, `{"command":"ls"}`} {
		b.want(400, "invalid", "POST", "/api/exec", body)
	}
	_, readOnly := b.newKey(catalog.APIKeySpec{ReadOnly: true})
	b.as(readOnly, "POST", "/api/exec", `{"disks":{"a":"`+id+`"},"command":"ls"}`).want(t, "to write", 403, "permission_denied")
	b.as(readOnly, "POST", "/api/exec", `{"disks":{"a":{"disk":"`+id+`","readOnly":true}},"command":"ls"}`).want(t, "to read", 501, "not_supported")
}
