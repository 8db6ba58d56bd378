package controlapi

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
)

func (b *bench) list(target string) []map[string]any {
	b.t.Helper()
	var list []map[string]any
	if r := b.want(200, "", "GET", target, ""); json.Unmarshal(r.env.Data, &list) != nil {
		b.t.Fatalf("%s: %s", target, r.raw)
	}
	return list
}

// TestPagesOnDemand walks listings that are whole unless pages are asked for,
// while what a cursor names is deleted.
func TestPagesOnDemand(t *testing.T) {
	b := newBench(t)
	id := b.makeDisk("photos")
	base := "/api/disks/" + id
	for i := range 4 {
		b.want(201, "", "POST", base+"/checkpoints", fmt.Sprintf(`{"checkpoint_name":"c%d"}`, i))
		b.want(201, "", "POST", base+"/branches", fmt.Sprintf(`{"branch_name":"b%d","from_checkpoint_name":"c0"}`, i))
		b.want(201, "", "POST", base+"/users", `{"type":"`+[]string{"s3", "token"}[i%2]+`"}`)
	}
	for _, tc := range []struct {
		path, name, remove string
		n                  int
	}{
		{base + "/checkpoints", "checkpoint_name", base + "/checkpoints/", 4},
		{base + "/branches", "branch_name", base + "/branches/", 5},
		{base + "/users", "identifier", base + "/users/s3?identifier=", 4},
	} {
		var all, paged []any
		for _, v := range b.list(tc.path) {
			all = append(all, v[tc.name])
		}
		if len(all) != tc.n {
			t.Errorf("%s: %d entries", tc.path, len(all))
		}
		for cursor := ""; ; {
			r := b.do("GET", tc.path+"?limit=2&cursor="+cursor, "")
			var page []map[string]any
			if r.status != 200 || json.Unmarshal(r.env.Data, &page) != nil || len(page) == 0 || len(page) > 2 || (r.env.NextCursor == "") != (len(paged)+len(page) == tc.n) {
				t.Fatalf("%s: after %d of %d: %d %s", tc.path, len(paged), tc.n, r.status, r.raw)
			}
			for _, v := range page {
				paged = append(paged, v[tc.name])
			}
			if cursor = r.env.NextCursor; cursor == "" {
				break
			}
			if last := fmt.Sprint(paged[len(paged)-1]); len(paged) == 2 {
				b.do("DELETE", tc.remove+last, "")
			}
		}
		if !reflect.DeepEqual(paged, all) {
			t.Errorf("%s: %v by pages, %v in one answer", tc.path, paged, all)
		}
		b.want(400, "invalid", "GET", tc.path+"?limit=0", "")
		b.want(400, "invalid", "GET", tc.path+"?cursor=*", "")
	}
}

