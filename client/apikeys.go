package client

import (
	"context"
	"iter"
	"net/http"
	"net/url"
	"time"
)

// NewAPIKey is what an API key is made from.
type NewAPIKey struct {
	Name        string     `json:"name"`
	Description string     `json:"description,omitempty"`
	Disks       []string   `json:"disks,omitempty"` // that it opens; none: all, and the server itself
	ReadOnly    bool       `json:"readOnly,omitempty"`
	ExpiresAt   *time.Time `json:"expiresAt,omitempty"`
}

// APIKey is an API key.
type APIKey struct {
	ID          string     `json:"id"`
	Name        string     `json:"name"`
	Description string     `json:"description"`
	TokenSuffix string     `json:"tokenSuffix"`
	Token       string     `json:"token,omitempty"` // known once, when the key is made
	Disks       []string   `json:"disks,omitempty"`
	ReadOnly    bool       `json:"readOnly,omitempty"`
	CreatedAt   time.Time  `json:"createdAt"`
	LastUsedAt  *time.Time `json:"lastUsedAt,omitempty"`
	ExpiresAt   *time.Time `json:"expiresAt,omitempty"`
}

// CreateAPIKey makes an API key.
func (c *Client) CreateAPIKey(ctx context.Context, k NewAPIKey) (APIKey, error) {
	var res APIKey
	err := c.once(ctx, http.MethodPost, "/api/tokens", nil, k, &res)
	return res, err
}

type apiKeys struct {
	Tokens []APIKey `json:"tokens"`
}

// APIKeys walks the API keys.
func (c *Client) APIKeys(ctx context.Context) iter.Seq2[APIKey, error] {
	return listed(ctx, c, "/api/tokens", nil, func(p *apiKeys) []APIKey { return p.Tokens })
}

// DeleteAPIKey revokes an API key, at once.
func (c *Client) DeleteAPIKey(ctx context.Context, id string) error {
	return c.once(ctx, http.MethodDelete, "/api/tokens/"+url.PathEscape(id), nil, nil, nil)
}
