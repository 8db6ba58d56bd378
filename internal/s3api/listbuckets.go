package s3api

import (
	"net/http"
	"strings"

	"atoll/internal/disk"
)

// maxBuckets is how many buckets a page has at most.
const maxBuckets = 10000

// listBuckets lists the disks that the credential may use.
func (h *Handler) listBuckets(q *request) error {
	limit, err := q.count("max-buckets", maxBuckets)
	if err != nil {
		return err
	}
	if limit == 0 {
		return badArgument("Argument max-buckets must be an integer between 1 and 10000")
	}
	prefix, _ := q.param("prefix")
	var after disk.ID
	if token, ok := q.param("continuation-token"); ok {
		name, valid := parseToken(token)
		if after, ok = disk.ParseID(name); !valid || !ok {
			return badArgument("The continuation token provided is incorrect")
		}
	}
	if err := q.takeMemory(listMemory); err != nil {
		return err
	}
	var page []Bucket
	more := false
	if region, ok := q.param("bucket-region"); !ok || region == h.region {
		if page, more, err = q.bucketPage(prefix, after, limit); err != nil {
			return err
		}
	}
	b := append(q.buf[:0], xmlHeader+"<ListAllMyBucketsResult"+xmlns+"><Owner><ID>atoll</ID><DisplayName>atoll</DisplayName></Owner><Buckets>"...)
	for i := range page {
		b = append(b, "<Bucket>"...)
		b = appendElement(b, "Name", page[i].ID.String())
		b = append(b, "<CreationDate>"...)
		b = appendISO(b, page[i].Created)
		b = append(b, "</CreationDate>"...)
		b = appendElement(b, "BucketRegion", h.region)
		b = append(b, "</Bucket>"...)
	}
	b = append(b, "</Buckets>"...)
	if more {
		b = append(b, "<ContinuationToken>"...)
		b = appendToken(b, page[len(page)-1].ID.String())
		b = append(b, "</ContinuationToken>"...)
	}
	if prefix != "" {
		b = appendElement(b, "Prefix", prefix)
	}
	b = append(b, "</ListAllMyBucketsResult>"...)
	q.buf = b
	return q.writeXML(http.StatusOK, b)
}

// bucketPage collects the disks behind one that the credential may use and
// whose name begins with prefix.
func (q *request) bucketPage(prefix string, after disk.ID, limit int) (out []Bucket, more bool, err error) {
	if q.grant == nil && after < q.cred.Disk {
		after = q.cred.Disk - 1 // there is only this one
	}
	for {
		page, rest, err := q.h.o.Buckets(q.ctx, after, maxPage)
		if err != nil {
			return nil, false, err
		}
		for _, b := range page {
			after = b.ID
			if q.grant == nil && b.ID > q.cred.Disk {
				return out, false, nil
			}
			if !q.may(b.ID, false) || !strings.HasPrefix(b.ID.String(), prefix) || q.h.admit(q, b.ID) != nil {
				continue
			}
			if len(out) == limit {
				return out, true, nil
			}
			out = append(out, b)
		}
		if !rest || len(page) == 0 {
			return out, false, nil
		}
	}
}