func TestBranches(t *testing.T) {
	b := newBench(t)
	id := b.makeDisk("photos")
	branches, checkpoints := "/api/disks/"+id+"/branches", "/api/disks/"+id+"/checkpoints"
	b.put(id, "root", "a.txt", "12345")
	b.want(201, "", "POST", checkpoints, `{"checkpoint_name":"first"}`)
	work := b.want(201, "", "POST", branches, `{"branch_name":"work","from_checkpoint_name":"first"}`).data(t)
	if work["root_filesystem_id"] != id || work["branch_name"] != "work" || work["from_branch"] != "root" || work["files"] != 1.0 ||
		work["from_checkpoint_name"] != "first" || work["from_checkpoint_filesystem_id"] != id || work["filesystem_id"] == id {
		t.Errorf("work: %v", work)
	}
	// The branch's own id is an address: what is forked through it comes from it.
	own := work["filesystem_id"].(string)
	for i, addr := range []string{own, id + ".work", own + ".work"} {
		name := fmt.Sprintf("child%d", i)
		child := b.want(201, "", "POST", "/api/disks/"+addr+"/branches", `{"branch_name":"`+name+`"}`).data(t)
		if child["from_branch"] != "work" || child["root_filesystem_id"] != id || child["from_checkpoint_filesystem_id"] != own {
			t.Errorf("%s: %v", addr, child)
		}
	}
	if n := len(b.list(branches)); n != 5 {
		t.Errorf("%d branches", n)
	}
	root := b.want(200, "", "GET", branches+"/root", "").data(t)
	if root["filesystem_id"] != id || root["from_branch"] != nil || root["bytes"] != 5.0 {
		t.Errorf("root: %v", root)
	}
	b.wantText(409, "exists", `Branch "work" already exists`, "POST", branches, `{"branch_name":"work"}`)
	b.wantText(404, "no_such_branch", `Branch "missing" not found`, "POST", branches, `{"branch_name":"x","from_branch":"missing"}`)
	b.wantText(404, "no_such_branch", `Branch "missing" not found`, "POST", branches, `{"branch_name":"x","from_branch":"missing","from_checkpoint_name":"first"}`)
	b.wantText(404, "no_such_branch", `Checkpoint "missing" not found`, "POST", branches, `{"branch_name":"x","from_checkpoint_name":"missing"}`)
	b.wantText(404, "no_such_branch", `Branch "missing" not found`, "GET", branches+"/missing", "")
	b.wantText(404, "no_such_branch", `Branch "missing" not found`, "DELETE", branches+"/missing", "")
	b.wantText(404, "no_such_branch", `Branch "missing" not found`, "PATCH", branches+"/missing", `{"branch_name":"x"}`)
	b.wantText(409, "exists", `Branch "child0" already exists`, "PATCH", branches+"/work", `{"branch_name":"child0"}`)
	for _, name := range []string{"", "a.b", "A", "a_b", "-a", "a-", "a/b", strings.Repeat("x", 64), "é"} {
		b.want(400, "invalid", "POST", branches, `{"branch_name":"`+name+`"}`)
		b.want(400, "invalid", "POST", checkpoints, `{"checkpoint_name":"`+name+`"}`)
		b.want(400, "invalid", "PATCH", branches+"/work", `{"branch_name":"`+name+`"}`)
	}
	b.want(201, "", "POST", branches, `{"branch_name":"`+strings.Repeat("x", 63)+`"}`)
	b.want(400, "invalid", "DELETE", branches+"/root", "")
	b.want(400, "invalid", "DELETE", branches+"/work?cascade=perhaps", "")
	for _, target := range []string{branches + "/work", "/api/disks/" + own, "/api/disks/" + id + ".work", checkpoints + "/first"} {
		r := b.want(409, "not_empty", "DELETE", target, "")
		if !strings.Contains(r.env.Error, "child0") && !strings.Contains(r.env.Error, "work") {
			t.Errorf("%s: %s", target, r.raw)
		}
	}
	b.want(200, "", "DELETE", branches+"/work?cascade=true", "")
	for _, bs := range b.list(branches) {
		if name := bs["branch_name"].(string); name != "root" && len(name) != 63 {
			t.Errorf("%s is still there", name)
		}
	}
	b.want(404, "no_such_disk", "GET", "/api/disks/"+own, "")
	b.want(200, "", "DELETE", checkpoints+"/first", "")
	b.wantText(404, "no_such_branch", `Checkpoint "first" not found`, "DELETE", checkpoints+"/first", "")
}

