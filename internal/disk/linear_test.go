package disk

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"atoll/internal/errs"

	"github.com/anishathalye/porcupine"
)

// linearOp is one operation on a few keys: its input and what it answered.
type linearOp struct {
	kind  byte // 'p'ut, 'g'et, 'r'emove, 'l'ist
	key   int
	value string // put
}

const linearKeys = 3

// linearState is the contents of each key, "" for none.
type linearState [linearKeys]string

func (s linearState) list() string {
	var b strings.Builder
	for k, v := range s {
		if v != "" {
			fmt.Fprintf(&b, "%d=%d ", k, len(v))
		}
	}
	return b.String()
}

var linearModel = porcupine.Model{
	Init: func() any { return linearState{} },
	Step: func(state, input, output any) (bool, any) {
		s, in := state.(linearState), input.(linearOp)
		out := output.(string)
		switch in.kind {
		case 'p':
			s[in.key] = in.value
			return out == "", s
		case 'g':
			return out == s[in.key], s
		case 'r':
			removed := fmt.Sprint(s[in.key] != "")
			s[in.key] = ""
			return out == removed, s
		}
		return out == s.list(), s
	},
	Equal: func(a, b any) bool { return a == b },
}

// TestLinearizable checks histories of concurrent puts, gets, removes and
// listings of a few keys, while extents move and a checkpoint comes and goes.
func TestLinearizable(t *testing.T) {
	for seed := range uint64(4) {
		e := newEnv(t, nil, Options{NoCompaction: true})
		v := e.root()
		var mu sync.Mutex
		var history []porcupine.Operation
		begin := time.Now()
		var wg sync.WaitGroup
		for client := range 5 {
			wg.Go(func() {
				rng := rand.New(rand.NewPCG(seed, uint64(client)))
				for n := range 40 {
					in := linearOp{kind: "ppggrl"[rng.IntN(6)], key: rng.IntN(linearKeys)}
					if in.kind == 'p' { // inline and not, each of a length of its own
						in.value = strings.Repeat("x", 1+client+5*n+rng.IntN(2)*4000)
					}
					call := time.Since(begin).Nanoseconds()
					out, err := linearDo(v, in)
					ret := time.Since(begin).Nanoseconds()
					if err != nil {
						t.Error(err)
						return
					}
					mu.Lock()
					history = append(history, porcupine.Operation{ClientId: client, Input: in, Output: out, Call: call, Return: ret})
					mu.Unlock()
				}
			})
		}
		for i := range 6 {
			name := fmt.Sprint("c", i)
			if err := v.disk.Checkpoint(ctx, "", name); err != nil {
				t.Error(err)
			}
			if err := v.disk.DeleteCheckpoint(ctx, "", name, DeleteOptions{Cascade: true}); err != nil {
				t.Error(err)
			}
			if _, err := e.s.Compact(ctx); err != nil {
				t.Error(err)
			}
		}
		wg.Wait()
		if !porcupine.CheckOperations(linearModel, history) {
			t.Fatalf("seed %d: the history is not linearizable", seed)
		}
		e.audit(t, testDisk)
	}
}

func linearDo(v *View, in linearOp) (string, error) {
	key := fmt.Sprint("d/", in.key)
	switch in.kind {
	case 'p':
		_, err := tryPut(v, key, []byte(in.value), PutOptions{})
		return "", err
	case 'g':
		b, _, err := get(v, key)
		if errs.Is(err, errs.NotFound) {
			return "", nil
		}
		return string(b), err
	case 'r':
		removed, err := v.Remove(ctx, key, RemoveOptions{})
		return fmt.Sprint(removed), err
	}
	out, _, err := v.List(ctx, ListOptions{Limit: 100})
	var b strings.Builder
	for _, k := range out {
		fmt.Fprintf(&b, "%s=%d ", strings.TrimPrefix(k.Key, "d/"), k.Attr.Size)
	}
	return b.String(), err
}
