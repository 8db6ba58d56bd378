"""One operation of the tests with boto3: boto3_client.py OPERATION ARGUMENT...

The server, the bucket and the credentials come from the environment. Paths and
keys are arguments; what an operation returns goes to standard output.
"""

import os
import sys

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config

BUCKET = os.environ["BUCKET"]

# docs/clients.md: one part up to 5 GiB
WHOLE = TransferConfig(multipart_threshold=5 * 1024**3)


def client():
    return boto3.client(
        "s3",
        endpoint_url=os.environ["ENDPOINT"],
        config=Config(
            s3={"addressing_style": "path"},
            signature_version="s3v4",
            retries={"max_attempts": 1, "mode": "standard"},
        ),
    )


def keys(s3, prefix):
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix, PaginationConfig={"PageSize": 150}):
        for entry in page.get("Contents", []):
            yield entry["Key"]


def put(s3, path, key):
    s3.upload_file(path, BUCKET, key)


def get(s3, key, path):
    s3.download_file(BUCKET, key, path)


def get_range(s3, key, header):
    sys.stdout.buffer.write(s3.get_object(Bucket=BUCKET, Key=key, Range=header)["Body"].read())


def ls(s3, prefix):
    for key in keys(s3, prefix):
        sys.stdout.buffer.write(key.encode() + b"\0")


def upload(s3, top, prefix):
    for folder, _, names in os.walk(top):
        for name in names:
            path = os.path.join(folder, name)
            with open(path, "rb") as body:
                s3.put_object(Bucket=BUCKET, Key=prefix + "/" + os.path.relpath(path, top), Body=body)


def download(s3, prefix, top):
    for key in keys(s3, prefix + "/"):
        path = os.path.join(top, key[len(prefix) + 1 :])
        os.makedirs(os.path.dirname(path), exist_ok=True)
        s3.download_file(BUCKET, key, path)


def rm(s3, key):
    s3.delete_object(Bucket=BUCKET, Key=key)


def put_whole(s3, path, key):
    s3.upload_file(path, BUCKET, key, Config=WHOLE)


def copy(s3, source, target):
    s3.copy_object(Bucket=BUCKET, Key=target, CopySource={"Bucket": BUCKET, "Key": source})


def presign(s3, operation, key):
    print(s3.generate_presigned_url(operation, Params={"Bucket": BUCKET, "Key": key}, ExpiresIn=600))


def main():
    operation = globals()[sys.argv[1]]
    operation(client(), *sys.argv[2:])


if __name__ == "__main__":
    main()
