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
		}, "GET /api/disks/d/users", "", "i"},
		{"remove user", "200", `{"success":true,"data":{"message":"m"}}`, func(ctx context.Context, c *Client) (any, error) {
			return nil, c.RemoveS3User(ctx, "d", "a&b")
		}, "DELETE /api/disks/d/users/s3?identifier=a%26b", "", "<nil>"},
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
