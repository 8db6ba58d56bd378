// Package objmeta has what the doors that speak HTTP keep with a file and say
// of it: its ETag and the two opaque byte strings of disk.Attr. Meta stays when
// another door changes the contents, ContentMeta goes then.
//
// Both strings are a version byte and fields: a tag, and the field's value
// behind its length as a uvarint; user metadata has the name, in the same
// form, before the value. Readers skip tags that they don't know.
// docs/formats.md has it too.
package objmeta
