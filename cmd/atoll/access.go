package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"time"
)

// access is what a new S3 user needs to know.
type access struct {
	DiskID          string    `json:"diskId"`
	Name            string    `json:"name"`
	Bucket          string    `json:"bucket"` // the disk's id
	Endpoint        string    `json:"s3Endpoint"`
	Region          string    `json:"region"` // for signing
	Nickname        string    `json:"nickname"`
	CreatedAt       time.Time `json:"createdAt"`
	AccessKeyID     string    `json:"accessKeyId"`
	SecretAccessKey string    `json:"secretAccessKey"`

	// inParts: the server takes uploads in parts from every client.
	inParts bool
}

// newAccess makes an S3 user and asks the server for its S3 endpoint.
func newAccess(ctx context.Context, c *connection, id, name, nickname string) (*access, error) {
	srv, err := c.Server(ctx)
	if err != nil {
		return nil, c.explain(err)
	}
	u, err := c.AddS3User(ctx, id, nickname)
	if err != nil {
		return nil, c.explain(err)
	}
	return &access{
		DiskID: id, Name: name, Bucket: id, Endpoint: srv.S3Endpoint, Region: clientRegion(srv.Region),
		Nickname: u.Nickname, CreatedAt: u.CreatedAt, AccessKeyID: u.AccessKeyID, SecretAccessKey: u.SecretAccessKey,
		inParts: srv.S3Profile == "extended",
	}, nil
}

// clientRegion is a region's code as S3 clients know it: without its cloud.
func clientRegion(code string) string {
	for _, cloud := range []string{"aws-", "gcp-", "azure-", "oci-"} {
		if rest, ok := strings.CutPrefix(code, cloud); ok && rest != "" {
			return rest
		}
	}
	return code
}

// print shows the access with lines to paste. Clients address buckets by
// path when the endpoint is an IP address, and must be told to otherwise; and
// they cut large files into parts, which the server refuses in its contract
// profile, unless told not to.
// The lines stand at the margin and bear no comments, so that Python and every
// shell take them as they are.
func (x *access) print(w io.Writer) error {
	aws, boto, settings, importing, config := "", "", "", "", ""
	if !x.inParts {
		aws = " (the threshold, since multipart uploads are refused: files up to 5 GiB go up in one part)"
		boto = " (for files: s3.upload_file(file, bucket, key, Config=one_part))"
		settings = "aws configure set default.s3.multipart_threshold 5GB\n"
		importing = "from boto3.s3.transfer import TransferConfig\n"
		config = "one_part = TransferConfig(multipart_threshold=5 * 1024**3)\n"
	}
	if u, err := url.Parse(x.Endpoint); err != nil || net.ParseIP(u.Hostname()) == nil {
		settings += "aws configure set default.s3.addressing_style path\n"
	}
	_, err := fmt.Fprintf(w, `  bucket       %[1]s
  endpoint     %[2]s
  region       %[3]s
  access key   %[4]s
  secret key   %[5]s   (shown only now)

With the aws cli%[6]s:

export AWS_ACCESS_KEY_ID=%[4]s
export AWS_SECRET_ACCESS_KEY=%[5]s
export AWS_DEFAULT_REGION=%[3]s
%[7]secho hello | aws --endpoint-url %[2]s s3 cp - s3://%[1]s/hello.txt
aws --endpoint-url %[2]s s3 ls s3://%[1]s/

With boto3%[8]s:

import boto3
%[9]sfrom botocore.config import Config
s3 = boto3.client("s3", endpoint_url="%[2]s", region_name="%[3]s",
                  aws_access_key_id="%[4]s",
                  aws_secret_access_key="%[5]s",
                  config=Config(signature_version="s3v4", s3={"addressing_style": "path"}))
%[10]ss3.put_object(Bucket="%[1]s", Key="hello.txt", Body=b"hello")
print(s3.get_object(Bucket="%[1]s", Key="hello.txt")["Body"].read())
`, x.Bucket, x.Endpoint, x.Region, x.AccessKeyID, x.SecretAccessKey, aws, settings, boto, importing, config)
	return err
}
