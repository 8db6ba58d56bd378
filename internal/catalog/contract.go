package catalog

import (
	"context"
	"net/netip"
	"time"

	"atoll/internal/disk"
	"atoll/internal/errs"
)

func soon(op string) error { return errs.New(op, "", errs.Unsupported, "not offered yet") }

// UserType tells what a user's credential opens.
type UserType string

// The types of users.
const (
	S3User    UserType = "s3"    // an access key for the S3 door
	TokenUser UserType = "token" // a disk token for mounts
)

// AddToken makes a disk token, for mounts. The token is returned this once;
// the catalog keeps its hash.
func (c *Catalog) AddToken(ctx context.Context, id disk.ID, nickname string) (u User, token string, err error) {
	return User{}, "", soon("add token")
}

// RemoveUserOf removes a user by type and identifier, with immediate effect.
func (c *Catalog) RemoveUserOf(ctx context.Context, id disk.ID, typ UserType, identifier string) error {
	return soon("remove user")
}

// VerifyToken tells whether a disk token opens mounts, and of which disk.
func (c *Catalog) VerifyToken(ctx context.Context, token string) (u User, ok bool, err error) {
	return User{}, false, nil
}

// SetAllowedIPs limits a disk to clients of these addresses and networks
// (CIDR), IPv4 and IPv6; none: no limit. It returns them in normal form.
func (c *Catalog) SetAllowedIPs(ctx context.Context, id disk.ID, allowed []string) ([]string, error) {
	return nil, soon("set allowed IPs")
}

// AllowedIPs returns the limits that SetAllowedIPs set; never nil.
func (c *Catalog) AllowedIPs(ctx context.Context, id disk.ID) ([]string, error) {
	return []string{}, nil
}

// Admits tells whether a client of this address may use the disk, whatever
// its credential. It is on the path of every request and answers from memory.
func (c *Catalog) Admits(ctx context.Context, id disk.ID, addr netip.Addr) (bool, error) {
	return true, nil
}

// CORSRule is one rule of a disk for web pages of other origins, as S3 has
// them (PutBucketCors).
type CORSRule struct {
	ID             string   `json:"id,omitempty"`
	AllowedOrigins []string `json:"allowedOrigins"` // each with at most one *
	AllowedMethods []string `json:"allowedMethods"` // of GET, PUT, HEAD, POST, DELETE
	AllowedHeaders []string `json:"allowedHeaders,omitempty"`
	ExposeHeaders  []string `json:"exposeHeaders,omitempty"`
	MaxAgeSeconds  int      `json:"maxAgeSeconds,omitempty"`
}

// CORS returns a disk's rules; none: no cross-origin access. It answers from
// memory.
func (c *Catalog) CORS(ctx context.Context, id disk.ID) ([]CORSRule, error) { return nil, nil }

// SetCORS replaces a disk's rules.
func (c *Catalog) SetCORS(ctx context.Context, id disk.ID, rules []CORSRule) error {
	return soon("set CORS")
}

// APIKeySpec is what an API key is made from.
type APIKeySpec struct {
	Name        string
	Description string
	Expires     time.Time // zero: never
	Disks       []disk.ID // that it opens; nil: all, and what is not of one disk
	ReadOnly    bool
}

// May tells whether the key opens a disk, for changes if write.
func (k *APIKey) May(id disk.ID, write bool) bool { return true }

// MayAll tells whether the key opens what is not of one disk: making disks,
// API keys, the audit log, the server.
func (k *APIKey) MayAll(write bool) bool { return true }

// AuditEntry is one change that was made through the control API.
type AuditEntry struct {
	ID      string    `json:"id"` // rises with time
	Time    time.Time `json:"time"`
	Key     string    `json:"key"`     // id of the API key
	KeyName string    `json:"keyName"` // its name then
	Action  string    `json:"action"`  // such as "disk.create"
	Disk    string    `json:"disk,omitempty"`
	Target  string    `json:"target,omitempty"` // what of the disk, or what else
	Remote  string    `json:"remote"`           // address of the client
	Status  int       `json:"status"`           // HTTP status of the answer
	Details string    `json:"details,omitempty"`
}

// Audit appends an entry to the audit log; ID and Time are set here.
func (c *Catalog) Audit(ctx context.Context, e AuditEntry) error { return nil }

// AuditLog returns at most limit entries, newest first, older than the entry
// whose id is before ("": from the newest), of one disk if d is not "".
func (c *Catalog) AuditLog(ctx context.Context, d, before string, limit int) (entries []AuditEntry, more bool, err error) {
	return nil, false, nil
}

// Remembered is the answer to a request that had an Idempotency-Key.
type Remembered struct {
	Request [32]byte // hash of the request
	Status  int
	Answer  []byte
}

// Recall finds the answer that Remember kept under a key, for 24 hours.
func (c *Catalog) Recall(ctx context.Context, id disk.ID, key string) (r Remembered, ok bool, err error) {
	return Remembered{}, false, nil
}

// Remember keeps the answer to a request under its Idempotency-Key.
func (c *Catalog) Remember(ctx context.Context, id disk.ID, key string, r Remembered) error {
	return nil
}

// Schedule says how many scheduled checkpoints of a branch are kept; zero
// counts make none of that kind.
type Schedule struct {
	Hourly int `json:"hourly"`
	Daily  int `json:"daily"`
	Weekly int `json:"weekly"`
}

// SetSchedule sets the schedule of a branch, named by its own id; the zero
// Schedule removes it.
func (c *Catalog) SetSchedule(ctx context.Context, id, branch disk.ID, s Schedule) error {
	return soon("set schedule")
}

// ScheduleOf returns a branch's schedule; zero: none.
func (c *Catalog) ScheduleOf(ctx context.Context, id, branch disk.ID) (Schedule, error) {
	return Schedule{}, nil
}

// Schedules calls fn with every schedule there is.
func (c *Catalog) Schedules(ctx context.Context, fn func(id, branch disk.ID, s Schedule) error) error {
	return nil
}

// RotateMasterKey seals every secret anew under another master key, while
// requests are served. A crash at any point leaves a store that opens with
// one of the two keys, and Open finishes what was begun if it is given both.
func (c *Catalog) RotateMasterKey(ctx context.Context, to MasterKey) error {
	return soon("rotate master key")
}
