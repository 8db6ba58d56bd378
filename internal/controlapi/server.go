package controlapi

import (
	"net/http"
	"path/filepath"

	"atoll/internal/errs"
)

// ServerInfo is what clients need to know of the server.
type ServerInfo struct {
	Version    string `json:"version"`
	Region     string `json:"region"`
	S3Endpoint string `json:"s3Endpoint"` // URL under which clients reach the S3 door
}

func (a *api) server(*http.Request) (answer, error) { return ok(http.StatusOK, a.o.Info), nil }

type backupRequest struct {
	Dir string `json:"dir"`
}

type backupResponse struct {
	Dir     string `json:"dir"`
	Message string `json:"message"`
}

// backup copies the store. Its API key has full rights, so it may name any
// directory that the server's user may write; the directory must be new.
func (a *api) backup(r *http.Request) (answer, error) {
	if a.o.Backup == nil {
		return answer{}, errs.New("backup", "", errs.Unsupported, "this server makes no backups")
	}
	var req backupRequest
	if err := readJSON(r, &req); err != nil {
		return answer{}, err
	}
	if !filepath.IsAbs(req.Dir) {
		return answer{}, invalid("dir is the absolute path of a directory on the server's machine")
	}
	if err := a.o.Backup(r.Context(), filepath.Clean(req.Dir)); err != nil {
		return answer{}, err
	}
	return ok(http.StatusOK, backupResponse{
		Dir:     req.Dir,
		Message: "The master key is not in the backup: keep master.key apart, without it the backup's S3 secrets can't be opened",
	}), nil
}
