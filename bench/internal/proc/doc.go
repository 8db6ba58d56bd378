// Package proc reads what a server and its children have used from Linux's /proc.
//
// CPU time is the sum, over a process and its living descendants, of utime, stime,
// cutime and cstime in /proc/PID/stat. A child's time moves to its parent's cutime and
// cstime when the parent reaps it, so the sum never goes back and counts everything
// once; only a process that was handed to init escapes it.
//
// Every function takes the root of the proc file system, so tests can make their own.
package proc
