package controlapi

import (
	"cmp"
	"context"
	"encoding/base64"
	"net/http"
	"slices"
	"sort"
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

// diskRoutes are those of disks.
func (a *api) diskRoutes() []route {
	return []route{
		{method: "GET", path: "/api/disks", name: "listDisks", group: "Disks", summary: "list disks, by name",
			text:  "In the order of their names (bytes, so `Z` before `a`). A key that is limited to some disks sees those.",
			right: rightKey, do: gives(a.listDisks),
			params: append(paging(), param{name: "name", text: "only the disk of exactly this name: a list of one or none; the other parameters are not looked at"})},
		{method: "POST", path: "/api/disks", name: "createDisk", group: "Disks", summary: "make a disk",
			text: "Asking again for the same disk answers 200 with its id, so that a request whose answer was lost can be repeated; " +
				"with another configuration it is 409. A new disk has one token, which is shown this once, unless `authMethods` is sent.",
			right: rightAccountWrite, action: "disk.create", success: []int{201, 200}, errors: []int{409, 501, 507}, do: takes(a.createDisk)},
		{method: "GET", path: "/api/disks/{id}", name: "getDisk", group: "Disks", summary: "one disk, with its users",
			text:  "The address of a branch or a checkpoint answers that, as a disk.",
			right: rightDiskRead, do: gives(a.getDisk)},
		{method: "DELETE", path: "/api/disks/{id}", name: "deleteDisk", group: "Disks", summary: "delete a disk and everything in it",
			text: "There is no way back. Its users are refused from the answer on; the space comes back in the background. " +
				"The address of a branch or a checkpoint deletes only that; the root branch can't be deleted (400).",
			right: rightDiskWrite, action: "disk.delete", errors: []int{409}, do: gives(a.deleteDisk),
			params: []param{{name: "cascade", kind: "boolean", text: "of a branch or a checkpoint: delete also what was forked from it"}}},
	}
}

// paging are the parameters of listings.
func paging() []param {
	return []param{
		{name: "limit", kind: "integer", text: "entries in the answer: 1 to 100, by default 50; more than 100 is taken as 100"},
		{name: "cursor", text: "`nextCursor` of the page before; it is opaque"},
	}
}

// diskResponse is a disk on the wire.
type diskResponse struct {
	ID           string `json:"id" doc:"of the disk, or of the branch that was asked for: its bucket's name"`
	Name         string `json:"name" doc:"as it was made; of a branch DISK.BRANCH"`
	Organization string `json:"organization" doc:"always default"`
	Status       string `json:"status" enum:"creating,available,deleting" doc:"creating, available or deleting; only an available one can be used"`
	Provider     string `json:"provider" doc:"the cloud that the region begins with"`
	Region       string `json:"region" doc:"the server's --region when the disk was made"`
	CreatedAt    string `json:"createdAt" doc:"time"`

	// The three are one figure: nothing is tiered away from this server.
	DataSize        int64 `json:"dataSize" doc:"bytes of stored contents"`
	ActiveDataBytes int64 `json:"activeDataBytes" doc:"the same"`
	TotalDataBytes  int64 `json:"totalDataBytes" doc:"the same"`
	Files           int64 `json:"files" doc:"files and directories, without the root directory"`

	RootAttrs       rootAttrs      `json:"rootAttrs" doc:"owner and mode that the root directory was made with"`
	Capabilities    []string       `json:"capabilities" doc:"what it can: checkpoints"`
	Mounts          []none         `json:"mounts" doc:"data sources: none are offered yet"`
	ConnectedClient []none         `json:"connectedClients" doc:"mounts: none are offered yet"`
	AllowedIPs      []string       `json:"allowedIps" doc:"addresses and networks that may use it; none: all may"`
	AuthorizedUsers []userResponse `json:"authorizedUsers,omitzero" doc:"its users; in the answer about one disk only"`
}

// rootAttrs is catalog.RootAttrs on the wire.
type rootAttrs struct {
	UID  uint32 `json:"uid" doc:"owner, at most 4294967294"`
	GID  uint32 `json:"gid" doc:"group, at most 4294967294"`
	Mode uint32 `json:"mode" doc:"permission bits as a number, 0 to 511 (0777); 0 stands for the default, 493 (0755)"`
}

func (a *api) diskResponse(ctx context.Context, d catalog.Disk) (diskResponse, error) {
	res := diskResponse{
		ID: d.ID.String(), Name: d.Name, Organization: d.Organization, Status: string(d.State),
		Provider: provider(d.Region), Region: d.Region, CreatedAt: timestamp(d.Created),
		RootAttrs: rootAttrs(d.Root), Capabilities: []string{"checkpoints"},
		Mounts: []none{}, ConnectedClient: []none{},
		AllowedIPs: append([]string{}, d.AllowedIPs...),
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

func (a *api) listDisks(c *call) ([]diskResponse, error) {
	ctx := c.r.Context()
	if c.r.URL.Query().Has("name") {
		d, err := a.o.Catalog.DiskByName(ctx, c.query("name"))
		if errs.Is(err, errs.NoDisk) || err == nil && !c.key.May(d.ID, false) {
			return []diskResponse{}, nil
		}
		if err != nil {
			return nil, err
		}
		return a.diskList(ctx, []catalog.Disk{d})
	}
	limit, after, err := c.page()
	if err != nil {
		return nil, err
	}
	if after != "" && catalog.CheckDiskName(after) != nil {
		return nil, badCursor()
	}
	disks, more, err := a.disksOf(c, after, limit)
	if err != nil {
		return nil, err
	}
	if more {
		c.next = cursor(disks[len(disks)-1].Name)
	}
	return a.diskList(ctx, disks)
}

// disksOf returns a page of the disks that the key opens.
func (a *api) disksOf(c *call, after string, limit int) (disks []catalog.Disk, more bool, err error) {
	for more = true; more && len(disks) < limit; {
		var page []catalog.Disk
		page, more, err = a.o.Catalog.Disks(c.r.Context(), after, limit)
		if err != nil {
			return nil, false, err
		}
		for i, d := range page {
			after = d.Name
			if c.key.May(d.ID, false) {
				disks = append(disks, d)
			}
			if len(disks) == limit {
				return disks, more || i < len(page)-1, nil
			}
		}
	}
	return disks, false, nil
}

func (a *api) diskList(ctx context.Context, disks []catalog.Disk) ([]diskResponse, error) {
	list := make([]diskResponse, 0, len(disks)) // [] and never null: clients iterate over it
	for _, d := range disks {
		res, err := a.diskResponse(ctx, d)
		if err != nil {
			return nil, err
		}
		list = append(list, res)
	}
	return list, nil
}

// page reads limit and cursor. A limit that is too large is clamped, as
// clients expect.
func (c *call) page() (limit int, after string, err error) {
	return c.pageOf(defaultLimit, maxLimit)
}

func (c *call) pageOf(limit, most int) (_ int, after string, err error) {
	if s := c.query("limit"); s != "" {
		n, err := strconv.ParseUint(s, 10, 31)
		if err != nil || n == 0 {
			return 0, "", invalid("limit is a number from 1 to %d", most)
		}
		limit = min(int(n), most)
	}
	b, err := base64.RawURLEncoding.DecodeString(c.query("cursor"))
	if err != nil {
		return 0, "", badCursor()
	}
	return limit, string(b), nil
}

// pagingOnDemand are the parameters of listings that are whole unless a client
// asks for pages: the clients that there are do not.
func pagingOnDemand() []param {
	return []param{
		{name: "limit", kind: "integer", text: "entries in the answer: 1 to 100, more than 100 is taken as 100; by default all of them"},
		{name: "cursor", text: "`nextCursor` of the page before; it is opaque"},
	}
}

// onDemand returns the page of a whole listing that was asked for, or
// all of it, in the order of keys.
func onDemand[T any](c *call, all []T, key func(*T) string) ([]T, error) {
	slices.SortFunc(all, func(a, b T) int { return strings.Compare(key(&a), key(&b)) })
	if c.query("limit") == "" && c.query("cursor") == "" {
		return all, nil
	}
	limit, after, err := c.page()
	if err != nil {
		return nil, err
	}
	from := sort.Search(len(all), func(i int) bool { return key(&all[i]) > after })
	page := all[from:]
	if len(page) > limit {
		page = page[:limit]
		c.next = cursor(key(&page[limit-1]))
	}
	return page, nil
}

// cursor wraps the last key of a page.
func cursor(last string) string { return base64.RawURLEncoding.EncodeToString([]byte(last)) }

func badCursor() error { return invalid("this cursor did not come from a listing") }

// createDiskRequest is the body of POST /api/disks. What this server does not
// offer yet is read to be refused rather than to be forgotten silently.
type createDiskRequest struct {
	Name        string     `json:"name" need:"true" doc:"1 to 100 ASCII letters, digits, _ and -"`
	RootAttrs   *rootAttrs `json:"rootAttrs" doc:"owner and mode of the root directory; by default 0, 0 and 493 (0755)"`
	AllowedIPs  []string   `json:"allowedIps" doc:"addresses and networks (CIDR) that may use the disk; none: all may"`
	AuthMethods *[]any     `json:"authMethods" doc:"deprecated: whatever it holds, the disk gets no token"`
	Mounts      []any      `json:"mounts" doc:"501 unless empty: data sources are not offered yet"`
}

// createDiskResponse is the answer to it.
type createDiskResponse struct {
	DiskID          string         `json:"diskId" doc:"id of the disk"`
	AuthorizedUsers []userResponse `json:"authorizedUsers" doc:"the disk's users; the new token of a new disk"`
}

func (a *api) createDisk(c *call, in *createDiskRequest) (createDiskResponse, error) {
	var res createDiskResponse
	c.target = in.Name
	if len(in.Mounts) > 0 {
		return res, errs.New("create disk", in.Name, errs.Unsupported, "data sources (mounts) are not offered yet")
	}
	ctx := c.r.Context()
	spec := catalog.DiskSpec{Name: in.Name, AllowedIPs: in.AllowedIPs, NoToken: in.AuthMethods != nil}
	if in.RootAttrs != nil {
		spec.Root = catalog.RootAttrs(*in.RootAttrs)
	}
	made, err := a.o.Catalog.CreateDisk(ctx, spec)
	if err != nil {
		return res, err
	}
	c.disk, res.DiskID = made.Disk.ID, made.Disk.ID.String()
	if made.New {
		c.status, res.AuthorizedUsers = http.StatusCreated, []userResponse{}
		if made.Token != "" {
			u := wireUser(made.User)
			u.Token = made.Token
			res.AuthorizedUsers = append(res.AuthorizedUsers, u)
		}
		return res, nil
	}
	users, err := a.o.Catalog.Users(ctx, c.disk)
	res.AuthorizedUsers = userList(users)
	return res, err
}

func (a *api) getDisk(c *call) (diskResponse, error) {
	ctx := c.r.Context()
	res, err := a.diskResponse(ctx, c.row)
	if err != nil {
		return res, err
	}
	users, err := a.o.Catalog.Users(ctx, c.disk)
	if err != nil {
		return res, err
	}
	res.AuthorizedUsers = userList(users)
	if c.ref != (disk.Ref{}) {
		err = a.asBranch(c, &res)
	}
	return res, err
}

// asBranch makes the answer about a disk one about the branch or checkpoint
// of the address.
func (a *api) asBranch(c *call, res *diskResponse) error {
	d, err := a.core(c)
	if err != nil {
		return err
	}
	b, err := d.Branch(c.r.Context(), cmp.Or(c.ref.Branch, disk.RootBranch))
	if err != nil {
		return refError(err, c.ref)
	}
	res.ID, res.Name, res.CreatedAt = b.ID.String(), res.Name+"."+c.ref.String(), timestamp(b.Created)
	bytes := b.Bytes
	res.Files = b.Files
	if c.ref.Checkpoint != "" {
		p, err := d.GetCheckpoint(c.r.Context(), b.Name, c.ref.Checkpoint)
		if err != nil {
			return refError(err, c.ref)
		}
		res.ID = disk.Address{ID: c.disk, Ref: c.ref}.String()
		res.CreatedAt, res.Files = timestamp(p.Created), p.Files
	}
	res.DataSize, res.ActiveDataBytes, res.TotalDataBytes = bytes, bytes, bytes
	return nil
}

func (a *api) deleteDisk(c *call) (none, error) {
	if c.ref == (disk.Ref{}) {
		c.target = c.row.Name
		if addr, _ := parseAddress(c.r.PathValue("id")); addr.Ref != (disk.Ref{}) {
			return none{}, invalid("the root branch goes with its disk: to delete the disk, name it by %s alone", c.disk)
		}
		return none{}, a.o.Catalog.DeleteDisk(c.r.Context(), c.disk)
	}
	c.target = c.ref.String()
	if err := a.admit(c, c.disk); err != nil {
		return none{}, err
	}
	o, err := c.deleteOptions()
	if err != nil {
		return none{}, err
	}
	d, err := a.core(c)
	if err != nil {
		return none{}, err
	}
	if c.ref.Checkpoint != "" {
		err = d.DeleteCheckpoint(c.r.Context(), c.ref.Branch, c.ref.Checkpoint, o)
	} else {
		err = d.DeleteBranch(c.r.Context(), c.ref.Branch, o)
	}
	return none{}, refError(err, c.ref)
}
