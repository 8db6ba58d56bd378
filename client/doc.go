// Package client speaks to Atoll's control plane: disks, their S3 users,
// and the server itself.
//
//	c, err := client.New(client.Options{URL: "http://127.0.0.1:8080", APIKey: os.Getenv("ATOLL_API_KEY")})
//	id, created, err := c.CreateDisk(ctx, client.NewDisk{Name: "photos"})
//	user, err := c.AddS3User(ctx, id, "laptop")
//
// A Client may be used by any number of goroutines. Answers that refuse a
// request come back as *Error, with the server's status, stable code and
// text.
package client
