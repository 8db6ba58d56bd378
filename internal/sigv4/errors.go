package sigv4

import "net/http"

// Code is an S3 error code, as in the Code element of an S3 error.
type Code string

// The codes that this package's errors have. Names and statuses follow
// https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html.
const (
	CodeAccessDenied          Code = "AccessDenied"
	CodeSignatureDoesNotMatch Code = "SignatureDoesNotMatch"
	CodeRequestTimeTooSkewed  Code = "RequestTimeTooSkewed"
	CodeHeaderMalformed       Code = "AuthorizationHeaderMalformed"
	CodeQueryMalformed        Code = "AuthorizationQueryParametersError"
	CodeInvalidToken          Code = "InvalidToken"
	CodeInvalidArgument       Code = "InvalidArgument"
	CodeInvalidRequest        Code = "InvalidRequest"
	CodeInvalidURI            Code = "InvalidURI"
	CodeIncompleteBody        Code = "IncompleteBody"
	CodeMalformedTrailer      Code = "MalformedTrailerError"
	CodeInvalidChunkSize      Code = "InvalidChunkSizeError"
)

// Error is the error type of this package: an S3 code and a message fit to be
// shown to the client.
type Error struct {
	Code    Code
	Message string
}

func (e *Error) Error() string { return string(e.Code) + ": " + e.Message }

// Status returns the HTTP status of the error's code.
func (e *Error) Status() int {
	switch e.Code {
	case CodeAccessDenied, CodeSignatureDoesNotMatch, CodeRequestTimeTooSkewed, CodeInvalidChunkSize:
		return http.StatusForbidden
	}
	return http.StatusBadRequest
}

// ErrAnonymous is what Parse returns for a request without any signature.
var ErrAnonymous = &Error{CodeAccessDenied, "Access Denied"}

var (
	errMismatch = &Error{CodeSignatureDoesNotMatch, "The request signature we calculated does not match the signature you provided. Check your key and signing method."}
	errSkewed   = &Error{CodeRequestTimeTooSkewed, "The difference between the request time and the server's time is too large."}
	errExpired  = &Error{CodeAccessDenied, "Request has expired"}
	errNotYet   = &Error{CodeAccessDenied, "Request is not valid yet"}
	errToken    = &Error{CodeInvalidToken, "The provided token is malformed or otherwise invalid."}
	errTwoAuths = &Error{CodeInvalidArgument, "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string parameter or the Authorization header should be specified"}
	errOldAuth  = &Error{CodeInvalidRequest, "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256 (aws cli: aws configure set default.s3.signature_version s3v4; boto3: Config(signature_version=\"s3v4\"))."}
	errAuthType = &Error{CodeInvalidArgument, "Unsupported Authorization Type"}
	errURI      = &Error{CodeInvalidURI, "Couldn't parse the specified URI."}
	errNoDate   = &Error{CodeAccessDenied, "AWS authentication requires a valid Date or x-amz-date header"}
	errNoHash   = &Error{CodeInvalidRequest, "Missing required header for this request: x-amz-content-sha256"}
	errHash     = &Error{CodeInvalidArgument, "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER, STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD, STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER or a valid sha256 value."}
)
