package s3api

import (
	"crypto/md5"
	"crypto/sha256"
	"crypto/subtle"
	"hash"
	"io"
	"net/http"
	"strings"

	"atoll/internal/byterange"
	"atoll/internal/contenttype"
	"atoll/internal/sigv4"
)

// maxObject is the largest body of one PUT, in bytes.
const maxObject = 5 << 30

var (
	errTooLarge = &apiError{Status: 400, Code: "EntityTooLarge",
		Message: "Your proposed upload exceeds the maximum allowed size of 5368709120 bytes."}
	errSHA256 = &apiError{Status: 400, Code: "XAmzContentSHA256Mismatch",
		Message: "The provided 'x-amz-content-sha256' header does not match what was computed."}
)

// body is a request's body on its way in: what was said of it before, and what
// it turned out to be.
type body struct {
	q       *request
	src     io.Reader
	chunks  *sigv4.ChunkReader // src, if it is aws-chunked
	size    int64              // decoded bytes
	sum     checksum
	wantMD5 []byte // Content-MD5; nil: not given

	small *buffer // the whole body, once read, if it is a small one

	// Set by receive.
	md5   [md5.Size]byte
	value []byte // checksum of sum.alg, raw
	first []byte // copy of the first bytes, if keepFirst
	// keepFirst makes receive keep what sniffing looks at.
	keepFirst bool
}

// openBody checks everything that the headers say of the body, and reads
// nothing of it. limit is the largest size, in bytes.
func (q *request) openBody(b *body, limit int64, tooLarge error) (err error) {
	streaming := q.chunked()
	*b = body{q: q, src: q.r.Body, size: q.r.ContentLength}
	if streaming {
		if b.size, err = decodedLength(q.r.Header); err != nil {
			return err
		}
	}
	switch {
	case b.size < 0 || !streaming && (len(q.r.TransferEncoding) > 0 || q.noLength()):
		return errNoLength
	case b.size > limit:
		return tooLarge
	}
	if b.wantMD5, err = q.contentMD5(); err != nil {
		return err
	}
	if q.op != OpCreateMultipartUpload && q.op != OpCompleteMultipartUpload { // they speak of the object's checksum
		if b.sum, err = q.requestChecksum(q.payload.Kind == sigv4.PayloadUnsignedTrailer || q.payload.Trailer); err != nil {
			return err
		}
	}
	switch {
	case q.payload.Kind == sigv4.PayloadStreamingSigned:
		b.chunks = q.h.verifier.NewChunkReader(q.r.Body, q.auth, q.cred.Secret, b.size, q.payload.Trailer)
		b.src = b.chunks
	case streaming:
		b.chunks = sigv4.NewChunkReader(q.r.Body, b.size)
		b.src = b.chunks
	}
	return q.takeMemory(b.memory())
}

// chunked tells whether the body is aws-chunked.
func (q *request) chunked() bool {
	return q.payload.Kind == sigv4.PayloadUnsignedTrailer || q.payload.Kind == sigv4.PayloadStreamingSigned
}

// takesSignedChunks tells whether the signatures of a body's chunks can be
// checked here: they follow the one of an Authorization header.
func (q *request) takesSignedChunks() bool {
	return q.extended && q.payload.HMAC && q.auth != nil && !q.auth.Presigned
}

// noLength tells whether a request says nothing of its body. To HTTP/1 it has
// none then, but a client that forgot the header sends one all the same, and
// must not be told that its bytes are stored. (In HTTP/2 frames say it.)
func (q *request) noLength() bool {
	return q.r.ContentLength == 0 && q.r.ProtoMajor == 1 && q.r.Header["Content-Length"] == nil
}

// decodedLength reads x-amz-decoded-content-length; -1 if it is missing.
func decodedLength(h http.Header) (int64, error) {
	v := h["X-Amz-Decoded-Content-Length"]
	if len(v) == 0 {
		return -1, nil
	}
	n, ok := byterange.Digits(strings.TrimSpace(v[0]))
	if !ok || len(v) > 1 {
		return 0, badArgument("x-amz-decoded-content-length must be the decoded body's length in bytes.")
	}
	return n, nil
}

// memory is what the body takes from the memory budget, in bytes.
func (b *body) memory() int64 {
	if b.size <= smallBody {
		return int64(bufferSizes[classOf(b.size)])
	}
	return min(pipelineBlocks, (b.size+blockBytes-1)/blockBytes) * blockBytes
}

// readSmall reads the whole of a small body into a pooled buffer, and does
// nothing with a large one.
func (b *body) readSmall() error {
	if b.size > smallBody || b.small != nil {
		return nil
	}
	b.small = b.q.h.buffers.get(classOf(b.size))
	if err := b.fill(b.small.b[:b.size]); err != nil {
		return err
	}
	return b.end()
}

// close gives the buffer back.
func (b *body) close() {
	if b.small != nil {
		b.q.h.buffers.put(b.small)
		b.small = nil
	}
}

