package s3api

import (
	"net/http"
	"net/url"
	"strings"
)

// Op is an operation of the door, as logs and metrics name it.
type Op uint8

// The operations. OpOther is everything that the door refuses by its shape.
const (
	OpOther Op = iota
	OpListBuckets
	OpCreateBucket
	OpDeleteBucket
	OpHeadBucket
	OpGetBucketLocation
	OpListObjects
	OpListObjectsV2
	OpGetObject
	OpHeadObject
	OpPutObject
	OpDeleteObject
	OpDeleteObjects
	OpAppendObject
	OpCopyObject
	OpCreateMultipartUpload
	OpUploadPart
	OpUploadPartCopy
	OpCompleteMultipartUpload
	OpAbortMultipartUpload
	OpListParts
	OpListMultipartUploads
	numOps
)

// String gives AWS's name of the operation.
func (o Op) String() string {
	return [numOps]string{"Other", "ListBuckets", "CreateBucket", "DeleteBucket", "HeadBucket", "GetBucketLocation",
		"ListObjects", "ListObjectsV2", "GetObject", "HeadObject", "PutObject", "DeleteObject", "DeleteObjects",
		"AppendObject", "CopyObject", "CreateMultipartUpload", "UploadPart", "UploadPartCopy", "CompleteMultipartUpload",
		"AbortMultipartUpload", "ListParts", "ListMultipartUploads"}[o]
}

// writes tells whether an operation changes the disk.
func (o Op) writes() bool {
	switch o {
	case OpPutObject, OpDeleteObject, OpDeleteObjects, OpAppendObject, OpCopyObject, OpCreateMultipartUpload, OpUploadPart,
		OpUploadPartCopy, OpCompleteMultipartUpload, OpAbortMultipartUpload:
		return true
	}
	return false
}

// param is one decoded parameter of the query.
type param struct{ name, value string }

// param returns the value of a query parameter.
func (q *request) param(name string) (value string, ok bool) {
	for i := range q.query {
		if q.query[i].name == name {
			return q.query[i].value, true
		}
	}
	return "", false
}

// parseTarget finds the bucket, the key and the operation. An operation that
// is not offered becomes q.denied: it is told only to those who may know.
func (q *request) parseTarget() error {
	path := q.r.URL.Path
	if path == "" || path[0] != '/' {
		return errInvalidURI
	}
	q.bucket, q.key, _ = strings.Cut(path[1:], "/")
	if isVirtualHost(q.r.Host) && !strings.HasPrefix(path, "/dsk-") {
		return errVirtualHost
	}
	if err := q.parseQuery(q.r.URL.RawQuery); err != nil {
		return err
	}
	q.extended = q.h.o.Extended || q.hasAPIKey()
	switch {
	case q.bucket == "" && q.key == "":
		q.routeService()
	case q.key == "":
		if !q.extended || !q.routeBucketExtended() {
			q.routeBucket()
		}
	default:
		if !q.extended || !q.routeObjectExtended() {
			q.routeObject()
		}
	}
	return nil
}

// isVirtualHost tells whether a Host header begins with a disk's name.
func isVirtualHost(host string) bool {
	if len(host) < 21 || host[20] != '.' || !strings.EqualFold(host[:4], "dsk-") {
		return false
	}
	for _, c := range []byte(host[4:20]) {
		if (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'f') {
			return false
		}
	}
	return true
}

// maxParams bounds the parameters of a query: each is compared with all before
// it, for anyone who asks. Real requests have a dozen, and as many more as they
// have metadata hoisted from headers.
const maxParams = 256

// parseQuery decodes the query into q.query. The parameters that carry a
// presigned request's signature are left out; they are package sigv4's.
func (q *request) parseQuery(raw string) error {
	for raw != "" {
		var item string
		item, raw, _ = strings.Cut(raw, "&")
		if item == "" {
			continue
		}
		name, value, _ := strings.Cut(item, "=")
		var err error
		if name, err = url.QueryUnescape(name); err != nil {
			return errInvalidURI
		}
		if value, err = url.QueryUnescape(value); err != nil {
			return errInvalidURI
		}
		if name == "x-id" || isAuthParam(name) && q.presigned() {
			continue
		}
		if _, twice := q.param(name); twice {
			// Repeated names may be re-ordered without breaking a signature.
			return badArgument("The query parameter " + name + " is there more than once; give it once.")
		}
		if len(q.query) == maxParams {
			return badArgument("The query has too many parameters.")
		}
		q.query = append(q.query, param{name, value})
	}
	return nil
}

