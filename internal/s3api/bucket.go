package s3api

import "net/http"

// headBucket answers that the bucket is there; that was checked before.
func (h *Handler) headBucket(q *request) error {
	q.header["X-Amz-Bucket-Region"] = h.regionValue
	q.header["Content-Type"] = h.xmlType
	q.writeHeader(http.StatusOK)
	return nil
}

// getBucketLocation tells the server's region, which is never empty.
func (h *Handler) getBucketLocation(q *request) error {
	b := append(q.buf[:0], xmlHeader+"<LocationConstraint"+xmlns+">"...)
	b = appendXML(b, h.region)
	b = append(b, "</LocationConstraint>"...)
	q.buf = b
	return q.writeXML(http.StatusOK, b)
}
