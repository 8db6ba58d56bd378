package controlapi

import (
	"math"
	"net/http"
	"time"

	"atoll/internal/catalog"
	"atoll/internal/disk"
)

// tokenRoutes are those of API keys, which the routes call tokens as the
// service does.
func (a *api) tokenRoutes() []route {
	return []route{
		{method: "GET", path: "/api/tokens", name: "listTokens", group: "API keys", summary: "list API keys",
			right: rightAccountRead, do: gives(a.listTokens), params: paging()},
		{method: "POST", path: "/api/tokens", name: "createToken", group: "API keys", summary: "make an API key",
			text:  "It is shown this once.",
			right: rightAccountWrite, action: "token.create", success: []int{201}, errors: []int{404}, do: takes(a.createToken)},
		{method: "DELETE", path: "/api/tokens/{id}", name: "deleteToken", group: "API keys", summary: "revoke an API key",
			text:  "Requests that begin after the answer are refused.",
			right: rightAccountWrite, action: "token.delete", errors: []int{404}, do: gives(a.deleteToken)},
	}
}

// tokenResponse is an API key on the wire.
type tokenResponse struct {
	ID          string   `json:"id" doc:"names the key; it opens nothing"`
	Name        string   `json:"name" doc:"as it was given"`
	Description string   `json:"description" doc:"as it was given; may be empty"`
	TokenSuffix string   `json:"tokenSuffix" doc:"its last four characters"`
	CreatedAt   string   `json:"createdAt" doc:"time"`
	LastUsedAt  string   `json:"lastUsedAt,omitempty" doc:"time, to the minute; missing: never"`
	ExpiresAt   string   `json:"expiresAt,omitempty" doc:"time from which it opens nothing; missing: it does not expire"`
	Disks       []string `json:"disks,omitempty" doc:"ids of the disks that it opens; missing: all, and what is not of one disk"`
	ReadOnly    bool     `json:"readOnly" doc:"it changes nothing"`
	Token       string   `json:"token,omitempty" doc:"the key, in the answer that made it only"`
}

func wireToken(k catalog.APIKey) tokenResponse {
	res := tokenResponse{
		ID: k.ID, Name: k.Name, Description: k.Description, TokenSuffix: k.Suffix,
		CreatedAt: timestamp(k.Created), ReadOnly: k.ReadOnly,
	}
	if !k.LastUsed.IsZero() {
		res.LastUsedAt = timestamp(k.LastUsed)
	}
	if !k.Expires.IsZero() {
		res.ExpiresAt = timestamp(k.Expires)
	}
	for _, id := range k.Disks {
		res.Disks = append(res.Disks, id.String())
	}
	return res
}

type tokensResponse struct {
	Tokens []tokenResponse `json:"tokens" doc:"in the order of their ids"`
}

func (a *api) listTokens(c *call) (tokensResponse, error) {
	res := tokensResponse{Tokens: []tokenResponse{}}
	limit, after, err := c.page()
	if err != nil {
		return res, err
	}
	keys, more, err := a.o.Catalog.APIKeys(c.r.Context(), after, limit)
	if err != nil {
		return res, err
	}
	if more {
		c.next = cursor(keys[len(keys)-1].ID)
	}
	for _, k := range keys {
		res.Tokens = append(res.Tokens, wireToken(k))
	}
	return res, nil
}

type createTokenRequest struct {
	Name        string     `json:"name" need:"true" doc:"1 to 100 bytes"`
	Description string     `json:"description" doc:"at most 500 bytes"`
	ExpiresAt   *time.Time `json:"expiresAt" doc:"time (RFC 3339) from which it opens nothing; by default it does not expire"`
	ExpiresIn   *int64     `json:"expiresIn" doc:"the same, in seconds from now"`
	Disks       *[]string  `json:"disks" doc:"ids of the disks that it opens; by default all, and what is not of one disk"`
	ReadOnly    bool       `json:"readOnly" doc:"it changes nothing"`
}

func (a *api) createToken(c *call, in *createTokenRequest) (tokenResponse, error) {
	c.details = in.Name
	spec := catalog.APIKeySpec{Name: in.Name, Description: in.Description, ReadOnly: in.ReadOnly}
	var err error
	if spec.Expires, err = a.expiry(in); err != nil {
		return tokenResponse{}, err
	}
	if spec.Disks, err = a.tokenDisks(c, in.Disks); err != nil {
		return tokenResponse{}, err
	}
	k, key, err := a.o.Catalog.CreateAPIKey(c.r.Context(), spec)
	if err != nil {
		return tokenResponse{}, err
	}
	c.status, c.target = http.StatusCreated, k.ID
	res := wireToken(k)
	res.Token = key
	return res, nil
}

// expiry is when a new key shall expire; zero: never.
func (a *api) expiry(in *createTokenRequest) (time.Time, error) {
	switch {
	case in.ExpiresAt != nil && in.ExpiresIn != nil:
		return time.Time{}, invalid("expiresAt and expiresIn say the same: send one of them")
	case in.ExpiresAt != nil && in.ExpiresAt.IsZero():
		return time.Time{}, invalid("expiresAt lies in the future") // the year 1, which would mean: never
	case in.ExpiresAt != nil:
		return *in.ExpiresAt, nil
	case in.ExpiresIn != nil:
		if *in.ExpiresIn < 1 || *in.ExpiresIn > math.MaxInt32 {
			return time.Time{}, invalid("expiresIn is a number of seconds, from 1 to %d", math.MaxInt32)
		}
		return a.o.Now().Add(time.Duration(*in.ExpiresIn) * time.Second), nil
	}
	return time.Time{}, nil
}

// tokenDisks finds the disks that a new key shall be limited to; nil: none.
func (a *api) tokenDisks(c *call, list *[]string) ([]disk.ID, error) {
	if list == nil {
		return nil, nil
	}
	if len(*list) == 0 {
		return nil, invalid("disks has at least one disk; leave it out for a key that opens all")
	}
	var ids []disk.ID
	seen := map[disk.ID]bool{}
	for _, s := range *list {
		id, _, _, err := a.diskOf(c, s)
		if err != nil {
			return nil, err
		}
		if !seen[id] {
			seen[id] = true
			ids = append(ids, id)
		}
	}
	return ids, nil
}

func (a *api) deleteToken(c *call) (message, error) {
	c.target = c.r.PathValue("id")
	if err := a.o.Catalog.DeleteAPIKey(c.r.Context(), c.target); err != nil {
		return message{}, err
	}
	return message{"API key revoked"}, nil
}