// isAuthParam tells whether a parameter belongs to a presigned URL's signature.
func isAuthParam(name string) bool {
	if len(name) < 10 || !strings.EqualFold(name[:6], "x-amz-") {
		return false
	}
	switch strings.ToLower(name[6:]) {
	case "algorithm", "credential", "date", "expires", "signedheaders", "signature", "security-token", "content-sha256":
		return true
	}
	return false
}

// isHoisted tells whether a parameter stands for an x-amz-* header.
func isHoisted(name string) bool {
	return len(name) > 6 && strings.EqualFold(name[:6], "x-amz-")
}

// unknown returns the first parameter that known does not name. On presigned
// requests x-amz-* parameters stand for headers.
func (q *request) unknown(known func(name string) bool) (name string, found bool) {
	for i := range q.query {
		name := q.query[i].name
		if known != nil && known(name) || isHoisted(name) && q.presigned() {
			continue
		}
		return name, true
	}
	return "", false
}

// presigned tells whether the request claims to be: the signature itself is
// checked later, and must be.
func (q *request) presigned() bool {
	return q.r.Header["Authorization"] == nil
}

func (q *request) refuse(err error) {
	q.op, q.denied = OpOther, err
}

func (q *request) routeService() {
	q.refuse(errMethod)
	if q.r.Method == http.MethodGet {
		q.op, q.denied = OpListBuckets, errListBuckets
		if q.extended && q.h.o.Buckets != nil {
			q.denied = nil
			q.refuseUnknown(isListBucketsParam)
		}
	}
}

func (q *request) routeBucket() {
	known := func(string) bool { return false }
	switch q.r.Method {
	case http.MethodGet:
		if _, ok := q.param("location"); ok {
			q.op, known = OpGetBucketLocation, func(name string) bool { return name == "location" }
			break
		}
		q.op, known = OpListObjects, isListParam
		if v, ok := q.param("list-type"); ok {
			q.op = OpListObjectsV2
			if v != "2" {
				q.denied = badArgument("Invalid list-type: it must be 2, or absent for the older listing.")
			}
		}
	case http.MethodHead:
		q.op = OpHeadBucket
	case http.MethodPut:
		q.op = OpCreateBucket
	case http.MethodDelete:
		q.op, q.denied = OpDeleteBucket, errDeleteBucket
	case http.MethodPost:
		if _, ok := q.param("delete"); !ok && len(q.query) == 0 {
			q.refuse(errPostForm)
			return
		}
		q.op, known = OpDeleteObjects, func(name string) bool { return name == "delete" }
	default:
		q.refuse(errMethod)
		return
	}
	if name, found := q.unknown(known); found {
		q.refuse(unsupported(name))
	} else if _, ok := q.param("delete"); q.op == OpDeleteObjects && !ok {
		q.refuse(errPostForm)
	}
}

func (q *request) routeObject() {
	known := func(string) bool { return false }
	switch q.r.Method {
	case http.MethodGet:
		q.op, known = OpGetObject, isGetParam
	case http.MethodHead:
		q.op, known = OpHeadObject, isGetParam
	case http.MethodPut:
		q.op = OpPutObject
	case http.MethodDelete:
		q.op = OpDeleteObject
	default:
		q.refuse(errMethod)
		if q.r.Method != http.MethodPost {
			return
		}
	}
	if name, found := q.unknown(known); found {
		q.refuse(unsupported(name))
	}
}

func isListParam(name string) bool {
	switch name {
	case "list-type", "prefix", "delimiter", "max-keys", "continuation-token", "start-after", "encoding-type",
		"fetch-owner", "marker":
		return true
	}
	return false
}

func isGetParam(name string) bool {
	switch name {
	case "partNumber", "response-content-type", "response-content-language", "response-expires",
		"response-cache-control", "response-content-disposition", "response-content-encoding":
		return true
	}
	return false
}
