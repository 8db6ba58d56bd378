// Package client speaks to Atoll: its control API (disks, users, API keys,
// branches, checkpoints, shares, the server itself), and the files of disks
// through the S3 API, with the same API key.
//
//	c, err := client.New(client.Options{URL: "http://127.0.0.1:8080", APIKey: os.Getenv("ATOLL_API_KEY")})
//	id, created, err := c.CreateDisk(ctx, client.NewDisk{Name: "photos"})
//	b, err := c.Bucket(ctx, id+".dev")
//	etag, err := b.Put(ctx, "2026/a.jpg", file, client.PutOptions{})
//	for e, err := range b.List(ctx, client.ListOptions{Prefix: "2026/"}) {
//
// A disk argument is an address: dsk-… of a disk or a branch, dsk-….BRANCH or
// dsk-….BRANCH.CHECKPOINT.
//
// A Client may be used by any number of goroutines. Answers that refuse a
// request come back as *Error, with the server's status, stable code and
// text.
//
// Requests are sent again, up to three times, when the network breaks or the
// server answers 429, 500, 502, 503 or 504, after a random time below a bound
// that doubles from 100 ms to 2 s, or as long as Retry-After says. What must
// not happen twice (making and deleting disks, users, keys, checkpoints and
// shares; appending; completing an upload) is sent again only if no
// connection was made.
//
// Contents are verified on both ways: each body that is sent goes with its
// MD5, the ETag of the answer is compared, and a whole file that is read is
// compared with the checksum that the server has of it.
package client
