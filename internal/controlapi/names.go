package controlapi

import (
	"encoding/json"
	"reflect"
)

// checkNames refuses what the json package lets pass: a field that is there
// twice, of which only the last one would count, and one whose name is written
// in another case. d stands before a value of a type, nil if it is not known;
// the syntax was checked before.
func checkNames(d *json.Decoder, t reflect.Type) error {
	token, err := d.Token()
	if err != nil {
		return nil // no JSON: not for this check to say
	}
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch token {
	case json.Delim('['):
		for d.More() {
			if err := checkNames(d, elementOf(t)); err != nil {
				return err
			}
		}
	case json.Delim('{'):
		if err := checkFields(d, t); err != nil {
			return err
		}
	default:
		return nil
	}
	_, _ = d.Token() // the end
	return nil
}

// checkFields checks the names in an object, up to its end.
func checkFields(d *json.Decoder, t reflect.Type) error {
	var known map[string]reflect.Type // nil: any name may be there
	if t != nil && t.Kind() == reflect.Struct {
		known = map[string]reflect.Type{}
		for _, f := range fieldsOf(t) {
			known[f.name] = f.typ
		}
	}
	seen := map[string]bool{}
	for d.More() {
		token, err := d.Token()
		name, ok := token.(string)
		if err != nil || !ok {
			return nil
		}
		value, there := known[name]
		switch {
		case known != nil && !there:
			return invalid("this route has no field %q", name)
		case seen[name]:
			return invalid("the field %q is there twice", name)
		case known == nil:
			value = elementOf(t)
		}
		seen[name] = true
		if err := checkNames(d, value); err != nil {
			return err
		}
	}
	return nil
}

// elementOf is the type of what lists and maps hold; nil: not known.
func elementOf(t reflect.Type) reflect.Type {
	if t != nil && (t.Kind() == reflect.Slice && t != reflect.TypeFor[json.RawMessage]() || t.Kind() == reflect.Map) {
		return t.Elem()
	}
	return nil
}
