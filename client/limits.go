package client

import (
	"context"
	"net/http"
)

// AllowedIPs returns the addresses and networks that may use a disk; none: no
// limit.
func (c *Client) AllowedIPs(ctx context.Context, disk string) ([]string, error) {
	res := allowedIPs{}
	err := c.get(ctx, diskPath(disk)+"/allowed-ips", nil, &res)
	return res.AllowedIPs, err
}

type allowedIPs struct {
	AllowedIPs []string `json:"allowedIps"`
}

// SetAllowedIPs replaces the addresses and networks (CIDR) that may use a
// disk; none: no limit. It returns them as the server writes them.
func (c *Client) SetAllowedIPs(ctx context.Context, disk string, allowed []string) ([]string, error) {
	if allowed == nil {
		allowed = []string{}
	}
	var res allowedIPs
	err := c.put(ctx, diskPath(disk)+"/allowed-ips", allowedIPs{allowed}, &res)
	return res.AllowedIPs, err
}

// Quota is what a disk may hold; 0: no limit.
type Quota struct {
	Bytes     int64 `json:"bytes"`
	Files     int64 `json:"files"`
	UsedBytes int64 `json:"usedBytes"`
	UsedFiles int64 `json:"usedFiles"`
}

// Quota returns a disk's quota and what is used of it.
func (c *Client) Quota(ctx context.Context, disk string) (Quota, error) {
	var q Quota
	err := c.get(ctx, diskPath(disk)+"/quota", nil, &q)
	return q, err
}

// SetQuota sets how many bytes and files a disk may hold; 0: no limit.
func (c *Client) SetQuota(ctx context.Context, disk string, bytes, files int64) (Quota, error) {
	var q Quota
	err := c.put(ctx, diskPath(disk)+"/quota", map[string]int64{"bytes": bytes, "files": files}, &q)
	return q, err
}

// CORSRule is one rule for web pages of other origins.
type CORSRule struct {
	ID             string   `json:"id,omitempty"`
	AllowedOrigins []string `json:"allowedOrigins"` // each with at most one *
	AllowedMethods []string `json:"allowedMethods"` // of GET, PUT, HEAD, POST, DELETE
	AllowedHeaders []string `json:"allowedHeaders,omitempty"`
	ExposeHeaders  []string `json:"exposeHeaders,omitempty"`
	MaxAgeSeconds  int      `json:"maxAgeSeconds,omitempty"`
}

type corsRules struct {
	Rules []CORSRule `json:"rules"`
}

// CORS returns a disk's rules; none: no access from other origins.
func (c *Client) CORS(ctx context.Context, disk string) ([]CORSRule, error) {
	var res corsRules
	err := c.get(ctx, diskPath(disk)+"/cors", nil, &res)
	return res.Rules, err
}

// SetCORS replaces a disk's rules.
func (c *Client) SetCORS(ctx context.Context, disk string, rules []CORSRule) error {
	if rules == nil {
		rules = []CORSRule{}
	}
	return c.put(ctx, diskPath(disk)+"/cors", corsRules{rules}, nil)
}

// RemoveCORS removes a disk's rules.
func (c *Client) RemoveCORS(ctx context.Context, disk string) error {
	_, err := c.do(ctx, call{method: http.MethodDelete, path: diskPath(disk) + "/cors"})
	return err
}