// TestBranchAsDisk shows and deletes a branch and a checkpoint by addresses in
// place of a disk's.
func TestBranchAsDisk(t *testing.T) {
	b := newBench(t)
	id := b.makeDisk("photos")
	b.put(id, "root", "a.txt", "12345")
	b.want(201, "", "POST", "/api/disks/"+id+"/checkpoints", `{"checkpoint_name":"first"}`)
	own := b.want(201, "", "POST", "/api/disks/"+id+"/branches", `{"branch_name":"work"}`).data(t)["filesystem_id"].(string)
	b.put(id, "work", "b.txt", "123")
	for _, addr := range []string{own, id + ".work"} {
		d := b.want(200, "", "GET", "/api/disks/"+addr, "").data(t)
		if d["id"] != own || d["name"] != "photos.work" || d["files"] != 2.0 || d["dataSize"] != 3.0 {
			t.Errorf("%s: %v", addr, d)
		}
	}
	if d := b.want(200, "", "GET", "/api/disks/"+id+".root", "").data(t); d["id"] != id || d["name"] != "photos" {
		t.Errorf("root: %v", d)
	}
	d := b.want(200, "", "GET", "/api/disks/"+id+".root.first", "").data(t)
	if d["id"] != id+".root.first" || d["name"] != "photos.root.first" || d["files"] != 1.0 {
		t.Errorf("first: %v", d)
	}
	b.wantText(404, "no_such_branch", `Checkpoint "none" not found`, "GET", "/api/disks/"+id+".root.none", "")
	b.wantText(404, "no_such_branch", `Branch "none" not found`, "GET", "/api/disks/"+id+".none.first", "")
	b.want(200, "", "DELETE", "/api/disks/"+id+".root.first", "")
	b.want(404, "no_such_branch", "GET", "/api/disks/"+id+".root.first", "")
	b.want(200, "", "PUT", "/api/disks/"+id+"/allowed-ips", `{"allowedIps":["10.0.0.0/8"]}`)
	b.want(403, "permission_denied", "DELETE", "/api/disks/"+own, "")
	b.want(200, "", "PUT", "/api/disks/"+id+"/allowed-ips", `{"allowedIps":[]}`)
	b.want(201, "", "POST", "/api/disks/"+own+"/branches", `{"branch_name":"child"}`)
	b.want(409, "not_empty", "DELETE", "/api/disks/"+own, "")
	b.want(400, "invalid", "DELETE", "/api/disks/"+own+"?cascade=x", "")
	b.want(200, "", "DELETE", "/api/disks/"+own+"?cascade=true", "")
	b.want(404, "no_such_disk", "GET", "/api/disks/"+own, "")
	b.want(404, "no_such_branch", "GET", "/api/disks/"+id+".work", "")
	b.want(200, "", "GET", "/api/disks/"+id, "")
	b.want(400, "invalid", "DELETE", "/api/disks/"+id+".root", "") // not the disk with all its branches
	b.want(200, "", "GET", "/api/disks/"+id, "")
	b.want(200, "", "DELETE", "/api/disks/"+id, "")
	b.want(404, "no_such_disk", "GET", "/api/disks/"+id, "")
}

func TestCheckpoints(t *testing.T) {
	b := newBench(t)
	id := b.makeDisk("photos")
	own := b.want(201, "", "POST", "/api/disks/"+id+"/branches", `{"branch_name":"work"}`).data(t)["filesystem_id"].(string)
	checkpoints := "/api/disks/" + id + "/checkpoints"
	p := b.want(201, "", "POST", checkpoints, `{"checkpoint_name":"one","branch":"work"}`).data(t)
	if p["filesystem_id"] != own || p["branch_name"] != "work" || p["checkpoint_name"] != "one" || p["status"] != "committed" || p["auto"] != false {
		t.Errorf("one: %v", p)
	}
	for _, target := range []string{checkpoints + "?branch=work", "/api/disks/" + own + "/checkpoints", "/api/disks/" + id + ".work/checkpoints"} {
		if list := b.list(target); len(list) != 1 || list[0]["checkpoint_name"] != "one" {
			t.Errorf("%s: %v", target, list)
		}
	}
	auto := b.list(checkpoints)
	if len(auto) != 1 || auto[0]["auto"] != true {
		t.Errorf("the root branch's: %v", auto)
	}
	b.want(201, "", "POST", checkpoints, `{"checkpoint_name":"one"}`)
	b.wantText(409, "exists", `Checkpoint "one" already exists`, "POST", checkpoints, `{"checkpoint_name":"one"}`)
	b.wantText(404, "no_such_branch", `Branch "none" not found`, "POST", checkpoints, `{"checkpoint_name":"two","branch":"none"}`)
	b.wantText(404, "no_such_branch", `Branch "none" not found`, "GET", checkpoints+"?branch=none", "")
	b.wantText(404, "no_such_branch", `Checkpoint "two" not found`, "GET", checkpoints+"/two", "")
	b.wantText(404, "no_such_branch", `Checkpoint "two" not found`, "PATCH", checkpoints+"/two", `{"checkpoint_name":"three"}`)
	b.want(201, "", "POST", checkpoints, `{"checkpoint_name":"two"}`)
	b.wantText(409, "exists", `Checkpoint "one" already exists`, "PATCH", checkpoints+"/two", `{"checkpoint_name":"one"}`)
}

