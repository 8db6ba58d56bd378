"""boto3, with its defaults, against a server with `--s3-profile extended`.

OTHER is a bucket of a disk that the credential does not open, FROZEN one of a
checkpoint of its own. Every check is an assertion; the last line says how many
there were.
"""

import hashlib
import io
import os
import sys
import threading
import traceback
import warnings

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError

warnings.filterwarnings("ignore")  # of Pythons that boto3 will leave behind

BUCKET, OTHER, FROZEN = (os.environ[name] for name in ("BUCKET", "OTHER", "FROZEN"))
MIB = 1 << 20

s3 = boto3.client(
    "s3",
    endpoint_url=os.environ["ENDPOINT"],
    config=Config(s3={"addressing_style": "path"}, signature_version="s3v4", retries={"max_attempts": 1, "mode": "standard"}),
)
passed = 0


def check(fn):
    global passed
    try:
        fn()
        passed += 1
    except Exception:
        traceback.print_exc()
        os._exit(1)


def refused(code, call, **kwargs):
    try:
        call(**kwargs)
    except ClientError as e:
        assert e.response["Error"]["Code"] == code, e
    else:
        raise AssertionError(f"{call} was not refused")


class Pattern(io.RawIOBase):
    """An unseekable stream of known bytes, which has no size."""

    def __init__(self, size):
        self.left, self.md5 = size, hashlib.md5()

    def readable(self):
        return True

    def seekable(self):
        return False

    def read(self, n=-1):
        n = self.left if n < 0 else min(n, self.left)
        block = (self.left.to_bytes(8, "big") * (n // 8 + 1))[:n]
        self.left -= n
        self.md5.update(block)
        return block


def md5_of(key, bucket=BUCKET):
    digest, size = hashlib.md5(), 0
    for block in s3.get_object(Bucket=bucket, Key=key)["Body"].iter_chunks(MIB):
        digest.update(block)
        size += len(block)
    return digest.hexdigest(), size


def multipart_by_default():
    path = os.environ["SCRATCH"] + "/200m"
    source = Pattern(200 * MIB)
    with open(path, "wb") as f:
        while block := source.read(8 * MIB):
            f.write(block)
    s3.upload_file(path, BUCKET, "big/file.bin")
    assert md5_of("big/file.bin") == (source.md5.hexdigest(), 200 * MIB)
    head = s3.head_object(Bucket=BUCKET, Key="big/file.bin")
    assert head["ETag"].strip('"').endswith("-25"), head["ETag"]
    with open(path, "rb") as f:
        digests = b"".join(hashlib.md5(block).digest() for block in iter(lambda: f.read(8 * MIB), b""))
    assert head["ETag"] == f'"{hashlib.md5(digests).hexdigest()}-25"'
    part = s3.get_object(Bucket=BUCKET, Key="big/file.bin", Range=f"bytes={8 * MIB - 3}-{8 * MIB + 3}")["Body"].read()
    with open(path, "rb") as f:
        f.seek(8 * MIB - 3)
        assert part == f.read(7)
    s3.download_file(BUCKET, "big/file.bin", path + ".back")
    with open(path + ".back", "rb") as f:
        assert hashlib.file_digest(f, "md5").hexdigest() == source.md5.hexdigest() if hasattr(hashlib, "file_digest") else True
    os.remove(path)
    os.remove(path + ".back")


def unseekable_streams():
    for size in (0, 1, 3 * MIB, 21 * MIB + 5):
        source = Pattern(size)
        s3.upload_fileobj(source, BUCKET, f"streams/{size}")
        assert md5_of(f"streams/{size}") == (source.md5.hexdigest(), size)


def many_parts_at_once():
    up = s3.create_multipart_upload(Bucket=BUCKET, Key="parts", ContentType="text/plain", Metadata={"who": "me"})["UploadId"]
    assert [u["UploadId"] for u in s3.list_multipart_uploads(Bucket=BUCKET, Prefix="par")["Uploads"]] == [up]
    etags = {}

    def part(n):
        body = bytes([n]) * (5 * MIB + n)
        etags[n] = s3.upload_part(Bucket=BUCKET, Key="parts", UploadId=up, PartNumber=n, Body=body)["ETag"]

    threads = [threading.Thread(target=part, args=(n,)) for n in (3, 1, 2)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    refused("NoSuchKey", s3.get_object, Bucket=BUCKET, Key="parts")
    listed = s3.list_parts(Bucket=BUCKET, Key="parts", UploadId=up, MaxParts=2)
    assert [p["PartNumber"] for p in listed["Parts"]] == [1, 2] and listed["IsTruncated"]
    rest = s3.list_parts(Bucket=BUCKET, Key="parts", UploadId=up, PartNumberMarker=listed["NextPartNumberMarker"])
    assert [(p["PartNumber"], p["Size"], p["ETag"]) for p in rest["Parts"]] == [(3, 5 * MIB + 3, etags[3])]
    parts = [{"PartNumber": n, "ETag": etags[n]} for n in (1, 2, 3)]
    complete = lambda parts: s3.complete_multipart_upload(Bucket=BUCKET, Key="parts", UploadId=up, MultipartUpload={"Parts": parts})
    refused("InvalidPartOrder", complete, parts=parts[::-1])
    refused("InvalidPart", complete, parts=[{"PartNumber": 1, "ETag": etags[2]}])
    done = complete(parts)
    head = s3.head_object(Bucket=BUCKET, Key="parts")
    assert head["ETag"] == done["ETag"] and done["ETag"].endswith('-3"')
    assert head["ContentLength"] == 15 * MIB + 6 and head["Metadata"] == {"who": "me"}
    refused("NoSuchUpload", complete, parts=parts)
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=BUCKET)


def aborted():
    up = s3.create_multipart_upload(Bucket=BUCKET, Key="never")["UploadId"]
    s3.upload_part(Bucket=BUCKET, Key="never", UploadId=up, PartNumber=1, Body=b"x" * 100)
    s3.abort_multipart_upload(Bucket=BUCKET, Key="never", UploadId=up)
    refused("NoSuchUpload", s3.upload_part, Bucket=BUCKET, Key="never", UploadId=up, PartNumber=2, Body=b"x")
    refused("NoSuchKey", s3.get_object, Bucket=BUCKET, Key="never")
    small = s3.create_multipart_upload(Bucket=BUCKET, Key="small")["UploadId"]
    tags = [s3.upload_part(Bucket=BUCKET, Key="small", UploadId=small, PartNumber=n, Body=b"x")["ETag"] for n in (1, 2)]
    refused("EntityTooSmall", s3.complete_multipart_upload, Bucket=BUCKET, Key="small", UploadId=small,
            MultipartUpload={"Parts": [{"PartNumber": n + 1, "ETag": t} for n, t in enumerate(tags)]})
    s3.abort_multipart_upload(Bucket=BUCKET, Key="small", UploadId=small)


def copies():
    s3.put_object(Bucket=BUCKET, Key="a/from + here%.txt", Body=b"one", ContentType="text/x-one", Metadata={"k": "v"})
    s3.copy_object(Bucket=BUCKET, Key="b/to", CopySource={"Bucket": BUCKET, "Key": "a/from + here%.txt"})
    got = s3.get_object(Bucket=BUCKET, Key="b/to")
    assert got["Body"].read() == b"one" and got["Metadata"] == {"k": "v"}
    s3.put_object(Bucket=BUCKET, Key="a/from + here%.txt", Body=b"two")
    assert s3.get_object(Bucket=BUCKET, Key="b/to")["Body"].read() == b"one"
    s3.copy_object(Bucket=BUCKET, Key="b/to", CopySource={"Bucket": BUCKET, "Key": "b/to"}, Metadata={"new": "1"}, MetadataDirective="REPLACE")
    assert s3.head_object(Bucket=BUCKET, Key="b/to")["Metadata"] == {"new": "1"}
    s3.copy({"Bucket": BUCKET, "Key": "big/file.bin"}, BUCKET, "big/copy.bin")
    assert md5_of("big/copy.bin") == md5_of("big/file.bin")
    s3.copy_object(Bucket=BUCKET, Key="from-then", CopySource={"Bucket": FROZEN, "Key": "frozen.txt"})
    assert s3.get_object(Bucket=BUCKET, Key="from-then")["Body"].read() == b"then"
    refused("NoSuchKey", s3.copy_object, Bucket=BUCKET, Key="x", CopySource={"Bucket": BUCKET, "Key": "none"})
    refused("AccessDenied", s3.copy_object, Bucket=BUCKET, Key="x", CopySource={"Bucket": OTHER, "Key": "secret"})


def bulk_delete():
    keys = [f"bulk/{i:04}" for i in range(1000)]
    pool = [threading.Thread(target=lambda n=n: [s3.put_object(Bucket=BUCKET, Key=k, Body=b"") for k in keys[n::8]]) for n in range(8)]
    for t in pool:
        t.start()
    for t in pool:
        t.join()
    done = s3.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": k} for k in keys]})
    assert len(done["Deleted"]) == 1000 and "Errors" not in done
    assert s3.list_objects_v2(Bucket=BUCKET, Prefix="bulk/")["KeyCount"] == 0


def buckets():
    names = [b["Name"] for b in s3.list_buckets()["Buckets"]]
    assert names == [BUCKET], names
    refused("AccessDenied", s3.get_object, Bucket=OTHER, Key="secret")


def checkpoints():
    assert s3.get_object(Bucket=FROZEN, Key="frozen.txt")["Body"].read() == b"then"
    assert s3.get_object(Bucket=BUCKET, Key="frozen.txt")["Body"].read() == b"now"
    assert [o["Key"] for o in s3.list_objects_v2(Bucket=FROZEN)["Contents"]] == ["frozen.txt"]
    refused("AccessDenied", s3.put_object, Bucket=FROZEN, Key="frozen.txt", Body=b"no")
    refused("AccessDenied", s3.delete_object, Bucket=FROZEN, Key="frozen.txt")
    refused("AccessDenied", s3.create_multipart_upload, Bucket=FROZEN, Key="frozen.txt")


def append():
    # boto3 has no such call; the parameter goes into the request by hand.
    def add(request, **_):
        request.url += ("&" if "?" in request.url else "?") + "append=true"

    s3.meta.events.register("before-sign.s3.PutObject", add)
    try:
        for n in range(3):
            s3.put_object(Bucket=BUCKET, Key="log", Body=f"line {n}\n".encode())
        refused("EntityTooLarge", s3.put_object, Bucket=BUCKET, Key="log", Body=b"x" * (MIB + 1))
    finally:
        s3.meta.events.unregister("before-sign.s3.PutObject", add)
    assert s3.get_object(Bucket=BUCKET, Key="log")["Body"].read() == b"line 0\nline 1\nline 2\n"


for fn in (multipart_by_default, unseekable_streams, many_parts_at_once, aborted, copies, bulk_delete, buckets, checkpoints, append):
    check(fn)
print(passed, "checks")