// fill reads exactly len(p) bytes.
func (b *body) fill(p []byte) error {
	b.q.reading = true
	n, err := io.ReadFull(b.src, p)
	b.q.in += int64(n)
	if err != nil {
		return &bodyError{err}
	}
	return nil
}

// end reads the end of an aws-chunked body, its trailer included. A plain body
// has ended with its last byte.
func (b *body) end() error {
	if b.chunks == nil {
		return nil
	}
	b.q.reading = true
	var one [1]byte
	if _, err := b.chunks.Read(one[:]); err != io.EOF {
		if err == nil {
			err = sigv4.ErrTooLong
		}
		return &bodyError{err}
	}
	for name := range b.chunks.Trailer() {
		// A checksum that was not announced can't be verified any more.
		if strings.HasPrefix(name, checksumPrefix) && !(b.sum.trailer && name == sums[b.sum.alg].header) {
			return &bodyError{sigv4.ErrMalformedTrailer}
		}
	}
	if !b.sum.trailer {
		return nil
	}
	v := b.chunks.Trailer()[sums[b.sum.alg].header]
	if len(v) != 1 {
		return &bodyError{sigv4.ErrMalformedTrailer}
	}
	var err error
	b.sum.want, err = decodeSum(b.sum.alg, v[0])
	return err
}

// receive takes the body to sink (nil: nowhere) while it is hashed, and checks
// all that was said of it. An error of the sink comes back as it is.
func (b *body) receive(sink io.Writer) error {
	if b.size > smallBody {
		return b.receiveLarge(sink)
	}
	if err := b.readSmall(); err != nil {
		return err
	}
	p := b.small.b[:b.size]
	b.look(p)
	b.md5 = md5.Sum(p)
	if b.sum.alg != sumNone {
		h := sums[b.sum.alg].make()
		h.Write(p)
		b.value = h.Sum(nil)
	}
	if b.q.payload.Kind == sigv4.PayloadSHA256 {
		sum := sha256.Sum256(p)
		if subtle.ConstantTimeCompare(sum[:], b.q.payload.SHA256[:]) != 1 {
			return errSHA256
		}
	}
	if err := b.check(); err != nil {
		return err
	}
	if sink == nil || len(p) == 0 {
		return nil
	}
	_, err := sink.Write(p)
	return err
}

// look keeps the first bytes for sniffing.
func (b *body) look(p []byte) {
	if b.keepFirst {
		b.first = append([]byte(nil), p[:min(len(p), contenttype.SniffLen)]...)
	}
}

// check compares the digests with those that were announced.
func (b *body) check() error {
	if b.sum.want != nil && string(b.sum.want) != string(b.value) {
		return badDigest(strings.TrimPrefix(strings.ToLower(sums[b.sum.alg].header), "x-amz-checksum-"))
	}
	if b.wantMD5 != nil && string(b.wantMD5) != string(b.md5[:]) {
		return badDigest("Content-MD5")
	}
	return nil
}

// receiveLarge is receive for a body of any size in bounded memory: while this
// goroutine reads and writes, others hash.
func (b *body) receiveLarge(sink io.Writer) error {
	signed := b.q.payload.Kind == sigv4.PayloadSHA256
	sumMD5, sumSHA := md5.New(), hash.Hash(nil)
	slow := []hash.Hash{sumMD5}
	if signed || b.sum.alg == sumSHA256 {
		sumSHA = sha256.New()
		slow = append(slow, sumSHA)
	}
	var quick, sum hash.Hash // quick is cheap enough to be computed here
	switch b.sum.alg {
	case sumNone:
	case sumSHA256:
		sum = sumSHA
	case sumSHA1:
		sum = sums[sumSHA1].make()
		slow = append(slow, sum)
	default:
		quick = sums[b.sum.alg].make()
		sum = quick
	}
	p := newPipeline(&b.q.h.buffers, slow)
	err := b.pump(p, quick, sink)
	p.close()
	if err != nil {
		return err
	}
	sumMD5.Sum(b.md5[:0])
	if signed && subtle.ConstantTimeCompare(sumSHA.Sum(nil), b.q.payload.SHA256[:]) != 1 {
		return errSHA256
	}
	if sum != nil {
		b.value = sum.Sum(nil)
	}
	return b.check()
}

// pump moves the body block by block.
func (b *body) pump(p *pipeline, quick hash.Hash, sink io.Writer) error {
	for left := b.size; left > 0; {
		blk := p.next()
		data := blk.buf.b[:min(left, blockBytes)]
		for rest := data; len(rest) > 0; {
			n := min(len(rest), smallBody) // what has to arrive before the client counts as stalled
			b.q.extendRead()
			if err := b.fill(rest[:n]); err != nil {
				return err
			}
			rest = rest[n:]
		}
		if left == b.size {
			b.look(data)
		}
		left -= int64(len(data))
		p.hash(blk, len(data))
		if quick != nil {
			quick.Write(data)
		}
		if sink != nil {
			if _, err := sink.Write(data); err != nil {
				return err
			}
		}
		p.release(blk)
	}
	return b.end()
}