func TestRollbackAndPromote(t *testing.T) {
	b := newBench(t)
	id := b.makeDisk("photos")
	branches := "/api/disks/" + id + "/branches"
	b.put(id, "root", "a.txt", "1")
	b.want(201, "", "POST", "/api/disks/"+id+"/checkpoints", `{"checkpoint_name":"first"}`)
	b.put(id, "root", "b.txt", "2")
	moved := b.want(200, "", "POST", branches+"/root/rollback", `{"checkpoint_name":"first"}`).data(t)
	now, left := moved["branch"].(map[string]any), moved["left_behind"].(map[string]any)
	if now["branch_name"] != "root" || now["files"] != 1.0 || now["filesystem_id"] != id || left["files"] != 2.0 {
		t.Errorf("%v, %v", now, left)
	}
	b.wantText(404, "no_such_branch", `Checkpoint "none" not found`, "POST", branches+"/root/rollback", `{"checkpoint_name":"none"}`)
	b.wantText(404, "no_such_branch", `Branch "none" not found`, "POST", branches+"/none/rollback", `{"checkpoint_name":"first"}`)
	b.want(400, "invalid", "POST", branches+"/root/rollback", `{}`)
	name := left["branch_name"].(string)
	b.wantText(409, "exists", `Branch "`+name+`" already exists`, "POST", branches+"/root/rollback", `{"checkpoint_name":"first","keep_as":"`+name+`"}`)
	moved = b.want(200, "", "POST", branches+"/"+name+"/promote", `{"keep_as":"old"}`).data(t)
	now, left = moved["branch"].(map[string]any), moved["left_behind"].(map[string]any)
	if now["branch_name"] != "root" || now["files"] != 2.0 || left["branch_name"] != "old" || left["files"] != 1.0 {
		t.Errorf("%v, %v", now, left)
	}
	b.wantText(404, "no_such_branch", `Branch "none" not found`, "POST", branches+"/none/promote", "")
}

func TestDiffAndRestore(t *testing.T) {
	b := newBench(t)
	id := b.makeDisk("photos")
	base := "/api/disks/" + id
	b.put(id, "root", "gone.txt", "1")
	b.put(id, "root", "same.txt", "1")
	b.put(id, "root", "changed.txt", "1")
	b.want(201, "", "POST", base+"/checkpoints", `{"checkpoint_name":"first"}`)
	b.want(201, "", "POST", base+"/branches", `{"branch_name":"work"}`)
	b.put(id, "work", "changed.txt", "123")
	b.put(id, "work", "new/a.txt", "12")
	var got []string
	for target := base + "/diff?from=root.first&to=work&limit=1"; ; {
		r := b.want(200, "", "GET", target, "")
		for _, ch := range r.data(t)["changes"].([]any) {
			got = append(got, fmt.Sprint(ch))
		}
		if r.env.NextCursor == "" {
			break
		}
		target = base + "/diff?from=root.first&to=work&limit=1&cursor=" + r.env.NextCursor
	}
	want := "map[change:changed newSize:3 oldSize:1 path:changed.txt type:file] map[change:added path:new/ type:directory] map[change:added newSize:2 path:new/a.txt type:file]"
	if strings.Join(got, " ") != want {
		t.Errorf("%v\nwant %s", got, want)
	}
	r := b.want(200, "", "GET", "/api/disks/"+id+".work/diff?from=root&prefix=new/a", "")
	if n := len(r.data(t)["changes"].([]any)); n != 1 {
		t.Errorf("%s", r.raw)
	}
	b.want(400, "invalid", "GET", base+"/diff", "")
	b.want(400, "invalid", "GET", base+"/diff?from=root&to=work&limit=0", "")
	b.wantText(404, "no_such_branch", `Branch "none" not found`, "GET", base+"/diff?from=none&to=work", "")
	b.wantText(404, "no_such_branch", `Checkpoint "none" not found`, "GET", base+"/diff?from=root&to=root.none", "")
	done := b.want(200, "", "POST", base+"/restore", `{"from_branch":"root","from_checkpoint":"first","path":"/changed.txt","branch":"work"}`).data(t)
	if done["files"] != 1.0 || done["bytes"] != 1.0 {
		t.Errorf("restored %v", done)
	}
	if r := b.want(200, "", "GET", base+"/diff?from=root.first&to=work", ""); strings.Contains(r.raw, `"newSize":3`) {
		t.Errorf("after the restore: %s", r.raw)
	}
	b.wantText(404, "not_found", "root.first has no file or folder /none", "POST", base+"/restore", `{"from_checkpoint":"first","path":"none"}`)
	b.want(400, "invalid", "POST", base+"/restore", `{"from_checkpoint":"first"}`)
	b.want(400, "invalid", "POST", base+"/restore", `{"path":"a"}`)
	b.want(400, "invalid", "POST", base+"/restore", `{"path":"a","from_branch":"work","branch":"work"}`)
}

