package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// pasteSize is above the size from which the aws cli and boto3 cut files into
// parts unless told not to (8 MiB).
const pasteSize = 9 << 20

// TestPastedLines runs what `atoll disk create` prints for people, as it is
// printed, in both profiles of the S3 door: the shell's lines with sh and the
// aws cli, Python's with boto3. Further lines then send a file that these
// clients cut into parts unless the printed settings say otherwise.
func TestPastedLines(t *testing.T) {
	t.Run("contract", func(t *testing.T) { pastedLines(t, startServer(t, options{}), ", Config=one_part") })
	t.Run("extended", func(t *testing.T) {
		pastedLines(t, startServer(t, options{flags: []string{"--s3-profile", "extended"}}), "")
	})
}

func pastedLines(t *testing.T, s *server, config string) {
	t.Run("sh", func(t *testing.T) {
		needProgram(t, "aws")
		shell, _ := s.printedLines(t, "shell")
		dir := pasteDir(t)
		upload := "\naws --endpoint-url " + s.S3 + " s3 cp big.bin \"s3://$BUCKET/big.bin\"\n"
		out := paste(t, dir, "lines.sh", shell.text+"BUCKET="+shell.bucket+upload, "sh")
		if !strings.Contains(out, " hello.txt\n") || !strings.Contains(out, " 6 ") {
			t.Errorf("the printed listing shows no hello.txt of 6 bytes:\n%s", out)
		}
		cat := paste(t, dir, "cat.sh", exportLines(shell.text)+"aws --endpoint-url "+s.S3+" s3 cp s3://"+shell.bucket+"/hello.txt -\n", "sh")
		if cat != "hello\n" {
			t.Errorf("hello.txt holds %q", cat)
		}
		head := paste(t, dir, "head.sh", exportLines(shell.text)+"aws --endpoint-url "+s.S3+" s3 ls s3://"+shell.bucket+"/big.bin\n", "sh")
		if !strings.Contains(head, " 9437184 big.bin\n") {
			t.Errorf("big.bin after s3 cp: %q", head)
		}
	})
	t.Run("python", func(t *testing.T) {
		_, python := s.printedLines(t, "python")
		const more = `
bucket = "BUCKET"
s3.upload_file("big.bin", bucket, "big.bin"CONFIG)
print(s3.head_object(Bucket=bucket, Key="big.bin")["ContentLength"])
import urllib.request
url = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "hello.txt"})
print(urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url).read())
`
		lines := python.text + strings.NewReplacer("BUCKET", python.bucket, "CONFIG", config).Replace(more)
		out := paste(t, pasteDir(t), "lines.py", lines, pythons(t)[0])
		if want := "b'hello'\n9437184\nb'hello'\n"; out != want {
			t.Errorf("the lines print %q, want %q", out, want)
		}
	})
}

// block is lines to paste, and the bucket that they are about.
type block struct{ text, bucket string }

// printedLines makes a disk and takes the two blocks out of what is printed:
// each follows a line that ends in a colon and an empty one, and goes on to
// the next empty line.
func (s *server) printedLines(t testing.TB, name string) (shell, python block) {
	t.Helper()
	out, err := run(t.Context(), []string{"ATOLL_API_KEY=" + s.apiKey}, binary, "disk", "create", name, "--url", s.Control)
	if err != nil {
		t.Fatal(err)
	}
	text := string(out)
	_, rest, found := strings.Cut(text, "  bucket ")
	if !found {
		t.Fatalf("no bucket in:\n%s", text)
	}
	bucket := strings.Fields(rest)[0]
	after := func(heading string) block {
		_, rest, found := strings.Cut(text, "\n"+heading)
		_, rest, end := strings.Cut(rest, ":\n\n")
		if !found || !end {
			t.Fatalf("no lines under %q in:\n%s", heading, text)
		}
		lines, _, _ := strings.Cut(rest, "\n\n")
		return block{strings.TrimSuffix(lines, "\n") + "\n", bucket}
	}
	return after("With the aws cli"), after("With boto3")
}

// exportLines are the exports of the printed lines.
func exportLines(lines string) (exports string) {
	for line := range strings.Lines(lines) {
		if strings.HasPrefix(line, "export ") {
			exports += line
		}
	}
	return exports
}

// pasteDir holds a file of pasteSize, and will hold the client's settings.
func pasteDir(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "big.bin"), make([]byte, pasteSize), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// paste runs lines with an interpreter in dir and returns what they print. The
// first that fails ends a shell's.
func paste(t testing.TB, dir, name, lines, interpreter string) string {
	t.Helper()
	command := []string{interpreter, name}
	if interpreter == "sh" {
		command = []string{"sh", "-e", name}
	}
	if err := os.WriteFile(filepath.Join(dir, name), []byte(lines), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), command[0], command[1:]...)
	cmd.Dir = dir
	cmd.Env = append(cleanEnv(), "AWS_CONFIG_FILE="+filepath.Join(dir, "config"), "AWS_SHARED_CREDENTIALS_FILE="+os.DevNull,
		"AWS_PAGER=", "AWS_MAX_ATTEMPTS=1", "PYTHONDONTWRITEBYTECODE=1")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("the printed lines fail: %v\n%s%s\nin:\n%s", err, out, stderrOf(err), lines)
	}
	return string(out)
}
