package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// writeCert makes a self-signed certificate for an address.
func writeCert(t *testing.T, certFile, keyFile string, ip net.IP) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{ip}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	b, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: der}, keyFile: {Type: "EC PRIVATE KEY", Bytes: b}} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// TestTLS talks to a server with a self-signed certificate: from its data
// directory (whatever the certificate's names are), and as a stranger.
func TestTLS(t *testing.T) {
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	other, otherKey := filepath.Join(dir, "other.pem"), filepath.Join(dir, "other-key.pem")
	data := filepath.Join(dir, "data")
	writeCert(t, cert, key, net.IPv4(192, 0, 2, 7)) // not the address that it listens on
	p := serve(t, data, "--tls-cert", cert, "--tls-key", key)
	if !strings.HasPrefix(p.e.Control, "https://") {
		t.Fatalf("endpoints %+v", p.e)
	}
	must(t, "disk", "create", "photos", "--data", data)
	env := []string{"ATOLL_URL=" + p.e.Control, "ATOLL_API_KEY=" + p.e.FirstAPIKey}
	wantExit(t, exitUnreachable, "certificate", env, "disk", "ls")
	wantExit(t, exitUnreachable, "192.0.2.7", env, "disk", "ls", "--ca-cert", cert)
	p.stop()

	writeCert(t, cert, key, net.IPv4(127, 0, 0, 1))
	p = serve(t, data, "--tls-cert", cert, "--tls-key", key)
	env = []string{"ATOLL_URL=" + p.e.Control, "ATOLL_API_KEY=" + mustRead(t, filepath.Join(data, "api.key"))}
	for _, extra := range [][]string{{"ATOLL_CA_CERT=" + cert}, {"SSL_CERT_FILE=" + cert}} {
		if code, _, errOut := cli(t, append(extra, env...), "disk", "ls"); code != 0 {
			t.Errorf("%v: exit %d %s", extra, code, errOut)
		}
	}
	wantExit(t, exitUsage, "ca-cert", env, "disk", "ls", "--ca-cert", "/no/such")
	wantExit(t, exitUsage, "no certificate", env, "disk", "ls", "--ca-cert", key)

	// The pin follows the file, not whatever is shown.
	writeCert(t, other, otherKey, net.IPv4(127, 0, 0, 1))
	endpoint := filepath.Join(data, "endpoint.json")
	text := strings.Replace(mustRead(t, endpoint), cert, other, 1)
	if err := os.WriteFile(endpoint, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	wantExit(t, exitUnreachable, "another certificate", nil, "disk", "ls", "--data", data)
	p.stop()
}

func mustRead(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(b))
}
