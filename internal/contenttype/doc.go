// Package contenttype tells the Content-Type of a file, the same for every
// door: by its name's extension, else by its first bytes. What is sent as
// Content-Type when a file is put is not what is served.
package contenttype
