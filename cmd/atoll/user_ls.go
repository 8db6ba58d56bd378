package main

import "github.com/spf13/cobra"

func newUserLs(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:     "ls DISK",
		Aliases: []string{"list"},
		Short:   "List the S3 users of a disk",
		Example: "  atoll user ls photos",
		Args:    exactly("DISK"),
	}
	t := targetFlags(c, a)
	c.RunE = func(c *cobra.Command, args []string) error {
		conn, err := t.connect()
		if err != nil {
			return err
		}
		d, err := conn.findDisk(c.Context(), args[0])
		if err != nil {
			return err
		}
		users, err := conn.Users(c.Context(), d.ID)
		if err != nil {
			return conn.explain(err)
		}
		if t.json {
			return printJSON(a.stdout, users)
		}
		rows := [][]string{{"ACCESS KEY", "TYPE", "NICKNAME", "CREATED"}}
		for _, u := range users {
			rows = append(rows, []string{u.Identifier, u.Type, shown(u.Nickname), when(u.CreatedAt)})
		}
		return printTable(a.stdout, rows)
	}
	return c
}
