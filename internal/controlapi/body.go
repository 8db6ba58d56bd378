package controlapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strings"
	"time"
	"unicode/utf8"

	"atoll/internal/errs"
)

// receive reads the whole body within its bounds of size and time. The
// deadline is taken back then: left standing, it would cancel a handler that
// takes longer, such as a backup.
func (a *api) receive(c *call) error {
	if c.rt.do.stream != "" {
		return nil
	}
	rc := http.NewResponseController(c.w)
	deadline := func(t time.Time) error {
		// A writer without deadlines is a test's; there is nothing to protect.
		if err := rc.SetReadDeadline(t); err != nil && !errors.Is(err, http.ErrNotSupported) {
			return errs.E("receive request", "", errs.Other, err)
		}
		return nil
	}
	if err := deadline(time.Now().Add(a.o.BodyTimeout)); err != nil {
		return err
	}
	b, err := io.ReadAll(http.MaxBytesReader(c.w, c.r.Body, a.o.MaxBody))
	var tooBig *http.MaxBytesError
	if errors.As(err, &tooBig) {
		return errs.E("receive request", "", errs.TooLarge, fmt.Errorf("a request's body has at most %d bytes", tooBig.Limit))
	}
	if err != nil {
		return invalid("the request's body could not be read")
	}
	c.body = bytes.TrimSpace(b)
	switch {
	case c.rt.do.in == nil && len(c.body) > 0:
		if err := decodeBody(c.body, new(none)); err != nil {
			return err
		}
	case c.rt.do.optional && len(c.body) == 0:
		c.body = []byte("{}")
	}
	return deadline(time.Time{})
}

// decodeBody reads a body that is one JSON object into v, which has a field
// for whatever may be in it.
func decodeBody(b []byte, v any) error {
	if !bytes.HasPrefix(bytes.TrimSpace(b), []byte("{")) || !utf8.Valid(b) {
		return invalid("the body is not the JSON object that this route takes")
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return decodeError(err)
	}
	if _, err := d.Token(); err != io.EOF {
		return invalid("something follows the JSON object in the body")
	}
	if err := checkNames(json.NewDecoder(bytes.NewReader(b)), reflect.TypeOf(v)); err != nil {
		return err
	}
	return checkNeeded(reflect.ValueOf(v).Elem())
}

// checkNeeded tells which field is missing of those that have to be there: a
// pointer must be set, anything else must not be empty.
func checkNeeded(v reflect.Value) error {
	if v.Kind() != reflect.Struct {
		return nil
	}
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if f.Tag.Get("need") == "true" && v.Field(i).IsZero() {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			return invalid("%s is needed", name)
		}
	}
	return nil
}

// decodeError says what is wrong in terms of the request.
func decodeError(err error) error {
	var field *json.UnmarshalTypeError
	if errors.As(err, &field) && field.Field != "" {
		return invalid("%s has the wrong type: %s", field.Field, field.Value)
	}
	// The package has no type for this error.
	if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		return invalid("this route has no field %s", name)
	}
	return invalid("the body is not the JSON object that this route takes")
}
