package server

import (
	"context"
	"log/slog"
	"net/http"

	"atoll/internal/controlapi"
	"atoll/internal/disk"
	"atoll/internal/fileserve"
	"atoll/internal/s3api"
	"atoll/internal/share"
)

func (s *server) controlHandler() http.Handler {
	return controlapi.New(controlapi.Options{
		Catalog: s.st.catalog, Disks: s.st.disks, Clients: s.clients, Limiter: s.limiter,
		Scheduled: s.schedules.Changed,
		Shares: share.New(share.Options{Store: s.st.catalog, Disks: s.st.disks, PublicURL: s.publicURL,
			Now: s.cfg.Now, Rand: s.cfg.Rand, Serve: fileserve.Options{Rand: s.cfg.Rand}}),
		Info: s.info, Backup: s.backup, RotateKey: s.rotateKey, Ready: s.isReady,
		Registry: s.metrics.registry, Log: s.log, Now: s.cfg.Now,
	})
}

// info is what the server tells of itself.
func (s *server) info() controlapi.ServerInfo {
	return controlapi.ServerInfo{
		Version: s.cfg.Version, Region: s.cfg.Region, S3Endpoint: s.s3URL(),
		PublicURL: s.publicURL(), S3Profile: s.cfg.S3Profile,
	}
}

func (s *server) s3Handler() (http.Handler, error) {
	m, err := s3api.NewMetrics(s.metrics.registry)
	if err != nil {
		return nil, err
	}
	o := s3api.Options{
		Disks: s.st.disks, Region: s.cfg.Region, Now: s.cfg.Now, Rand: s.cfg.Rand, Metrics: m,
		MaxInFlight: s.cfg.MaxInFlight, Memory: divide(int64(s.cfg.Memory)).requests,
		Credentials: s3api.CredentialsFunc(s.s3Credential), APIKeys: s3api.APIKeysFunc(s.s3APIKey),
		Extended: s.cfg.S3Profile == ProfileExtended, Buckets: s.s3Buckets,
		Addr: s.clients, Limiter: s.limiter, Admits: s.st.catalog.Admits, CORS: s.s3CORS,
	}
	if s.access != nil {
		o.Logger = newLogger(s.access, s.cfg.LogFormat, slog.LevelInfo)
	}
	return s3api.New(o)
}

func (s *server) s3Credential(ctx context.Context, access string) (s3api.Credential, bool, error) {
	c, ok, err := s.st.catalog.Credential(ctx, access)
	return s3api.Credential{Secret: c.Secret, Disk: c.Disk}, ok, err
}

func (s *server) s3APIKey(ctx context.Context, header string) (s3api.APIKey, bool, error) {
	k, ok, err := s.st.catalog.VerifyAPIKey(ctx, header)
	if err != nil || !ok {
		return s3api.APIKey{}, false, err
	}
	return s3api.APIKey{ID: k.ID, Grant: &k}, true, nil
}

func (s *server) s3Buckets(ctx context.Context, after disk.ID, limit int) ([]s3api.Bucket, bool, error) {
	disks, more, err := s.st.catalog.DisksByID(ctx, after, limit)
	page := make([]s3api.Bucket, 0, len(disks))
	for _, d := range disks {
		page = append(page, s3api.Bucket{ID: d.ID, Created: d.Created})
	}
	return page, more, err
}

func (s *server) s3CORS(ctx context.Context, id disk.ID) ([]s3api.CORSRule, error) {
	rules, err := s.st.catalog.CORS(ctx, id)
	if err != nil || len(rules) == 0 {
		return nil, err
	}
	out := make([]s3api.CORSRule, 0, len(rules))
	for _, r := range rules {
		out = append(out, s3api.CORSRule(r))
	}
	return out, nil
}
