package controlapi

import (
	"encoding/json"
	"reflect"
	"strings"
	"time"
	"unicode"
)

// object is a JSON object of the description.
type object = map[string]any

// schemas describes Go types as encoding/json writes and reads them.
type schemas struct {
	named  object                // by the names of the types
	types  map[reflect.Type]bool // that are described
	inputs map[reflect.Type]bool // that requests hold
}

// schemaName is a struct's name in the description.
func schemaName(t reflect.Type) string {
	name := []rune(strings.TrimSuffix(t.Name(), "Response"))
	if len(name) > 0 {
		name[0] = unicode.ToUpper(name[0])
	}
	return string(name)
}

// field is one field of a struct as JSON has it.
type field struct {
	name, doc, enum   string
	typ               reflect.Type
	needed, omittable bool
}

// fieldsOf lists the fields of a struct, in its order.
func fieldsOf(t reflect.Type) []field {
	var out []field
	for i := range t.NumField() {
		f := t.Field(i)
		name, opts, _ := strings.Cut(f.Tag.Get("json"), ",")
		out = append(out, field{
			name: name, doc: f.Tag.Get("doc"), enum: f.Tag.Get("enum"), typ: f.Type,
			needed: f.Tag.Get("need") == "true", omittable: strings.HasPrefix(opts, "omit"),
		})
	}
	return out
}

// markInput notes that requests hold a type, and what it holds.
func (s *schemas) markInput(t reflect.Type) {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map:
		s.markInput(t.Elem())
	case reflect.Struct:
		if t == reflect.TypeFor[time.Time]() || s.inputs[t] {
			return
		}
		s.inputs[t] = true
		for _, f := range fieldsOf(t) {
			s.markInput(f.typ)
		}
	}
}

// of describes a type; structs by a reference to their description.
func (s *schemas) of(t reflect.Type) object {
	switch {
	case t == reflect.TypeFor[time.Time]():
		return object{"type": "string", "format": "date-time"}
	case t == reflect.TypeFor[json.RawMessage](), t.Kind() == reflect.Interface:
		return object{}
	case t == reflect.TypeFor[none]():
		return object{"type": "object"}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return s.of(t.Elem())
	case reflect.Slice:
		return object{"type": "array", "items": s.of(t.Elem())}
	case reflect.Map:
		return object{"type": "object", "additionalProperties": s.of(t.Elem())}
	case reflect.String:
		return object{"type": "string"}
	case reflect.Bool:
		return object{"type": "boolean"}
	case reflect.Struct:
		s.add(t)
		return object{"$ref": "#/components/schemas/" + schemaName(t)}
	case reflect.Uint32, reflect.Uint64:
		return object{"type": "integer", "minimum": 0}
	}
	return object{"type": "integer"}
}

// add describes a struct. What requests hold has required fields only where
// the server asks for them, and no others than it knows; what only answers
// hold always has the fields that are not omitted when empty.
func (s *schemas) add(t reflect.Type) {
	if s.types[t] {
		return
	}
	s.types[t] = true
	props, required := object{}, []string{}
	for _, f := range fieldsOf(t) {
		p := s.of(f.typ)
		p["description"] = f.doc
		if f.enum != "" {
			p["enum"] = strings.Split(f.enum, ",")
		}
		props[f.name] = p
		if f.needed || !s.inputs[t] && !f.omittable {
			required = append(required, f.name)
		}
	}
	schema := object{"type": "object", "properties": props}
	if len(required) > 0 {
		schema["required"] = required
	}
	if s.inputs[t] {
		schema["additionalProperties"] = false
	}
	s.named[schemaName(t)] = schema
}
