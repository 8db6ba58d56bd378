package controlapi

import (
	"context"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"time"

	"atoll/internal/catalog"
	"atoll/internal/disk"
	"atoll/internal/errs"
)

const (
	defaultLimit = 50
	maxLimit     = 100
)

// diskResponse is a disk on the wire.
type diskResponse struct {
	ID           string `json:"id"`
	Name         string `json:"name"`
	Organization string `json:"organization"`
	Status       string `json:"status"`
	Provider     string `json:"provider"`
	Region       string `json:"region"`
	CreatedAt    string `json:"createdAt"`

	// Bytes that the disk stores. The three are one figure: nothing is
	// tiered away from this server.
	DataSize        int64 `json:"dataSize"`
	ActiveDataBytes int64 `json:"activeDataBytes"`
	TotalDataBytes  int64 `json:"totalDataBytes"`
	Files           int64 `json:"files"`

	RootAttrs       catalog.RootAttrs `json:"rootAttrs"`
	Capabilities    []string          `json:"capabilities"`
	Mounts          []struct{}        `json:"mounts"`
	ConnectedClient []struct{}        `json:"connectedClients"`
	AuthorizedUsers []userResponse    `json:"authorizedUsers,omitzero"` // of one disk's answer only
}

func (a *api) diskResponse(ctx context.Context, d catalog.Disk) (diskResponse, error) {
	res := diskResponse{
		ID: d.ID.String(), Name: d.Name, Organization: d.Organization, Status: string(d.State),
		Provider: provider(d.Region), Region: d.Region, CreatedAt: timestamp(d.Created),
		RootAttrs: d.Root, Capabilities: []string{"checkpoints"},
		Mounts: []struct{}{}, ConnectedClient: []struct{}{},
	}
	if d.State != catalog.Available {
		return res, nil
	}
	u, err := a.o.Catalog.Usage(ctx, d.ID)
	if errs.Is(err, errs.NoDisk) { // deleted since the row was read
		res.Status = string(catalog.Deleting)
		return res, nil
	}
	if err != nil {
		return res, err
	}
	res.DataSize, res.ActiveDataBytes, res.TotalDataBytes, res.Files = u.Bytes, u.Bytes, u.Bytes, u.Files
	return res, nil
}

// provider is the cloud that a region's code begins with.
func provider(region string) string {
	p, _, _ := strings.Cut(region, "-")
	return p
}

func timestamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// pathDisk reads the {id} of a route.
func pathDisk(r *http.Request) (disk.ID, error) {
	id, ok := disk.ParseID(r.PathValue("id"))
	if !ok {
		return 0, invalid("a disk's id is dsk- and 16 lower-case hex digits")
	}
	return id, nil
}

func (a *api) listDisks(r *http.Request) (answer, error) {
	q := r.URL.Query()
	if q.Has("name") {
		return a.diskNamed(r.Context(), q.Get("name"))
	}
	limit, err := parseLimit(q.Get("limit"))
	if err != nil {
		return answer{}, err
	}
	start, err := base64.RawURLEncoding.DecodeString(q.Get("cursor"))
	if err != nil || (len(start) > 0 && catalog.CheckDiskName(string(start)) != nil) {
		return answer{}, invalid("this cursor did not come from a listing")
	}
	disks, more, err := a.o.Catalog.Disks(r.Context(), string(start), limit)
	if err != nil {
		return answer{}, err
	}
	ans, err := a.diskList(r.Context(), disks)
	if more && err == nil {
		ans.body.NextCursor = base64.RawURLEncoding.EncodeToString([]byte(disks[len(disks)-1].Name))
	}
	return ans, err
}

// diskNamed answers the list of the one disk that has this name, or of none.
func (a *api) diskNamed(ctx context.Context, name string) (answer, error) {
	d, err := a.o.Catalog.DiskByName(ctx, name)
	switch {
	case errs.Is(err, errs.NoDisk):
		return a.diskList(ctx, nil)
	case err != nil:
		return answer{}, err
	}
	return a.diskList(ctx, []catalog.Disk{d})
}

func (a *api) diskList(ctx context.Context, disks []catalog.Disk) (answer, error) {
	list := make([]diskResponse, 0, len(disks)) // [] and never null: clients iterate over it
	for _, d := range disks {
		res, err := a.diskResponse(ctx, d)
		if err != nil {
			return answer{}, err
		}
		list = append(list, res)
	}
	return ok(http.StatusOK, list), nil
}

// parseLimit clamps what is too large, as clients expect.
func parseLimit(s string) (int, error) {
	if s == "" {
		return defaultLimit, nil
	}
	n, err := strconv.ParseUint(s, 10, 31)
	if err != nil || n == 0 {
		return 0, invalid("limit is a number from 1 to %d", maxLimit)
	}
	return int(min(n, maxLimit)), nil
}

// createRequest is the body of POST /api/disks. What this server does not
// offer yet is read to be refused rather than to be forgotten silently.
type createRequest struct {
	Name       string             `json:"name"`
	RootAttrs  *catalog.RootAttrs `json:"rootAttrs"`
	Mounts     []any              `json:"mounts"`
	AllowedIPs []any              `json:"allowedIps"`
}

// createResponse is the answer: clients look for authorizedUsers, which is
// empty while disk tokens are not offered.
type createResponse struct {
	DiskID          string         `json:"diskId"`
	AuthorizedUsers []userResponse `json:"authorizedUsers"`
}

func (a *api) createDisk(r *http.Request) (answer, error) {
	var req createRequest
	if err := readJSON(r, &req); err != nil {
		return answer{}, err
	}
	if len(req.Mounts) > 0 {
		return answer{}, errs.New("create disk", req.Name, errs.Unsupported, "data sources (mounts) are not offered yet")
	}
	if len(req.AllowedIPs) > 0 {
		return answer{}, errs.New("create disk", req.Name, errs.Unsupported, "allowedIps is not offered yet")
	}
	spec := catalog.DiskSpec{Name: req.Name}
	if req.RootAttrs != nil {
		spec.Root = *req.RootAttrs
	}
	d, created, err := a.o.Catalog.CreateDisk(r.Context(), spec)
	if err != nil {
		return answer{}, err
	}
	status := http.StatusOK
	if created {
		status = http.StatusCreated
	}
	return ok(status, createResponse{DiskID: d.ID.String(), AuthorizedUsers: []userResponse{}}), nil
}

func (a *api) getDisk(r *http.Request) (answer, error) {
	id, err := pathDisk(r)
	if err != nil {
		return answer{}, err
	}
	d, err := a.o.Catalog.Disk(r.Context(), id)
	if err != nil {
		return answer{}, err
	}
	res, err := a.diskResponse(r.Context(), d)
	if err != nil {
		return answer{}, err
	}
	users, err := a.o.Catalog.Users(r.Context(), id)
	if err != nil {
		return answer{}, err
	}
	res.AuthorizedUsers = userList(users)
	return ok(http.StatusOK, res), nil
}

func (a *api) deleteDisk(r *http.Request) (answer, error) {
	id, err := pathDisk(r)
	if err != nil {
		return answer{}, err
	}
	if err := a.o.Catalog.DeleteDisk(r.Context(), id); err != nil {
		return answer{}, err
	}
	return ok(http.StatusOK, nil), nil
}
