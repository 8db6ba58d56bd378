package controlapi

import (
	"fmt"
	"strings"

	"atoll/internal/catalog"
	"atoll/internal/disk"
)

// errNoPath says that a point of history does not have a path.
func errNoPath(ref disk.Ref, path string) error {
	return fmt.Errorf("%s has no file or folder /%s", ref, path)
}

// settingRoutes are those of what belongs to a disk as a whole.
func (a *api) settingRoutes() []route {
	return []route{
		{method: "GET", path: "/api/disks/{id}/allowed-ips", name: "getAllowedIps", group: "Settings", summary: "who may use a disk, by address",
			right: rightDiskRead, do: gives(a.getAllowedIPs)},
		{method: "PUT", path: "/api/disks/{id}/allowed-ips", name: "setAllowedIps", group: "Settings", summary: "limit a disk to some addresses",
			text: "From the answer on, what is in the disk can be reached from these addresses only, whatever the credential and the door. " +
				"The disk can still be managed from anywhere with an API key.",
			right: rightDiskWrite, action: "allowed-ips.set", do: takes(a.setAllowedIPs)},
		{method: "GET", path: "/api/disks/{id}/quota", name: "getQuota", group: "Settings", summary: "a disk's limits, and what is used of them",
			right: rightDiskRead, do: gives(a.getQuota)},
		{method: "PUT", path: "/api/disks/{id}/quota", name: "setQuota", group: "Settings", summary: "limit a disk's bytes and files",
			text:  "What is over a new limit stays, and can be deleted.",
			right: rightDiskWrite, action: "quota.set", do: takes(a.setQuota)},
		{method: "GET", path: "/api/disks/{id}/cors", name: "getCors", group: "Settings", summary: "which web pages may use a disk over S3",
			right: rightDiskRead, do: gives(a.getCORS)},
		{method: "PUT", path: "/api/disks/{id}/cors", name: "setCors", group: "Settings", summary: "let web pages use a disk over S3",
			text:  "The rules replace those there were, and mean what S3's mean.",
			right: rightDiskWrite, action: "cors.set", do: takes(a.setCORS)},
		{method: "DELETE", path: "/api/disks/{id}/cors", name: "deleteCors", group: "Settings", summary: "let no web pages use a disk over S3",
			right: rightDiskWrite, action: "cors.delete", do: gives(a.deleteCORS)},
	}
}

type allowedIPs struct {
	AllowedIPs []string `json:"allowedIps" doc:"addresses and networks (CIDR), IPv4 and IPv6; none: all may"`
}

type allowedIPsRequest struct {
	AllowedIPs *[]string `json:"allowedIps" need:"true" doc:"addresses and networks (CIDR), IPv4 and IPv6; none: no limit"`
}

func (a *api) getAllowedIPs(c *call) (allowedIPs, error) {
	list, err := a.o.Catalog.AllowedIPs(c.r.Context(), c.disk)
	return allowedIPs{list}, err
}

func (a *api) setAllowedIPs(c *call, in *allowedIPsRequest) (allowedIPs, error) {
	c.details = strings.Join(*in.AllowedIPs, " ")
	list, err := a.o.Catalog.SetAllowedIPs(c.r.Context(), c.disk, *in.AllowedIPs)
	if list == nil {
		list = []string{}
	}
	return allowedIPs{list}, err
}

type quotaRequest struct {
	Bytes *int64 `json:"bytes" doc:"limit of stored contents, in bytes; 0: none; missing: as it is"`
	Files *int64 `json:"files" doc:"limit of files and directories of each branch; 0: none; missing: as it is"`
}

type quotaResponse struct {
	Bytes     int64 `json:"bytes" doc:"limit of stored contents, in bytes; 0: none"`
	Files     int64 `json:"files" doc:"limit of files and directories of each branch; 0: none"`
	UsedBytes int64 `json:"usedBytes" doc:"stored contents of all branches and checkpoints, in bytes"`
	UsedFiles int64 `json:"usedFiles" doc:"files and directories of the root branch"`
}

func (a *api) getQuota(c *call) (quotaResponse, error) {
	d, err := a.core(c)
	if err != nil {
		return quotaResponse{}, err
	}
	q, u := d.Quota(), d.Usage()
	return quotaResponse{q.Bytes, q.Files, u.Bytes, u.Files}, nil
}

func (a *api) setQuota(c *call, in *quotaRequest) (quotaResponse, error) {
	d, err := a.core(c)
	if err != nil {
		return quotaResponse{}, err
	}
	q := d.Quota()
	if in.Bytes != nil {
		q.Bytes = *in.Bytes
	}
	if in.Files != nil {
		q.Files = *in.Files
	}
	c.details = fmt.Sprintf("bytes %d, files %d", q.Bytes, q.Files)
	if err := d.SetQuota(c.r.Context(), q); err != nil {
		return quotaResponse{}, err
	}
	return a.getQuota(c)
}

// corsRule is catalog.CORSRule on the wire.
type corsRule struct {
	ID             string   `json:"id,omitempty" doc:"name of the rule, for people"`
	AllowedOrigins []string `json:"allowedOrigins" need:"true" doc:"such as https://example.com, each with at most one *"`
	AllowedMethods []string `json:"allowedMethods" need:"true" doc:"of GET, PUT, HEAD, POST, DELETE"`
	AllowedHeaders []string `json:"allowedHeaders,omitempty" doc:"headers that pages may send, each with at most one *"`
	ExposeHeaders  []string `json:"exposeHeaders,omitempty" doc:"headers of answers that pages may see"`
	MaxAgeSeconds  int      `json:"maxAgeSeconds,omitempty" doc:"how long browsers may remember the rule"`
}

type corsRequest struct {
	Rules *[]corsRule `json:"rules" need:"true" doc:"the first that fits counts"`
}

type corsResponse struct {
	Rules []corsRule `json:"rules" doc:"the first that fits counts; none: web pages of other origins can't use the disk"`
}

func (a *api) getCORS(c *call) (corsResponse, error) {
	rules, err := a.o.Catalog.CORS(c.r.Context(), c.disk)
	list := make([]corsRule, 0, len(rules))
	for _, r := range rules {
		list = append(list, corsRule(r))
	}
	return corsResponse{list}, err
}

func (a *api) setCORS(c *call, in *corsRequest) (corsResponse, error) {
	c.details = fmt.Sprintf("%d rules", len(*in.Rules))
	rules := make([]catalog.CORSRule, 0, len(*in.Rules))
	for _, r := range *in.Rules {
		rules = append(rules, catalog.CORSRule(r))
	}
	if err := a.o.Catalog.SetCORS(c.r.Context(), c.disk, rules); err != nil {
		return corsResponse{}, err
	}
	return a.getCORS(c)
}

func (a *api) deleteCORS(c *call) (none, error) {
	return none{}, a.o.Catalog.SetCORS(c.r.Context(), c.disk, nil)
}
