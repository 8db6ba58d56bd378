package main

import (
	"context"
	"crypto/md5"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"time"

	"atoll/internal/blob"
	"atoll/internal/disk"
	"atoll/internal/errs"
	"atoll/internal/kv/pebblekv"
)

const (
	perDir    = 1000 // files of a directory
	freshDisk = disk.ID(1)
	treeDisk  = disk.ID(2) // the one with branches
)

// bench is the open stores with what was built in them.
type bench struct {
	c     config
	out   io.Writer
	kv    *pebblekv.Store
	blob  *blob.Store
	disks *disk.Store
	fresh *disk.Disk
	tree  *disk.Disk
	rng   *rand.Rand
}

func (c *config) build(ctx context.Context, out io.Writer) (b *bench, err error) {
	b = &bench{c: *c, out: out, rng: rand.New(rand.NewPCG(1, 2))}
	b.kv, err = pebblekv.Open(pebblekv.Options{Dir: filepath.Join(c.data, "meta"), Split: disk.Split, CacheBytes: c.cache})
	if err != nil {
		return nil, err
	}
	if b.blob, err = blob.Open(blob.Options{Dir: filepath.Join(c.data, "blob")}); err != nil {
		return nil, errors.Join(err, b.kv.Close())
	}
	if b.disks, err = disk.Open(ctx, disk.Options{KV: b.kv, Blob: b.blob, CacheBytes: c.rows}); err != nil {
		return nil, errors.Join(err, b.blob.Close(), b.kv.Close())
	}
	if err := b.fill(ctx); err != nil {
		b.close()
		return nil, err
	}
	return b, nil
}

func (b *bench) close() error {
	return errors.Join(b.disks.Close(), b.blob.Close(), b.kv.Close())
}

// fill makes what is not there yet: both disks with the same files, the chain
// of forks and the siblings.
func (b *bench) fill(ctx context.Context) (err error) {
	start := time.Now()
	for _, d := range []struct {
		id disk.ID
		to **disk.Disk
	}{{freshDisk, &b.fresh}, {treeDisk, &b.tree}} {
		err := b.disks.Create(ctx, d.id, disk.CreateOptions{})
		made := err == nil
		if err != nil && !errs.Is(err, errs.Exists) {
			return err
		}
		if *d.to, err = b.disks.Disk(ctx, d.id); err != nil {
			return err
		}
		if made {
			if err := b.fillTree(ctx, *d.to); err != nil {
				return err
			}
		}
	}
	if err := b.makeChain(ctx); err != nil {
		return err
	}
	if err := b.makeSiblings(ctx); err != nil {
		return err
	}
	fmt.Fprintf(b.out, "%d files on each disk, %d forks deep, %d siblings: ready after %.1f s\n",
		b.c.files, b.c.depth, b.c.siblings, time.Since(start).Seconds())
	return nil
}

func dirName(i int) string  { return fmt.Sprintf("d%05d", i) }
func fileName(i int) string { return fmt.Sprintf("f%05d", i) }

// key is file i of those that both disks begin with.
func key(i int) string { return dirName(i/perDir) + "/" + fileName(i%perDir) }

func (b *bench) fillTree(ctx context.Context, d *disk.Disk) error {
	v, err := d.View(ctx, disk.Ref{})
	if err != nil {
		return err
	}
	for i := range b.c.files / perDir {
		if err := bulk(ctx, v, dirName(i), perDir); err != nil {
			return err
		}
	}
	// What each of the siblings has, as folders of the fresh disk.
	if d.ID() == freshDisk {
		for i := range b.c.siblings {
			if err := bulk(ctx, v, fmt.Sprintf("own%05d", i), b.c.own); err != nil {
				return err
			}
		}
	}
	return put(ctx, v, "hot", 4096)
}

// bulk makes a directory with n files of 100 bytes.
func bulk(ctx context.Context, v *disk.View, dir string, n int) error {
	if _, err := v.MakeDir(ctx, dir, disk.MakeDirOptions{}); err != nil {
		return err
	}
	a, err := v.Stat(ctx, dir, false)
	if err != nil {
		return err
	}
	data := make([]byte, 100)
	files := make([]disk.BulkFile, n)
	for i := range files {
		files[i] = disk.BulkFile{Name: fileName(i), Data: data, Mode: 0o644, MD5: md5.Sum(data), HasMD5: true}
	}
	return v.BulkCreate(ctx, a.Ino, files)
}

func put(ctx context.Context, v *disk.View, path string, size int) error {
	u, err := v.NewUpload(ctx, int64(size))
	if err != nil {
		return err
	}
	defer u.Abort()
	if _, err := u.Write(make([]byte, size)); err != nil {
		return err
	}
	_, err = u.Commit(ctx, path, disk.PutOptions{HasMD5: true})
	return err
}

func chainName(i int) string {
	if i == 0 {
		return disk.RootBranch
	}
	return fmt.Sprintf("deep%03d", i)
}

// makeChain forks each branch from the one before. Each writes some files:
// half of them new ones in the first directory, half over others anywhere.
func (b *bench) makeChain(ctx context.Context) error {
	for i := 1; i <= b.c.depth; i++ {
		err := b.tree.Fork(ctx, disk.Ref{Branch: chainName(i - 1)}, chainName(i))
		if errs.Is(err, errs.Exists) {
			continue
		}
		if err != nil {
			return err
		}
		v, err := b.tree.View(ctx, disk.Ref{Branch: chainName(i)})
		if err != nil {
			return err
		}
		for j := range b.c.writes {
			name := key(b.rng.IntN(b.c.files))
			if j%2 == 0 {
				name = fmt.Sprintf("%s/g%03d-%03d", dirName(0), i, j)
			}
			if err := put(ctx, v, name, 100); err != nil {
				return err
			}
		}
	}
	return nil
}

func siblingName(i int) string { return fmt.Sprintf("sib%05d", i) }

// makeSiblings forks branches from the root branch, each with a folder of its
// own files, and a file that all of them have written anew.
func (b *bench) makeSiblings(ctx context.Context) error {
	for i := range b.c.siblings {
		err := b.tree.Fork(ctx, disk.Ref{}, siblingName(i))
		if errs.Is(err, errs.Exists) {
			continue
		}
		if err != nil {
			return err
		}
		v, err := b.tree.View(ctx, disk.Ref{Branch: siblingName(i)})
		if err != nil {
			return err
		}
		if err := bulk(ctx, v, "own", b.c.own); err != nil {
			return err
		}
		if err := put(ctx, v, "hot", 100); err != nil {
			return err
		}
	}
	return nil
}
