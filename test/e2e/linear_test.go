package e2e

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
)

// step is one operation on one key as the checker sees it. A value is a
// content's ETag, "" if the key is absent. Every PUT has contents of its own.
type step struct {
	key   string
	write bool
	value string // that was written
}

// register is the model of one key: reads return what was written last.
var register = porcupine.Model{
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		byKey := map[string][]porcupine.Operation{}
		for _, op := range history {
			key := op.Input.(step).key
			byKey[key] = append(byKey[key], op)
		}
		var parts [][]porcupine.Operation
		for _, part := range byKey {
			parts = append(parts, part)
		}
		return parts
	},
	Init: func() any { return "" },
	Step: func(state, input, output any) (bool, any) {
		if in := input.(step); in.write {
			return true, in.value
		}
		return state == output, state
	},
	DescribeOperation: func(input, output any) string {
		if in := input.(step); in.write {
			return fmt.Sprintf("write(%s, %.6s)", in.key, in.value)
		}
		return fmt.Sprintf("read(%s) = %.6s", input.(step).key, output)
	},
}

// history collects what clients did, with times of one monotonic clock.
type history struct {
	began time.Time
	mu    sync.Mutex
	ops   []porcupine.Operation
}

func (h *history) now() int64 { return int64(time.Since(h.began)) }

func (h *history) add(client int, in step, out any, call, ret int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ops = append(h.ops, porcupine.Operation{ClientId: client, Input: in, Output: out, Call: call, Return: ret})
}

// TestLinearizable records what concurrent clients see of a few keys, across
// two kills of the server, and asks the checker for an order that explains it.
// A change that was in flight at a kill may take effect at any time after, or
// never; a listing counts as a read of every key.
func TestLinearizable(t *testing.T) {
	const clients, phases = 6, 3
	s := startServer(t, options{})
	d := s.createDisk("photos")
	keys := []string{"a", "b/1", "b/2", "b-c"}
	h := &history{began: time.Now()}
	for phase := range phases {
		w := newWire(d.moved(s))
		var left atomic.Int64
		left.Store(int64(900 * soak))
		enough := make(chan struct{})
		var wg sync.WaitGroup
		for c := range clients {
			p := &prober{h: h, w: w, client: phase*clients + c, keys: keys, rng: rand.New(rand.NewPCG(uint64(phase), uint64(c)))}
			wg.Go(func() {
				for p.step(context.Background()) {
					if left.Add(-1) == 0 {
						close(enough)
					}
				}
			})
		}
		<-enough
		s.kill()
		wg.Wait()
		w.close()
		if phase < phases-1 {
			s.start()
		}
	}
	switch porcupine.CheckOperationsTimeout(register, h.ops, 2*time.Minute) {
	case porcupine.Illegal:
		t.Errorf("no order of the %d operations explains what the clients saw", len(h.ops))
	case porcupine.Unknown:
		t.Error("the checker found no answer in time")
	}
}

// prober is one client of TestLinearizable.
type prober struct {
	h      *history
	w      *wire
	client int
	keys   []string
	rng    *rand.Rand
	count  int
}

// step does one operation; it returns false once the server is gone.
func (p *prober) step(ctx context.Context) bool {
	key := p.keys[p.rng.IntN(len(p.keys))]
	p.count++
	switch p.rng.IntN(10) {
	case 0, 1, 2:
		// Sizes on both sides of what is kept inline.
		body := contents(fmt.Sprint(p.client, " ", p.count), []int{20, 3000, 40_000}[p.rng.IntN(3)])
		sum := md5.Sum(body)
		return p.change(key, hex.EncodeToString(sum[:]), func() error { return p.w.put(ctx, key, body) })
	case 3:
		return p.change(key, "", func() error { return p.w.remove(ctx, key) })
	case 4, 5:
		return p.list(ctx)
	case 6, 7:
		return p.read(ctx, http.MethodHead, key)
	}
	return p.read(ctx, http.MethodGet, key)
}

