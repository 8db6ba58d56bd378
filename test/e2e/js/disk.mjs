// The whole surface of the npm package `disk` against a server, unchanged: only
// its two URLs point elsewhere. Every check is an assertion; the last line says
// how many there were.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { promisify } from "node:util";

import * as sdk from "disk";

const { CONTROL, S3, API_KEY, SHARED_HOST } = process.env;
const { Archil, ArchilApiError, ArchilError, ArchilS3Error } = sdk;

const options = { apiKey: API_KEY, region: "aws-us-east-1", baseUrl: CONTROL, s3BaseUrl: S3 };
const archil = new Archil(options);
const run = promisify(execFile);
const text = (bytes) => new TextDecoder().decode(bytes);

const apiError = (status, pattern = /./) => (e) => {
  assert(e instanceof ArchilApiError && e instanceof ArchilError, `${e}`);
  assert.equal(e.status, status, `${e.status}: ${e.message}`);
  assert.match(e.message, pattern);
  return true;
};
const s3Error = (status, code) => (e) => {
  assert(e instanceof ArchilS3Error && e instanceof ArchilError, `${e}`);
  assert.deepEqual([e.status, e.code], [status, code], e.message);
  assert(e.requestId, "no request id");
  assert.match(e.raw, /<Error>/);
  return true;
};

let passed = 0;
async function check(name, fn) {
  try {
    await fn();
    passed++;
  } catch (e) {
    console.error(`${name}: ${e.stack}`);
    process.exitCode = 1;
  }
}

const { disk, token, tokenIdentifier, authorizedUsers } = await archil.disks.create({ name: "agents" });

await check("a new disk", async () => {
  assert.match(disk.id, /^dsk-[0-9a-f]{16}$/);
  assert.equal(disk.name, "agents");
  assert.equal(disk.status, "available");
  assert.equal(disk.region, "aws-us-east-1");
  assert.equal(disk.provider, "aws");
  assert(disk.organization);
  assert(Math.abs(Date.parse(disk.createdAt) - Date.now()) < 10 * 60e3);
  assert.match(token, /^adt_\w{16,}$/);
  assert(tokenIdentifier);
  assert.equal(authorizedUsers.length, 1);
  assert.deepEqual(disk.allowedIps, []);
  assert.equal(JSON.parse(JSON.stringify(disk)).id, disk.id);
});

await check("creating it again", async () => {
  const again = await archil.disks.create({ name: "agents" });
  assert.equal(again.disk.id, disk.id);
  assert.equal(again.token, null);
  await assert.rejects(archil.disks.create({ name: "agents", allowedIps: ["10.0.0.1"] }), apiError(409));
});

await check("names and configurations that can't be", async () => {
  for (const name of ["", "a b", "ä", "x".repeat(101), "a/b"])
    await assert.rejects(archil.disks.create({ name }), apiError(400), name);
  await assert.rejects(archil.disks.create({ name: "ips", allowedIps: ["not an address"] }), apiError(400));
});

await check("lists", async () => {
  for (let i = 0; i < 5; i++) await archil.disks.create({ name: `list-${i}` });
  const names = (await archil.disks.list()).map((d) => d.name);
  for (let i = 0; i < 5; i++) assert(names.includes(`list-${i}`), names.join());
  assert.equal((await archil.disks.list({ limit: 2 })).length, 2);
  assert.equal((await archil.disks.list({ limit: 100000 })).length, names.length);
  const [one, ...rest] = await archil.disks.list({ name: "list-3" });
  assert.equal(one.name, "list-3");
  assert.equal(rest.length, 0);
  assert.deepEqual(await archil.disks.list({ name: "nobody" }), []);
  for (let i = 0; i < 5; i++) await (await archil.disks.list({ name: `list-${i}` }))[0].delete();
});

await check("a disk that is not there", async () => {
  await assert.rejects(archil.disks.get("dsk-0123456789abcdef"), apiError(404, /Disk not found/));
  await assert.rejects(archil.disks.get("nonsense"), (e) => [400, 404].includes(e.status));
});

await check("token users", async () => {
  const made = await disk.createToken("ci runner");
  assert.match(made.token, /^adt_/);
  assert.equal(made.type, "token");
  assert.equal(made.nickname, "ci runner");
  assert.equal(made.tokenSuffix, made.token.slice(-4));
  let users = (await archil.disks.get(disk.id)).authorizedUsers.filter((u) => u.type === "token");
  assert.deepEqual(users.map((u) => u.identifier).sort(), [made.identifier, tokenIdentifier].sort());
  assert(users.every((u) => !u.token), "a token is shown again");
  await disk.removeTokenUser(made.identifier);
  users = (await archil.disks.get(disk.id)).authorizedUsers.filter((u) => u.type === "token");
  assert.deepEqual(users.map((u) => u.identifier), [tokenIdentifier]);
  const added = await disk.addUser({ type: "token", nickname: "by addUser" });
  assert(added.token);
  await disk.removeUser("token", added.identifier);
  await assert.rejects(disk.addUser({ type: "token", nickname: "x".repeat(256) }), apiError(400));
  await assert.rejects(disk.addUser({ type: "awssts", principal: "arn:aws:iam::1:role/x" }), apiError(501));
});

