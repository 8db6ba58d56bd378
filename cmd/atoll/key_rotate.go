package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
)

func newKeyRotate(a *app) *cobra.Command {
	var keyFile string
	c := &cobra.Command{
		Use:   "rotate",
		Short: "Seal every secret under another master key",
		Long: `Make the running server seal every secret in its store anew under another master
key, while it serves. It makes the key itself and writes it to master.key in its data
directory, unless --key-file gives one: 32 bytes, as 64 hex digits or in base64.

KEEP A COPY OF THE NEW KEY, AND KEEP THE OLD ONE AS LONG AS BACKUPS FROM BEFORE:
a server refuses to start without the key that the store had.

A server that has its key from ATOLL_MASTER_KEY needs --key-file. Set the variable to
"OLD,NEW" before, and to the new key when the command has succeeded.`,
		Example: `  atoll key rotate
  openssl rand -hex 32 > new.key && atoll key rotate --key-file new.key`,
		Args: exactly(),
	}
	c.Flags().StringVar(&keyFile, "key-file", "", "`FILE` of the new key; - is the standard input")
	t := targetFlags(c, a)
	c.RunE = func(c *cobra.Command, _ []string) error {
		key, err := a.readSecret(keyFile)
		if err != nil {
			return err
		}
		conn, err := t.connect()
		if err != nil {
			return err
		}
		res, err := conn.RotateKey(c.Context(), key)
		if err != nil {
			return conn.explain(err)
		}
		if t.json {
			return printJSON(a.stdout, res)
		}
		_, err = fmt.Fprintf(a.stdout, "The master key was changed.\n\nIMPORTANT: %s.\n", strings.TrimSuffix(res.Message, "."))
		return err
	}
	return c
}

// readSecret reads a file, or the standard input for "-"; "" is no file. A
// secret is no argument: those show in the list of processes.
func (a *app) readSecret(file string) (string, error) {
	var b []byte
	var err error
	switch file {
	case "":
		return "", nil
	case "-":
		if a.stdin == nil {
			return "", usageError(fmt.Errorf("there is no standard input to read the key from"))
		}
		b, err = io.ReadAll(io.LimitReader(a.stdin, 1<<10))
	default:
		b, err = os.ReadFile(file)
	}
	if err == nil && strings.TrimSpace(string(b)) == "" {
		err = fmt.Errorf("%s: the file is empty", file)
	}
	return strings.TrimSpace(string(b)), err
}
