package server

import (
	"context"
	"fmt"

	"atoll/internal/catalog"
	"atoll/internal/errs"
)

// ensureAPIKey makes an API key for everything if the store has none that is
// valid: on the first start, or when all such keys have expired or were
// deleted, since then nobody could make one by the control API. The other keys
// stay as they are.
func (s *server) ensureAPIKey(ctx context.Context) error {
	full, err := s.st.catalog.HasFullAPIKey(ctx)
	if err != nil {
		return err
	}
	if full {
		return s.checkAPIKey(ctx)
	}
	about := "made on the first start"
	if !s.st.catalog.Fresh() {
		about = "made by a start that found no valid key for everything"
		s.log.Warn("no valid API key of this store opens everything: a new one is being made and kept in api.key; the others stay as they are")
	}
	if s.cfg.APIKey != "" {
		key := catalog.NormalAPIKey(s.cfg.APIKey)
		if err := catalog.CheckAPIKey(key); err != nil {
			return fmt.Errorf("ATOLL_API_KEY: %s", errs.Text(err))
		}
		err := s.addFirstKey(ctx, key, about)
		if !errs.Is(err, errs.Exists) {
			// What the operator brought is not for terminals and journals.
			return err
		}
		s.log.Warn("ATOLL_API_KEY is a key of this store that has expired or does not open everything, so it can't be the new one")
	}
	key, err := s.st.catalog.GenerateAPIKey()
	if err == nil {
		err = s.addFirstKey(ctx, key, about)
	}
	if err == nil {
		s.firstKey = key
	}
	return err
}

// addFirstKey writes the key's file before the key is accepted, so that a
// crash between the two loses nothing: the next start makes another key. It
// does not take the file's, which may have been deleted from the store because
// somebody had got hold of it.
func (s *server) addFirstKey(ctx context.Context, key, about string) error {
	if err := s.dir.write(apiKeyFile, key+"\n"); err != nil {
		return fmt.Errorf("keep the API key: %w", err)
	}
	_, err := s.st.catalog.AddAPIKey(ctx, key, catalog.APIKeySpec{Name: "first", Description: about})
	return err
}

// checkAPIKey warns of a key in the environment that has no effect.
func (s *server) checkAPIKey(ctx context.Context) error {
	if s.cfg.APIKey == "" {
		return nil
	}
	_, ok, err := s.st.catalog.VerifyAPIKey(ctx, catalog.NormalAPIKey(s.cfg.APIKey))
	if err == nil && !ok {
		s.log.Warn("ATOLL_API_KEY is not a key of this store: it becomes one on the first start only")
	}
	return err
}