await check("allowed addresses", async () => {
  assert.deepEqual(await disk.getAllowedIPs(), []);
  assert.deepEqual(await disk.setAllowedIPs(["127.0.0.1", "::1", "203.0.113.0/24"]), ["127.0.0.1", "::1", "203.0.113.0/24"]);
  assert.deepEqual((await disk.addAllowedIP("2001:db8::/32")).length, 4);
  assert.deepEqual((await disk.addAllowedIP("2001:db8::/32")).length, 4);
  assert.deepEqual(await disk.removeAllowedIP("203.0.113.0/24"), ["127.0.0.1", "::1", "2001:db8::/32"]);
  await disk.putObject("from-here.txt", "in");
  await disk.setAllowedIPs(["203.0.113.7"]);
  await assert.rejects(disk.getObject("from-here.txt"), s3Error(403, "AccessDenied"));
  // The way back stays open: the key's holder may change the list.
  assert.deepEqual(await disk.setAllowedIPs([]), []);
  assert.equal(text(await disk.getObject("from-here.txt")), "in");
  await assert.rejects(disk.setAllowedIPs(["300.1.1.1"]), apiError(400));
});

await check("objects", async () => {
  const { etag } = await disk.putObject("reports/2026/data.json", '{"a":1}', "application/json");
  assert.match(etag, /^"[0-9a-f]{32}"$/);
  assert.equal(text(await disk.getObject("reports/2026/data.json")), '{"a":1}');
  const head = await disk.headObject("reports/2026/data.json");
  assert.equal(head.size, 7);
  assert.equal(head.etag, etag);
  assert.match(head.contentType, /^application\/json/);
  assert(Math.abs(head.lastModified - Date.now()) < 10 * 60e3);
  assert.equal(await disk.objectExists("reports/2026/data.json"), true);
  assert.equal(await disk.objectExists("reports/2026/none"), false);
  assert.equal(await disk.headObject("none"), null);
  await assert.rejects(disk.getObject("none"), s3Error(404, "NoSuchKey"));
  await disk.deleteObject("reports/2026/data.json");
  await disk.deleteObject("reports/2026/data.json");
  assert.equal(await disk.objectExists("reports/2026/data.json"), false);
});

await check("bodies", async () => {
  const big = new Uint8Array(20 << 20).map((_, i) => (i * 31) % 251);
  await disk.putObject("big.bin", big);
  assert(Buffer.from(await disk.getObject("big.bin")).equals(Buffer.from(big)));
  await disk.putObject("buffer", new Uint8Array([1, 2, 3]).buffer);
  assert.deepEqual([...(await disk.getObject("buffer"))], [1, 2, 3]);
  await disk.putObject("empty", "");
  assert.equal((await disk.getObject("empty")).length, 0);
});

await check("keys with everything in them", async () => {
  const keys = ["100% (done) +final?.txt", "a b/c+d/é日本.txt", "q?x=1&y=2#z", "semi;colon:at@eq=", "~tilde'quote\"", "%2F%41"];
  for (const key of keys) {
    await disk.putObject(`odd/${key}`, key);
    assert.equal(text(await disk.getObject(`odd/${key}`)), key);
    assert.equal((await disk.headObject(`/odd/${key}`)).size, Buffer.byteLength(key));
  }
  const { objects } = await disk.listObjects("odd/", { recursive: true });
  assert.deepEqual(objects.map((o) => o.key).sort(), keys.map((k) => `odd/${k}`).sort());
  for (const key of keys) await disk.deleteObject(`odd/${key}`);
  assert.equal((await disk.listObjects("odd/", { recursive: true })).objects.length, 0);
});

await check("listings", async () => {
  await Promise.all(Array.from({ length: 1100 }, (_, i) => disk.putObject(`many/d${i % 3}/f${String(i).padStart(4, "0")}`, "x")));
  const all = await disk.listObjects("many/", { recursive: true });
  assert.equal(all.objects.length, 1100);
  assert.equal(all.isTruncated, false);
  assert.deepEqual(all.objects.map((o) => o.key), all.objects.map((o) => o.key).toSorted());
  assert(all.objects.every((o) => o.size === 1 && o.etag && o.lastModified instanceof Date));
  const folders = await disk.listObjects("many/");
  assert.deepEqual(folders.commonPrefixes, ["many/d0/", "many/d1/", "many/d2/"]);
  assert.equal(folders.objects.length, 0);
  const some = await disk.listObjects("many/", { recursive: true, limit: 10 });
  assert.deepEqual([some.objects.length, some.isTruncated], [10, true]);
  const page = await disk.listObjects("many/", { recursive: true, singlePage: true });
  assert.deepEqual([page.keyCount, page.isTruncated], [1000, true]);
  const next = await disk.listObjects("many/", { recursive: true, singlePage: true, continuationToken: page.nextContinuationToken });
  assert.equal(next.objects.length, 100);
  const after = await disk.listObjects("many/", { recursive: true, startAfter: "many/d2/f1090" });
  assert(after.objects.every((o) => o.key > "many/d2/f1090"));
  let pages = 0;
  for await (const p of disk.listObjectsPages("many/", { recursive: true })) pages += p.objects.length > 0;
  assert.equal(pages, 2);
});

