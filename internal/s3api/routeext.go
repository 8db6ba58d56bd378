package s3api

import "net/http"

// routeBucketExtended routes what only the extended profile has of a bucket's
// operations; false: it is none of these.
func (q *request) routeBucketExtended() bool {
	if _, ok := q.param("uploads"); !ok || q.r.Method != http.MethodGet {
		return false
	}
	q.op = OpListMultipartUploads
	q.refuseUnknown(isListUploadsParam)
	return true
}

// routeObjectExtended is routeBucketExtended for objects.
func (q *request) routeObjectExtended() bool {
	_, uploads := q.param("uploads")
	_, uploadID := q.param("uploadId")
	_, part := q.param("partNumber")
	_, appends := q.param("append")
	known := isUploadParam
	switch m := q.r.Method; {
	case m == http.MethodPost && uploads:
		q.op, known = OpCreateMultipartUpload, func(name string) bool { return name == "uploads" }
	case m == http.MethodPost && uploadID:
		q.op = OpCompleteMultipartUpload
	case m == http.MethodPut && (uploadID || part):
		q.op, known = OpUploadPart, func(name string) bool { return name == "uploadId" || name == "partNumber" }
	case m == http.MethodPut && appends:
		q.op, known = OpAppendObject, func(name string) bool { return name == "append" }
	case m == http.MethodDelete && uploadID:
		q.op = OpAbortMultipartUpload
	case m == http.MethodGet && uploadID:
		q.op, known = OpListParts, isListPartsParam
	default:
		return false
	}
	q.refuseUnknown(known)
	return true
}

// refuseUnknown refuses a request with a parameter that known does not name.
func (q *request) refuseUnknown(known func(string) bool) {
	if name, found := q.unknown(known); found {
		q.refuse(unsupported(name))
	}
}

func isUploadParam(name string) bool { return name == "uploadId" }

func isListPartsParam(name string) bool {
	switch name {
	case "uploadId", "max-parts", "part-number-marker":
		return true
	}
	return false
}

func isListUploadsParam(name string) bool {
	switch name {
	case "uploads", "prefix", "delimiter", "key-marker", "upload-id-marker", "max-uploads", "encoding-type":
		return true
	}
	return false
}

func isListBucketsParam(name string) bool {
	switch name {
	case "prefix", "max-buckets", "continuation-token", "bucket-region":
		return true
	}
	return false
}
