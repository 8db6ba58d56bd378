package main

import "github.com/spf13/cobra"

func newKey(a *app) *cobra.Command {
	return group("key", "Change the master key, which seals secrets on disk", newKeyRotate(a))
}
