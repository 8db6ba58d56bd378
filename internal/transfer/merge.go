package transfer

import (
	"context"
	"fmt"
	"iter"
	"strings"
)

func compare(a, b string) int { return strings.Compare(a, b) }

// differences walks two trees side by side and yields what is to be copied.
// What only dst has is collected in extra.
func (r *run) differences(ctx context.Context, src, dst Tree, exists bool, extra *[]Entry) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		a := newCursor(src.Walk(ctx, r.warn(src)))
		defer a.stop()
		b := newCursor(func(func(Entry, error) bool) {})
		if exists {
			b = newCursor(dst.Walk(ctx, func(string, string) {}))
		}
		defer b.stop()
		for {
			if err := a.need(); err != nil {
				yield(Item{}, fmt.Errorf("read %s: %w", src.Show(""), err))
				return
			}
			if err := b.need(); err != nil {
				yield(Item{}, fmt.Errorf("read %s: %w", dst.Show(""), err))
				return
			}
			switch {
			case a.end && b.end:
				return
			case a.end || !b.end && compare(b.cur.Path, a.cur.Path) < 0:
				if r.o.Delete {
					*extra = append(*extra, b.cur)
				}
				b.take()
				continue
			}
			it := Item{From: src, Entry: a.cur, To: dst, Path: a.cur.Path}
			wanted := true
			if !b.end && b.cur.Path == a.cur.Path {
				wanted = !a.cur.Dir() && !r.skip(&it, &b.cur)
				b.take()
			}
			a.take()
			if wanted && !yield(it, nil) {
				return
			}
		}
	}
}

// skip tells whether a file is the same on both sides, and reports it. One
// that can't be compared is copied, which tells why.
func (r *run) skip(it *Item, there *Entry) bool {
	same, err := r.same(&it.Entry, there, it.From, it.To)
	if err != nil || !same {
		return false
	}
	r.report(Event{Action: Skipped, Path: it.To.Show(it.Path), Bytes: it.Entry.Size})
	return true
}

// cursor reads a walk one entry at a time.
type cursor struct {
	next func() (Entry, error, bool)
	stop func()
	cur  Entry
	have bool
	end  bool
}

func newCursor(walk iter.Seq2[Entry, error]) *cursor {
	c := &cursor{}
	c.next, c.stop = iter.Pull2(walk)
	return c
}

// need makes cur the next entry that was not taken.
func (c *cursor) need() error {
	if c.have || c.end {
		return nil
	}
	e, err, ok := c.next()
	if err != nil {
		return err
	}
	c.cur, c.have, c.end = e, ok, !ok
	return nil
}

func (c *cursor) take() { c.have = false }

// below yields all that is below a directory; false ends it.
func (r *run) below(ctx context.Context, it *Item, yield func(Item, error) bool) bool {
	for e, err := range it.From.Walk(ctx, r.warn(it.From)) {
		if err != nil {
			yield(Item{}, fmt.Errorf("read %s: %w", it.From.Show(""), err))
			return false
		}
		if !yield(Item{From: it.From, Entry: e, To: it.To, Path: e.Path}, nil) {
			return false
		}
	}
	return true
}
