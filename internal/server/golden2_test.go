package server

import (
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"atoll/client"
	"atoll/internal/disk"
	"atoll/internal/errs"
	"atoll/internal/kv"
	"atoll/internal/kv/pebblekv"
)

const goldenV2 = "testdata/v2.tgz"

// goldenTime is the clock of the data directory of format 2: what expires in
// it does not do so while it is tested.
var goldenTime = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func goldenConfig(dir string) Config {
	c := testConfig(dir)
	c.Now = func() time.Time { return goldenTime }
	return c
}

// goldenDisk is a disk with rows of every kind, and what opens it.
type goldenDisk struct {
	ID, BranchID, LeftID                string
	AccessKeyID, SecretAccessKey, Token string
	DiskKey, ReadKey                    string // API keys
	Share, Revoked, RevokedAll          string // paths of share URLs
	Upload                              string
}

// goldenShared is too long to stand in a row.
var goldenShared = strings.Repeat("shared ", 1000)

func goldenSchedule() client.Schedule { return client.Schedule{Hourly: 3, Daily: 2, Weekly: 1} }

func goldenCORS() []client.CORSRule {
	return []client.CORSRule{{ID: "page", AllowedOrigins: []string{"https://a.example"}, AllowedMethods: []string{"GET"}, MaxAgeSeconds: 60}}
}

