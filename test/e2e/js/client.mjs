// One operation of the tests with the AWS SDK for JavaScript:
// client.mjs OPERATION ARGUMENT...
//
// The server, the bucket and the credentials come from the environment. Paths
// and keys are arguments; what an operation returns goes to standard output.

import { createReadStream, createWriteStream } from "node:fs";
import { mkdir, readdir, readFile, stat } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { pipeline } from "node:stream/promises";

import {
  CopyObjectCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  PutObjectCommand,
  S3Client,
  paginateListObjectsV2,
} from "@aws-sdk/client-s3";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";

const { BUCKET: Bucket, ENDPOINT, AWS_DEFAULT_REGION } = process.env;

const options = { endpoint: ENDPOINT, region: AWS_DEFAULT_REGION, forcePathStyle: true, maxAttempts: 1 };
const s3 = new S3Client(options);

// docs/clients.md: else the checksum of an empty body is part of the URL of a PUT
const presigner = new S3Client({ ...options, requestChecksumCalculation: "WHEN_REQUIRED" });

async function* keys(Prefix) {
  for await (const page of paginateListObjectsV2({ client: s3, pageSize: 150 }, { Bucket, Prefix })) {
    for (const { Key } of page.Contents ?? []) yield Key;
  }
}

async function save(Key, path) {
  await mkdir(dirname(path), { recursive: true });
  const { Body } = await s3.send(new GetObjectCommand({ Bucket, Key }));
  await pipeline(Body, createWriteStream(path));
}

const operations = {
  async put(path, Key) {
    await s3.send(new PutObjectCommand({ Bucket, Key, Body: await readFile(path) }));
  },

  get: save,

  async get_range(Key, Range) {
    const { Body } = await s3.send(new GetObjectCommand({ Bucket, Key, Range }));
    process.stdout.write(await Body.transformToByteArray());
  },

  async ls(prefix) {
    for await (const key of keys(prefix)) process.stdout.write(key + "\0");
  },

  async upload(top, prefix) {
    for (const entry of await readdir(top, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile()) continue;
      const path = join(entry.parentPath ?? entry.path, entry.name);
      await operations.put(path, prefix + "/" + relative(top, path));
    }
  },

  async download(prefix, top) {
    for await (const key of keys(prefix + "/")) await save(key, join(top, key.slice(prefix.length + 1)));
  },

  async rm(Key) {
    await s3.send(new DeleteObjectCommand({ Bucket, Key }));
  },

  // docs/clients.md: a stream of known length goes up in one part
  async put_whole(path, Key) {
    const { size } = await stat(path);
    await s3.send(new PutObjectCommand({ Bucket, Key, Body: createReadStream(path), ContentLength: size }));
  },

  async put_multipart(_path, Key) {
    await s3.send(new CreateMultipartUploadCommand({ Bucket, Key }));
  },

  async copy(source, Key) {
    await s3.send(new CopyObjectCommand({ Bucket, Key, CopySource: `${Bucket}/${encodeURIComponent(source)}` }));
  },

  async presign(operation, Key) {
    const Command = operation === "put_object" ? PutObjectCommand : GetObjectCommand;
    console.log(await getSignedUrl(presigner, new Command({ Bucket, Key }), { expiresIn: 600 }));
  },
};

const [operation, ...args] = process.argv.slice(2);
await operations[operation](...args);
