package share

import (
	"testing"

	"atoll/internal/disk"
)

func TestBranches(t *testing.T) {
	e := newEnv(t)
	ctx := t.Context()
	d, err := e.disks.Disk(ctx, e.id)
	if err != nil {
		t.Fatal(err)
	}
	dev := disk.Ref{Branch: "dev"}
	e.put(root, "f", "root's")
	if err := d.Checkpoint(ctx, "root", "v1"); err != nil {
		t.Fatal(err)
	}
	if err := d.Fork(ctx, disk.Ref{Checkpoint: "v1"}, "dev"); err != nil {
		t.Fatal(err)
	}
	e.put(dev, "f", "dev's")
	e.put(root, "f", "root's new")
	onRoot, onDev := e.share(root, "f"), e.share(dev, "f")
	onCheckpoint := e.share(disk.Ref{Branch: "root", Checkpoint: "v1"}, "f")
	e.want(onRoot.URL, 200, "root's new")
	e.want(onDev.URL, 200, "dev's")
	e.want(onCheckpoint.URL, 200, "root's")
	if err := d.RenameBranch(ctx, "dev", "develop"); err != nil {
		t.Fatal(err)
	}
	e.want(onDev.URL, 200, "dev's")
	// Another branch of the old name is another branch.
	if err := d.Fork(ctx, disk.Ref{Checkpoint: "v1"}, "dev"); err != nil {
		t.Fatal(err)
	}
	e.want(onDev.URL, 200, "dev's")
	if err := d.DeleteBranch(ctx, "develop", disk.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	e.want(onDev.URL, 404, gone)
	if err := d.DeleteBranch(ctx, "dev", disk.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := d.DeleteCheckpoint(ctx, "root", "v1", disk.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	e.want(onCheckpoint.URL, 404, gone)
	e.want(onRoot.URL, 200, "root's new")
	if err := e.cat.DeleteDisk(ctx, e.id); err != nil {
		t.Fatal(err)
	}
	e.want(onRoot.URL, 404, gone)
}
