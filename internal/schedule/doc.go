// Package schedule makes checkpoints of branches at fixed times, and removes
// those of its own that are older than a branch's schedule keeps.
//
// Time is cut into slots: hours, days, and weeks that begin on Monday, all in
// UTC, so there is no summer time in it. Each slot of a kind that the schedule
// counts gets one checkpoint, soon after the slot begins, named for it:
// hourly-20261123-0100, daily-20261123, weekly-20261123. What was missed while
// the server was down is not made up for, but for the slot that it is now.
//
// Nothing is remembered between runs: which checkpoints there are says what is
// left to do, so a restart makes none twice. A checkpoint is the schedule's
// own if its name is a slot's and it was made in or right after that slot. Renaming one
// keeps it for good; and one that branches were forked from stays until they
// are gone.
package schedule
