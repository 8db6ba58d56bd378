package client

import (
	"context"
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
	Name       string     `json:"name"` // 1 to 100 of letters, digits, '_' and '-'
	RootAttrs  *RootAttrs `json:"rootAttrs,omitempty"`
	AllowedIPs []string   `json:"allowedIps,omitempty"`
	// NoToken makes it without the disk token that new disks have.
	NoToken bool `json:"-"`
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
	AllowedIPs     []string  `json:"allowedIps,omitempty"`
	Capabilities   []string  `json:"capabilities,omitempty"`
	Users          []User    `json:"authorizedUsers,omitempty"` // in the answer about one disk
}

// CreatedDisk is what CreateDisk answers.
type CreatedDisk struct {
	ID      string `json:"diskId"`
	Users   []User `json:"authorizedUsers"` // made with the disk, with their secrets
	Created bool   `json:"-"`               // false: it was there, as asked for
}

// MakeDisk makes a disk, or finds the one of this name and configuration.
func (c *Client) MakeDisk(ctx context.Context, d NewDisk) (CreatedDisk, error) {
	var res CreatedDisk
	in := struct {
		NewDisk
		AuthMethods *[]string `json:"authMethods,omitempty"` // whatever it holds, there will be no token
	}{NewDisk: d}
	if d.NoToken {
		in.AuthMethods = &[]string{}
	}
	a, err := c.do(ctx, call{method: http.MethodPost, path: "/api/disks", in: in, out: &res, once: true})
	res.Created = a.status == http.StatusCreated
	return res, err
}

// CreateDisk is MakeDisk for those who want the disk's id only; created tells
// whether it is new.
func (c *Client) CreateDisk(ctx context.Context, d NewDisk) (id string, created bool, err error) {
	res, err := c.MakeDisk(ctx, d)
	return res.ID, res.Created, err
}

// Disk returns a disk by its address.
func (c *Client) Disk(ctx context.Context, address string) (Disk, error) {
	var d Disk
	err := c.get(ctx, diskPath(address), nil, &d)
	return d, err
}

// DiskByName returns the disk of this name; ok tells whether there is one.
func (c *Client) DiskByName(ctx context.Context, name string) (d Disk, ok bool, err error) {
	var list []Disk
	err = c.get(ctx, "/api/disks", url.Values{"name": {name}}, &list)
	if err != nil || len(list) == 0 {
		return Disk{}, false, err
	}
	return list[0], true, nil
}

// Disks walks all disks in the order of their names. An error ends the walk.
func (c *Client) Disks(ctx context.Context) iter.Seq2[Disk, error] {
	return listed(ctx, c, "/api/disks", nil, whole[Disk])
}

// DeleteDisk deletes a disk with everything on it.
func (c *Client) DeleteDisk(ctx context.Context, id string) error {
	return c.once(ctx, http.MethodDelete, diskPath(id), nil, nil, nil)
}
