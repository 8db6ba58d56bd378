package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"atoll/client"
)

func newAPIKey(a *app) *cobra.Command {
	return group("apikey", "Make, list and revoke API keys", newAPIKeyCreate(a), newAPIKeyLs(a), newAPIKeyRm(a))
}

func newAPIKeyCreate(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:   "create NAME",
		Short: "Make an API key",
		Long: `Make an API key. It opens the control API and, as the SDKs use it, the S3 API: of all
disks, or of some, to change them or to read only, for ever or for a time. It is shown this once.`,
		Example: "  atoll apikey create ci --disk photos --read-only --expires 30d",
		Args:    exactly("NAME"),
	}
	t := targetFlags(c, a)
	c.ValidArgsFunction = t.complete()
	k := client.NewAPIKey{}
	only := c.Flags().StringArray("disk", nil, "`DISK` that it opens; may be repeated; none: all, and the server")
	c.Flags().BoolVar(&k.ReadOnly, "read-only", false, "it may only read")
	c.Flags().StringVar(&k.Description, "description", "", "what it is for")
	var expires duration
	c.Flags().Var(&expires, "expires", "`TIME` after which it is void, such as 12h, 30d or 8w")
	t.work(c, func(ctx context.Context, conn *connection, args []string) error {
		k.Name = args[0]
		for _, arg := range *only {
			d, err := conn.findDisk(ctx, arg)
			if err != nil {
				return err
			}
			k.Disks = append(k.Disks, d.ID)
		}
		if expires > 0 {
			at := a.clock().Add(time.Duration(expires)).UTC().Truncate(time.Millisecond)
			k.ExpiresAt = &at
		}
		key, err := conn.CreateAPIKey(ctx, k)
		if err != nil {
			return err
		}
		return t.done(key, "API key %s (%s), shown only now:\n\n  %s\n\nUse it with: export ATOLL_URL=%s ATOLL_API_KEY=...", shown(key.Name), key.ID, key.Token, conn.URL())
	})
	return c
}

func newAPIKeyLs(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:     "ls",
		Aliases: []string{"list"},
		Short:   "List the API keys",
		Example: "  atoll apikey ls",
		Args:    exactly(),
	}
	t := targetFlags(c, a)
	c.ValidArgsFunction = t.complete()
	t.work(c, func(ctx context.Context, conn *connection, _ []string) error {
		keys, err := client.Collect(conn.APIKeys(ctx))
		if err != nil {
			return err
		}
		slices.SortFunc(keys, func(a, b client.APIKey) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID)) })
		return list(t, keys, []string{"ID", "NAME", "KEY", "OPENS", "CREATED", "LAST USED", "EXPIRES"}, func(k client.APIKey) []string {
			opens := "all disks"
			if len(k.Disks) > 0 {
				opens = strings.Join(k.Disks, " ")
			}
			if k.ReadOnly {
				opens += ", to read"
			}
			return []string{k.ID, shown(k.Name), "…" + k.TokenSuffix, opens, when(k.CreatedAt), whenever(k.LastUsedAt), whenever(k.ExpiresAt)}
		})
	})
	return c
}

// whenever is when, of a time that may not be.
func whenever(t *time.Time) string {
	if t == nil || t.IsZero() {
		return "never"
	}
	return when(*t)
}

func newAPIKeyRm(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:     "rm ID|NAME",
		Aliases: []string{"delete", "revoke"},
		Short:   "Revoke an API key, at once",
		Example: "  atoll apikey rm ci",
		Args:    exactly("ID|NAME"),
	}
	t := targetFlags(c, a)
	c.ValidArgsFunction = t.complete(func(ctx context.Context, c *connection, _ []string, typed string) (out []string, _ cobra.ShellCompDirective) {
		for k, err := range c.APIKeys(ctx) {
			if err != nil || len(out) == completeMost {
				break
			}
			if strings.HasPrefix(k.Name, typed) {
				out = append(out, k.Name)
			}
		}
		return out, noFiles
	})
	t.work(c, func(ctx context.Context, conn *connection, args []string) error {
		var found []client.APIKey
		for k, err := range conn.APIKeys(ctx) {
			if err != nil {
				return err
			}
			if k.ID == args[0] || k.Name == args[0] {
				found = append(found, k)
			}
		}
		switch len(found) {
		case 0:
			return &exitError{exitNotFound, fmt.Errorf("there is no API key %q; see: atoll apikey ls", args[0])}
		case 1:
		default:
			return &exitError{exitConflict, fmt.Errorf("%d API keys are called %q: name it by its id; see: atoll apikey ls", len(found), args[0])}
		}
		if err := conn.DeleteAPIKey(ctx, found[0].ID); err != nil {
			return err
		}
		return t.done(map[string]string{"deleted": found[0].ID}, "Revoked API key %s (%s).", shown(found[0].Name), found[0].ID)
	})
	return c
}
