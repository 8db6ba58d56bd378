package s3api

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
)

const (
	maxDeleteKeys = 1000
	maxDeleteBody = 2 << 20
	// deleteWorkers delete at a time, so that they share commits.
	deleteWorkers = 16
)

// deleteRequest is the document of a DeleteObjects request.
type deleteRequest struct {
	quiet bool
	items []deleteItem
}

type deleteItem struct {
	key     string
	version string
	etag    string
	other   bool // has a condition that is not implemented
}

// deleteObjects deletes up to 1000 keys, each for itself.
func (h *Handler) deleteObjects(q *request) error {
	var b body
	defer b.close()
	if err := q.openBody(&b, maxDeleteBody, errXML); err != nil {
		return err
	}
	// The document, and what is read out of it.
	if err := q.takeMemory(2 * b.size); err != nil {
		return err
	}
	doc := bytes.NewBuffer(make([]byte, 0, b.size))
	if err := b.receive(doc); err != nil {
		return err
	}
	req, err := parseDelete(doc.Bytes())
	if err != nil {
		return err
	}
	results := make([]error, len(req.items))
	var next atomic.Int64
	var workers sync.WaitGroup
	for range min(deleteWorkers, len(req.items)) {
		workers.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(req.items)); i = next.Add(1) - 1 {
				results[i] = q.deleteItem(&req.items[i])
			}
		})
	}
	workers.Wait()
	return q.deleteResult(&req, results)
}

// deleteItem deletes one key. It runs on a goroutine of its own, where a panic
// would end the process.
func (q *request) deleteItem(it *deleteItem) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &apiError{Status: errInternal.Status, Code: errInternal.Code, Message: errInternal.Message,
				Cause: fmt.Errorf("panic: %v", p)}
		}
	}()
	if it.version != "" && it.version != "null" {
		return unsupported("versionId")
	}
	if it.other {
		return notImplemented("Of conditions, ETag is implemented.")
	}
	return remove(q.ctx, q.view, it.key, &writeConditions{ifMatch: it.etag})
}

func (q *request) deleteResult(req *deleteRequest, results []error) error {
	b := append(q.buf[:0], xmlHeader+"<DeleteResult"+xmlns+">"...)
	for i, err := range results {
		switch {
		case err != nil:
			e := toAPI(err, false)
			if e.Status >= 500 && e.Cause != nil {
				q.cause = e.Cause
			}
			b = append(b, "<Error>"...)
			b = appendElement(b, "Key", req.items[i].key)
			b = appendElement(b, "Code", e.Code)
			b = appendElement(b, "Message", e.Message)
			b = append(b, "</Error>"...)
		case !req.quiet:
			b = append(b, "<Deleted>"...)
			b = appendElement(b, "Key", req.items[i].key)
			b = append(b, "</Deleted>"...)
		}
	}
	b = append(b, "</DeleteResult>"...)
	q.buf = b
	return q.writeXML(http.StatusOK, b)
}

// parseDelete reads a Delete document. Elements that nobody knows are
// skipped; a document of another shape, with no keys or with more than 1000,
// is MalformedXML.
func parseDelete(doc []byte) (req deleteRequest, err error) {
	d := xml.NewDecoder(bytes.NewReader(doc))
	root, err := nextStart(d)
	if err != nil || root == nil || root.Name.Local != "Delete" {
		return req, errXML
	}
	for {
		el, err := nextStart(d)
		if err != nil {
			return req, errXML
		}
		if el == nil {
			break
		}
		switch el.Name.Local {
		case "Quiet":
			s, err := text(d)
			if err != nil {
				return req, errXML
			}
			req.quiet = s == "true" || s == "True" || s == "TRUE" || s == "1"
		case "Object":
			it, err := parseItem(d)
			if err != nil || len(req.items) == maxDeleteKeys {
				return req, errXML
			}
			req.items = append(req.items, it)
		default:
			if skip(d) != nil {
				return req, errXML
			}
		}
	}
	if len(req.items) == 0 {
		return req, errXML
	}
	// Nothing but white space and comments may follow.
	if _, err := nextStart(d); err != io.EOF {
		return req, errXML
	}
	return req, nil
}

// parseItem reads an Object element up to its end.
func parseItem(d *xml.Decoder) (it deleteItem, err error) {
	hasKey := false
	for {
		el, err := nextStart(d)
		if err != nil {
			return it, err
		}
		if el == nil {
			break
		}
		switch el.Name.Local {
		case "Key":
			it.key, err = text(d)
			hasKey = true
		case "VersionId":
			it.version, err = text(d)
		case "ETag":
			it.etag, err = text(d)
		case "LastModifiedTime", "Size":
			it.other = true
			err = skip(d)
		default:
			err = skip(d)
		}
		if err != nil {
			return it, err
		}
	}
	if !hasKey || it.key == "" {
		return it, errXML
	}
	return it, nil
}

// maxNesting bounds how deep elements that nobody knows may lie in each other:
// the decoder remembers each that is open.
const maxNesting = 16

// skip passes over the rest of the current element.
func skip(d *xml.Decoder) error {
	for depth := 1; depth > 0; {
		tok, err := d.Token()
		if err != nil {
			return err
		}
		switch tok.(type) {
		case xml.StartElement:
			if depth++; depth > maxNesting {
				return errXML
			}
		case xml.EndElement:
			depth--
		}
	}
	return nil
}

// nextStart returns the next element that begins here; nil at the end of the
// element around it. Text between elements has to be white space.
func nextStart(d *xml.Decoder) (*xml.StartElement, error) {
	for {
		tok, err := d.Token()
		if err != nil {
			return nil, err
		}
		switch t := tok.(type) {
		case xml.StartElement:
			return &t, nil
		case xml.EndElement:
			return nil, nil
		case xml.CharData:
			if len(bytes.TrimSpace(t)) > 0 {
				return nil, errXML
			}
		}
	}
}

// text returns the character data of the current element up to its end.
// White space is part of it: keys may begin and end with spaces.
func text(d *xml.Decoder) (string, error) {
	var b []byte
	for {
		tok, err := d.Token()
		if err != nil {
			return "", err
		}
		switch t := tok.(type) {
		case xml.CharData:
			b = append(b, t...)
		case xml.StartElement:
			return "", errXML
		case xml.EndElement:
			return string(b), nil
		}
	}
}
