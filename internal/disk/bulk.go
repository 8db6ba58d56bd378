package disk

import (
	"context"

	"atoll/internal/errs"
	"atoll/internal/kv"
)

// BulkFile is one file that BulkCreate makes.
type BulkFile struct {
	Name     string
	Data     []byte // at most Options.InlineMax bytes
	Mode     uint32
	UID, GID uint32
	MD5      [16]byte
	HasMD5   bool
}

// bulkRows is how many mutations a transaction of BulkCreate uses for files;
// the rest is for the rows that it writes once.
const bulkRows = kv.MaxMutations - 7

// BulkCreate makes many small files in a directory, in as few transactions as
// the store's budget allows, in order. Each transaction is atomic and durable;
// an error leaves the files of those before. Exists: a name is taken.
func (v *View) BulkCreate(ctx context.Context, dir Ino, files []BulkFile) error {
	for i := range files {
		if err := checkName("bulk create", files[i].Name); err != nil {
			return err
		}
		if len(files[i].Data) > v.disk.store.opts.InlineMax {
			return errs.New("bulk create", files[i].Name, errs.TooLarge, "only files that are stored inline can be made in bulk")
		}
	}
	for len(files) > 0 {
		n := v.bulkBatch(files)
		first, err := v.disk.newIDs(ctx, uint64(n)*idsPerFile)
		if err != nil {
			return err
		}
		batch := files[:n]
		err = v.alone(ctx, func(t *txn) error { return t.bulkCreate(dir, batch, first) })
		if err != nil {
			return errs.E("bulk create", batch[0].Name, errs.KindOf(err), err)
		}
		files = files[n:]
	}
	return nil
}

// bulkBatch is how many of the files go into the next transaction.
func (v *View) bulkBatch(files []BulkFile) int {
	rows := 3 // entry, inode, contents
	v.disk.mu.Lock()
	if v.head != nil && (v.head.history() || len(v.head.pins) > 0) {
		rows = 8 // with the change index, and an old version of the entry in both
	}
	v.disk.mu.Unlock()
	n, bytes := 0, 0
	for n < len(files) && (n+1)*rows <= bulkRows && bytes < groupBytes-kv.MaxValue {
		bytes += len(files[n].Data) + 2*len(files[n].Name) + 512
		n++
	}
	return n
}

// bulkCreate makes the files of one transaction. Each takes two numbers: of
// inode and contents, and of the contents' version.
func (t *txn) bulkCreate(dir Ino, files []BulkFile, first uint64) error {
	if _, err := t.dirForChange("bulk create", dir); err != nil {
		return err
	}
	if err := t.checkDelegated("bulk create", files[0].Name, dir, nil, 0); err != nil {
		return err
	}
	bytes := int64(0)
	for i := range files {
		bytes += int64(len(files[i].Data))
	}
	if err := t.checkQuota("bulk create", bytes, int64(len(files))); err != nil {
		return err
	}
	if err := t.touchDir(dir, 0); err != nil {
		return err
	}
	for i := range files {
		if err := t.bulkFile(dir, &files[i], first+uint64(i)*idsPerFile); err != nil {
			return err
		}
	}
	t.addUsage(t.lay.id, bytes, int64(len(files)))
	return nil
}

func (t *txn) bulkFile(dir Ino, f *BulkFile, id uint64) error {
	if dir == RootIno && f.Name == ReservedDir {
		return errs.E("bulk create", f.Name, errs.Reserved, nil)
	}
	var old Attr
	if ok, err := t.entry(dir, f.Name, &old); err != nil || ok {
		if ok {
			err = errs.E("bulk create", f.Name, errs.Exists, nil)
		}
		return err
	}
	now := t.g.now
	a := Attr{Ino: Ino(id), Type: File, Mode: f.Mode & 0o7777, UID: f.UID, GID: f.GID, Nlink: 1,
		Size: int64(len(f.Data)), Bytes: int64(len(f.Data)), Mtime: now, Ctime: now, Btime: now, Version: id + 1,
		MD5: f.MD5, HasMD5: f.HasMD5, parent: dir}
	if len(f.Data) > 0 {
		a.Data = DataID(id)
		t.body = dataBody(t.body[:0], a.Data, 0)
		t.val = (&chunk{inline: f.Data}).append(t.val[:0])
		if err := t.putFresh(t.body, t.val); err != nil {
			return err
		}
	}
	return t.newEntry(&a, f.Name)
}
