package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// fakeServer answers every request with the same, and notes it.
func fakeServer(t *testing.T, status int, answer string) (*Client, *http.Request, *string) {
	t.Helper()
	got, body := new(http.Request), new(string)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var b strings.Builder
		if _, err := fmt.Fprint(&b, readAll(t, r)); err != nil {
			t.Error(err)
		}
		*got, *body = *r, b.String()
		w.WriteHeader(status)
		fmt.Fprint(w, answer)
	}))
	t.Cleanup(srv.Close)
	c, err := New(Options{URL: srv.URL + "/", APIKey: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	return c, got, body
}

func readAll(t *testing.T, r *http.Request) string {
	t.Helper()
	var v any
	if err := json.NewDecoder(r.Body).Decode(&v); err != nil {
		return ""
	}
	b, err := json.Marshal(v)
	if err != nil {
		t.Error(err)
	}
	return string(b)
}

func TestNew(t *testing.T) {
	for _, url := range []string{"", "x", "ftp://x", "http://", "://"} {
		if _, err := New(Options{URL: url, APIKey: "k"}); err == nil {
			t.Errorf("URL %q is taken", url)
		}
	}
	if _, err := New(Options{URL: "http://x"}); err == nil {
		t.Error("no API key is taken")
	}
	c, err := New(Options{URL: "https://x/base/", APIKey: "key-k"})
	if err != nil || c.URL() != "https://x/base" || c.key != "key-k" {
		t.Errorf("%+v, %v", c, err)
	}
}

// TestRequests checks what each call sends and how it reads the answer.
func TestRequests(t *testing.T) {
	for _, tc := range []struct {
		name, status, answer string
		call                 func(context.Context, *Client) (any, error)
		sent, body, want     string
	}{
		{"create", "201", `{"success":true,"data":{"diskId":"d"}}`, func(ctx context.Context, c *Client) (any, error) {
			id, created, err := c.CreateDisk(ctx, NewDisk{Name: "n", RootAttrs: &RootAttrs{UID: 1}})
			return fmt.Sprint(id, created), err
		}, "POST /api/disks", `{"name":"n","rootAttrs":{"gid":0,"mode":0,"uid":1}}`, "dtrue"},
		{"found", "200", `{"success":true,"data":{"diskId":"d"}}`, func(ctx context.Context, c *Client) (any, error) {
			id, created, err := c.CreateDisk(ctx, NewDisk{Name: "n"})
			return fmt.Sprint(id, created), err
		}, "POST /api/disks", `{"name":"n"}`, "dfalse"},
		{"get", "200", `{"success":true,"data":{"id":"d","files":3,"new":1}}`, func(ctx context.Context, c *Client) (any, error) {
			d, err := c.Disk(ctx, "a/b")
			return d.Files, err
		}, "GET /api/disks/a%2Fb", "", "3"},
		{"by name", "200", `{"success":true,"data":[]}`, func(ctx context.Context, c *Client) (any, error) {
			_, ok, err := c.DiskByName(ctx, "a b")
			return ok, err
		}, "GET /api/disks?name=a+b", "", "false"},
		{"delete", "200", `{"success":true}`, func(ctx context.Context, c *Client) (any, error) {
			return nil, c.DeleteDisk(ctx, "d")
		}, "DELETE /api/disks/d", "", "<nil>"},
		{"add user", "201", `{"success":true,"data":{"secretAccessKey":"s"}}`, func(ctx context.Context, c *Client) (any, error) {
			u, err := c.AddS3User(ctx, "d", "n")
			return u.SecretAccessKey, err
		}, "POST /api/disks/d/users", `{"nickname":"n","type":"s3"}`, "s"},
		{"users", "200", `{"success":true,"data":[{"identifier":"i"}]}`, func(ctx context.Context, c *Client) (any, error) {
			u, err := c.Users(ctx, "d")
			return u[0].Identifier, err
		}, "GET /api/disks/d/users?limit=100", "", "i"},
		{"remove user", "200", `{"success":true,"data":{"message":"m"}}`, func(ctx context.Context, c *Client) (any, error) {
			return nil, c.RemoveS3User(ctx, "d", "a&b")
		}, "DELETE /api/disks/d/users/s3?identifier=a%26b", "", "<nil>"},
		{"make", "201", `{"success":true,"data":{"diskId":"d","authorizedUsers":[{"type":"token","token":"adt_x"}]}}`, func(ctx context.Context, c *Client) (any, error) {
			d, err := c.MakeDisk(ctx, NewDisk{Name: "n", AllowedIPs: []string{"::1"}, NoToken: true})
			return d.Users[0].Token, err
		}, "POST /api/disks", `{"allowedIps":["::1"],"authMethods":[],"name":"n"}`, "adt_x"},
		{"add token", "201", `{"success":true,"data":{"token":"t"}}`, func(ctx context.Context, c *Client) (any, error) {
			u, err := c.AddUser(ctx, "d", UserToken, "n")
			return u.Token, err
		}, "POST /api/disks/d/users", `{"nickname":"n","type":"token"}`, "t"},
		{"allowed", "200", `{"success":true,"data":{"allowedIps":["::1"]}}`, func(ctx context.Context, c *Client) (any, error) {
			return c.AllowedIPs(ctx, "d")
		}, "GET /api/disks/d/allowed-ips", "", "[::1]"},
		{"allow", "200", `{"success":true,"data":{"allowedIps":[]}}`, func(ctx context.Context, c *Client) (any, error) {
			return c.SetAllowedIPs(ctx, "d", nil)
		}, "PUT /api/disks/d/allowed-ips", `{"allowedIps":[]}`, "[]"},
		{"quota", "200", `{"success":true,"data":{"bytes":1,"files":2,"usedBytes":3,"usedFiles":4}}`, func(ctx context.Context, c *Client) (any, error) {
			return c.Quota(ctx, "d")
		}, "GET /api/disks/d/quota", "", "{1 2 3 4}"},
		{"set quota", "200", `{"success":true,"data":{"bytes":1}}`, func(ctx context.Context, c *Client) (any, error) {
			return c.SetQuota(ctx, "d", 1, 0)
		}, "PUT /api/disks/d/quota", `{"bytes":1,"files":0}`, "{1 0 0 0}"},
		{"cors", "200", `{"success":true,"data":{"rules":[{"id":"r"}]}}`, func(ctx context.Context, c *Client) (any, error) {
			rules, err := c.CORS(ctx, "d")
			return rules[0].ID, err
		}, "GET /api/disks/d/cors", "", "r"},
		{"set cors", "200", `{"success":true,"data":{}}`, func(ctx context.Context, c *Client) (any, error) {
			return nil, c.SetCORS(ctx, "d", []CORSRule{{AllowedOrigins: []string{"*"}, AllowedMethods: []string{"GET"}}})
		}, "PUT /api/disks/d/cors", `{"rules":[{"allowedMethods":["GET"],"allowedOrigins":["*"]}]}`, "<nil>"},
		{"remove cors", "200", `{"success":true}`, func(ctx context.Context, c *Client) (any, error) {
			return nil, c.RemoveCORS(ctx, "d")
		}, "DELETE /api/disks/d/cors", "", "<nil>"},
		{"create key", "201", `{"success":true,"data":{"id":"i","token":"key-x"}}`, func(ctx context.Context, c *Client) (any, error) {
			at := time.Unix(1700000000, 0).UTC()
			k, err := c.CreateAPIKey(ctx, NewAPIKey{Name: "n", Disks: []string{"d"}, ReadOnly: true, ExpiresAt: &at})
			return k.Token, err
		}, "POST /api/tokens", `{"disks":["d"],"expiresAt":"2023-11-14T22:13:20Z","name":"n","readOnly":true}`, "key-x"},
		{"keys", "200", `{"success":true,"data":{"tokens":[{"id":"i","lastUsedAt":null}]}}`, func(ctx context.Context, c *Client) (any, error) {
			keys, err := Collect(c.APIKeys(ctx))
			return keys[0].ID, err
		}, "GET /api/tokens?limit=100", "", "i"},
		{"delete key", "200", `{"success":true}`, func(ctx context.Context, c *Client) (any, error) {
			return nil, c.DeleteAPIKey(ctx, "i")
		}, "DELETE /api/tokens/i", "", "<nil>"},
		{"audit", "200", `{"success":true,"data":{"entries":[{"id":"1","action":"disk.create"}]}}`, func(ctx context.Context, c *Client) (any, error) {
			log, err := Collect(c.Audit(ctx, "d"))
			return log[0].Action, err
		}, "GET /api/audit?disk=d&limit=100", "", "disk.create"},
		{"fork", "201", `{"success":true,"data":{"filesystem_id":"b"}}`, func(ctx context.Context, c *Client) (any, error) {
			b, err := c.CreateBranch(ctx, "d", NewBranch{Name: "n", FromBranch: "f", FromCheckpoint: "c"})
			return b.ID, err
		}, "POST /api/disks/d/branches", `{"branch_name":"n","from_branch":"f","from_checkpoint_name":"c"}`, "b"},
		{"branches", "200", `{"success":true,"data":[{"branch_name":"n","retained_bytes":7}]}`, func(ctx context.Context, c *Client) (any, error) {
			list, err := Collect(c.Branches(ctx, "d"))
			return list[0].RetainedBytes, err
		}, "GET /api/disks/d/branches?limit=100", "", "7"},
		{"branch", "200", `{"success":true,"data":{"branch_name":"n"}}`, func(ctx context.Context, c *Client) (any, error) {
			b, err := c.Branch(ctx, "d", "n")
			return b.Name, err
		}, "GET /api/disks/d/branches/n", "", "n"},
		{"rename branch", "200", `{"success":true,"data":{"branch_name":"m"}}`, func(ctx context.Context, c *Client) (any, error) {
			b, err := c.RenameBranch(ctx, "d", "n", "m")
			return b.Name, err
		}, "PATCH /api/disks/d/branches/n", `{"branch_name":"m"}`, "m"},
		{"delete branch", "200", `{"success":true}`, func(ctx context.Context, c *Client) (any, error) {
			return nil, c.DeleteBranch(ctx, "d", "n", true)
		}, "DELETE /api/disks/d/branches/n?cascade=true", "", "<nil>"},
		{"rollback", "200", `{"success":true,"data":{"branch":{"branch_name":"n"},"left_behind":{"branch_name":"l"}}}`, func(ctx context.Context, c *Client) (any, error) {
			m, err := c.Rollback(ctx, "d", "n", "c", Move{KeepAs: "l", Force: true})
			return m.LeftBehind.Name, err
		}, "POST /api/disks/d/branches/n/rollback", `{"checkpoint_name":"c","force":true,"keep_as":"l"}`, "l"},
		{"promote", "200", `{"success":true,"data":{"left_behind":{"branch_name":"l"}}}`, func(ctx context.Context, c *Client) (any, error) {
			m, err := c.Promote(ctx, "d", "n", Move{})
			return m.LeftBehind.Name, err
		}, "POST /api/disks/d/branches/n/promote", `{}`, "l"},
		{"schedule", "200", `{"success":true,"data":{"hourly":1,"daily":2,"weekly":3}}`, func(ctx context.Context, c *Client) (any, error) {
			return c.Schedule(ctx, "d", "n")
		}, "GET /api/disks/d/branches/n/schedule", "", "{1 2 3}"},
		{"set schedule", "200", `{"success":true,"data":{}}`, func(ctx context.Context, c *Client) (any, error) {
			return nil, c.SetSchedule(ctx, "d", "n", Schedule{Daily: 7})
		}, "PUT /api/disks/d/branches/n/schedule", `{"daily":7,"hourly":0,"weekly":0}`, "<nil>"},
		{"remove schedule", "200", `{"success":true}`, func(ctx context.Context, c *Client) (any, error) {
			return nil, c.RemoveSchedule(ctx, "d", "n")
		}, "DELETE /api/disks/d/branches/n/schedule", "", "<nil>"},
		{"checkpoint", "201", `{"success":true,"data":{"checkpoint_name":"c","auto":true}}`, func(ctx context.Context, c *Client) (any, error) {
			p, err := c.CreateCheckpoint(ctx, "d", "n", "c")
			return p.Auto, err
		}, "POST /api/disks/d/checkpoints", `{"branch":"n","checkpoint_name":"c"}`, "true"},
		{"checkpoints", "200", `{"success":true,"data":[{"checkpoint_name":"c"}]}`, func(ctx context.Context, c *Client) (any, error) {
			list, err := Collect(c.Checkpoints(ctx, "d", "n"))
			return list[0].Name, err
		}, "GET /api/disks/d/checkpoints?branch=n&limit=100", "", "c"},
		{"get checkpoint", "200", `{"success":true,"data":{"checkpoint_name":"c"}}`, func(ctx context.Context, c *Client) (any, error) {
			p, err := c.Checkpoint(ctx, "d", "", "c")
			return p.Name, err
		}, "GET /api/disks/d/checkpoints/c", "", "c"},
		{"rename checkpoint", "200", `{"success":true,"data":{"checkpoint_name":"e"}}`, func(ctx context.Context, c *Client) (any, error) {
			p, err := c.RenameCheckpoint(ctx, "d", "n", "c", "e")
			return p.Name, err
		}, "PATCH /api/disks/d/checkpoints/c?branch=n", `{"checkpoint_name":"e"}`, "e"},
		{"delete checkpoint", "200", `{"success":true}`, func(ctx context.Context, c *Client) (any, error) {
			return nil, c.DeleteCheckpoint(ctx, "d", "n", "c", true)
		}, "DELETE /api/disks/d/checkpoints/c?branch=n&cascade=true", "", "<nil>"},
		{"diff", "200", `{"success":true,"data":{"changes":[{"path":"p","change":"added","newSize":0}]}}`, func(ctx context.Context, c *Client) (any, error) {
			list, err := Collect(c.Diff(ctx, "d", "root.c", "n", "p"))
			return fmt.Sprint(list[0].OldSize == nil, *list[0].NewSize), err
		}, "GET /api/disks/d/diff?from=root.c&limit=1000&prefix=p&to=n", "", "true 0"},
		{"restore", "200", `{"success":true,"data":{"files":2,"bytes":3}}`, func(ctx context.Context, c *Client) (any, error) {
			return c.Restore(ctx, "d", RestoreFrom{FromCheckpoint: "c", Path: "p", Branch: "n"})
		}, "POST /api/disks/d/restore", `{"branch":"n","from_checkpoint":"c","path":"p"}`, "{2 3}"},
		{"share", "201", `{"success":true,"data":{"url":"u","expiresIn":90}}`, func(ctx context.Context, c *Client) (any, error) {
			s, err := c.Share(ctx, "d", "k", 90*time.Second)
			return s.URL, err
		}, "POST /api/disks/d/share", `{"expiresIn":90,"key":"k"}`, "u"},
		{"revoke", "200", `{"success":true}`, func(ctx context.Context, c *Client) (any, error) {
			return nil, c.RevokeShare(ctx, "d", "i")
		}, "DELETE /api/disks/d/share?id=i", "", "<nil>"},
		{"revoke all", "200", `{"success":true}`, func(ctx context.Context, c *Client) (any, error) {
			return nil, c.RevokeShares(ctx, "d")
		}, "DELETE /api/disks/d/share?all=true", "", "<nil>"},
		{"write file", "200", `{"success":true,"data":{}}`, func(ctx context.Context, c *Client) (any, error) {
			return nil, c.WriteFile(ctx, "d", "/a b/c", strings.NewReader(`{"x":1}`))
		}, "PUT /api/disks/d/files/a%20b/c", `{"x":1}`, "<nil>"},
		{"remove file", "200", `{"success":true}`, func(ctx context.Context, c *Client) (any, error) {
			return nil, c.RemoveFile(ctx, "d", "a", true)
		}, "DELETE /api/disks/d/files/a?recursive=true", "", "<nil>"},
		{"mkdir", "200", `{"success":true}`, func(ctx context.Context, c *Client) (any, error) {
			mode := uint32(0o700)
			return nil, c.Mkdir(ctx, "d", "a", FileAttrs{Mode: &mode})
		}, "POST /api/disks/d/files/a", `{"mode":448,"op":"mkdir"}`, "<nil>"},
		{"rename", "200", `{"success":true}`, func(ctx context.Context, c *Client) (any, error) {
			return nil, c.Rename(ctx, "d", "a", "b")
		}, "POST /api/disks/d/files/a", `{"op":"rename","to":"b"}`, "<nil>"},
		{"symlink", "200", `{"success":true}`, func(ctx context.Context, c *Client) (any, error) {
			return nil, c.Symlink(ctx, "d", "a", "../b")
		}, "POST /api/disks/d/files/a", `{"op":"symlink","target":"../b"}`, "<nil>"},
		{"rotate", "200", `{"success":true,"data":{"keyFile":"f"}}`, func(ctx context.Context, c *Client) (any, error) {
			k, err := c.RotateKey(ctx, "")
			return k.KeyFile, err
		}, "POST /api/server/rotate-key", `{}`, "f"},
		{"server", "200", `{"success":true,"data":{"s3Endpoint":"e"}}`, func(ctx context.Context, c *Client) (any, error) {
			s, err := c.Server(ctx)
			return s.S3Endpoint, err
		}, "GET /api/server", "", "e"},
		{"backup", "200", `{"success":true,"data":{"message":"m"}}`, func(ctx context.Context, c *Client) (any, error) {
			return c.Backup(ctx, "/b")
		}, "POST /api/backup", `{"dir":"/b"}`, "m"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var status int
			if _, err := fmt.Sscan(tc.status, &status); err != nil {
				t.Fatal(err)
			}
			c, got, body := fakeServer(t, status, tc.answer)
			v, err := tc.call(t.Context(), c)
			if err != nil || fmt.Sprint(v) != tc.want {
				t.Errorf("answer %v, %v", v, err)
			}
			if sent := got.Method + " " + got.RequestURI; sent != tc.sent || *body != tc.body {
				t.Errorf("sent %s with %s", sent, *body)
			}
			if got.Header.Get("Authorization") != "key-secret" || got.Header.Get("User-Agent") != "atoll-go" {
				t.Errorf("header %v", got.Header)
			}
		})
	}
}

