package client

import (
	"context"
	"errors"
	"iter"
	"net/http"
	"net/url"
	"time"
)

// RootAttrs are the owner and mode of a disk's root directory. Mode 0 means
// 0755.
type RootAttrs struct {
	UID  uint32 `json:"uid"`
	GID  uint32 `json:"gid"`
	Mode uint32 `json:"mode"`
}

// NewDisk is what a disk is made from.
type NewDisk struct {
	Name      string     `json:"name"` // 1 to 100 of letters, digits, '_' and '-'
	RootAttrs *RootAttrs `json:"rootAttrs,omitempty"`
}

// Disk is a disk as the control plane shows it.
type Disk struct {
	ID             string    `json:"id"`
	Name           string    `json:"name"`
	Organization   string    `json:"organization"`
	Status         string    `json:"status"` // "available" when it can be used
	Provider       string    `json:"provider"`
	Region         string    `json:"region"`
	CreatedAt      time.Time `json:"createdAt"`
	TotalDataBytes int64     `json:"totalDataBytes"`
	Files          int64     `json:"files"`
	RootAttrs      RootAttrs `json:"rootAttrs"`
}

// CreateDisk makes a disk, or finds the one of this name and configuration;
// created tells which.
func (c *Client) CreateDisk(ctx context.Context, d NewDisk) (id string, created bool, err error) {
	var res struct {
		DiskID string `json:"diskId"`
	}
	status, _, err := c.do(ctx, http.MethodPost, "/api/disks", nil, d, &res)
	return res.DiskID, status == http.StatusCreated, err
}

// Disk returns a disk by its id.
func (c *Client) Disk(ctx context.Context, id string) (Disk, error) {
	var d Disk
	_, _, err := c.do(ctx, http.MethodGet, diskPath(id), nil, nil, &d)
	return d, err
}

// DiskByName returns the disk of this name; ok tells whether there is one.
func (c *Client) DiskByName(ctx context.Context, name string) (d Disk, ok bool, err error) {
	var list []Disk
	_, _, err = c.do(ctx, http.MethodGet, "/api/disks", url.Values{"name": {name}}, nil, &list)
	if err != nil || len(list) == 0 {
		return Disk{}, false, err
	}
	return list[0], true, nil
}

// Disks walks all disks in the order of their names. An error ends the walk.
func (c *Client) Disks(ctx context.Context) iter.Seq2[Disk, error] {
	return func(yield func(Disk, error) bool) {
		q := url.Values{"limit": {"100"}}
		for {
			var page []Disk
			_, next, err := c.do(ctx, http.MethodGet, "/api/disks", q, nil, &page)
			if err == nil && next != "" && next == q.Get("cursor") {
				err = errors.New("the server repeats a page of the list")
			}
			if err != nil {
				yield(Disk{}, err)
				return
			}
			for _, d := range page {
				if !yield(d, nil) {
					return
				}
			}
			if next == "" {
				return
			}
			q.Set("cursor", next)
		}
	}
}

// DeleteDisk deletes a disk with everything on it.
func (c *Client) DeleteDisk(ctx context.Context, id string) error {
	_, _, err := c.do(ctx, http.MethodDelete, diskPath(id), nil, nil, nil)
	return err
}
