package s3api

import (
	"sync"

	"atoll/internal/disk"
)

// fairShare divides something that all requests need, places or bytes of
// memory, fairly between disks: a disk has its equal share, counting one disk
// more than are active, and may have more while a quarter of it all stays
// free. So a disk that comes new finds room however busy another is, and a
// lone one gets three quarters. What nobody uses is anybody's, so a request
// that needs more than a share gets it when it is alone.
type fairShare struct {
	mu    sync.Mutex
	max   int64
	total int64
	disks map[disk.ID]int64
}

// take takes n for a request of disk id, or says no at once.
func (f *fairShare) take(id disk.ID, n int64) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	mine := f.disks[id]
	if f.total+n > f.max {
		return false
	}
	active := int64(len(f.disks)) + 1
	if mine == 0 {
		active++
	}
	share := max(1, f.max/active)
	if mine+n > share && f.total+n > f.max-max(1, f.max/4) && f.total > 0 {
		return false
	}
	if f.disks == nil {
		f.disks = make(map[disk.ID]int64)
	}
	f.disks[id] = mine + n
	f.total += n
	return true
}

// give gives n back.
func (f *fairShare) give(id disk.ID, n int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.total -= n
	if left := f.disks[id] - n; left > 0 {
		f.disks[id] = left
	} else {
		delete(f.disks, id)
	}
}

// takeMemory takes n bytes of the memory for bodies for the rest of the
// request.
func (q *request) takeMemory(n int64) error {
	if q.h.o.Memory == 0 || n <= 0 {
		return nil
	}
	if !q.h.memory.take(q.disk, n) {
		return errSlowDown
	}
	q.memory += n
	return nil
}
