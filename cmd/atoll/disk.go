package main

import "github.com/spf13/cobra"

func newDisk(a *app) *cobra.Command {
	return group("disk", "Make, list and delete disks", newDiskCreate(a), newDiskLs(a), newDiskRm(a))
}

func newUser(a *app) *cobra.Command {
	return group("user", "Add, list and remove the S3 users of a disk", newUserAdd(a), newUserLs(a), newUserRm(a))
}