func TestErrors(t *testing.T) {
	c, _, _ := fakeServer(t, 404, `{"success":false,"error":"Disk not found","code":"no_such_disk"}`)
	_, err := c.Disk(t.Context(), "d")
	var e *Error
	if !errors.As(err, &e) || e.Status != 404 || e.Code != "no_such_disk" || err.Error() != "Disk not found" || StatusOf(err) != 404 {
		t.Errorf("%#v", err)
	}
	for status, answer := range map[int]string{502: "<html>", 200: `{"success":false}`, 500: `{}`, 201: `{"success":true,"data":7}`, 418: ""} {
		c, _, _ := fakeServer(t, status, answer)
		if _, err := c.Disk(t.Context(), "d"); err == nil {
			t.Errorf("%d %q is taken", status, answer)
		}
	}
	if StatusOf(errors.New("x")) != 0 {
		t.Error("a status from nowhere")
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Disk(gone, "d"); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
}

func TestDisksPages(t *testing.T) {
	pages := map[string]string{
		"":  `{"success":true,"data":[{"id":"1"},{"id":"2"}],"nextCursor":"x"}`,
		"x": `{"success":true,"data":[{"id":"3"}],"nextCursor":"y"}`,
		"y": `{"success":true,"data":[]}`,
		"r": `{"success":true,"data":[],"nextCursor":"r"}`,
	}
	first := ""
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		cursor := r.URL.Query().Get("cursor")
		if cursor == "" {
			cursor = first
		}
		fmt.Fprint(w, pages[cursor])
	}))
	defer srv.Close()
	c, err := New(Options{URL: srv.URL, APIKey: "k"})
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for d, err := range c.Disks(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, d.ID)
	}
	if strings.Join(ids, "") != "123" {
		t.Errorf("disks %v", ids)
	}
	first = "r"
	var last error
	for _, err := range c.Disks(t.Context()) {
		last = err
	}
	if last == nil {
		t.Error("a server that repeats its cursor is asked forever")
	}
}
