package s3api

import (
	"context"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"atoll/internal/disk"
	"atoll/internal/errs"
	"atoll/internal/sigv4"
)

const apiKeyPrefix = "key-"

// hasAPIKey tells whether a request comes with an API key instead of a
// signature.
func (q *request) hasAPIKey() bool {
	v := q.r.Header["Authorization"]
	return len(v) == 1 && strings.HasPrefix(v[0], apiKeyPrefix) && q.h.o.APIKeys != nil
}

// authenticate finds out who asks and checks the signature. An address with
// too many failures behind it is not let try: neither the right secret nor a
// wrong one is told from the other.
func (h *Handler) authenticate(q *request) error {
	if h.o.Limiter != nil {
		if ok, wait := h.o.Limiter.Allow(q.client()); !ok {
			e := *errFailures
			e.Retry = int64((wait + time.Second - 1) / time.Second)
			return &e
		}
	}
	if q.hasAPIKey() {
		return h.authenticateKey(q)
	}
	a, err := sigv4.Parse(q.r)
	if err != nil {
		return err
	}
	q.accessKey = a.AccessKeyID
	cred, ok, err := h.o.Credentials.S3Credential(q.ctx, a.AccessKeyID)
	if err != nil {
		return err
	}
	if !ok {
		return q.failed(errAccessKey)
	}
	if err := h.verifier.Verify(q.r, a, cred.Secret); err != nil {
		if e, ok := err.(*sigv4.Error); ok && e.Code == sigv4.CodeSignatureDoesNotMatch {
			return q.failed(err)
		}
		return err // such as a clock that is wrong or a URL that has expired: nobody's guess
	}
	q.auth, q.cred = a, cred
	if a.Presigned {
		return q.hoist()
	}
	return nil
}

func (h *Handler) authenticateKey(q *request) error {
	k, ok, err := h.o.APIKeys.APIKey(q.ctx, q.r.Header["Authorization"][0])
	if err != nil {
		return err
	}
	if !ok {
		return q.failed(errAPIKey)
	}
	q.accessKey, q.grant = k.ID, k.Grant
	return nil
}

// failed counts a failed authentication.
func (q *request) failed(err error) error {
	if l := q.h.o.Limiter; l != nil {
		l.Failed(q.client())
	}
	return err
}

// client is the address that the request comes from.
func (q *request) client() netip.Addr {
	if !q.addr.IsValid() {
		q.addr = q.h.o.Addr.Addr(q.r)
	}
	return q.addr
}

// may tells whether the request's credential opens a disk, for changes if
// write.
func (q *request) may(id disk.ID, write bool) bool {
	if q.grant != nil {
		return q.grant.May(id, write)
	}
	return id == q.cred.Disk
}

// openBucket checks that the bucket is the credential's, that the operation is
// offered and that it may be done, and opens the bucket's view. Of other disks
// nobody learns whether they exist.
func (h *Handler) openBucket(q *request) error {
	if q.bucket == "" {
		if q.key == "" {
			return q.denied
		}
		return errAccessDenied
	}
	id, ref, err := h.locate(q, q.bucket)
	if err != nil {
		if err == errAccessDenied && q.op == OpCreateBucket {
			if _, isDisk := disk.ParseID(beforeDot(q.bucket)); !isDisk {
				return errCreateBucket
			}
		}
		return err
	}
	q.disk = id
	q.view, err = h.openView(q.ctx, id, ref)
	switch {
	case q.op == OpCreateBucket && err == nil:
		return errBucketOwned
	case q.op == OpCreateBucket && errs.Is(err, errs.NoView):
		return errCreateBucket
	case err != nil:
		return err
	case q.denied != nil:
		return q.denied
	case !q.op.writes():
		return nil
	case !q.may(id, true):
		return errReadOnlyKey
	case q.view.ReadOnly():
		return errReadOnlyView
	}
	return nil
}

// beforeDot is the id in a bucket's name.
func beforeDot(bucket string) string {
	name, _, _ := strings.Cut(bucket, ".")
	return name
}

