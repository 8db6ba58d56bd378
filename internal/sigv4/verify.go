package sigv4

import (
	"crypto/subtle"
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"
)

const (
	defaultMaxSkew = 15 * time.Minute
	defaultMaxKeys = 4096
)

// Verifier checks signatures. The zero value is ready for use; its fields are
// not to be changed after that.
type Verifier struct {
	Now     func() time.Time // nil: time.Now
	MaxSkew time.Duration    // how far off a client's clock may be; 0: 15 minutes
	MaxKeys int              // derived signing keys kept; 0: 4096

	keys   keyCache
	canons sync.Pool // of *canon
}

// Verify checks that r is signed with secret as a says, and that it is in
// time. a is what Parse returned for r. Errors are *Error.
func (v *Verifier) Verify(r *http.Request, a *Auth, secret string) error {
	if err := v.checkTime(a); err != nil {
		return err
	}
	if err := checkUnsigned(r, a); err != nil {
		return err
	}
	id := cacheKey{a.AccessKeyID, a.Date, a.Region}
	key := v.keys.get(id, secret, v.maxKeys())
	known := key != nil
	if !known {
		key = deriveKey(secret, a.Date, a.Region)
	}
	c, _ := v.canons.Get().(*canon)
	if c == nil {
		c = new(canon)
	}
	err := c.check(r, a, key)
	if cap(c.buf)+cap(c.query) <= maxPooled {
		v.canons.Put(c)
	}
	if err != nil {
		return err
	}
	if !known {
		// Cloned: the strings are parts of the request's headers.
		id = cacheKey{strings.Clone(id.accessKeyID), strings.Clone(id.date), strings.Clone(id.region)}
		v.keys.put(id, key, v.maxKeys())
	}
	return nil
}

// Forget drops the signing keys that were derived for an access key id.
func (v *Verifier) Forget(accessKeyID string) { v.keys.forget(accessKeyID) }

func (v *Verifier) maxKeys() int {
	if v.MaxKeys > 0 {
		return v.MaxKeys
	}
	return defaultMaxKeys
}

// checkTime checks the time of signing against the clock.
func (v *Verifier) checkTime(a *Auth) error {
	now, skew := time.Now, v.MaxSkew
	if v.Now != nil {
		now = v.Now
	}
	if skew == 0 {
		skew = defaultMaxSkew
	}
	age := now().Sub(a.Time)
	switch {
	case a.Presigned && age < -skew:
		return errNotYet
	case a.Presigned && age > a.Expires:
		return errExpired
	case !a.Presigned && (age < -skew || age > skew):
		return errSkewed
	}
	return nil
}

// checkUnsigned refuses x-amz-* headers, and the x-archil-* ones of this
// server's own, that the signature does not cover: they change what a request
// does, and whoever holds a presigned URL could add them.
func checkUnsigned(r *http.Request, a *Auth) error {
	for key, values := range r.Header {
		if !strings.HasPrefix(key, "X-Amz-") && !strings.HasPrefix(key, "X-Archil-") || a.Signed(key) {
			continue
		}
		switch {
		case key == "X-Amz-Date":
			continue
		case key == "X-Amz-Content-Sha256" && (!a.Presigned || len(values) == 1 && values[0] == UnsignedPayload && a.PayloadHash == UnsignedPayload):
			continue
		}
		return &Error{CodeAccessDenied, "There were headers present in the request which were not signed: " + strings.ToLower(key)}
	}
	return nil
}

// check tries the forms that signers use, AWS's first.
func (c *canon) check(r *http.Request, a *Auth, key *signingKey) error {
	q := request{names: a.SignedHeaders, signed: a.signed, hash: a.PayloadHash}
	c.sawTab = false
	err := c.try(r, a, q, key, variant{})
	if err == nil || !errors.Is(err, errMismatch) {
		return err
	}
	// The slow path: a wrong secret, or a client of another form.
	raw := rawPath(r)
	rawPaths := raw != "" && raw != string(AppendPath(nil, r.URL.Path))
	for _, f := range variants {
		if f.rawPath && !rawPaths || f.query != queryCanonical && r.URL.RawQuery == "" || f.tabs && !c.sawTab {
			continue
		}
		if c.try(r, a, q, key, f) == nil {
			return nil
		}
	}
	return err
}

// try checks the signature of one form.
func (c *canon) try(r *http.Request, a *Auth, q request, key *signingKey, v variant) error {
	sts, err := c.stringToSign(r, q, a.stamp, a.Date, a.Region, v)
	if err != nil {
		return err
	}
	// The signature goes behind the string to sign, into the same buffer, and
	// the one that was given behind that.
	n := len(sts)
	c.buf = key.appendSignature(sts, sts)
	m := len(c.buf)
	c.buf = append(c.buf, a.Signature...)
	if subtle.ConstantTimeCompare(c.buf[n:m], c.buf[m:]) != 1 {
		return errMismatch
	}
	return nil
}
