package controlapi

import (
	"net/http"
	"net/netip"
	"reflect"

	"atoll/internal/catalog"
	"atoll/internal/disk"
)

// right is what a route asks of the API key.
type right uint8

const (
	rightNone         right = iota // no key at all
	rightKey                       // any key; the handler shows only what it may see
	rightDiskRead                  // to read the disk of {id}
	rightDiskWrite                 // to change the disk of {id}
	rightAccountRead               // to read what is not of one disk
	rightAccountWrite              // to change what is not of one disk
)

// route is one method of one path. All that is known of a route is here: the
// pipeline, the audit log, the metrics and the published description are
// driven by the same table.
type route struct {
	method, path string // a path's {name} is one segment, its {name...} the rest
	name         string // unique, such as "createDisk"
	group        string // heading under which it is described
	summary      string // what it does, in a line
	text         string // what else is to be known
	right        right
	// contents tells that the route shows or changes what is in a disk: then
	// the disk's allowed IPs hold. Routes that manage a disk are not bound by
	// them, or a mistaken list could not be mended.
	contents bool
	action   string // of the audit log; "": it changes nothing
	params   []param
	success  []int // statuses; none: 200
	errors   []int // statuses, beside those that every route of its kind has
	do       endpoint
}

// param is a parameter of the query, the path or the header.
type param struct {
	in       string // "query", "header"; "" is query
	name     string
	kind     string // of JSON schema: "string", "integer", "boolean"; "" is string
	text     string
	required bool
}

// endpoint is the work of a route, with the types that it takes and gives.
type endpoint struct {
	in, out  reflect.Type // of the JSON body and of the answer's data; nil: none
	optional bool         // the body may be missing
	stream   string       // media type of a body that the handler reads itself; "": none
	raw      string       // media type of an answer that the handler writes itself; "": the envelope
	run      func(c *call) (any, error)
}

// none is the data of answers that have none.
type none struct{}

// gives makes an endpoint that takes no body.
func gives[Out any](fn func(c *call) (Out, error)) endpoint {
	e := endpoint{run: func(c *call) (any, error) { return fn(c) }}
	if t := reflect.TypeFor[Out](); t != reflect.TypeFor[none]() {
		e.out = t
	}
	return e
}

// takes makes an endpoint whose body is a JSON object.
func takes[In, Out any](fn func(c *call, in *In) (Out, error)) endpoint {
	e := gives(func(c *call) (Out, error) {
		in := new(In)
		if err := decodeBody(c.body, in); err != nil {
			var zero Out
			return zero, err
		}
		return fn(c, in)
	})
	e.in = reflect.TypeFor[In]()
	return e
}

// mayTake is takes for a body that may be missing, which is as {}.
func mayTake[In, Out any](fn func(c *call, in *In) (Out, error)) endpoint {
	e := takes(func(c *call, in *In) (Out, error) { return fn(c, in) })
	e.optional = true
	return e
}

// writes makes an endpoint that writes an answer of a media type of its own
// to c.w. What it returns before it wrote anything becomes an envelope.
func writes(media string, fn func(c *call) error) endpoint {
	return endpoint{raw: media, run: func(c *call) (any, error) { return none{}, fn(c) }}
}

// streams makes an endpoint that reads the body itself, from c.r.Body.
func streams[Out any](media string, fn func(c *call) (Out, error)) endpoint {
	e := gives(fn)
	e.stream = media
	return e
}

// call is one request on its way through a route.
type call struct {
	w    http.ResponseWriter
	r    *http.Request
	rt   *route
	key  catalog.APIKey
	from netip.Addr // the client's address
	body []byte     // received; nil if the route streams

	// Of routes with {id}: the disk, and the point of its history that the
	// address names (a zero Ref is the root branch).
	disk disk.ID
	ref  disk.Ref
	row  catalog.Disk

	// What the handler says beside its data.
	status  int    // of success; 0: 200
	next    string // cursor of the next page
	target  string // for the audit log: what of the disk, or what else
	details string // for the audit log
}

// query returns a parameter of the query, "" if it is not there.
func (c *call) query(name string) string { return c.r.URL.Query().Get(name) }
