package controlapi

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"atoll/internal/catalog"
)

// status asks from any goroutine.
func (b *bench) status(auth, method, target, body string, header ...string) (int, string) {
	req := httptest.NewRequest(method, target, strings.NewReader(body))
	req.Header.Set("Authorization", auth)
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	b.h.ServeHTTP(w, req)
	return w.Code, w.Body.String()
}

// TestRevocationRace revokes keys while they are in use: no request that
// begins after the answer is let in.
func TestRevocationRace(t *testing.T) {
	b := newBench(t)
	for range 20 {
		id, key := b.newKey(catalog.APIKeySpec{})
		var revoked atomic.Bool
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for {
					after := revoked.Load()
					status, body := b.status(key, "GET", "/api/server", "")
					if status != 200 && status != 401 {
						t.Errorf("status %d %s", status, body)
					}
					if after {
						if status != 401 {
							t.Error("a revoked key was let in")
						}
						return
					}
				}
			})
		}
		b.want(200, "", "DELETE", "/api/tokens/"+id, "")
		revoked.Store(true)
		wg.Wait()
	}
}

// TestUserRevocationRace does the same with S3 users.
func TestUserRevocationRace(t *testing.T) {
	b := newBench(t)
	id := b.makeDisk("mine")
	for range 20 {
		access := b.want(201, "", "POST", "/api/disks/"+id+"/users", `{"type":"s3"}`).data(t)["accessKeyId"].(string)
		var revoked atomic.Bool
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for {
					after := revoked.Load()
					_, ok, err := b.c.Credential(t.Context(), access)
					if err != nil || after && ok {
						t.Errorf("a removed user: %v, %v", ok, err)
					}
					if after {
						return
					}
				}
			})
		}
		b.want(200, "", "DELETE", "/api/disks/"+id+"/users/s3?identifier="+access, "")
		revoked.Store(true)
		wg.Wait()
	}
}

// TestConcurrentRepeats sends one request with one Idempotency-Key many times
// at once: it is done once, and all are answered the same.
func TestConcurrentRepeats(t *testing.T) {
	b := newBench(t)
	id := b.makeDisk("mine")
	for i := range 5 {
		answers := make([]string, 8)
		var wg sync.WaitGroup
		for n := range answers {
			wg.Go(func() {
				status, body := b.status(b.key, "POST", "/api/disks/"+id+"/branches",
					fmt.Sprintf(`{"branch_name":"work%d"}`, i), "Idempotency-Key", fmt.Sprintf("key%d", i))
				answers[n] = fmt.Sprint(status, body)
			})
		}
		wg.Wait()
		for _, a := range answers {
			if !strings.HasPrefix(a, "201") || a != answers[0] {
				t.Errorf("%s and %s", a, answers[0])
			}
		}
	}
}
