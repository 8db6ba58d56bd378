package share

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"atoll/internal/catalog"
	"atoll/internal/disk"
	"atoll/internal/errs"
	"atoll/internal/fileserve"
)

// Store is what links need of package catalog: keys, what was taken back, and
// whom disks admit.
type Store interface {
	// ShareKeys returns the key that seals, and those that still open.
	ShareKeys(ctx context.Context) ([]catalog.ShareKey, error)
	// RevokeShare takes back one share of a disk. What it keeps of it may go
	// after until.
	RevokeShare(ctx context.Context, d disk.ID, id string, until time.Time) error
	// RevokeShares takes back all shares of a disk that were issued until now.
	RevokeShares(ctx context.Context, d disk.ID) error
	// ShareRevoked tells whether a share was taken back. A call that begins
	// after a revocation returned knows of it.
	ShareRevoked(ctx context.Context, d disk.ID, id string, issued time.Time) (bool, error)
	// Admits tells whether a client of this address may use the disk.
	Admits(ctx context.Context, d disk.ID, addr netip.Addr) (bool, error)
}

// Core is what links need of package disk.
type Core interface {
	Locate(ctx context.Context, a disk.Address) (disk.ID, disk.Ref, error)
	Disk(ctx context.Context, id disk.ID) (*disk.Disk, error)
}

// Options of New. Store, Disks and PublicURL are needed.
type Options struct {
	Store     Store
	Disks     Core
	PublicURL func() string     // under which clients reach /api/, such as https://atoll.example.com
	Now       func() time.Time  // nil: time.Now
	Rand      io.Reader         // nil: crypto/rand
	Serve     fileserve.Options // how files are sent
}

// Sharer makes and serves links. It may be used by any number of goroutines.
type Sharer struct{ o Options }

// New makes a Sharer.
func New(o Options) *Sharer {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Rand == nil {
		o.Rand = rand.Reader
	}
	return &Sharer{o: o}
}

// Share is a link that was made.
type Share struct {
	ID      ID
	URL     string
	Expires time.Time
}

// Path is where links are served; the token follows.
const Path = "/api/shared/"

// Make makes a link to the file at path, as ref has it. NotFound: it has no
// such file; Invalid: the lifetime is not whole seconds up to MaxLifetime, or
// the path is too long.
func (s *Sharer) Make(ctx context.Context, id disk.ID, ref disk.Ref, path string, lifetime time.Duration) (Share, error) {
	if lifetime < time.Second || lifetime > MaxLifetime || lifetime%time.Second != 0 {
		return Share{}, errs.New("share", path, errs.Invalid, "a link holds from 1 to 604800 seconds")
	}
	branch, err := s.find(ctx, id, ref, path)
	if err != nil {
		return Share{}, err
	}
	keys, err := s.o.Store.ShareKeys(ctx)
	if err != nil {
		return Share{}, err
	}
	if len(keys) == 0 {
		return Share{}, errs.New("share", path, errs.Other, "the store has no key for links")
	}
	c := Claims{Disk: id, Branch: branch, Checkpoint: ref.Checkpoint, Path: path,
		Issued: s.o.Now(), Lifetime: lifetime}
	if _, err := io.ReadFull(s.o.Rand, c.ID[:]); err != nil {
		return Share{}, errs.E("share", path, errs.Other, err)
	}
	token, err := seal(&keys[0], &c)
	if err != nil {
		return Share{}, err
	}
	return Share{ID: c.ID, URL: strings.TrimRight(s.o.PublicURL(), "/") + Path + token, Expires: c.Expires()}, nil
}

