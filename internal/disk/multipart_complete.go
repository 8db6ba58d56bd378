package disk

import (
	"context"

	"atoll/internal/errs"
)

// CompleteMultipart makes the file at path of the given parts, whose numbers
// ascend, atomically and without copying their bytes. Of each the Number and
// the MD5 count, and have to be those of a part that is there when it is done:
// one that was uploaded again meanwhile is not the one meant. Parts that are
// not named are freed. o's Check, Client, ContentMeta, MD5 and HasMD5 count;
// the rest was given to CreateMultipart. NotFound: no such upload; Invalid: a
// part is not there, or not with this MD5; TooLarge: together they are; and
// what Upload.Commit fails with. After an error the upload is as it was.
func (v *View) CompleteMultipart(ctx context.Context, path string, id MultipartID, parts []Part, o PutOptions) (Attr, error) {
	const what = "complete multipart upload"
	if err := v.refuseReadOnly(what, path); err != nil {
		return Attr{}, err
	}
	if err := checkParts(path, parts); err != nil {
		return Attr{}, err
	}
	in, err := v.Multipart(ctx, path, id)
	if err != nil {
		return Attr{}, err
	}
	opts := in.Options
	opts.Check, opts.Client, opts.ContentMeta, opts.MD5, opts.HasMD5 = o.Check, o.Client, o.ContentMeta, o.MD5, o.HasMD5
	if err := checkPut(path, &opts); err != nil {
		return Attr{}, err
	}
	c := &completion{path: path, id: id, want: parts}
	if c.ids, err = v.disk.newIDs(ctx, idsPerFile); err != nil {
		return Attr{}, err
	}
	if err := v.makeParents(ctx, path, &opts); err != nil {
		return Attr{}, err
	}
	var a Attr
	err = v.alone(ctx, func(t *txn) error {
		if _, err := getMultipart(t.tx, what, t.disk, t.lay.id, path, id); err != nil {
			return err
		}
		if err := c.gather(t); err != nil {
			return err
		}
		a, err = t.putFile(path, c, &opts)
		return err
	})
	if err != nil {
		return Attr{}, errs.E(what, path, errs.KindOf(err), err)
	}
	return a, nil
}

// checkParts checks the numbers of the parts that a file is made of.
func checkParts(path string, parts []Part) error {
	last := 0
	for i := range parts {
		n := parts[i].Number
		if n <= last || n > MaxParts {
			return errs.New("complete multipart upload", path, errs.Invalid, "part numbers must ascend, from 1 to 10000")
		}
		last = n
	}
	if last == 0 {
		return errs.New("complete multipart upload", path, errs.Invalid, "a file is made of at least one part")
	}
	return nil
}

// completion is the contents that the parts of an upload become.
type completion struct {
	path string
	id   MultipartID
	want []Part
	ids  uint64 // first of the numbers taken: inode and data id, version

	refs []partRef // of parts with bytes
	size int64
	free []DataID // parts that were not asked for
}

// gather finds the parts that were asked for, and those that were not.
func (c *completion) gather(t *txn) error {
	c.refs, c.free, c.size = nil, nil, 0
	rest := c.want
	err := t.eachPart(c.id, 1, func(p *Part) bool {
		if len(rest) == 0 || rest[0].Number > p.Number {
			c.free = append(c.free, p.data)
			return true
		}
		if rest[0].Number < p.Number || rest[0].MD5 != p.MD5 {
			return false
		}
		if p.Size > 0 {
			c.refs = append(c.refs, partRef{c.size, p.data})
			c.size += p.Size
		}
		rest = rest[1:]
		return c.size <= MaxSize
	})
	switch {
	case err != nil:
		return err
	case c.size > MaxSize:
		return errs.New("complete multipart upload", c.path, errs.TooLarge, "no file may be that large")
	case len(rest) > 0:
		return errs.New("complete multipart upload", c.path, errs.Invalid,
			"a part was not uploaded, or its bytes are not those that were named; list the parts and complete with what is there")
	}
	return nil
}

func (c *completion) describe(a *Attr) {
	a.Ino, a.Version, a.Size, a.Bytes = Ino(c.ids), c.ids+1, c.size, c.size
	switch len(c.refs) {
	case 0:
	case 1: // as if it had been put whole
		a.Data = c.refs[0].data
	default:
		a.Data, a.parts = DataID(c.ids), true
	}
}

// unstaged is 0: the parts' bytes were counted as they came.
func (c *completion) unstaged() int64 { return 0 }

func (c *completion) writeContents(t *txn) error {
	if len(c.refs) > 1 {
		if err := t.writeParts(DataID(c.ids), c.refs); err != nil {
			return err
		}
	}
	return t.endMultipart(c.path, c.id, c.free)
}
