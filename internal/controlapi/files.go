package controlapi

import (
	"reflect"
	"strings"

	"atoll/internal/disk"
	"atoll/internal/errs"
	"atoll/internal/objmeta"
)

const filesPath = "/api/disks/{id}/files/{path...}"

// fileRoutes are those that show and change files by path.
func (a *api) fileRoutes() []route {
	const group = "Files"
	read := endpoint{raw: "*/*", out: reflect.TypeFor[fileResponse](), run: a.readFile}
	query := []param{
		{name: "stat", kind: "boolean", text: "`true`: what the path names, as JSON; a symbolic link is not followed"},
		{name: "list", kind: "boolean", text: "`true`: a page of what is in the folder, as JSON"},
		{name: "limit", kind: "integer", text: "entries of the page: 1 to 1000, by default 1000"},
		{name: "cursor", text: "`nextCursor` of the page before; it is opaque"},
	}
	mode := []param{
		{in: "header", name: "X-Archil-Mode", text: "octal digits, for a file that is made; by default 0644"},
		{in: "header", name: "X-Archil-Uid", kind: "integer", text: "owner of what is made; by default 0"},
		{in: "header", name: "X-Archil-Gid", kind: "integer", text: "group of what is made; by default 0"},
		{in: "header", name: "If-Match", text: "only if the file's ETag is one of these; `*`: only if it is there"},
		{in: "header", name: "If-None-Match", text: "`*`: only if it is not there"},
		{in: "header", name: "Content-MD5", text: "base64 of the contents' MD5, which is checked"},
	}
	get := route{path: filesPath, group: group, right: rightDiskRead, contents: true, do: read, params: query,
		success: []int{200, 206, 304}, errors: []int{404, 409, 412, 416},
		text: "The empty path is the disk's root folder. Contents come with Range and conditional requests."}
	head := get
	get.method, get.name, get.summary = "GET", "readFile", "a file's contents; what a path is; what is in a folder"
	head.method, head.name, head.summary = "HEAD", "headFile", "what GET answers, without the contents"
	return []route{
		get, head,
		{method: "PUT", path: filesPath, name: "writeFile", group: group, summary: "write a file",
			text: "The body is the contents, of any size. They take the file's place in one step when all of them have come; missing folders are made. " +
				"A file that is replaced keeps its mode and owner.",
			right: rightDiskWrite, contents: true, action: "file.write", success: []int{200, 201},
			errors: []int{403, 404, 409, 412, 507}, params: mode, do: streams("*/*", a.writeFile)},
		{method: "POST", path: filesPath, name: "changeFile", group: group, summary: "mkdir, rename, symlink, chmod",
			text:  "`op` says what is done with the path; the other fields belong to one op or another.",
			right: rightDiskWrite, contents: true, action: "file.change", success: []int{200, 201},
			errors: []int{403, 404, 409, 507}, do: takes(a.changeFile)},
		{method: "DELETE", path: filesPath, name: "deleteFile", group: group, summary: "delete a file or a folder",
			text: "A symbolic link is deleted, not what it leads to. A folder with all that is in it is deleted piece by piece: " +
				"if that fails half-way, the error says how much is gone, and the request can be sent again.",
			right: rightDiskWrite, contents: true, action: "file.delete", errors: []int{403, 404, 409, 412}, do: gives(a.deleteFile),
			params: []param{{name: "recursive", kind: "boolean", text: "`true`: also a folder that is not empty"},
				{in: "header", name: "If-Match", text: "only if the file's ETag is one of these"}}},
	}
}

// fileResponse is what a path names.
type fileResponse struct {
	Path     string `json:"path" doc:"without a slash at either end; empty: the root folder"`
	Name     string `json:"name" doc:"last part of the path"`
	Type     string `json:"type" enum:"file,directory,symlink,fifo,device,socket" doc:"file, directory, symlink, fifo, device or socket"`
	Size     int64  `json:"size" doc:"bytes of a file; of a symlink the length of its target"`
	Mode     uint32 `json:"mode" doc:"permission bits; a decimal number: 420 is 0644"`
	UID      uint32 `json:"uid" doc:"owner"`
	GID      uint32 `json:"gid" doc:"group"`
	Nlink    uint32 `json:"nlink" doc:"how many names it has"`
	Inode    uint64 `json:"inode" doc:"number of what the path names; other names of it have the same"`
	Modified string `json:"modified" doc:"time: contents changed"`
	Changed  string `json:"changed" doc:"time: anything changed"`
	Created  string `json:"created" doc:"time: made"`
	ETag     string `json:"etag,omitempty" doc:"of a file, quoted as in the header"`
	Target   string `json:"target,omitempty" doc:"of a symlink"`

	Entries []fileResponse `json:"entries,omitzero" doc:"of a folder that was listed"`
}

func wireFile(path string, a *disk.Attr) fileResponse {
	f := fileResponse{
		Path: path, Name: path[strings.LastIndexByte(path, '/')+1:], Type: typeName(a.Type), Size: a.Size,
		Mode: a.Mode, UID: a.UID, GID: a.GID, Nlink: a.Nlink, Inode: uint64(a.Ino),
		Modified: timestamp(a.Mtime), Changed: timestamp(a.Ctime), Created: timestamp(a.Btime), Target: a.Target,
	}
	if a.Type == disk.File {
		f.ETag = string(objmeta.AppendETag(nil, a))
	}
	return f
}

// filePath is the path that the request names, without a slash at its end,
// which says that a directory is meant.
func (c *call) filePath() (path string, dir bool) {
	path, dir = strings.CutSuffix(c.r.PathValue("path"), "/")
	c.target = path
	return path, dir
}

// notFolder answers a path that ends in a slash and is no folder's.
func notFolder(op, path string) error {
	return errs.New(op, path, errs.NotDir, "this is not a folder, so its path does not end in a slash")
}

// checkMode refuses what are no permission bits.
func checkMode(mode uint64) (uint32, error) {
	if mode > 0o7777 {
		return 0, invalid("mode is permission bits: at most 4095, which is octal 7777")
	}
	return uint32(mode), nil
}

// notThere makes NotFound of what keeps a path that is read from leading
// anywhere.
func notThere(err error) error {
	switch errs.KindOf(err) {
	case errs.NotFound, errs.NotDir, errs.Loop, errs.LeavesDisk, errs.Reserved, errs.Stale:
		if err != nil {
			return errs.New("find", "", errs.NotFound, "there is no such file or folder")
		}
	}
	return err
}
