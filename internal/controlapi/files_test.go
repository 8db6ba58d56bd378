package controlapi

import (
	"context"
	"crypto/md5"
	"encoding/base64"
	"fmt"
	"net"
	"net/url"
	"strings"
	"testing"

	"atoll/internal/disk"
)

func TestFiles(t *testing.T) {
	w := newWeb(t)
	id := w.makeDisk("d")
	files := "/api/disks/" + id + "/files/"
	var f fileResponse
	w.must(201, &f, "PUT", files+"a/b%20c/100%25+.txt", "hello", "X-Archil-Mode", "640", "X-Archil-Uid", "7", "X-Archil-Gid", "8")
	if f.Path != "a/b c/100%+.txt" || f.Name != "100%+.txt" || f.Type != "file" || f.Size != 5 || f.Mode != 0o640 || f.UID != 7 || f.GID != 8 ||
		f.ETag != fmt.Sprintf(`"%x"`, md5.Sum([]byte("hello"))) {
		t.Errorf("%+v", f)
	}
	r := w.send("GET", files+"a/b%20c/100%25+.txt", "")
	if r.status != 200 || r.body != "hello" || r.header.Get("Etag") != f.ETag || r.header.Get("Content-Type") != "text/plain; charset=utf-8" {
		t.Errorf("%d %q %v", r.status, r.body, r.header)
	}
	if r := w.send("GET", files+"a/b%20c/100%25+.txt", "", "Range", "bytes=1-2"); r.status != 206 || r.body != "el" {
		t.Errorf("%d %q", r.status, r.body)
	}
	if r := w.send("HEAD", files+"a/b%20c/100%25+.txt", ""); r.status != 200 || r.header.Get("Content-Length") != "5" {
		t.Errorf("%d %v", r.status, r.header)
	}
	w.must(200, &f, "PUT", files+"a/b%20c/100%25+.txt", "again", "X-Archil-Mode", "777")
	if f.Mode != 0o640 || f.UID != 7 {
		t.Errorf("a replaced file keeps its own: %+v", f)
	}
	var st fileResponse
	w.must(200, &st, "GET", files+"a/b%20c/100%25+.txt?stat=true", "")
	if st.ETag != f.ETag || st.Inode != f.Inode || st.Entries != nil {
		t.Errorf("%+v", st)
	}
	w.must(200, &st, "GET", files+"?stat=true", "")
	if st.Type != "directory" || st.Path != "" || st.Inode != uint64(disk.RootIno) {
		t.Errorf("root: %+v", st)
	}
	w.must(201, nil, "PUT", files+"sniffed", "<html>")
	if r := w.send("GET", files+"sniffed", ""); r.header.Get("Content-Type") != "text/html; charset=utf-8" || r.header.Get("Content-Security-Policy") != "sandbox" {
		t.Errorf("%v", r.header)
	}
	w.must(201, nil, "PUT", files+"empty", "")
	if r := w.send("GET", files+"empty", ""); r.status != 200 || r.body != "" {
		t.Errorf("%d %q", r.status, r.body)
	}
	sum := md5.Sum([]byte("x"))
	w.must(201, nil, "PUT", files+"summed", "x", "Content-MD5", base64.StdEncoding.EncodeToString(sum[:]))
	w.refuse(400, "invalid", "PUT", files+"summed", "y", "Content-MD5", base64.StdEncoding.EncodeToString(sum[:]))
	w.refuse(400, "invalid", "PUT", files+"summed", "y", "Content-MD5", "zz")
	if r := w.send("GET", files+"summed", ""); r.body != "x" {
		t.Errorf("%q", r.body)
	}
	w.refuse(404, "not_found", "GET", files+"none", "")
	w.refuse(404, "not_found", "GET", files+"none?stat=true", "")
	w.refuse(404, "not_found", "GET", files+"none?list=true", "")
	w.refuse(404, "not_found", "GET", files+"sniffed/x", "")
	w.refuse(404, "not_found", "GET", files+"sniffed/x?stat=true", "")
	w.refuse(404, "not_found", "GET", files+".archil/x", "")
	w.refuse(404, "not_found", "GET", files+"a//b", "")
	w.refuse(409, "is_a_directory", "GET", files+"a", "")
	w.refuse(409, "is_a_directory", "GET", files, "")
	w.refuse(409, "not_a_directory", "GET", files+"sniffed?list=true", "")
	w.refuse(400, "invalid", "GET", files+"a?list=true&stat=true", "")
	w.refuse(400, "invalid", "GET", files+"a?stat=maybe", "")
}