// TestRepeats sends requests again with their Idempotency-Key.
func TestRepeats(t *testing.T) {
	b := newBench(t)
	id := b.makeDisk("photos")
	branches := "/api/disks/" + id + "/branches"
	post := func(key, auth, body string) (int, string) {
		req := httptest.NewRequest("POST", branches, strings.NewReader(body))
		req.Header.Set("Authorization", auth)
		req.Header.Set("Idempotency-Key", key)
		w := httptest.NewRecorder()
		b.h.ServeHTTP(w, req)
		return w.Code, w.Body.String()
	}
	status, first := post("k1", b.key, `{"branch_name":"work"}`)
	if status != 201 {
		t.Fatalf("%d %s", status, first)
	}
	b.want(200, "", "DELETE", branches+"/work", "")
	if status, again := post("k1", b.key, ` { "branch_name" : "work" , "from_branch":"root"} `); status != 201 || again != first {
		t.Errorf("again: %d %s, first %s", status, again, first)
	}
	if status, s := post("k1", b.key, `{"branch_name":"other"}`); status != 422 || !strings.Contains(s, "idempotency_key_reused") {
		t.Errorf("another request: %d %s", status, s)
	}
	_, other := b.newKey(keySpec("other"))
	if status, s := post("k1", other, `{"branch_name":"work"}`); status != 201 {
		t.Errorf("another API key: %d %s", status, s)
	}
	// What failed is not remembered.
	if status, _ := post("k2", b.key, `{"branch_name":"work"}`); status != 409 {
		t.Errorf("taken: %d", status)
	}
	b.want(200, "", "DELETE", branches+"/work", "")
	if status, s := post("k2", b.key, `{"branch_name":"work"}`); status != 201 {
		t.Errorf("after a failure: %d %s", status, s)
	}
	for _, bad := range []string{"", "a b", "é", strings.Repeat("x", 256)} {
		if status, s := post(bad, b.key, `{"branch_name":"x"}`); status != 400 {
			t.Errorf("%q: %d %s", bad, status, s)
		}
	}
}

// leaver is a body whose client goes away as soon as it is received.
type leaver struct {
	io.Reader
	leave func()
}

func (l leaver) Read(p []byte) (int, error) {
	n, err := l.Reader.Read(p)
	if err == io.EOF {
		l.leave()
	}
	return n, err
}

// TestRepeatOfAbandoned sends a request again whose client did not wait for
// the answer.
func TestRepeatOfAbandoned(t *testing.T) {
	b := newBench(t)
	target := "/api/disks/" + b.makeDisk("photos") + "/branches"
	const body = `{"branch_name":"work"}`
	send := func(ctx context.Context, body io.Reader) *httptest.ResponseRecorder {
		req := httptest.NewRequestWithContext(ctx, "POST", target, body)
		req.Header.Set("Authorization", b.key)
		req.Header.Set("Idempotency-Key", "k")
		w := httptest.NewRecorder()
		b.h.ServeHTTP(w, req)
		return w
	}
	ctx, leave := context.WithCancel(t.Context())
	first := send(ctx, leaver{strings.NewReader(body), leave})
	if ctx.Err() == nil {
		t.Fatal("the client is still there")
	}
	made := b.want(200, "", "GET", target+"/work", "").data(t)["filesystem_id"].(string)
	again := send(t.Context(), strings.NewReader(body))
	if again.Code != 201 || !strings.Contains(again.Body.String(), made) {
		t.Errorf("%d %s, first %d %s", again.Code, again.Body, first.Code, first.Body)
	}
}