func (p *prober) change(key, value string, do func() error) bool {
	call := p.h.now()
	err := do()
	ret := p.h.now()
	if err != nil {
		ret = math.MaxInt64
	}
	p.h.add(p.client, step{key, true, value}, nil, call, ret)
	return err == nil
}

func (p *prober) read(ctx context.Context, method, key string) bool {
	call := p.h.now()
	resp, err := p.w.do(ctx, method, key, nil, nil, nil)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	sum := md5.New()
	if _, err := io.Copy(sum, resp.Body); err != nil {
		return false
	}
	ret := p.h.now()
	var value string
	switch resp.StatusCode {
	case http.StatusOK:
		value = strings.Trim(resp.Header.Get("ETag"), `"`)
		if body := hex.EncodeToString(sum.Sum(nil)); method == http.MethodGet && body != value {
			value = "torn: " + body // no write explains it
		}
	case http.StatusNotFound:
	default:
		value = resp.Status
	}
	p.h.add(p.client, step{key: key}, value, call, ret)
	return true
}

func (p *prober) list(ctx context.Context) bool {
	call := p.h.now()
	b, err := p.w.call(ctx, http.MethodGet, "", url.Values{"list-type": {"2"}}, nil)
	ret := p.h.now()
	var se *statusError
	if err != nil && !errors.As(err, &se) {
		return false
	}
	var answer struct{ Contents []struct{ Key, ETag string } }
	broken := err != nil || xml.Unmarshal(b, &answer) != nil
	seen := map[string]string{}
	for _, c := range answer.Contents {
		seen[c.Key] = strings.Trim(c.ETag, `"`)
	}
	for _, key := range p.keys {
		value := seen[key]
		if broken {
			value = fmt.Sprint("broken listing: ", err)
		}
		p.h.add(p.client, step{key: key}, value, call, ret)
	}
	return true
}

// TestRegister feeds the checker with histories of which it is known whether
// an order explains them.
func TestRegister(t *testing.T) {
	write := func(value string, call, ret int64) porcupine.Operation {
		return porcupine.Operation{Input: step{"k", true, value}, Call: call, Return: ret}
	}
	read := func(value string, call, ret int64) porcupine.Operation {
		return porcupine.Operation{ClientId: 1, Input: step{key: "k"}, Output: value, Call: call, Return: ret}
	}
	const never = math.MaxInt64
	for name, tc := range map[string]struct {
		ops []porcupine.Operation
		ok  bool
	}{
		"read after write":              {[]porcupine.Operation{write("1", 0, 1), read("1", 2, 3)}, true},
		"lost write":                    {[]porcupine.Operation{write("1", 0, 1), read("", 2, 3)}, false},
		"stale read":                    {[]porcupine.Operation{write("1", 0, 1), write("2", 2, 3), read("1", 4, 5)}, false},
		"overlapping writes":            {[]porcupine.Operation{write("1", 0, 9), write("2", 0, 9), read("1", 10, 11)}, true},
		"back and forth":                {[]porcupine.Operation{write("1", 0, 9), read("1", 1, 2), read("", 3, 4)}, false},
		"unanswered write took place":   {[]porcupine.Operation{write("1", 0, never), read("", 1, 2), read("1", 3, 4)}, true},
		"unanswered write never did":    {[]porcupine.Operation{write("1", 0, never), read("", 1, 2)}, true},
		"unanswered write seen, undone": {[]porcupine.Operation{write("1", 0, never), read("1", 1, 2), read("", 3, 4)}, false},
		"deleted object came back":      {[]porcupine.Operation{write("1", 0, 1), write("", 2, 3), read("1", 4, 5)}, false},
	} {
		if got := porcupine.CheckOperations(register, tc.ops); got != tc.ok {
			t.Errorf("%s: %t, want %t", name, got, tc.ok)
		}
	}
}