func TestFileConditions(t *testing.T) {
	w := newWeb(t)
	files := "/api/disks/" + w.makeDisk("d") + "/files/"
	var f fileResponse
	w.must(201, &f, "PUT", files+"f", "1", "If-None-Match", "*")
	w.refuse(412, "precondition_failed", "PUT", files+"f", "2", "If-None-Match", "*")
	w.refuse(412, "precondition_failed", "PUT", files+"f", "2", "If-Match", `"x"`)
	w.refuse(412, "precondition_failed", "PUT", files+"g", "2", "If-Match", "*")
	w.refuse(400, "invalid", "PUT", files+"f", "2", "If-None-Match", f.ETag)
	w.refuse(400, "invalid", "PUT", files+"f", "2", "If-Match", " ")
	old := f.ETag
	w.must(200, &f, "PUT", files+"f", "2", "If-Match", `"x", `+old)
	w.refuse(412, "precondition_failed", "PUT", files+"f", "3", "If-Match", old)
	w.refuse(412, "precondition_failed", "DELETE", files+"f", "", "If-Match", old)
	w.must(200, nil, "DELETE", files+"f", "", "If-Match", f.ETag)
	w.refuse(404, "not_found", "DELETE", files+"f", "")
}

func TestFileRefusals(t *testing.T) {
	w := newWeb(t)
	id := w.makeDisk("d")
	files := "/api/disks/" + id + "/files/"
	w.must(201, nil, "PUT", files+"dir/f", "x")
	w.refuse(400, "invalid", "PUT", files, "x")
	w.refuse(400, "invalid", "PUT", files+"dir/", "x")
	w.refuse(400, "invalid", "PUT", files+"a//b", "x")
	w.refuse(400, "invalid", "PUT", files+"a%00", "x")
	w.refuse(400, "name_too_long", "PUT", files+strings.Repeat("n", 256), "x")
	w.refuse(409, "is_a_directory", "PUT", files+"dir", "x")
	w.refuse(409, "not_a_directory", "PUT", files+"dir/f/x", "x")
	w.refuse(403, "reserved", "PUT", files+".archil/x", "x")
	w.refuse(400, "invalid", "PUT", files+"x", "x", "X-Archil-Mode", "9")
	w.refuse(400, "invalid", "PUT", files+"x", "x", "X-Archil-Mode", "17777")
	w.refuse(400, "invalid", "PUT", files+"x", "x", "X-Archil-Uid", "-1")
	w.refuse(405, "method_not_allowed", "PATCH", files+"x", "x")
	w.refuse(401, "unauthorized", "GET", files+"dir/f", "", "Authorization", "none")
	w.refuse(401, "unauthorized", "PUT", files+"dir/f", "y", "Authorization", "key-wrong")
	w.refuse(404, "no_such_disk", "GET", "/api/disks/dsk-00000000000000ff/files/f", "")
	w.refuse(404, "no_such_branch", "GET", "/api/disks/"+id+".none/files/f", "")
	did, _ := disk.ParseID(id)
	d, err := w.core.Disk(t.Context(), did)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Checkpoint(t.Context(), "root", "v1"); err != nil {
		t.Fatal(err)
	}
	at := "/api/disks/" + id + ".root.v1/files/"
	if r := w.send("GET", at+"dir/f", ""); r.body != "x" {
		t.Errorf("%d %s", r.status, r.body)
	}
	w.refuse(403, "read_only", "PUT", at+"dir/f", "y")
	w.refuse(403, "read_only", "DELETE", at+"dir/f", "")
	w.refuse(403, "read_only", "DELETE", at+"dir?recursive=true", "")
	w.refuse(403, "read_only", "POST", at+"e", `{"op":"mkdir"}`)
	w.refuse(403, "read_only", "POST", at+"dir/f", `{"op":"chmod","mode":420}`)
	w.refuse(403, "read_only", "POST", at+"dir/f", `{"op":"rename","to":"g"}`)
	// A body that breaks off leaves nothing.
	u, err := url.Parse(w.url)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", u.Host)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(conn, "PUT %sdir/f HTTP/1.1\r\nHost: x\r\nAuthorization: %s\r\nContent-Length: 10\r\n\r\nhalf", files, w.key)
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 4096)
	if n, err := conn.Read(b); n > 0 && !strings.Contains(string(b[:n]), "400") {
		t.Errorf("%s %v", b[:n], err)
	}
	conn.Close()
	if r := w.send("GET", files+"dir/f", ""); r.body != "x" {
		t.Errorf("%s", r.body)
	}
}

