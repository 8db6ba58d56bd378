package controlapi

import (
	"path/filepath"

	"atoll/internal/errs"
)

// ServerInfo is what clients need to know of the server.
type ServerInfo struct {
	Version    string `json:"version"`
	Region     string `json:"region"`
	S3Endpoint string `json:"s3Endpoint"` // URL under which clients reach the S3 door
}

// serverRoutes are those of the server itself.
func (a *api) serverRoutes() []route {
	return []route{
		{method: "GET", path: "/api/server", name: "getServer", group: "Server", summary: "version, region, S3 endpoint",
			right: rightKey, do: gives(a.server)},
		{method: "POST", path: "/api/backup", name: "backup", group: "Server", summary: "copy the running store",
			right: rightAccountWrite, action: "server.backup", errors: []int{409, 501, 503, 507}, do: takes(a.backup)},
	}
}

func (a *api) server(*call) (ServerInfo, error) { return a.o.Info, nil }

type backupRequest struct {
	Dir string `json:"dir"`
}

type backupResponse struct {
	Dir     string `json:"dir"`
	Message string `json:"message"`
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
		Message: "The master key is not in the backup: keep master.key apart, without it the backup's S3 secrets can't be opened",
	}, nil
}
