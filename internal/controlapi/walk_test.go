package controlapi

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"atoll/internal/share"
)

// TestWalk does everything there is to do, and holds every request and every
// answer against the description: no route, no field of a request and none of
// an answer is left out.
func TestWalk(t *testing.T) {
	b := newBench(t)
	o := b.o
	o.Registry = prometheus.NewRegistry()
	o.Shares = share.New(share.Options{Store: b.c, Disks: b.core, PublicURL: func() string { return "" }, Now: b.now})
	b.serve(o)
	c := newConformer(b)
	id := c.walkDisks()
	c.walkFiles(id)
	c.walkShares(id)
	c.walkUsers(id)
	c.walkSettings(id)
	c.walkHistory(id)
	c.walkTokens(id)
	c.walkServer(id)
	c.whole()
}

func (c *conformer) walkDisks() string {
	c.call("createDisk", "POST", "/api/disks", `{"name":"photos","rootAttrs":{"uid":1,"gid":2,"mode":448},"allowedIps":["192.0.2.0/24"],"mounts":[]}`, 201)
	made := c.call("createDisk", "POST", "/api/disks", `{"name":"photos","rootAttrs":{"uid":1,"gid":2,"mode":448},"allowedIps":["192.0.2.0/24"]}`, 200).(object)
	c.call("createDisk", "POST", "/api/disks", `{"name":"photos"}`, 409)
	c.call("createDisk", "POST", "/api/disks", `{"name":"other","authMethods":[]}`, 201)
	c.call("listDisks", "GET", "/api/disks?limit=1", "", 200)
	id := made["diskId"].(string)
	c.call("getDisk", "GET", "/api/disks/"+id, "", 200)
	return id
}

func (c *conformer) walkUsers(id string) {
	users := "/api/disks/" + id + "/users"
	c.call("addUser", "POST", users, `{"type":"token","nickname":"mount","principal":"","tokenSuffix":""}`, 201)
	u := c.call("addUser", "POST", users, `{"type":"s3","nickname":"laptop"}`, 201).(object)
	c.call("addUser", "POST", users, `{"type":"awssts","principal":"arn"}`, 501)
	c.call("listUsers", "GET", users, "", 200)
	c.call("removeUser", "DELETE", users+"/s3?identifier="+u["identifier"].(string), "", 200)
	c.call("removeUser", "DELETE", users+"/s3?identifier="+u["identifier"].(string), "", 404)
}

func (c *conformer) walkSettings(id string) {
	base := "/api/disks/" + id
	c.call("setAllowedIps", "PUT", base+"/allowed-ips", `{"allowedIps":["192.0.2.0/24","2001:db8::1"]}`, 200)
	c.call("getAllowedIps", "GET", base+"/allowed-ips", "", 200)
	c.call("setQuota", "PUT", base+"/quota", `{"bytes":1000000,"files":1000}`, 200)
	c.call("getQuota", "GET", base+"/quota", "", 200)
	c.call("setCors", "PUT", base+"/cors", `{"rules":[{"id":"web","allowedOrigins":["https://example.com"],"allowedMethods":["GET"],`+
		`"allowedHeaders":["*"],"exposeHeaders":["ETag"],"maxAgeSeconds":60}]}`, 200)
	c.call("getCors", "GET", base+"/cors", "", 200)
	c.call("deleteCors", "DELETE", base+"/cors", "", 200)
}

func (c *conformer) walkHistory(id string) {
	base := "/api/disks/" + id
	c.put(id, "root", "a/one.txt", "one")
	c.put(id, "root", "two.txt", "two")
	c.call("createCheckpoint", "POST", base+"/checkpoints", `{"checkpoint_name":"first","branch":"root"}`, 201)
	c.put(id, "root", "two.txt", "two, changed")
	c.put(id, "root", "three.txt", "three")
	c.call("createCheckpoint", "POST", base+"/checkpoints", `{"checkpoint_name":"first"}`, 409)
	c.call("createCheckpoint", "POST", base+"/checkpoints", `{"checkpoint_name":"second"}`, 201)
	c.call("renameCheckpoint", "PATCH", base+"/checkpoints/second", `{"checkpoint_name":"later"}`, 200)
	c.call("getCheckpoint", "GET", base+"/checkpoints/first", "", 200)
	c.call("listCheckpoints", "GET", base+"/checkpoints?branch=root", "", 200)
	c.call("createBranch", "POST", base+"/branches", `{"branch_name":"work","from_checkpoint_name":"first","from_branch":"root"}`, 201, "Idempotency-Key", "k")
	c.call("createBranch", "POST", base+"/branches", `{"branch_name":"work"}`, 422, "Idempotency-Key", "k")
	c.call("createBranch", "POST", base+"/branches", `{"branch_name":"present"}`, 201)
	c.call("listBranches", "GET", base+"/branches", "", 200)
	c.call("renameBranch", "PATCH", base+"/branches/present", `{"branch_name":"now"}`, 200)
	c.call("getBranch", "GET", base+"/branches/now", "", 200)
	c.call("diff", "GET", base+"/diff?from=work&to=root&limit=1", "", 200)
	c.call("diff", "GET", base+"/diff?from=work&to=root", "", 200)
	c.call("diff", "GET", base+"/diff?from=root&to=root.first", "", 200)
	c.call("restore", "POST", base+"/restore", `{"from_branch":"root","from_checkpoint":"first","path":"two.txt","branch":"now"}`, 200)
	c.call("rollbackBranch", "POST", base+"/branches/root/rollback", `{"checkpoint_name":"first","keep_as":"kept","force":true}`, 200)
	c.call("promoteBranch", "POST", base+"/branches/work/promote", `{"keep_as":"kept-too","force":false}`, 200)
	c.call("setSchedule", "PUT", base+"/branches/now/schedule", `{"hourly":24,"daily":7,"weekly":4}`, 200)
	c.call("getSchedule", "GET", base+"/branches/now/schedule", "", 200)
	c.call("removeSchedule", "DELETE", base+"/branches/now/schedule", "", 200)
	c.call("deleteBranch", "DELETE", base+"/branches/now", "", 200)
	c.call("deleteCheckpoint", "DELETE", base+"/checkpoints/later?branch=kept&cascade=true", "", 200)
}