// find checks that there is such a file, and returns its branch's own id.
func (s *Sharer) find(ctx context.Context, id disk.ID, ref disk.Ref, path string) (disk.ID, error) {
	if len(path) > MaxPath {
		return 0, errs.New("share", path, errs.Invalid, fmt.Sprintf("the path of a file to share has at most %d bytes", MaxPath))
	}
	noFile := errs.New("share", path, errs.NotFound, "there is no such file")
	if disk.CheckPath(path) != nil || disk.IsReserved(path) {
		return 0, noFile
	}
	d, err := s.o.Disks.Disk(ctx, id)
	if err != nil {
		return 0, err
	}
	v, err := d.View(ctx, ref)
	if err != nil {
		return 0, err
	}
	a, err := v.Stat(ctx, path, true)
	switch {
	case isGone(err), err == nil && a.Type != disk.File:
		return 0, noFile
	case err != nil:
		return 0, err
	case ref.Branch == "" || ref.Branch == disk.RootBranch:
		return id, nil
	}
	b, err := d.Branch(ctx, ref.Branch)
	return b.ID, err
}

// Revoke takes back one share of a disk, with immediate effect.
func (s *Sharer) Revoke(ctx context.Context, id disk.ID, share ID) error {
	return s.o.Store.RevokeShare(ctx, id, share.String(), s.o.Now().Add(MaxLifetime))
}

// RevokeAll takes back all shares of a disk, with immediate effect.
func (s *Sharer) RevokeAll(ctx context.Context, id disk.ID) error {
	return s.o.Store.RevokeShares(ctx, id)
}

// Expired is the error of a token whose time is over.
type Expired struct{ At time.Time }

func (e *Expired) Error() string {
	return "this link expired at " + e.At.UTC().Format("2006-01-02 15:04:05") + " UTC: ask for a new one"
}

// unknown is the one answer to all that is not, or not any more, a share.
func unknown() error {
	return errs.New("open share", "", errs.NotFound, "there is nothing under this link: it is mistyped, was withdrawn, or its file is gone")
}

// isGone tells of the errors that mean that a shared file is not there.
func isGone(err error) bool {
	switch errs.KindOf(err) {
	case errs.NotFound, errs.NoView, errs.NoDisk, errs.NotDir, errs.Loop, errs.LeavesDisk, errs.Reserved, errs.Stale:
		return true
	}
	return false
}

// Serve answers GET and HEAD of a link by the file as it is now. Errors come
// back as those of fileserve.Serve do; those of the link are NotFound,
// *Expired, and Permission for an address that the disk does not admit.
func (s *Sharer) Serve(w http.ResponseWriter, r *http.Request, token string, from netip.Addr) error {
	c, v, err := s.open(r.Context(), token, from)
	if err == nil {
		err = fileserve.Serve(w, r, v, c.Path, s.o.Serve)
	}
	if isGone(err) {
		return unknown()
	}
	return err
}

// open finds what a token leads to.
func (s *Sharer) open(ctx context.Context, token string, from netip.Addr) (c Claims, v *disk.View, err error) {
	keys, err := s.o.Store.ShareKeys(ctx)
	if err != nil {
		return c, nil, err
	}
	c, ok, err := open(keys, token)
	switch {
	case err != nil:
		return c, nil, err
	case !ok:
		return c, nil, unknown()
	case !s.o.Now().Before(c.Expires()):
		return c, nil, &Expired{c.Expires()}
	}
	revoked, err := s.o.Store.ShareRevoked(ctx, c.Disk, c.ID.String(), c.Issued)
	if err != nil {
		return c, nil, err
	}
	if revoked {
		return c, nil, unknown()
	}
	id, ref, err := s.o.Disks.Locate(ctx, disk.Address{ID: c.Branch})
	if err != nil {
		return c, nil, err
	}
	if id != c.Disk {
		return c, nil, unknown()
	}
	ref.Checkpoint = c.Checkpoint
	admitted, err := s.o.Store.Admits(ctx, id, from)
	if err != nil {
		return c, nil, err
	}
	if !admitted {
		return c, nil, errs.New("open share", "", errs.Permission, "this link can't be opened from your address")
	}
	d, err := s.o.Disks.Disk(ctx, id)
	if err != nil {
		return c, nil, err
	}
	v, err = d.View(ctx, ref)
	return c, v, err
}