// locate finds the disk and the point of its history that a bucket's name
// means, if the credential may read there.
func (h *Handler) locate(q *request, bucket string) (disk.ID, disk.Ref, error) {
	if id, plain := disk.ParseID(bucket); plain && q.grant == nil && id == q.cred.Disk {
		return id, disk.Ref{}, h.admit(q, id) // the usual bucket needs no looking up
	}
	id, isDisk := disk.ParseID(beforeDot(bucket))
	if !isDisk {
		return 0, disk.Ref{}, errAccessDenied
	}
	a, ok := disk.ParseAddress(bucket)
	if !ok {
		a = disk.Address{ID: id} // whose bucket this would be decides about the answer
	}
	id, ref, err := h.o.Disks.Locate(q.ctx, a)
	switch {
	case errs.Is(err, errs.NoDisk):
		// Only who may use it anyway hears that it is not there.
		if id = a.ID; q.may(id, false) {
			return 0, disk.Ref{}, errNoBucket
		}
		return 0, disk.Ref{}, errAccessDenied
	case err != nil:
		return 0, disk.Ref{}, err
	case !q.may(id, false):
		return 0, disk.Ref{}, errAccessDenied
	case !ok:
		return 0, disk.Ref{}, errNoBucket
	}
	return id, ref, h.admit(q, id)
}

// admit checks the client's address against the disk's limits.
func (h *Handler) admit(q *request, id disk.ID) error {
	if h.o.Admits == nil {
		return nil
	}
	ok, err := h.o.Admits(q.ctx, id, q.client())
	if err == nil && !ok {
		err = errAddress
	}
	return err
}

func (h *Handler) openView(ctx context.Context, id disk.ID, ref disk.Ref) (*disk.View, error) {
	d, err := h.o.Disks.Disk(ctx, id)
	if err != nil {
		return nil, err
	}
	return d.View(ctx, ref)
}

var (
	errAccessKey = &apiError{Status: http.StatusForbidden, Code: "InvalidAccessKeyId",
		Message: "The AWS Access Key Id you provided does not exist in our records. Keys open one disk; make one with `atoll user add DISK`."}
	errAccessDenied = &apiError{Status: http.StatusForbidden, Code: "AccessDenied",
		Message: "Access Denied. The credential opens one disk and its branches, and this bucket is not one of them."}
	errAPIKey = &apiError{Status: http.StatusForbidden, Code: "InvalidAccessKeyId",
		Message: "The API key you provided does not exist in our records, was revoked, or has expired. Make one with the control API (POST /api/tokens)."}
	errReadOnlyKey = &apiError{Status: http.StatusForbidden, Code: "AccessDenied",
		Message: "Access Denied. The API key is for reading only."}
	errReadOnlyView = &apiError{Status: http.StatusForbidden, Code: "AccessDenied",
		Message: "Access Denied. This bucket is a checkpoint, which can't be changed; write to a branch."}
	errAddress = &apiError{Status: http.StatusForbidden, Code: "AccessDenied",
		Message: "Access Denied. The disk is not open to clients at your address (see its allowed IPs)."}
	errFailures = &apiError{Status: http.StatusServiceUnavailable, Code: "SlowDown",
		Message: "Too many requests from your address had a wrong key or signature. Wait a while, and check the credential."}
	errNoBucket = &apiError{Status: http.StatusNotFound, Code: "NoSuchBucket",
		Message: "The specified bucket does not exist. A bucket is a disk's id, or a disk's id, a dot and the name of one of its branches, or these, a dot and the name of a checkpoint."}
	errListBuckets = &apiError{Status: http.StatusMethodNotAllowed, Code: "MethodNotAllowed",
		Message: "ListBuckets is not offered: a credential opens one disk. Use the disk's id (dsk-...) as the bucket."}
	errCreateBucket = &apiError{Status: http.StatusMethodNotAllowed, Code: "MethodNotAllowed",
		Message: "Buckets are disks and are not created through S3. Use `atoll disk create` or the control API."}
	errDeleteBucket = &apiError{Status: http.StatusMethodNotAllowed, Code: "MethodNotAllowed",
		Message: "Buckets are disks and are not deleted through S3. Use `atoll disk rm` or the control API."}
	errBucketOwned = &apiError{Status: http.StatusConflict, Code: "BucketAlreadyOwnedByYou",
		Message: "Your previous request to create the named bucket succeeded and you already own it."}
)
