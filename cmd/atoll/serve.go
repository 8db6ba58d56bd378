package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"atoll/internal/errs"
	"atoll/internal/server"
)

func newServe(a *app) *cobra.Command {
	cfg := server.Default()
	cfg.Data = server.DefaultDataDir(a.getenv)
	var asJSON bool
	c := &cobra.Command{
		Use:   "serve",
		Short: "Run the server",
		Long: `Run the server on one data directory, until SIGTERM or SIGINT, after which it
waits for the requests in work. SIGHUP opens the certificate and the access log
again.

Every flag is also an environment variable (--s3-addr is ATOLL_S3_ADDR) and a line
of the configuration file (s3-addr = 127.0.0.1:9000). A flag wins over the
environment, and the environment over the file.

The first start makes an API key, prints it once, and keeps it in the data
directory for the command line; if ATOLL_API_KEY is set, that becomes the key.
The master key, which seals secrets on disk, is made in the data directory too
(master.key) unless ATOLL_MASTER_KEY holds one: 32 bytes in hex or base64.`,
		Example: `  atoll serve --data ./atoll-data
  atoll serve --data /srv/atoll --s3-addr 0.0.0.0:9000 --tls-cert cert.pem --tls-key key.pem
  atoll serve --config /etc/atoll.conf`,
		Args: exactly(),
	}
	server.Bind(c.Flags(), &cfg)
	c.Flags().BoolVar(&asJSON, "json", false, "print the endpoints as one line of JSON")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if err := server.Load(c.Flags(), &cfg, a.lookupEnv); err != nil {
			return usageError(err)
		}
		ctx, stop := signal.NotifyContext(c.Context(), syscall.SIGTERM, syscall.SIGINT)
		defer stop()
		go func() { <-ctx.Done(); stop() }() // a second signal ends the process at once
		reload := make(chan os.Signal, 1)
		signal.Notify(reload, syscall.SIGHUP)
		defer signal.Stop(reload)
		cfg.Version, cfg.Stderr, cfg.Reload = version(), a.stderr, reload
		cfg.OnReady = func(e server.Endpoints) { a.announce(e, asJSON) }
		err := server.Run(ctx, cfg)
		if errs.Is(err, errs.Invalid) {
			return usageError(fmt.Errorf("%s", errs.Text(err)))
		}
		return err
	}
	return c
}

// announce prints where the server is found. A reader that has gone away
// is no reason to stop serving.
func (a *app) announce(e server.Endpoints, asJSON bool) {
	if asJSON {
		_ = json.NewEncoder(a.stdout).Encode(e)
		return
	}
	fmt.Fprintf(a.stdout, "Atoll is running.\n\n  S3 API        %s\n  Control API   %s\n  Data          %s\n", e.S3, e.Control, e.Data)
	if e.Pprof != "" {
		fmt.Fprintf(a.stdout, "  Profiles      %s/debug/pprof/\n", e.Pprof)
	}
	if e.FirstAPIKey != "" {
		fmt.Fprintf(a.stdout, "\nFirst start. This is the API key; it is shown this once and kept in %s/api.key:\n\n  %s\n\nNext: atoll disk create NAME --data %s\n",
			e.Data, e.FirstAPIKey, e.Data)
	}
	fmt.Fprintln(a.stdout)
}
