package sigv4

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
)

func hexSize(n int) string { return strconv.FormatInt(int64(n), 16) }

// TestChunkedClients decodes what clients write, byte for byte.
func TestChunkedClients(t *testing.T) {
	crc := http.Header{"X-Amz-Checksum-Crc32": {"DUoRhQ=="}}
	for _, tc := range []struct {
		name, body string
		want       string
		trailer    http.Header
	}{
		{"botocore", "b\r\nhello world\r\n0\r\nx-amz-checksum-crc32:DUoRhQ==\r\n\r\n", "hello world", crc},
		{"botocore, empty", "0\r\nx-amz-checksum-crc32:DUoRhQ==\r\n\r\n", "", crc},
		{"minio-go: the trailer ends in LF, then CRLF CRLF", "b\r\nhello world\r\n0\r\nx-amz-checksum-crc32:DUoRhQ==\n\r\n\r\n", "hello world", crc},
		{"aws-sdk-go-v2: several chunks", "5\r\nhello\r\n6\r\n world\r\n0\r\nx-amz-checksum-crc32:DUoRhQ==\r\n\r\n", "hello world", crc},
		{"no trailer", "b\r\nhello world\r\n0\r\n\r\n", "hello world", http.Header{}},
		{"no trailer, no last line", "b\r\nhello world\r\n0\r\n", "hello world", http.Header{}},
		{"trailer without the last line", "b\r\nhello world\r\n0\r\nx-amz-checksum-crc32:DUoRhQ==\r\n", "hello world", crc},
		{"space after the colon, upper case", "B\r\nhello world\r\n000\r\nX-AMZ-Checksum-CRC32: DUoRhQ== \r\n\r\n", "hello world", crc},
		{"two trailers", "1\r\nx\r\n0\r\na:1\r\nb:2\r\na:3\r\n\r\n", "x", http.Header{"A": {"1", "3"}, "B": {"2"}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for name, wrap := range map[string]func(io.Reader) io.Reader{
				"whole": func(r io.Reader) io.Reader { return r }, "bytewise": iotest.OneByteReader, "eof with data": iotest.DataErrReader,
			} {
				c := NewChunkReader(wrap(strings.NewReader(tc.body)), int64(len(tc.want)))
				if c.Trailer() != nil {
					t.Error("a trailer before the end")
				}
				got, err := io.ReadAll(c)
				if err != nil || string(got) != tc.want {
					t.Fatalf("%s: %q, %v", name, got, err)
				}
				if tr := c.Trailer(); len(tr) != len(tc.trailer) {
					t.Errorf("%s: trailer %v", name, tr)
				}
				for k, v := range tc.trailer {
					if strings.Join(c.Trailer()[k], ",") != strings.Join(v, ",") {
						t.Errorf("%s: trailer %v, want %v", name, c.Trailer(), tc.trailer)
					}
				}
			}
		})
	}
	if err := iotest.TestReader(NewChunkReader(strings.NewReader(encodeChunks("hello world", 4, "")), 11), []byte("hello world")); err != nil {
		t.Error(err)
	}
}

func TestChunkedErrors(t *testing.T) {
	long := strings.Repeat("a", maxChunkLine)
	for _, tc := range []struct {
		name, body string
		announced  int64
		want       error
	}{
		{"empty body", "", 0, ErrIncomplete},
		{"cut in a size", "5", 5, ErrIncomplete},
		{"cut in the data", "5\r\nhel", 5, ErrIncomplete},
		{"cut behind the data", "5\r\nhello", 5, ErrIncomplete},
		{"cut in a line end", "5\r\nhello\r", 5, ErrIncomplete},
		{"cut before the last chunk", "5\r\nhello\r\n", 5, ErrIncomplete},
		{"cut in the trailer", "5\r\nhello\r\n0\r\na:1", 5, ErrIncomplete},
		{"less than announced", "5\r\nhello\r\n0\r\n\r\n", 6, ErrIncomplete},
		{"more than announced", "5\r\nhello\r\n0\r\n\r\n", 4, ErrTooLong},
		{"more than announced, in a later chunk", "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", 4, ErrTooLong},
		{"nothing announced", "1\r\nx\r\n0\r\n\r\n", 0, ErrTooLong},
		{"negative length announced", "1\r\nx\r\n0\r\n\r\n", -1, ErrTooLong},
		{"the greatest size", "7fffffffffffffff\r\nx", 5, ErrTooLong},
		{"a size beyond that", "8000000000000000\r\nx", 5, ErrMalformedChunk},
		{"a size that overflows", "10000000000000005\r\nhello\r\n", 5, ErrMalformedChunk},
		{"not chunked at all", "hello world\n", 11, ErrMalformedChunk},
		{"a negative size", "-1\r\n", 5, ErrMalformedChunk},
		{"a signed size", "+5\r\nhello\r\n", 5, ErrMalformedChunk},
		{"hexadecimal prefix", "0x5\r\nhello\r\n", 5, ErrMalformedChunk},
		{"space before the size", " 5\r\nhello\r\n", 5, ErrMalformedChunk},
		{"no size", "\r\nhello", 5, ErrMalformedChunk},
		{"LF alone", "5\nhello\n0\n\n", 5, ErrMalformedChunk},
		{"a chunk signature", "5;chunk-signature=00\r\nhello\r\n", 5, ErrMalformedChunk},
		{"a size line without end", long + long, 5, ErrMalformedChunk},
		{"no line end behind the data", "5\r\nhello0\r\n\r\n", 5, ErrMalformedChunk},
		{"trailer without a colon", "0\r\nabc\r\n\r\n", 0, ErrMalformedTrailer},
		{"trailer without a name", "0\r\n:abc\r\n\r\n", 0, ErrMalformedTrailer},
		{"trailer with a bad name", "0\r\na b:c\r\n\r\n", 0, ErrMalformedTrailer},
		{"a trailer line too long", "0\r\na:" + long + "\r\n\r\n", 0, ErrMalformedTrailer},
		{"too many trailer lines", "0\r\n" + strings.Repeat("a:b\r\n", maxTrailers+1) + "\r\n", 0, ErrMalformedTrailer},
		{"garbage at the end", "0\r\n\r\nx", 0, ErrMalformedTrailer},
		{"line ends without end", "0\r\n" + strings.Repeat("\r\n", 10), 0, ErrMalformedTrailer},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := NewChunkReader(strings.NewReader(tc.body), tc.announced)
			got, err := io.ReadAll(c)
			if err != tc.want {
				t.Errorf("got %q, %v, want %v", got, err, tc.want)
			}
			if int64(len(got)) > max(tc.announced, 0) {
				t.Errorf("%d bytes of %d", len(got), tc.announced)
			}
			if _, again := c.Read(make([]byte, 1)); again != err {
				t.Errorf("then %v", again)
			}
			if c.Trailer() != nil {
				t.Error("a trailer in spite of the error")
			}
		})
	}
}