await check("share", async () => {
  await disk.putObject("shared/hello wörld.txt", "hello");
  const { url, expiresIn } = await disk.share("shared/hello wörld.txt");
  assert.equal(expiresIn, 86400);
  if (SHARED_HOST) assert.equal(new URL(url).host, SHARED_HOST);
  const res = await fetch(url);
  assert.equal(res.status, 200);
  assert.equal(await res.text(), "hello");
  assert.match(res.headers.get("content-type"), /^text\/plain/);
  assert.match(res.headers.get("content-disposition"), /^inline;.*filename\*=UTF-8''hello%20w%C3%B6rld\.txt/);
  const part = await fetch(url, { headers: { Range: "bytes=1-3" } });
  assert.deepEqual([part.status, await part.text()], [206, "ell"]);
  assert.equal((await disk.share("shared/hello wörld.txt", { expiresIn: 60 })).expiresIn, 60);
  for (const expiresIn of [0, -1, 604801, 1.5])
    await assert.rejects(disk.share("shared/hello wörld.txt", { expiresIn }), apiError(400), `${expiresIn}`);
  await assert.rejects(disk.share("shared/none"), apiError(404));
  await disk.putObject("shared/hello wörld.txt", "changed");
  assert.equal(await (await fetch(url)).text(), "changed");
  await disk.deleteObject("shared/hello wörld.txt");
  assert.equal((await fetch(url)).status, 404);
});

await check("API keys", async () => {
  const made = await archil.tokens.create({ name: "second", description: "for a test" });
  assert.match(made.token, /^key-/);
  assert.equal(made.tokenSuffix, made.token.slice(-4));
  const other = new Archil({ ...options, apiKey: made.token });
  assert.equal((await other.disks.get(disk.id)).name, "agents");
  const seen = (await archil.tokens.list()).find((k) => k.id === made.id);
  assert.deepEqual([seen.name, seen.description, seen.token], ["second", "for a test", undefined]);
  assert.equal((await archil.tokens.list({ limit: 1 })).length, 1);
  await archil.tokens.delete(made.id);
  await assert.rejects(other.disks.get(disk.id), apiError(401));
  await assert.rejects(archil.tokens.delete(made.id), apiError(404));
  await assert.rejects(archil.tokens.create({ name: "" }), apiError(400));
});

await check("exec and grep", async () => {
  await assert.rejects(disk.exec("true"), apiError(501, /Exec is not enabled/));
  await assert.rejects(disk.grep({ directory: "", pattern: "x" }), apiError(501));
  await assert.rejects(archil.exec({ disks: { data: disk }, command: "true" }), apiError(501, /Exec is not enabled/));
  await assert.rejects(disk.mount(), /Native client not available/);
});

await check("keys that open nothing", async () => {
  const stranger = new Archil({ ...options, apiKey: "key-0123456789abcdefghijklmnop" });
  await assert.rejects(stranger.disks.list(), apiError(401));
  const tokenAsKey = new Archil({ ...options, apiKey: token });
  await assert.rejects(tokenAsKey.disks.list(), apiError(401));
});

await check("the functions of the module", async () => {
  sdk.configure(options);
  const { disk: made } = await sdk.createDisk({ name: "by-function" });
  assert.equal((await sdk.getDisk(made.id)).id, made.id);
  assert((await sdk.listDisks({ name: "by-function" })).length === 1);
  const key = await sdk.createApiKey({ name: "by function" });
  assert((await sdk.listApiKeys()).some((k) => k.id === key.id));
  await sdk.deleteApiKey(key.id);
  await assert.rejects(sdk.exec({ disks: { a: { disk: made, readOnly: true, subdirectory: "s" } }, command: "true" }), apiError(501));
  await made.delete();
  await assert.rejects(sdk.getDisk(made.id), apiError(404));
});

await check("the command line", async () => {
  const cli = join(dirname(createRequire(import.meta.url).resolve("disk")), "cli.js");
  const disk = async (...args) =>
    (await run(process.execPath, [cli, "--api-key", API_KEY, "--region", "aws-us-east-1", "--base-url", CONTROL, ...args])).stdout;
  assert.match(await disk("create", "from-cli"), /dsk-[0-9a-f]{16}/);
  assert.match(await disk("list"), /from-cli/);
  assert.equal(JSON.parse(await disk("get", "from-cli", "-o", "json")).name, "from-cli");
  const created = await disk("api-keys", "create", "cli key", "--description", "d");
  assert.match(created, /key-/);
  assert.match(await disk("api-keys", "list"), /cli key/);
  await disk("delete", "from-cli");
  assert.doesNotMatch(await disk("list"), /from-cli/);
});

await check("deleting the disk", async () => {
  await disk.delete();
  await assert.rejects(archil.disks.get(disk.id), apiError(404));
  await assert.rejects(disk.getObject("big.bin"), (e) => [403, 404].includes(e.status));
});

console.log(`${passed} checks`);