// api is a client whose requests to make a branch are the same ones when they
// are sent again.
func (d *goldenDisk) api(t *testing.T, r *running) *client.Client {
	t.Helper()
	c, err := client.New(client.Options{URL: r.e.Control, APIKey: r.key, NewID: func() string { return "golden" }})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// fill makes all that there is in format 2 on a disk.
func (d *goldenDisk) fill(t *testing.T, r *running) {
	t.Helper()
	ctx, c := t.Context(), d.api(t, r)
	u, err := c.AddUser(ctx, d.ID, client.UserS3, "s3")
	must(t, err)
	d.AccessKeyID, d.SecretAccessKey = u.AccessKeyID, u.SecretAccessKey
	u, err = c.AddUser(ctx, d.ID, client.UserToken, "token")
	must(t, err)
	d.Token = u.Token
	end := goldenTime.Add(time.Hour)
	d.DiskKey = r.addKey(client.NewAPIKey{Name: "disk", Description: "of one disk", Disks: []string{d.ID}, ExpiresAt: &end})
	d.ReadKey = r.addKey(client.NewAPIKey{Name: "reader", ReadOnly: true})
	_, err = c.SetAllowedIPs(ctx, d.ID, []string{"127.0.0.0/8", "::1"})
	must(t, err)
	_, err = c.SetQuota(ctx, d.ID, 1<<30, 1000)
	must(t, err)
	must(t, c.SetCORS(ctx, d.ID, goldenCORS()))

	d.fillFiles(t, r)
	b, err := c.CreateBranch(ctx, d.ID, client.NewBranch{Name: "dev"})
	must(t, err)
	d.BranchID = b.ID
	must(t, c.WriteFile(ctx, d.BranchID, "own", strings.NewReader("of dev")))
	_, err = c.CreateCheckpoint(ctx, d.ID, "dev", "cp")
	must(t, err)
	must(t, c.WriteFile(ctx, d.BranchID, "own", strings.NewReader("left behind")))
	left, err := c.Rollback(ctx, d.ID, "dev", "cp", client.Move{KeepAs: "left"})
	must(t, err)
	d.LeftID = left.LeftBehind.ID
	must(t, c.SetSchedule(ctx, d.ID, "left", goldenSchedule()))

	share := func(id string) (path, share string) {
		t.Helper()
		s, err := c.Share(ctx, id, "golden/file", time.Hour)
		must(t, err)
		return s.URL[strings.Index(s.URL, "/api/"):], s.ID
	}
	d.Share, _ = share(d.ID)
	var revoked string
	d.Revoked, revoked = share(d.ID)
	must(t, c.RevokeShare(ctx, d.ID, revoked))
	other, _, err := c.CreateDisk(ctx, client.NewDisk{Name: "other"})
	must(t, err)
	must(t, c.WriteFile(ctx, other, "golden/file", strings.NewReader(goldenShared)))
	d.RevokedAll, _ = share(other)
	must(t, c.RevokeShares(ctx, other))
}

// fillFiles makes files of every kind, and an upload that stays unfinished.
func (d *goldenDisk) fillFiles(t *testing.T, r *running) {
	t.Helper()
	ctx, c := t.Context(), d.api(t, r)
	must(t, c.WriteFile(ctx, d.ID, "golden/file", strings.NewReader(goldenShared)))
	must(t, c.Symlink(ctx, d.ID, "golden/link", "file"))
	must(t, c.Mkdir(ctx, d.ID, "golden/folder", client.FileAttrs{}))
	must(t, c.Rename(ctx, d.ID, "golden/folder", "golden/renamed"))
	b, err := c.Bucket(ctx, d.ID)
	must(t, err)
	for _, s := range []string{"one,", "two"} {
		_, err = b.Append(ctx, "golden/appended", []byte(s))
		must(t, err)
	}
	object := r.e.S3 + "/" + d.ID + "/golden/parts"
	_, body := send(t, "POST", object+"?uploads", "", "Authorization", r.key)
	m := regexp.MustCompile("<UploadId>(.*)</UploadId>").FindStringSubmatch(body)
	if m == nil {
		t.Fatal(body)
	}
	d.Upload = m[1]
	if res, b := send(t, "PUT", object+"?partNumber=2&uploadId="+d.Upload, "the parts", "Authorization", r.key); res.StatusCode != 200 {
		t.Fatal(res.StatusCode, b)
	}
}

// check starts a server twice, compares the disk with what fill made, and
// finishes the upload.
func (d *goldenDisk) check(t *testing.T, dir string) {
	t.Helper()
	for i := range 2 {
		r := begin(t, goldenConfig(dir))
		if r.e.FirstAPIKey != "" {
			t.Error("a new first key")
		}
		if i == 0 {
			d.finish(t, r)
		}
		d.checkFiles(t, r)
		d.checkAccess(t, r)
		d.checkLimits(t, r)
		d.checkBranches(t, r)
		must(t, d.api(t, r).WriteFile(t.Context(), d.ID, "golden/new", strings.NewReader("new")))
		r.end()
		mustBeClean(t, dir)
	}
}

// finish completes the upload.
func (d *goldenDisk) finish(t *testing.T, r *running) {
	t.Helper()
	object := r.e.S3 + "/" + d.ID + "/golden/parts?uploadId=" + d.Upload
	_, b := send(t, "GET", object, "", "Authorization", r.key)
	m := regexp.MustCompile("<ETag>(.*)</ETag>").FindStringSubmatch(b)
	if m == nil {
		t.Fatal(b)
	}
	res, b := send(t, "POST", object, "<CompleteMultipartUpload><Part><PartNumber>2</PartNumber><ETag>"+m[1]+"</ETag></Part></CompleteMultipartUpload>", "Authorization", r.key)
	if res.StatusCode != 200 || !strings.Contains(b, "-1&quot;") && !strings.Contains(b, "-1\"") {
		t.Errorf("complete: %d %s", res.StatusCode, b)
	}
}

func (d *goldenDisk) checkFiles(t *testing.T, r *running) {
	t.Helper()
	for path, want := range map[string]string{
		d.ID + "/golden/file": goldenShared, d.ID + "/golden/link": goldenShared, d.ID + "/golden/appended": "one,two", d.ID + "/golden/parts": "the parts",
		d.BranchID + "/own": "of dev", d.LeftID + "/own": "left behind", d.ID + ".dev.cp/own": "of dev", d.ID + ".dev/golden/file": goldenShared,
	} {
		if res, b := send(t, "GET", r.e.S3+"/"+path, "", "Authorization", r.key); res.StatusCode != 200 || b != want {
			t.Errorf("%s: %d %s", path, res.StatusCode, b)
		}
	}
	if f, err := d.api(t, r).Stat(t.Context(), d.ID, "golden/renamed"); err != nil || f.Type != "directory" {
		t.Errorf("%+v, %v", f, err)
	}
}

// checkAccess tries the credentials and share URLs.
func (d *goldenDisk) checkAccess(t *testing.T, r *running) {
	t.Helper()
	conn := connect(client.User{AccessKeyID: d.AccessKeyID, SecretAccessKey: d.SecretAccessKey}, r.e.S3+"/"+d.ID)
	conn.at = goldenTime
	if status, b, err := conn.do(t.Context(), "PUT", "golden/own", []byte("x")); err != nil || status != 200 {
		t.Errorf("S3 user: %d %s %v", status, b, err)
	}
	users, err := d.api(t, r).Users(t.Context(), d.ID)
	if err != nil || !slices.ContainsFunc(users, func(u client.User) bool {
		return u.Type == client.UserToken && u.Nickname == "token" && strings.HasSuffix(d.Token, u.TokenSuffix)
	}) {
		t.Errorf("users: %+v, %v", users, err)
	}
	for path, status := range map[string]int{d.Share: 200, d.Revoked: 404, d.RevokedAll: 404} {
		if got, b := get(t, r.e.Control+path); got != status {
			t.Errorf("%s: %d %s", path, got, b)
		}
	}
	for key, status := range map[string]int{d.DiskKey: 200, d.ReadKey: 403} {
		if res, b := send(t, "PUT", r.e.S3+"/"+d.ID+"/golden/own", "x", "Authorization", key); res.StatusCode != status {
			t.Errorf("PUT with an API key: %d %s, want %d", res.StatusCode, b, status)
		}
		if res, b := send(t, "GET", r.e.Control+"/api/disks", "", "Authorization", key); res.StatusCode != 200 || !strings.Contains(b, d.ID) {
			t.Errorf("GET with an API key: %d %s", res.StatusCode, b)
		}
	}
}

func (d *goldenDisk) checkLimits(t *testing.T, r *running) {
	t.Helper()
	ctx, c := t.Context(), d.api(t, r)
	if ips, err := c.AllowedIPs(ctx, d.ID); err != nil || strings.Join(ips, " ") != "127.0.0.0/8 ::1" {
		t.Errorf("%v, %v", ips, err)
	}
	if q, err := c.Quota(ctx, d.ID); err != nil || q.Bytes != 1<<30 || q.Files != 1000 || q.UsedFiles == 0 {
		t.Errorf("%+v, %v", q, err)
	}
	if rules, err := c.CORS(ctx, d.ID); err != nil || !reflect.DeepEqual(rules, goldenCORS()) {
		t.Errorf("%+v, %v", rules, err)
	}
	actions := map[string]int{}
	for e, err := range c.Audit(ctx, d.ID) {
		must(t, err)
		if actions[e.Action]++; !e.Time.Equal(goldenTime) || e.KeyName != "first" || e.Remote != "127.0.0.1" {
			t.Errorf("%+v", e)
		}
	}
	for _, a := range []string{"branch.create", "branch.rollback", "checkpoint.create", "share.create", "share.revoke", "user.add"} {
		if actions[a] == 0 {
			t.Errorf("no %s among %v", a, actions)
		}
	}
}

func (d *goldenDisk) checkBranches(t *testing.T, r *running) {
	t.Helper()
	ctx, c := t.Context(), d.api(t, r)
	if s, err := c.Schedule(ctx, d.ID, "left"); err != nil || s != goldenSchedule() {
		t.Errorf("%+v, %v", s, err)
	}
	// The answer to the request that made the branch is remembered.
	if b, err := c.CreateBranch(ctx, d.ID, client.NewBranch{Name: "dev"}); err != nil || b.ID != d.BranchID || b.FromCheckpoint != "fork-dev" {
		t.Errorf("%+v, %v", b, err)
	}
	for name, id := range map[string]string{"root": d.ID, "dev": d.BranchID, "left": d.LeftID} {
		if b, err := c.Branch(ctx, d.ID, name); err != nil || b.ID != id || b.RootID != d.ID {
			t.Errorf("%s: %+v, %v", name, b, err)
		}
	}
	var names []string
	for p, err := range c.Checkpoints(ctx, d.ID, "dev") {
		must(t, err)
		names = append(names, p.Name)
	}
	if strings.Join(names, " ") != "cp" {
		t.Errorf("checkpoints %v", names)
	}
}

// goldenRows are all kinds of rows of the catalog, but p, of disks that are
// being made or deleted.
const goldenRows = "abdhiknoqrstuxy"

func catalogRows(t *testing.T, dir string) (kinds string) {
	t.Helper()
	s, err := pebblekv.Open(pebblekv.Options{Dir: filepath.Join(dir, metaDir), Split: disk.Split, ReadOnly: true, CacheBytes: 1 << 20, MemTableBytes: 1 << 20})
	must(t, err)
	defer func() { must(t, s.Close()) }()
	must(t, s.View(t.Context(), func(r kv.Reader) error {
		kinds = ""
		it := r.Scan([]byte("c"), []byte("d"))
		defer it.Close()
		for it.Next() {
			if kind := string(it.Key()[1:2]); !strings.HasSuffix(kinds, kind) {
				kinds += kind
			}
		}
		return it.Err()
	}))
	return kinds
}

// TestFormatV2 starts a server on a data directory that format 2's first
// release made: all is there, and it goes on.
func TestFormatV2(t *testing.T) {
	if *makeGolden {
		dir := t.TempDir()
		r := begin(t, goldenConfig(dir))
		made, err := r.client().MakeDisk(t.Context(), client.NewDisk{Name: "golden"})
		must(t, err)
		d := &goldenDisk{ID: made.ID}
		d.fill(t, r)
		r.end()
		packGolden(t, goldenV2, dir, d)
	}
	dir := t.TempDir()
	unpackGolden(t, goldenV2, dir)
	d := new(goldenDisk)
	readGolden(t, dir, d)
	if got := catalogRows(t, dir); got != goldenRows {
		t.Errorf("the catalog has rows of the kinds %q, want %q", got, goldenRows)
	}
	mustBeClean(t, dir)
	d.check(t, dir)
}

// TestNewerFormat refuses a store of a later format, and leaves it alone.
func TestNewerFormat(t *testing.T) {
	dir := t.TempDir()
	unpackGolden(t, goldenV2, dir)
	format := func(set string) (got string) {
		t.Helper()
		s, err := pebblekv.Open(pebblekv.Options{Dir: filepath.Join(dir, metaDir), Split: disk.Split, CacheBytes: 1 << 20, MemTableBytes: 1 << 20})
		must(t, err)
		defer func() { must(t, s.Close()) }()
		must(t, s.Update(t.Context(), func(tx kv.Txn) error {
			b, _, err := tx.Get([]byte("sf"))
			if got = string(b); err != nil || set == "" {
				return err
			}
			return tx.Set([]byte("sf"), []byte(set))
		}))
		return got
	}
	if got := format("3"); got != "2" {
		t.Errorf("the store has format %q", got)
	}
	const text = "the store has format 3 and this program knows formats up to 2: use a newer atoll"
	_, err := tryBegin(t, goldenConfig(dir))
	if !errs.Is(err, errs.Unsupported) || !strings.Contains(err.Error(), text) {
		t.Errorf("start: %v", err)
	}
	_, err = Fsck(t.Context(), FsckOptions{Data: dir, Report: func(p string) { t.Error(p) }})
	if !errs.Is(err, errs.Unsupported) || !strings.Contains(err.Error(), text) {
		t.Errorf("check: %v", err)
	}
	if got := format("2"); got != "3" {
		t.Errorf("a refused store has format %q", got)
	}
	begin(t, goldenConfig(dir)).end()
}