func (c *conformer) walkTokens(id string) {
	c.call("createToken", "POST", "/api/tokens", `{"name":"ci","description":"of the build","disks":["`+id+`"],"readOnly":true,"expiresIn":3600}`, 201)
	k := c.call("createToken", "POST", "/api/tokens", `{"name":"ci","expiresAt":"2027-01-01T00:00:00Z"}`, 201).(object)
	c.call("listTokens", "GET", "/api/tokens", "", 200)
	c.call("deleteToken", "DELETE", "/api/tokens/"+k["id"].(string), "", 200)
	c.call("deleteToken", "DELETE", "/api/tokens/"+k["id"].(string), "", 404)
}

func (c *conformer) walkServer(id string) {
	base := "/api/disks/" + id
	c.call("getServer", "GET", "/api/server", "", 200)
	c.call("backup", "POST", "/api/backup", `{"dir":"/backup"}`, 200)
	c.call("rotateKey", "POST", "/api/server/rotate-key", "", 200)
	c.call("rotateKey", "POST", "/api/server/rotate-key", `{"masterKey":"k"}`, 200)
	c.call("listDelegations", "GET", base+"/delegations", "", 501)
	c.call("revokeDelegation", "POST", base+"/revoke-delegation", `{"clientId":"c","inodeId":1}`, 501)
	c.call("execDisk", "POST", base+"/exec", `{"command":"ls"}`, 501)
	c.call("grepDisk", "POST", base+"/grep", `{"directory":"","pattern":"x","recursive":true}`, 501)
	c.call("exec", "POST", "/api/exec", `{"disks":{"a":"`+id+`","b":{"disk":"`+id+`.work","readOnly":true}},"command":"ls"}`, 501)
	c.call("exec", "POST", "/api/exec", `{"disks":{"a":"`+absentDisk+`"},"command":"ls"}`, 404)
	c.call("deleteDisk", "DELETE", base, "", 200)
	c.call("listAudit", "GET", "/api/audit?disk="+id, "", 200)
	c.call("listAudit", "GET", "/api/audit?limit=1", "", 200)
}

func (c *conformer) walkFiles(id string) {
	files := "/api/disks/" + id + "/files/"
	c.call("writeFile", "PUT", files+"docs/a.txt", "hello", 201, "X-Archil-Mode", "640")
	c.call("writeFile", "PUT", files+"docs/a.txt", "hello again", 200)
	c.call("writeFile", "PUT", files+"docs/a.txt", "x", 412, "If-None-Match", "*")
	c.call("changeFile", "POST", files+"docs/deep/er", `{"op":"mkdir","parents":true,"mode":488,"uid":1,"gid":2}`, 201)
	c.call("changeFile", "POST", files+"docs/link", `{"op":"symlink","target":"a.txt"}`, 201)
	c.call("changeFile", "POST", files+"docs/a.txt", `{"op":"rename","to":"docs/b.txt","noReplace":true}`, 200)
	c.call("changeFile", "POST", files+"docs/b.txt", `{"op":"chmod","mode":384}`, 200)
	c.call("changeFile", "POST", files+"docs", `{"op":"rename","to":"docs/b.txt","noReplace":true}`, 409)
	c.call("readFile", "GET", files+"docs/b.txt", "", 200)
	c.call("readFile", "GET", files+"docs/b.txt", "", 206, "Range", "bytes=1-2")
	c.call("readFile", "GET", files+"docs/b.txt", "", 416, "Range", "bytes=100-")
	c.call("readFile", "GET", files+"docs/link?stat=true", "", 200)
	c.call("readFile", "GET", files+"docs?list=true&limit=1", "", 200)
	c.call("readFile", "GET", files+"docs?list=true", "", 200)
	c.call("readFile", "GET", files+"none", "", 404)
	c.call("headFile", "HEAD", files+"docs/b.txt", "", 200)
	c.call("deleteFile", "DELETE", files+"docs/deep", "", 409)
	c.call("deleteFile", "DELETE", files+"docs/deep?recursive=true", "", 200)
	c.call("writeFile", "PUT", files+".archil/x", "x", 403)
}

func (c *conformer) walkShares(id string) {
	base := "/api/disks/" + id
	s := c.call("makeShare", "POST", base+"/share", `{"key":"docs/b.txt","expiresIn":60}`, 200).(object)
	link := s["url"].(string)
	c.call("openShare", "GET", link, "", 200, "Authorization", "")
	c.call("openShare", "GET", link, "", 206, "Authorization", "", "Range", "bytes=0-1")
	c.call("headShare", "HEAD", link, "", 200, "Authorization", "")
	c.call("openShare", "GET", link[:len(link)-4]+strings.Repeat("A", 4), "", 404, "Authorization", "")
	c.call("makeShareOf", "POST", base+"/share/docs/b.txt?expiresIn=3600", "", 200)
	c.call("makeShareOf", "POST", base+"/share/docs/b.txt?expiresIn=60", "", 400)
	c.call("revokeShares", "DELETE", base+"/share?id="+s["id"].(string), "", 200)
	c.call("openShare", "GET", link, "", 404, "Authorization", "")
	c.call("revokeShares", "DELETE", base+"/share?all=true", "", 200)
}
