package sigv4

import (
	"net/http"
	"strings"
)

// parseHeader parses the Authorization header; values are all that the
// request has of it.
func parseHeader(r *http.Request, values []string) (*Auth, error) {
	if len(values) != 1 {
		return nil, (&Auth{}).malformed("there must be one Authorization header.")
	}
	scheme, params, _ := strings.Cut(values[0], " ")
	switch scheme {
	case algorithm:
	case "AWS", "AWS4-ECDSA-P256-SHA256":
		return nil, errOldAuth
	default:
		return nil, errAuthType
	}
	a := &Auth{}
	if err := a.setParams(params); err != nil {
		return nil, err
	}
	if err := a.setHeaderTime(r.Header); err != nil {
		return nil, err
	}
	hash, n := single(r.Header, "X-Amz-Content-Sha256")
	switch {
	case n == 1:
		a.PayloadHash = hash
	case n == 0 && r.ContentLength == 0:
		a.PayloadHash = EmptySHA256
	case n == 0:
		return nil, errNoHash
	default:
		return nil, errHash
	}
	return a, nil
}

// setParams parses Credential=..., SignedHeaders=..., Signature=..., each of
// them once, in any order, separated by commas and optional spaces.
func (a *Auth) setParams(s string) *Error {
	var credential, signed string
	for s != "" {
		item, rest, _ := strings.Cut(s, ",")
		s = rest
		name, value, ok := strings.Cut(strings.Trim(item, " \t"), "=")
		var to *string
		switch name {
		case "Credential":
			to = &credential
		case "SignedHeaders":
			to = &signed
		case "Signature":
			to = &a.Signature
		}
		if !ok || to == nil || *to != "" || value == "" {
			return a.malformed("it needs Credential, SignedHeaders and Signature, each of them once.")
		}
		*to = value
	}
	if credential == "" || signed == "" || a.Signature == "" {
		return a.malformed("it needs Credential, SignedHeaders and Signature, each of them once.")
	}
	if err := a.setCredential(credential); err != nil {
		return err
	}
	return a.setSignedHeaders(signed)
}

// setHeaderTime takes the time from X-Amz-Date or, without that, from Date.
func (a *Auth) setHeaderTime(h http.Header) *Error {
	switch stamp, n := single(h, "X-Amz-Date"); {
	case n == 1:
		return a.setTime(stamp)
	case n > 1:
		return errNoDate
	}
	date, n := single(h, "Date")
	if n != 1 {
		return errNoDate
	}
	t, err := http.ParseTime(date)
	if err != nil {
		// Some signers put the ISO form there; setTime judges that.
		return a.setTime(date)
	}
	return a.setTime(t.UTC().Format(stampLayout))
}
