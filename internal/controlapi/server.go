package controlapi

import (
	"path/filepath"

	"atoll/internal/errs"
)

// ServerInfo is what clients need to know of the server.
type ServerInfo struct {
	Version    string `json:"version" doc:"of the build"`
	Region     string `json:"region" doc:"of new disks"`
	S3Endpoint string `json:"s3Endpoint" doc:"URL under which clients reach the S3 API"`
	PublicURL  string `json:"publicUrl" doc:"URL under which clients reach the control API; share URLs begin with it"`
	S3Profile  string `json:"s3Profile" doc:"contract or extended: whether the further S3 operations work for all requests"`
}

// serverRoutes are those of the server itself.
func (a *api) serverRoutes() []route {
	return []route{
		{method: "GET", path: "/api/server", name: "getServer", group: "Server", summary: "version, region, S3 endpoint",
			right: rightKey, do: gives(a.server)},
		{method: "POST", path: "/api/backup", name: "backup", group: "Server", summary: "copy the running store",
			right: rightAccountWrite, action: "server.backup", errors: []int{409, 501, 503, 507}, do: takes(a.backup)},
		{method: "POST", path: "/api/server/rotate-key", name: "rotateKey", group: "Server", summary: "seal the store under another master key",
			text:  "Every secret is sealed anew while requests are served. Backups that were made before open with the old key only.",
			right: rightAccountWrite, action: "server.rotate-key", errors: []int{501, 503, 507}, do: mayTake(a.rotateKey)},
	}
}

func (a *api) server(*call) (ServerInfo, error) { return a.o.Info(), nil }

type backupRequest struct {
	Dir string `json:"dir" need:"true" doc:"absolute path of a new or empty directory on the server's machine"`
}

type backupResponse struct {
	Dir     string `json:"dir" doc:"as it was sent"`
	Message string `json:"message" doc:"what to do now, for people"`
}

// backup copies the store. Its API key has full rights, so it may name any
// directory that the server's user may write; the directory must be new.
func (a *api) backup(c *call, in *backupRequest) (backupResponse, error) {
	if a.o.Backup == nil {
		return backupResponse{}, errs.New("backup", "", errs.Unsupported, "this server makes no backups")
	}
	c.target = in.Dir
	if !filepath.IsAbs(in.Dir) {
		return backupResponse{}, invalid("dir is the absolute path of a directory on the server's machine")
	}
	if err := a.o.Backup(c.r.Context(), filepath.Clean(in.Dir)); err != nil {
		return backupResponse{}, err
	}
	return backupResponse{
		Dir:     in.Dir,
		Message: "The master key is not in the backup, and the backup is useless without it: keep a copy of master.key in another place",
	}, nil
}

type rotateRequest struct {
	MasterKey string `json:"masterKey" doc:"the new key, of an operator who keeps it; by default one is made"`
}

type rotateResponse struct {
	KeyFile string `json:"keyFile,omitempty" doc:"file on the server's machine that holds the new key; missing: the operator keeps it"`
	Message string `json:"message" doc:"what to do now, for people"`
}

func (a *api) rotateKey(c *call, in *rotateRequest) (rotateResponse, error) {
	if a.o.RotateKey == nil {
		return rotateResponse{}, errs.New("rotate key", "", errs.Unsupported, "this server can't rotate its master key")
	}
	file, err := a.o.RotateKey(c.r.Context(), in.MasterKey)
	if err != nil {
		return rotateResponse{}, err
	}
	c.details = file
	res := rotateResponse{KeyFile: file, Message: "The store is sealed under the new master key: keep a copy of it apart from backups. " +
		"Backups that were made before open with the old key only: keep that as long as them"}
	if file == "" {
		res.Message = "The store is sealed under the new master key: give it to the server at its next start. " +
			"Backups that were made before open with the old key only: keep that as long as them"
	}
	return res, nil
}
