package main

import "github.com/spf13/cobra"

func newDisk(a *app) *cobra.Command {
	return group("disk", "Make, list, show and delete disks", newDiskCreate(a), newDiskLs(a), newDiskShow(a), newDiskQuota(a), newDiskRm(a))
}

func newUser(a *app) *cobra.Command {
	return group("user", "Add, list and remove the users of a disk", newUserAdd(a), newUserLs(a), newUserRm(a))
}
