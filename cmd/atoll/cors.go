package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"atoll/client"
)

func newCORS(a *app) *cobra.Command {
	return group("cors", "Let web pages of other origins use a disk", newCORSGet(a), newCORSSet(a), newCORSRm(a))
}

func newCORSGet(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:     "get DISK",
		Short:   "Print a disk's CORS rules, as JSON",
		Example: "  atoll cors get photos",
		Args:    exactly("DISK"),
	}
	t := targetFlags(c, a)
	c.ValidArgsFunction = t.complete(disks)
	t.work(c, func(ctx context.Context, conn *connection, args []string) error {
		d, err := conn.findDisk(ctx, args[0])
		if err != nil {
			return err
		}
		rules, err := conn.CORS(ctx, d.ID)
		if err != nil {
			return err
		}
		return printJSON(a.stdout, append([]client.CORSRule{}, rules...))
	})
	return c
}

func newCORSSet(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:   "set DISK [FILE]",
		Short: "Replace a disk's CORS rules",
		Long: `Replace a disk's CORS rules by those of a file (- is standard input), which has a list
as atoll cors get prints it, or the document of aws s3api put-bucket-cors; or by one rule made
of --origin and --method.`,
		Example: "  atoll cors set photos --origin https://example.com --method GET --method HEAD\n  atoll cors set photos rules.json",
		Args:    between(1, "DISK", "FILE"),
	}
	t := targetFlags(c, a)
	c.ValidArgsFunction = t.complete(disks)
	var r client.CORSRule
	c.Flags().StringArrayVar(&r.AllowedOrigins, "origin", nil, "`ORIGIN` that may use it, such as https://example.com or *")
	c.Flags().StringArrayVar(&r.AllowedMethods, "method", []string{"GET", "HEAD"}, "`METHOD` that is allowed")
	c.Flags().StringArrayVar(&r.AllowedHeaders, "header", nil, "`HEADER` of requests that is allowed")
	c.Flags().StringArrayVar(&r.ExposeHeaders, "expose", nil, "`HEADER` of answers that the page may read")
	c.Flags().IntVar(&r.MaxAgeSeconds, "max-age", 0, "`SECONDS` for which a browser may remember it")
	t.work(c, func(ctx context.Context, conn *connection, args []string) error {
		if (len(args) == 2) == (len(r.AllowedOrigins) > 0) {
			return usageError(fmt.Errorf("either a FILE or --origin is needed"))
		}
		rules := []client.CORSRule{r}
		if len(args) == 2 {
			var err error
			if rules, err = a.readCORS(args[1]); err != nil {
				return err
			}
		}
		d, err := conn.findDisk(ctx, args[0])
		if err != nil {
			return err
		}
		if err := conn.SetCORS(ctx, d.ID, rules); err != nil {
			return err
		}
		return t.done(rules, "Disk %s has %d CORS rule(s).", shown(d.Name), len(rules))
	})
	return c
}

// readCORS reads rules in either form. Names of fields match in any case, so
// S3's AllowedOrigins is allowedOrigins.
func (a *app) readCORS(file string) ([]client.CORSRule, error) {
	in := io.Reader(a.stdin)
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return nil, usageError(err)
		}
		defer f.Close()
		in = f
	}
	b, err := io.ReadAll(in)
	if err != nil {
		return nil, err
	}
	var doc struct {
		Rules     []client.CORSRule `json:"rules"`
		CORSRules []client.CORSRule
	}
	var rules []client.CORSRule
	if bytes.HasPrefix(bytes.TrimSpace(b), []byte("[")) {
		err = json.Unmarshal(b, &rules)
	} else if err = json.Unmarshal(b, &doc); err == nil {
		rules = append(doc.Rules, doc.CORSRules...)
	}
	if err != nil {
		return nil, usageError(fmt.Errorf("%s holds no CORS rules: %w", file, err))
	}
	return rules, nil
}

func newCORSRm(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:     "rm DISK",
		Aliases: []string{"delete"},
		Short:   "Remove a disk's CORS rules",
		Example: "  atoll cors rm photos",
		Args:    exactly("DISK"),
	}
	t := targetFlags(c, a)
	c.ValidArgsFunction = t.complete(disks)
	t.work(c, func(ctx context.Context, conn *connection, args []string) error {
		d, err := conn.findDisk(ctx, args[0])
		if err != nil {
			return err
		}
		if err := conn.RemoveCORS(ctx, d.ID); err != nil {
			return err
		}
		return t.done(map[string]string{"diskId": d.ID}, "Disk %s has no CORS rules.", shown(d.Name))
	})
	return c
}
