package s3api

import (
	"context"
	"time"

	"atoll/internal/disk"
)

// Credential is what an access key id stands for.
type Credential struct {
	Secret string
	Disk   disk.ID // the one disk that it opens
}

// Credentials finds S3 users. It is asked once a request, so it has to answer
// from memory; a removed user must not be found any more from the moment its
// removal was acknowledged.
type Credentials interface {
	// S3Credential tells what accessKeyID stands for; ok is false if nobody
	// has it.
	S3Credential(ctx context.Context, accessKeyID string) (c Credential, ok bool, err error)
}

// CredentialsFunc makes a function a Credentials.
type CredentialsFunc func(ctx context.Context, accessKeyID string) (Credential, bool, error)

// S3Credential calls f.
func (f CredentialsFunc) S3Credential(ctx context.Context, accessKeyID string) (Credential, bool, error) {
	return f(ctx, accessKeyID)
}

// Grant is what an API key may do.
type Grant interface {
	// May tells whether the key opens a disk, for changes if write.
	May(id disk.ID, write bool) bool
}

// APIKey is an API key that is there and in its time.
type APIKey struct {
	ID string // as logs name it
	Grant
}

// APIKeys finds API keys. It is asked once a request, so it has to answer
// from memory; a key that was revoked, or whose time is over, must not be
// found any more.
type APIKeys interface {
	// APIKey tells what an Authorization header of the form key-... stands
	// for; ok is false if it is no key. How long it takes must not depend on
	// how near the header comes to one.
	APIKey(ctx context.Context, header string) (k APIKey, ok bool, err error)
}

// APIKeysFunc makes a function an APIKeys.
type APIKeysFunc func(ctx context.Context, header string) (APIKey, bool, error)

// APIKey calls f.
func (f APIKeysFunc) APIKey(ctx context.Context, header string) (APIKey, bool, error) {
	return f(ctx, header)
}

// Bucket is a disk as ListBuckets shows it.
type Bucket struct {
	ID      disk.ID
	Created time.Time
}
