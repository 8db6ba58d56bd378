package main

import (
	"fmt"
	"slices"
)

// keyspace says which keys a disk is filled with: file i of files, for i from
// 0 on in the order of creation.
type keyspace struct {
	files  int
	random bool
	tree   bool
}

const (
	perDir    = 1000 // files in a directory of a tree
	perParent = 100  // directories in a directory of a tree
)

// dir is the directory, with a '/' at its end, that file i is in.
func (k *keyspace) dir(i int) string {
	if !k.tree {
		return "flat/"
	}
	n := uint64(i / perDir)
	if k.random {
		return fmt.Sprintf("%02x/%012x/", mix(n)>>56, mix(n)&(1<<48-1))
	}
	return fmt.Sprintf("t%04d/d%02d/", n/perParent, n%perParent)
}

// name is the last part of the key of file i.
func (k *keyspace) name(i int) string {
	if k.random {
		return fmt.Sprintf("%016x", mix(uint64(i)+1<<40))
	}
	return fmt.Sprintf("f%09d", i)
}

// mix is a bijection of 64-bit numbers that looks random (SplitMix64).
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// sorted lists the directories in the order of a listing; with first the
// number of each one's first file.
func (k *keyspace) sorted() (dirs []string, first map[string]int) {
	first = map[string]int{}
	step := k.files
	if k.tree {
		step = perDir
	}
	for i := 0; i < k.files; i += step {
		d := k.dir(i)
		dirs = append(dirs, d)
		first[d] = i
	}
	slices.Sort(dirs)
	return dirs, first
}

// at returns the key that stands at a place of the listing, counted from 0.
func (k *keyspace) at(place int) string {
	dirs, first := k.sorted()
	per := k.files
	if k.tree {
		per = perDir
	}
	for _, d := range dirs {
		n := min(per, k.files-first[d])
		if place >= n {
			place -= n
			continue
		}
		names := make([]string, n)
		for j := range names {
			names[j] = k.name(first[d] + j)
		}
		slices.Sort(names)
		return d + names[place]
	}
	return ""
}
