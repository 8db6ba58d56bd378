package catalog

import (
	"encoding/binary"
	"encoding/json"

	"atoll/internal/disk"
	"atoll/internal/errs"
	"atoll/internal/kv"
)

// The first two bytes of the catalog's keys. Everything of the catalog begins
// with 'c', the store's header rows with 's'.
const (
	prefixDisk    = "cd"
	prefixName    = "cn"
	prefixPending = "cp"
	prefixUser    = "cu"
	prefixUserOf  = "cx"
	prefixAPIKey  = "ck"

	prefixToken      = "ct"
	prefixTokenOf    = "cy"
	prefixCORS       = "co"
	prefixAudit      = "ca"
	prefixAuditOf    = "cb"
	prefixAnswer     = "ci"
	prefixSchedule   = "ch"
	prefixShareKey   = "cs"
	prefixRevoked    = "cr"
	prefixRevokedAll = "cq"

	keyStoreUUID   = "su"
	keyFormat      = "sf"
	keyMasterCheck = "sm"
	keyMasterNext  = "sn"
)

func diskKey(id disk.ID) []byte    { return appendID([]byte(prefixDisk), id) }
func pendingKey(id disk.ID) []byte { return appendID([]byte(prefixPending), id) }
func nameKey(name string) []byte   { return append([]byte(prefixName), name...) }
func userKey(access string) []byte { return append([]byte(prefixUser), access...) }

func userOfKey(id disk.ID, access string) []byte {
	return append(appendID([]byte(prefixUserOf), id), access...)
}

func tokenKey(hash [32]byte) []byte { return append([]byte(prefixToken), hash[:]...) }

// ofDisk begins the keys of a disk's rows of one kind.
func ofDisk(prefix string, id disk.ID) []byte { return appendID([]byte(prefix), id) }

func tokenOfKey(id disk.ID, hash [32]byte) []byte {
	return append(ofDisk(prefixTokenOf, id), hash[:]...)
}

func apiKeyKey(hash [32]byte) []byte { return append([]byte(prefixAPIKey), hash[:]...) }

func appendID(b []byte, id disk.ID) []byte { return binary.BigEndian.AppendUint64(b, uint64(id)) }

// parseID reads an id that appendID wrote at the end of a key or as a value.
func parseID(b []byte) (disk.ID, error) {
	if len(b) != 8 {
		return 0, errs.New("read disk id", "", errs.Corrupt, "a catalog row has no 8-byte disk id")
	}
	return disk.ID(binary.BigEndian.Uint64(b)), nil
}

// after gives the smallest key above all keys that begin with prefix.
func after(prefix []byte) []byte {
	end := append([]byte(nil), prefix...)
	for i := len(end) - 1; i >= 0; i-- {
		if end[i] < 0xff {
			end[i]++
			return end[:i+1]
		}
	}
	return nil
}

// getRow reads a JSON row into v and tells whether there is one.
func getRow(r kv.Reader, key []byte, v any) (bool, error) {
	b, ok, err := r.Get(key)
	if err != nil || !ok {
		return false, err
	}
	return true, decodeRow(b, v)
}

func decodeRow(b []byte, v any) error {
	if err := json.Unmarshal(b, v); err != nil {
		return errs.E("read catalog", "", errs.Corrupt, err)
	}
	return nil
}

func setRow(t kv.Txn, key []byte, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return errs.E("write catalog", "", errs.Other, err)
	}
	return t.Set(key, b)
}