func TestListFolder(t *testing.T) {
	w := newWeb(t)
	id := w.makeDisk("d")
	files := "/api/disks/" + id + "/files/"
	for _, name := range []string{"b", "a", "z/x", "%C3%A9", "-"} {
		w.must(201, nil, "PUT", files+name, "x")
	}
	w.must(201, nil, "POST", files+"link", `{"op":"symlink","target":"z"}`)
	page := func(target string) (names []string, next string) {
		r := w.bench.want(200, "", "GET", target, "")
		for _, e := range r.data(t)["entries"].([]any) {
			m := e.(map[string]any)
			names = append(names, m["path"].(string))
			if m["path"] == "link" && (m["type"] != "symlink" || m["target"] != "z") || m["path"] == "z" && m["type"] != "directory" {
				t.Errorf("%v", m)
			}
		}
		return names, r.env.NextCursor
	}
	w.must(201, nil, "PUT", files+"z/y", "")
	for _, limit := range []string{"1", "2", "3", "100"} {
		var all []string
		names, next := page(files + "?list=true&limit=" + limit)
		for all = append(all, names...); next != ""; all = append(all, names...) {
			names, next = page(files + "?list=true&limit=" + limit + "&cursor=" + next)
		}
		if got := strings.Join(all, " "); got != "- a b link z é" {
			t.Errorf("limit %s: %q", limit, got)
		}
	}
	if names, _ := page(files + "z/?list=true"); strings.Join(names, " ") != "z/x z/y" {
		t.Errorf("%q", names)
	}
	if names, _ := page(files + "link?list=true"); strings.Join(names, " ") != "link/x link/y" {
		t.Errorf("%q", names)
	}
	w.must(201, nil, "POST", files+"none", `{"op":"mkdir"}`)
	if names, next := page(files + "none?list=true"); len(names) != 0 || next != "" {
		t.Errorf("%q %q", names, next)
	}
	for _, q := range []string{"limit=0", "limit=x", "cursor=%21"} {
		w.refuse(400, "invalid", "GET", files+"?list=true&"+q, "")
	}
}

func TestChangeFile(t *testing.T) {
	w := newWeb(t)
	files := "/api/disks/" + w.makeDisk("d") + "/files/"
	var f fileResponse
	w.must(201, &f, "POST", files+"a", `{"op":"mkdir","mode":448,"uid":5,"gid":6}`)
	if f.Type != "directory" || f.Mode != 0o700 || f.UID != 5 || f.GID != 6 {
		t.Errorf("%+v", f)
	}
	w.refuse(409, "exists", "POST", files+"a", `{"op":"mkdir"}`)
	w.must(200, nil, "POST", files+"a", `{"op":"mkdir","parents":true}`)
	w.refuse(404, "not_found", "POST", files+"x/y", `{"op":"mkdir"}`)
	w.must(201, nil, "POST", files+"x/y/z/", `{"op":"mkdir","parents":true}`)
	w.must(201, nil, "PUT", files+"a/f", "f's")
	w.must(201, nil, "PUT", files+"a/g", "g's")
	w.refuse(409, "not_a_directory", "POST", files+"a/f/x", `{"op":"mkdir"}`)
	w.refuse(409, "not_a_directory", "POST", files+"a/f", `{"op":"mkdir","parents":true}`)
	w.refuse(409, "exists", "POST", files+"a/f", `{"op":"rename","to":"a/g","noReplace":true}`)
	w.must(200, &f, "POST", files+"a/f", `{"op":"rename","to":"a/g"}`)
	if r := w.send("GET", files+"a/g", ""); r.body != "f's" || f.Path != "a/g" {
		t.Errorf("%s %+v", r.body, f)
	}
	w.refuse(404, "not_found", "POST", files+"a/f", `{"op":"rename","to":"h"}`)
	w.refuse(404, "not_found", "POST", files+"a/g", `{"op":"rename","to":"none/h"}`)
	w.refuse(409, "not_empty", "POST", files+"a", `{"op":"rename","to":"x"}`)
	w.refuse(400, "invalid", "POST", files+"x", `{"op":"rename","to":"x/y/w"}`)
	w.refuse(403, "reserved", "POST", files+"a/g", `{"op":"rename","to":".archil/g"}`)
	w.refuse(403, "reserved", "POST", files+".archil", `{"op":"rename","to":"g"}`)
	w.refuse(403, "reserved", "POST", files+".archil/x", `{"op":"mkdir","parents":true}`)
	for _, body := range []string{`{"op":"rename","to":"h"}`, `{"op":"chmod","mode":0}`, `{"op":"symlink","target":"x"}`} {
		w.refuse(409, "not_a_directory", "POST", files+"a/g/", body)
	}
	w.must(201, &f, "POST", files+"link", `{"op":"symlink","target":"a/g"}`)
	if f.Type != "symlink" || f.Target != "a/g" {
		t.Errorf("%+v", f)
	}
	w.refuse(409, "exists", "POST", files+"link", `{"op":"symlink","target":"x"}`)
	w.must(200, &f, "POST", files+"link", `{"op":"chmod","mode":511,"gid":9}`)
	if f.Type != "file" || f.Mode != 0o777 || f.GID != 9 || f.UID != 0 {
		t.Errorf("%+v", f)
	}
	w.must(200, &f, "POST", files, `{"op":"chmod","mode":488}`)
	if f.Type != "directory" || f.Mode != 0o750 || f.Path != "" {
		t.Errorf("%+v", f)
	}
	for _, body := range []string{`{}`, `{"op":"copy"}`, `{"op":"mkdir","to":"x"}`, `{"op":"chmod"}`, `{"op":"chmod","mode":4096}`, `{"op":"chmod","target":"x"}`,
		`{"op":"symlink"}`, `{"op":"rename"}`, `{"op":"rename","to":"b","mode":1}`, `{"op":"chmod","mode":"0644"}`, `{"op":"mkdir","extra":1}`, `x`} {
		w.refuse(400, "invalid", "POST", files+"a/g", body)
	}
	w.refuse(400, "invalid", "POST", files, `{"op":"mkdir"}`)
}

