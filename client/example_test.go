package client_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"strings"

	"atoll/client"
)

// A disk, a fork of it, and a file on the fork.
func Example() {
	ctx := context.Background()
	c, err := client.New(client.Options{URL: "http://127.0.0.1:8080", APIKey: os.Getenv("ATOLL_API_KEY")})
	if err != nil {
		log.Fatal(err)
	}
	id, _, err := c.CreateDisk(ctx, client.NewDisk{Name: "photos"})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := c.CreateBranch(ctx, id, client.NewBranch{Name: "dev"}); err != nil {
		log.Fatal(err)
	}
	b, err := c.Bucket(ctx, id+".dev") // or id: the root branch
	if err != nil {
		log.Fatal(err)
	}
	if _, err := b.Put(ctx, "2026/a.txt", strings.NewReader("hello"), client.PutOptions{}); err != nil {
		log.Fatal(err)
	}
	for e, err := range b.List(ctx, client.ListOptions{Prefix: "2026/"}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(e.Key, e.Size)
	}
}
