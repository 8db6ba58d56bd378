package main

import (
	"context"
	"fmt"
	"net/http"

	"atoll/client"
	"atoll/internal/disk"
)

// findDisk finds the disk that an argument names, by id or by name. A name
// may look like an id, so ids are tried first.
func (c *connection) findDisk(ctx context.Context, arg string) (client.Disk, error) {
	if _, ok := disk.ParseID(arg); ok {
		d, err := c.Disk(ctx, arg)
		if client.StatusOf(err) != http.StatusNotFound {
			return d, c.explain(err)
		}
	}
	d, ok, err := c.DiskByName(ctx, arg)
	if err != nil {
		return d, c.explain(err)
	}
	if !ok {
		return d, fmt.Errorf("there is no disk %q; see: atoll disk ls", arg)
	}
	return d, nil
}