func TestDeleteFile(t *testing.T) {
	w := newWeb(t)
	id := w.makeDisk("d")
	files := "/api/disks/" + id + "/files/"
	for i := range 600 {
		w.bench.want(201, "", "PUT", fmt.Sprintf("%stree/%d/%d", files, i%3, i), "")
	}
	w.must(201, nil, "PUT", files+"outside/f", "x")
	w.must(201, nil, "POST", files+"tree/1/link", `{"op":"symlink","target":"../../outside"}`)
	w.must(201, nil, "POST", files+"tree/deep/er/still", `{"op":"mkdir","parents":true}`)
	w.refuse(409, "not_empty", "DELETE", files+"tree", "")
	w.refuse(409, "not_empty", "DELETE", files+"tree?recursive=false", "")
	w.refuse(400, "invalid", "DELETE", files+"tree?recursive=maybe", "")
	w.refuse(400, "invalid", "DELETE", files+"?recursive=true", "")
	w.refuse(403, "reserved", "DELETE", files+".archil?recursive=true", "")
	// A mount holds one file: what is deleted before it is met is told.
	did, _ := disk.ParseID(id)
	d, err := w.core.Disk(t.Context(), did)
	if err != nil {
		t.Fatal(err)
	}
	v, err := d.View(t.Context(), disk.Ref{})
	if err != nil {
		t.Fatal(err)
	}
	held, err := v.Stat(t.Context(), "tree/2/5", true)
	if err != nil {
		t.Fatal(err)
	}
	if err := v.Delegate(t.Context(), held.Ino, 77); err != nil {
		t.Fatal(err)
	}
	w.refuse(409, "delegated", "PUT", files+"tree/2/5", "x")
	w.refuse(409, "delegated", "DELETE", files+"tree/2/5", "")
	r := w.refuse(409, "delegated", "DELETE", files+"tree?recursive=true", "")
	if !strings.Contains(r.body, "entries were deleted, then: ") {
		t.Errorf("%s", r.body)
	}
	w.must(200, nil, "GET", files+"tree/2/5?stat=true", "")
	if err := v.Undelegate(t.Context(), held.Ino); err != nil {
		t.Fatal(err)
	}
	var n deletedResponse
	w.must(200, &n, "DELETE", files+"tree?recursive=true", "")
	if n.Deleted == 0 {
		t.Errorf("%+v", n)
	}
	w.refuse(404, "not_found", "GET", files+"tree?stat=true", "")
	if r := w.send("GET", files+"outside/f", ""); r.body != "x" {
		t.Error("a link was followed")
	}
	if got, err := v.ReadDir(context.Background(), disk.RootIno, "", 10); err != nil || len(got) != 1 {
		t.Errorf("%v %v", got, err)
	}
	w.refuse(409, "not_a_directory", "DELETE", files+"outside/f/", "")
	w.must(200, &n, "DELETE", files+"outside/f", "")
	w.must(200, &n, "DELETE", files+"outside/", "")
	w.refuse(404, "not_found", "DELETE", files+"outside", "")
}
