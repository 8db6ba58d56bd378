package controlapi

import (
	"encoding/json"
	"maps"
	"slices"

	"atoll/internal/disk"
	"atoll/internal/errs"
)

// unofferedRoutes are those that clients of the service know and that this
// release does not have: they answer 501, after all that any route checks.
func (a *api) unofferedRoutes() []route {
	const id = "/api/disks/{id}"
	errors := []int{501}
	return []route{
		{method: "GET", path: id + "/delegations", name: "listDelegations", group: "Not offered yet", summary: "delegations of mounts",
			right: rightDiskRead, errors: errors, do: gives(a.listDelegations)},
		{method: "POST", path: id + "/revoke-delegation", name: "revokeDelegation", group: "Not offered yet", summary: "take a mount's delegation away",
			right: rightDiskWrite, action: "delegation.revoke", errors: errors, do: takes(a.revokeDelegation)},
		{method: "POST", path: id + "/exec", name: "execDisk", group: "Not offered yet", summary: "run a command on a disk",
			right: rightDiskWrite, contents: true, action: "disk.exec", errors: errors, do: takes(a.execDisk)},
		{method: "POST", path: id + "/grep", name: "grepDisk", group: "Not offered yet", summary: "search the files of a folder",
			right: rightDiskRead, contents: true, errors: errors, do: takes(a.grepDisk)},
		{method: "POST", path: "/api/exec", name: "exec", group: "Not offered yet", summary: "run a command on several disks",
			right: rightKey, action: "exec", errors: append([]int{404}, errors...), do: takes(a.exec)},
	}
}

func unoffered(text string) error { return errs.New("serve", "", errs.Unsupported, text) }

// errExec has the words that clients know from places without exec.
func errExec() error { return unoffered("Exec is not enabled") }

func (a *api) listDelegations(*call) (none, error) {
	return none{}, unoffered("Delegations are not offered: this release has no mounts")
}

type revokeRequest struct {
	ClientID string `json:"clientId" need:"true" doc:"client that holds the delegation"`
	InodeID  uint64 `json:"inodeId" need:"true" doc:"inode that it is for"`
}

func (a *api) revokeDelegation(c *call, in *revokeRequest) (none, error) {
	c.target = in.ClientID
	return none{}, unoffered("Delegations are not offered: this release has no mounts")
}

type execDiskRequest struct {
	Command string `json:"command" need:"true" doc:"for bash -c"`
}

func (a *api) execDisk(c *call, in *execDiskRequest) (none, error) {
	c.details = in.Command
	return none{}, errExec()
}

type grepRequest struct {
	Directory          string `json:"directory" doc:"where to search"`
	Pattern            string `json:"pattern" need:"true" doc:"as grep -E takes it"`
	Recursive          bool   `json:"recursive" doc:"also in the folders below"`
	MaxDurationSeconds int    `json:"maxDurationSeconds" doc:"1 to 30, by default 30"`
	Concurrency        int    `json:"concurrency" doc:"1 to 100, by default 50"`
	MaxResults         int    `json:"maxResults" doc:"1 to 10000, by default 1000"`
}

func (a *api) grepDisk(*call, *grepRequest) (none, error) {
	return none{}, unoffered("Grep is not enabled")
}

type execRequest struct {
	Disks   map[string]json.RawMessage `json:"disks" need:"true" doc:"by relative path: a disk's address, or an object with disk and options"`
	Command string                     `json:"command" need:"true" doc:"for bash -c"`
}

// execMount is the long form of a disk in execRequest.
type execMount struct {
	Disk          string   `json:"disk" need:"true" doc:"the disk's address"`
	Subdirectory  string   `json:"subdirectory" doc:"folder to show"`
	ReadOnly      bool     `json:"readOnly" doc:"writes fail"`
	Conditional   bool     `json:"conditional" doc:"writes need no delegation"`
	QueueMs       int      `json:"queueMs" doc:"how long to wait for delegations"`
	CheckoutPaths []string `json:"checkoutPaths" doc:"delegations to take"`
}

func (a *api) exec(c *call, in *execRequest) (none, error) {
	c.details = in.Command
	for _, path := range slices.Sorted(maps.Keys(in.Disks)) {
		var m execMount
		raw := in.Disks[path]
		if json.Unmarshal(raw, &m.Disk) != nil {
			if err := decodeBody(raw, &m); err != nil {
				return none{}, err
			}
		}
		if err := a.execDiskOf(c, &m); err != nil {
			return none{}, err
		}
	}
	return none{}, errExec()
}

// execDiskOf checks that a disk is there and that the key may use it so.
func (a *api) execDiskOf(c *call, m *execMount) error {
	id, _, _, err := a.diskOf(c, m.Disk)
	if err != nil {
		return err
	}
	if !m.ReadOnly && !c.key.May(id, true) {
		return readOnlyKey()
	}
	return a.admit(c, id)
}

// parseAddress reads the address of a disk, a branch or a checkpoint.
func parseAddress(s string) (disk.Address, error) {
	addr, ok := disk.ParseAddress(s)
	if !ok {
		return addr, invalid("a disk's id is dsk- and 16 lower-case hex digits; .BRANCH or .BRANCH.CHECKPOINT may follow")
	}
	return addr, nil
}
