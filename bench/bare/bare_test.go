package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"atoll/bench/internal/load"
)

func TestBareServesTheGenerator(t *testing.T) {
	s := httptest.NewServer(newHandler(t.TempDir()))
	defer s.Close()
	b, err := load.Open(load.Options{Endpoint: s.URL, Bucket: "bucket"})
	if err != nil {
		t.Fatal(err)
	}
	for _, spec := range []load.Spec{
		{Op: load.Get, Size: 4 << 10}, {Op: load.Get, Size: 1 << 20}, {Op: load.Get, Size: fromFile + 1}, {Op: load.Head},
		{Op: load.Put, Size: buffer + 1}, {Op: load.Put, Size: 8}, {Op: load.Overwrite}, {Op: load.Delete},
		{Op: load.Range, Size: 1 << 20}, {Op: load.Mixed},
	} {
		spec.Clients, spec.Count, spec.Keys = 2, 40, 8
		if _, err := b.Run(spec); err != nil {
			t.Error(err)
		}
	}
}

func TestBareRefusesAWrongHash(t *testing.T) {
	s := httptest.NewServer(newHandler(t.TempDir()))
	defer s.Close()
	req, err := http.NewRequest(http.MethodPut, s.URL+"/bucket/key", strings.NewReader("body"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Amz-Content-Sha256", strings.Repeat("0", 64))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusBadRequest {
		t.Errorf("status %d", resp.StatusCode)
	}
}
