// Package transfer copies files between directories of this machine and
// folders of disks: whole trees, or what differs between two.
//
// Trees are walked in the order of S3's keys on both sides (a directory's key
// ends in '/'), so two of them are compared as they are read, in memory for
// one directory a level. Files are copied by several workers at a time;
// directories are made by the one that walks, before what is in them.
//
// What a file becomes is whole or not there: uploads are published when
// complete, downloads are written beside their place and renamed. What was
// interrupted goes on where it broke off: an upload's parts that are the same
// are not sent again, and a download's partial file (.atoll-….part, named
// after the file and its ETag) is continued while the ETag is the same.
//
// Symbolic links of this machine are followed to files and passed over, with a
// word, if they lead to directories or nowhere; disks show links to files as
// files. Permissions go up with new files and directories; downloads get
// those of the umask, or keep what the replaced file had. Downloads get the
// time of the disk's file, uploads the time of the upload.
package transfer