// TestChunkedBodyError: an error of the connection is not turned into another,
// but an unexpected end is.
func TestChunkedBodyError(t *testing.T) {
	broken := errors.New("connection reset")
	for in, want := range map[error]error{broken: broken, io.ErrUnexpectedEOF: ErrIncomplete} {
		for _, head := range []string{"", "5\r\nhel", "5\r\nhello", "5\r\nhello\r\n0\r\n", "5\r\nhello\r\n0\r\n\r\n"} {
			_, err := io.ReadAll(NewChunkReader(io.MultiReader(strings.NewReader(head), iotest.ErrReader(in)), 5))
			if err != want {
				t.Errorf("%q then %v: got %v", head, in, err)
			}
		}
	}
	c := NewChunkReader(strings.NewReader("0\r\n\r\n"), 0)
	if n, err := c.Read(nil); n != 0 || err != nil {
		t.Errorf("an empty read: %d, %v", n, err)
	}
}

// FuzzChunked: decoding anything never panics and never gives more than was
// announced, and an end without error means that all of it was there; and what
// the encoder makes of anything decodes to the same.
func FuzzChunked(f *testing.F) {
	f.Add([]byte("b\r\nhello world\r\n0\r\nx-amz-checksum-crc32:DUoRhQ==\r\n\r\n"), int64(11), uint8(4))
	f.Add([]byte("0\r\n\r\n"), int64(0), uint8(0))
	f.Add([]byte("fffffffffffffffff\r\n"), int64(-1), uint8(1))
	f.Add([]byte("5\r\nhello0\r\n"), int64(1<<40), uint8(255))
	f.Fuzz(func(t *testing.T, data []byte, announced int64, size uint8) {
		buf := make([]byte, int(size)+1)
		got, err := readBy(NewChunkReader(bytes.NewReader(data), announced), buf)
		if n := int64(len(got)); n > max(announced, 0) || err == nil && n != announced && announced >= 0 {
			t.Fatalf("%d bytes of %d, %v", n, announced, err)
		}
		body := encodeChunks(string(data), int(size)+1, "x-amz-checksum-crc32:AAAAAA==\r\n")
		c := NewChunkReader(strings.NewReader(body), int64(len(data)))
		got, err = readBy(c, buf)
		if err != nil || !bytes.Equal(got, data) || c.Trailer().Get("X-Amz-Checksum-Crc32") != "AAAAAA==" {
			t.Fatalf("decoded %q of %q, %v, %v", got, data, err, c.Trailer())
		}
		// Cut anywhere before the last chunk's line, it never ends well.
		cut := int(uint64(announced) % uint64(len(body)-len("x-amz-checksum-crc32:AAAAAA==\r\n\r\n")))
		if _, err = readBy(NewChunkReader(strings.NewReader(body[:cut]), int64(len(data))), buf); err != ErrIncomplete {
			t.Fatalf("cut at %d of %q: %v", cut, body, err)
		}
	})
}

// readBy reads all of r through buf; its error is nil at io.EOF.
func readBy(r io.Reader, buf []byte) (all []byte, err error) {
	for {
		n, err := r.Read(buf)
		all = append(all, buf[:n]...)
		if err == io.EOF {
			return all, nil
		}
		if err != nil {
			return all, err
		}
	}
}
