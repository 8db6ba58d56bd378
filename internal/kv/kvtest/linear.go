package kvtest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"atoll/internal/kv"
)

// op is one operation on a register: swap reads the old value and writes a new
// one in one Update, put writes blindly, look reads in a View, peek in an Update.
type op struct {
	kind  string
	key   string
	value int
}

// registers is the model: each key is a register of its own.
var registers = porcupine.Model{
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		byKey := map[string][]porcupine.Operation{}
		for _, o := range history {
			k := o.Input.(op).key
			byKey[k] = append(byKey[k], o)
		}
		var parts [][]porcupine.Operation
		for _, p := range byKey {
			parts = append(parts, p)
		}
		return parts
	},
	Init: func() any { return 0 },
	Step: func(state, input, output any) (bool, any) {
		in, out := input.(op), output.(int)
		switch in.kind {
		case "put":
			return true, in.value
		case "swap":
			return out == state.(int), in.value
		default:
			return out == state.(int), state
		}
	},
	DescribeOperation: func(input, output any) string { return fmt.Sprintf("%+v -> %v", input, output) },
}

func doOp(s kv.Store, o op) (old int, err error) {
	ctx := context.Background()
	value := []byte(strconv.Itoa(o.value))
	switch o.kind {
	case "look":
		err = s.View(ctx, func(r kv.Reader) error {
			old, err = number(r, o.key)
			return err
		})
	case "peek":
		err = s.Update(ctx, func(tx kv.Txn) error {
			old, err = number(tx, o.key)
			return err
		})
	case "swap":
		err = s.Update(ctx, func(tx kv.Txn) error {
			if old, err = number(tx, o.key); err != nil {
				return err
			}
			return tx.Set([]byte(o.key), value)
		})
	default:
		err = s.Update(ctx, func(tx kv.Txn) error { return tx.Set([]byte(o.key), value) })
	}
	return old, err
}

// testLinearizable records what concurrent clients did and saw, and has
// porcupine look for an order that explains it.
func testLinearizable(t *testing.T, s kv.Store) {
	const clients, each = 6, 60
	kinds := []string{"look", "look", "swap", "swap", "put", "peek"}
	start := time.Now()
	histories := make([][]porcupine.Operation, clients)
	var wg sync.WaitGroup
	for c := range clients {
		rng := rand.New(rand.NewPCG(uint64(c), 1))
		wg.Go(func() {
			for i := range each {
				o := op{kind: kinds[rng.IntN(len(kinds))], key: "r" + strconv.Itoa(rng.IntN(3)), value: c*1000 + i + 1}
				call := time.Since(start).Nanoseconds()
				out, err := doOp(s, o)
				if err != nil {
					t.Error(err)
					return
				}
				histories[c] = append(histories[c], porcupine.Operation{
					ClientId: c, Input: o, Output: out, Call: call, Return: time.Since(start).Nanoseconds(),
				})
			}
		})
	}
	wg.Wait()
	var all []porcupine.Operation
	for _, h := range histories {
		all = append(all, h...)
	}
	if !porcupine.CheckOperations(registers, all) {
		t.Error("no order of the operations explains what the clients saw")
	}
}
