package main

import (
	"strings"
	"testing"

	"atoll/client"
)

// TestHistory drives branches and checkpoints through the command line.
func TestHistory(t *testing.T) {
	data := t.TempDir()
	p := serve(t, data)
	x := &in{t, data, t.TempDir()}
	must(t, "disk", "create", "photos", "--data", data)
	x.file("v1", "one")
	x.file("v2", "second")
	x.want(0, "cp v1 photos:/list", "Copied 1 file(s), 3 B.")
	x.want(0, "checkpoint create photos monday", "Checkpoint photos.root.monday is made.")
	x.want(exitConflict, "checkpoint create photos monday", `atoll: Checkpoint "monday" already exists`)
	x.want(0, "cp v2 photos:/list", "Copied 1 file(s), 6 B.")
	x.want(0, "cp v2 photos:/new", "Copied 1 file(s), 6 B.")
	x.want(0, "cat photos.root.monday:/list", "one")
	if code, out := x.run("cp", "v1", "photos.root.monday:/list"); code != exitFailed || !strings.Contains(out, "checkpoint") {
		t.Errorf("a write to a checkpoint: exit %d %s", code, out)
	}
	x.want(0, "checkpoint ls photos", "NAME BRANCH FILES MADE FOR CREATED\nmonday root 1 - TIME")
	x.want(0, "checkpoint rename photos.root.monday tuesday", "Checkpoint photos.root.monday is now photos.root.tuesday.")
	x.want(0, "branch create photos.root.tuesday redo", "Branch photos.redo is ready (DSK), forked from photos.root.tuesday.")
	x.want(0, "branch create photos draft", "Branch photos.draft is ready (DSK), forked from photos.")
	x.want(exitConflict, "branch create photos draft", `atoll: Branch "draft" already exists`)
	x.want(exitNotFound, "branch create photos.none draft2", `atoll: Branch "none" not found`)
	x.want(0, "cat photos.redo:/list", "one")
	x.want(0, "diff photos.root.tuesday photos", "~ list (3 B -> 6 B)\n+ new (6 B)")
	x.want(0, "diff photos photos.redo --prefix n", "- new")
	x.want(exitUsage, "diff photos.root.tuesday photos.", `atoll: "photos." is not DISK, DISK.BRANCH or DISK.BRANCH.CHECKPOINT
See: atoll diff --help`)
	x.want(0, "restore photos.root.tuesday:/list", "Restored /list of photos.root.tuesday onto photos.root: 1 files, 3 B.")
	x.want(0, "cat photos:/list", "one")
	x.want(exitUsage, "restore photos:/list", "atoll: photos is the branch itself: name a checkpoint, or another branch with --onto\nSee: atoll restore --help")

	// A branch's own id is an address like any other.
	var b client.Branch
	x.json(&b, "branch show photos.draft")
	x.want(0, "cat "+b.ID+":/new", "second")
	x.want(0, "branch show "+b.ID, `name draft
id DSK
disk photos (DSK)
forked from root.fork-draft
size 0 B
retained 0 B
files 2
created TIME`)
	x.want(0, "branch rename photos.draft final", "Branch photos.draft is now photos.final.")
	x.want(0, "cp v1 photos.final:/new", "Copied 1 file(s), 3 B.")
	x.want(exitConflict, "branch promote photos.final --keep-as redo", `atoll: Branch "redo" already exists`)
	x.want(0, "branch promote photos.final --keep-as before", "Disk photos is now what photos.final is. What it was until now: photos.before")
	x.want(0, "cat photos:/new", "one")
	x.want(0, "cat photos.before:/new", "second")
	x.want(exitUsage, "branch promote photos", "atoll: photos is the root branch already\nSee: atoll branch promote --help")
	x.want(0, "checkpoint create photos.final here", "Checkpoint photos.final.here is made.")
	x.want(0, "cp v2 photos.final:/new", "Copied 1 file(s), 6 B.")
	x.want(0, "branch rollback photos.final here", "Branch photos.final is as it was at here. What it was until now: photos.final-before-TIME")
	x.want(0, "cat photos.final:/new", "one")

	x.want(0, "branch schedule photos --daily 7", "Branch photos keeps checkpoints: 0 hourly, 7 daily, 0 weekly.")
	x.want(0, "branch schedule photos", "Branch photos keeps checkpoints: 0 hourly, 7 daily, 0 weekly.")
	x.want(0, "branch schedule photos --off", "Branch photos has no scheduled checkpoints.")

	x.want(0, "branch create photos.final kid", "Branch photos.kid is ready (DSK), forked from photos.final.")
	if code, out := x.run("branch", "rm", "photos.final"); code != exitConflict || !strings.Contains(out, "kid") {
		t.Errorf("a branch with dependents: exit %d %s", code, out)
	}
	x.want(0, "branch rm photos.final --cascade", "Deleted branch photos.final.")
	x.want(exitNotFound, "branch show photos.kid", `atoll: Branch "kid" not found`)
	x.want(0, "branch rm photos.redo", "Deleted branch photos.redo.")
	p.stop()
}
