package crashfs

import (
	"io"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// MemFS is a crashable in-memory file system.
type MemFS struct {
	*vfs.MemFS
	mu sync.RWMutex // held for reading by what takes Pebble's lock twice
}

// New returns an empty file system.
func New() *MemFS { return &MemFS{MemFS: vfs.NewCrashableMem()} }

// CrashClone returns the file system as it may be found after a power cut now.
func (m *MemFS) CrashClone(cfg vfs.CrashCloneCfg) *MemFS {
	m.mu.Lock()
	defer m.mu.Unlock()
	return &MemFS{MemFS: m.MemFS.CrashClone(cfg)}
}

// ReuseForWrite implements vfs.FS.
func (m *MemFS) ReuseForWrite(oldname, newname string, c vfs.DiskWriteCategory) (vfs.File, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.MemFS.ReuseForWrite(oldname, newname, c)
}

// Link implements vfs.FS.
func (m *MemFS) Link(oldname, newname string) error {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.MemFS.Link(oldname, newname)
}

// Lock implements vfs.FS.
func (m *MemFS) Lock(name string) (io.Closer, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.MemFS.Lock(name)
}
