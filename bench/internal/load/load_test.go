package load

import (
	"encoding/xml"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"atoll/bench/internal/s3wire"
)

// faults are the ways in which a fakeS3 lies.
type faults struct {
	flipGet, shortGet, keepDeleted, losePut, wrongOrder, oneKeyLess, failOnce bool
}

// fakeS3 is an S3 server in memory.
type fakeS3 struct {
	faults
	mu      sync.Mutex
	objects map[string][]byte
	syncs   int
}

func (f *fakeS3) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	key := r.URL.Path
	if r.URL.Query().Has("list-type") {
		f.list(w, r)
		return
	}
	if key == "/metrics" {
		_, _ = io.WriteString(w, "syncs_total "+strconv.Itoa(f.syncs)+"\n")
		return
	}
	b, ok := f.objects[key]
	switch r.Method {
	case http.MethodPut:
		if f.failOnce {
			f.failOnce = false
			http.Error(w, "<Code>SlowDown</Code>", http.StatusServiceUnavailable)
			return
		}
		b, _ = io.ReadAll(r.Body)
		f.syncs++
		if !f.losePut || !ok {
			f.objects[key] = b
		}
	case http.MethodDelete:
		if !f.keepDeleted {
			delete(f.objects, key)
		}
		w.WriteHeader(http.StatusNoContent)
	default:
		if !ok {
			http.Error(w, "<Code>NoSuchKey</Code>", http.StatusNotFound)
			return
		}
		if f.flipGet {
			b = slices.Clone(b)
			b[len(b)/2] ^= 1
		}
		if f.shortGet {
			b = b[:len(b)-1]
		}
		http.ServeContent(w, r, "x.bin", time.Time{}, strings.NewReader(string(b)))
	}
}

func (f *fakeS3) list(w http.ResponseWriter, r *http.Request) {
	type contents struct{ Key string }
	var page struct {
		XMLName               xml.Name `xml:"ListBucketResult"`
		IsTruncated           bool
		NextContinuationToken string `xml:",omitempty"`
		Contents              []contents
	}
	q := r.URL.Query()
	var keys []string
	for k := range f.objects {
		k = strings.TrimPrefix(k, r.URL.Path+"/")
		if strings.HasPrefix(k, q.Get("prefix")) && k+"+&" > q.Get("continuation-token") {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	keys = slices.DeleteFunc(keys, func(k string) bool { return k+"+&" == q.Get("continuation-token") })
	if n, _ := strconv.Atoi(q.Get("max-keys")); len(keys) > n {
		keys = keys[:n]
		page.IsTruncated, page.NextContinuationToken = true, keys[n-1]+"+&"
	}
	if f.oneKeyLess {
		keys = keys[1:]
	}
	if f.wrongOrder {
		keys[1], keys[2] = keys[2], keys[1]
	}
	for _, k := range keys {
		page.Contents = append(page.Contents, contents{k})
	}
	_ = xml.NewEncoder(w).Encode(page)
}

// against opens a Bench on a fake server.
func against(t *testing.T, f *fakeS3) *Bench {
	t.Helper()
	f.objects = make(map[string][]byte)
	s := httptest.NewServer(f)
	t.Cleanup(s.Close)
	b, err := Open(Options{Endpoint: s.URL, Bucket: "bucket", Prefix: "p/",
		Credentials: s3wire.Credentials{AccessKey: "a", SecretKey: "s", Region: "us-east-1"},
		MetricsURL:  s.URL + "/metrics", Metrics: []string{"syncs_total"}})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// spec is a short run of an operation.
func spec(op Op) Spec {
	s := Spec{Op: op, Clients: 3, Count: 200, Keys: 20}
	switch op {
	case Range:
		s.Size = 1 << 20
	case ListDelim, ListFlat:
		s.Keys, s.Count = 2500, 20
	}
	return s
}

func TestEveryOperationAgainstAGoodServer(t *testing.T) {
	f := &fakeS3{}
	b := against(t, f)
	if err := b.CreateBucket(); err != nil {
		t.Fatal(err)
	}
	for _, op := range Ops() {
		s := spec(op)
		for range 2 {
			r, err := b.Run(s)
			if err != nil {
				t.Fatalf("%s: %v", op, err)
			}
			if r.Ops != s.Count || r.OpsPerSec <= 0 || r.P50 <= 0 || r.P50 > r.P99 || r.P99 > r.Max {
				t.Errorf("%s: %+v", op, r)
			}
			if want := map[Op]float64{Put: 200, Overwrite: 200}[op]; want != 0 && r.Counters["syncs_total"] != want {
				t.Errorf("%s: syncs_total grew by %v, want %v", op, r.Counters["syncs_total"], want)
			}
		}
	}
	// 100 KiB take a comparison of every eighth body, 256 KiB seeds that repeat.
	for _, size := range []int64{100 << 10, 256 << 10} {
		for _, op := range []Op{Get, Put, Overwrite, Mixed} {
			if _, err := b.Run(Spec{Op: op, Size: size, Clients: 2, Count: 30, Keys: 9}); err != nil {
				t.Errorf("%s of %d: %v", op, size, err)
			}
		}
	}
}

func TestLyingServersAreCaught(t *testing.T) {
	for name, tc := range map[string]struct {
		faults faults
		ops    []Op
	}{
		"a flipped bit":         {faults{flipGet: true}, []Op{Get, Range, Put, Overwrite, Mixed}},
		"a byte too few":        {faults{shortGet: true}, []Op{Get, Head, Put, Overwrite}},
		"deletes that do not":   {faults{keepDeleted: true}, []Op{Delete}},
		"an overwrite lost":     {faults{losePut: true}, []Op{Overwrite, Mixed}},
		"keys in a wrong order": {faults{wrongOrder: true}, []Op{ListFlat, ListDelim}},
		"a key left out":        {faults{oneKeyLess: true}, []Op{ListFlat, ListDelim}},
		"one failed request":    {faults{failOnce: true}, []Op{Put}},
	} {
		for _, op := range tc.ops {
			r, err := against(t, &fakeS3{faults: tc.faults}).Run(spec(op))
			if err == nil {
				t.Errorf("%s: %s passes: %+v", name, op, r)
			}
		}
	}
}

func TestSpecsThatMakeNoSense(t *testing.T) {
	b := against(t, &fakeS3{})
	for _, s := range []Spec{{Op: "copy"}, {Op: Get, Size: -1}, {Op: Get, Clients: -1}, {Op: Get, Keys: -1}, {Op: Range, Size: 100}} {
		if r, err := b.Run(s); err == nil {
			t.Errorf("%+v runs: %+v", s, r)
		}
	}
}

func TestFormats(t *testing.T) {
	for in, want := range map[float64]string{0: "-", 12.34: "12.3 us", 456: "456 us", 7890: "7.89 ms", 123456: "123 ms", 2.5e6: "2.50 s"} {
		if got := FormatMicros(in); got != want {
			t.Errorf("FormatMicros(%v) is %q, want %q", in, got, want)
		}
	}
	for in, want := range map[int64]string{64: "64 B", 4096: "4 KiB", 1 << 20: "1 MiB", 5 << 30: "5 GiB", 1500: "1500 B"} {
		if got := FormatSize(in); got != want {
			t.Errorf("FormatSize(%d) is %q, want %q", in, got, want)
		}
	}
}
