package s3api

import (
	"net/http"
	"strings"

	"atoll/internal/disk"
	"atoll/internal/errs"
	"atoll/internal/sigv4"
)

// authenticate finds out who asks and checks the signature.
func (h *Handler) authenticate(q *request) (Credential, error) {
	a, err := sigv4.Parse(q.r)
	if err != nil {
		return Credential{}, err
	}
	q.accessKey = a.AccessKeyID
	cred, ok, err := h.o.Credentials.S3Credential(q.ctx, a.AccessKeyID)
	if err != nil {
		return Credential{}, err
	}
	if !ok {
		return Credential{}, errAccessKey
	}
	if err := h.verifier.Verify(q.r, a, cred.Secret); err != nil {
		return Credential{}, err
	}
	q.auth = a
	if a.Presigned {
		return cred, q.hoist()
	}
	return cred, nil
}

// openBucket checks that the bucket is the credential's and opens its view.
// Of other disks nobody learns whether they exist.
func (h *Handler) openBucket(q *request, cred Credential) error {
	if q.bucket == "" {
		if q.key == "" {
			return q.denied
		}
		return errAccessDenied
	}
	name, branch, dotted := strings.Cut(q.bucket, ".")
	id, isDisk := disk.ParseID(name)
	if !isDisk || id != cred.Disk {
		if q.op == OpCreateBucket && !isDisk {
			return errCreateBucket
		}
		return errAccessDenied
	}
	q.disk = id
	if dotted && branch == "" {
		return errNoBucket
	}
	d, err := h.o.Disks.Disk(q.ctx, id)
	if err != nil {
		return err
	}
	q.view, err = d.View(q.ctx, disk.Ref{Branch: branch})
	if q.op == OpCreateBucket {
		if err == nil {
			return errBucketOwned
		}
		if errs.Is(err, errs.NoView) {
			return errCreateBucket
		}
	}
	return err
}

var (
	errAccessKey = &apiError{Status: http.StatusForbidden, Code: "InvalidAccessKeyId",
		Message: "The AWS Access Key Id you provided does not exist in our records. Keys open one disk; make one with `atoll user add DISK`."}
	errAccessDenied = &apiError{Status: http.StatusForbidden, Code: "AccessDenied",
		Message: "Access Denied. The credential opens one disk and its branches, and this bucket is not one of them."}
	errNoBucket = &apiError{Status: http.StatusNotFound, Code: "NoSuchBucket",
		Message: "The specified bucket does not exist. A bucket is a disk's id, or a disk's id, a dot and the name of one of its branches."}
	errListBuckets = &apiError{Status: http.StatusMethodNotAllowed, Code: "MethodNotAllowed",
		Message: "ListBuckets is not offered: a credential opens one disk. Use the disk's id (dsk-...) as the bucket."}
	errCreateBucket = &apiError{Status: http.StatusMethodNotAllowed, Code: "MethodNotAllowed",
		Message: "Buckets are disks and are not created through S3. Use `atoll disk create` or the control API."}
	errDeleteBucket = &apiError{Status: http.StatusMethodNotAllowed, Code: "MethodNotAllowed",
		Message: "Buckets are disks and are not deleted through S3. Use `atoll disk rm` or the control API."}
	errBucketOwned = &apiError{Status: http.StatusConflict, Code: "BucketAlreadyOwnedByYou",
		Message: "Your previous request to create the named bucket succeeded and you already own it."}
)
