package s3api

import (
	"sync"

	"atoll/internal/disk"
)

// admission bounds the requests in work, fairly between disks: a disk has its
// equal share, counting one disk more than are active, and may have more
// while a quarter of all places stays free. So a disk that comes new finds
// room however busy another is, and a lone one gets three quarters of it all.
type admission struct {
	mu    sync.Mutex
	max   int
	total int
	disks map[disk.ID]int
}

// enter takes a place for a request of disk id, or says no at once.
func (a *admission) enter(id disk.ID) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	mine := a.disks[id]
	if a.total >= a.max {
		return false
	}
	active := len(a.disks) + 1
	if mine == 0 {
		active++
	}
	if share := max(1, a.max/active); mine >= share && a.total >= a.max-max(1, a.max/4) && a.max > 1 {
		return false
	}
	if a.disks == nil {
		a.disks = make(map[disk.ID]int)
	}
	a.disks[id] = mine + 1
	a.total++
	return true
}

// leave gives the place back.
func (a *admission) leave(id disk.ID) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.total--
	if n := a.disks[id] - 1; n > 0 {
		a.disks[id] = n
	} else {
		delete(a.disks, id)
	}
}

// takeMemory takes n bytes from the memory budget for the rest of the request.
func (q *request) takeMemory(n int64) error {
	if q.h.o.Memory == nil || n <= 0 {
		return nil
	}
	if !q.h.o.Memory.TryAcquire(n) {
		return errSlowDown
	}
	q.memory += n
	return nil
}
