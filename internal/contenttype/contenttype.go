package contenttype

import (
	"net/http"
	"strings"
)

// SniffLen is how many of a file's first bytes Sniff looks at.
const SniffLen = 512

// Dir is the Content-Type of directories, as of the marker objects that
// other S3 tools make for them.
const Dir = "application/x-directory"

// ByName returns the Content-Type that the extension of a key or path stands
// for, or "" if it is unknown and the contents have to be looked at.
func ByName(key string) string {
	dot := strings.LastIndexByte(key, '.')
	if dot < 0 || len(key)-dot-1 > maxExtension {
		return ""
	}
	ext := key[dot+1:]
	if t, ok := typeByExtension[ext]; ok {
		return t
	}
	// Lower-case ASCII on the stack.
	var b [maxExtension]byte
	for i := range len(ext) {
		c := ext[i]
		if c == '/' {
			return ""
		}
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		b[i] = c
	}
	return typeByExtension[string(b[:len(ext)])]
}

// Sniff returns the Content-Type that the first bytes of a file show.
func Sniff(p []byte) string {
	return http.DetectContentType(p[:min(len(p), SniffLen)])
}

// maxExtension is the longest extension in the table.
const maxExtension = 11

// typeByExtension is a table of our own, and not package mime's, which reads
// the machine's files: answers must not vary between machines. It is only read.
var typeByExtension = map[string]string{
	"3g2":         "video/3gpp2",
	"3gp":         "video/3gpp",
	"7z":          "application/x-7z-compressed",
	"aac":         "audio/aac",
	"abw":         "application/x-abiword",
	"ai":          "application/postscript",
	"aif":         "audio/x-aiff",
	"aiff":        "audio/x-aiff",
	"apk":         "application/vnd.android.package-archive",
	"apng":        "image/apng",
	"arrow":       "application/vnd.apache.arrow.file",
	"atom":        "application/atom+xml",
	"avi":         "video/x-msvideo",
	"avif":        "image/avif",
	"avro":        "application/avro",
	"azw":         "application/vnd.amazon.ebook",
	"bat":         "text/plain; charset=utf-8",
	"bin":         "application/octet-stream",
	"bmp":         "image/bmp",
	"br":          "application/x-brotli",
	"bz":          "application/x-bzip",
	"bz2":         "application/x-bzip2",
	"c":           "text/plain; charset=utf-8",
	"cab":         "application/vnd.ms-cab-compressed",
	"cc":          "text/plain; charset=utf-8",
	"cfg":         "text/plain; charset=utf-8",
	"cjs":         "text/javascript; charset=utf-8",
	"conf":        "text/plain; charset=utf-8",
	"cpp":         "text/plain; charset=utf-8",
	"crt":         "application/x-x509-ca-cert",
	"csh":         "application/x-csh",
	"css":         "text/css; charset=utf-8",
	"csv":         "text/csv; charset=utf-8",
	"cur":         "image/x-icon",
	"deb":         "application/vnd.debian.binary-package",
	"der":         "application/x-x509-ca-cert",
	"diff":        "text/x-diff; charset=utf-8",
	"dmg":         "application/x-apple-diskimage",
	"doc":         "application/msword",
	"docm":        "application/vnd.ms-word.document.macroenabled.12",
	"docx":        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
	"dot":         "application/msword",
	"dvi":         "application/x-dvi",
	"eml":         "message/rfc822",
	"eot":         "application/vnd.ms-fontobject",
	"eps":         "application/postscript",
	"epub":        "application/epub+zip",
	"exe":         "application/vnd.microsoft.portable-executable",
	"flac":        "audio/flac",
	"flv":         "video/x-flv",
	"geojson":     "application/geo+json",
	"gif":         "image/gif",
	"glb":         "model/gltf-binary",
	"gltf":        "model/gltf+json",
	"go":          "text/plain; charset=utf-8",
	"gpx":         "application/gpx+xml",
	"gz":          "application/gzip",
	"h":           "text/plain; charset=utf-8",
	"heic":        "image/heic",
	"heif":        "image/heif",
	"hpp":         "text/plain; charset=utf-8",
	"htm":         "text/html; charset=utf-8",
	"html":        "text/html; charset=utf-8",
	"ico":         "image/x-icon",
	"ics":         "text/calendar; charset=utf-8",
	"ini":         "text/plain; charset=utf-8",
	"ipynb":       "application/x-ipynb+json",
	"iso":         "application/x-iso9660-image",
	"jar":         "application/java-archive",
	"java":        "text/plain; charset=utf-8",
	"jfif":        "image/jpeg",
	"jpeg":        "image/jpeg",
	"jpg":         "image/jpeg",
	"js":          "text/javascript; charset=utf-8",
	"json":        "application/json",
	"jsonl":       "application/jsonl",
	"jsonld":      "application/ld+json",
	"jxl":         "image/jxl",
	"key":         "application/vnd.apple.keynote",
	"kml":         "application/vnd.google-earth.kml+xml",
	"kmz":         "application/vnd.google-earth.kmz",
	"less":        "text/css; charset=utf-8",
	"log":         "text/plain; charset=utf-8",
	"lz4":         "application/x-lz4",
	"m2ts":        "video/mp2t",
	"m3u8":        "application/vnd.apple.mpegurl",
	"m4a":         "audio/mp4",
	"m4v":         "video/x-m4v",
	"map":         "application/json",
	"markdown":    "text/markdown; charset=utf-8",
	"md":          "text/markdown; charset=utf-8",
	"mid":         "audio/midi",
	"midi":        "audio/midi",
	"mjs":         "text/javascript; charset=utf-8",
	"mkv":         "video/x-matroska",
	"mov":         "video/quicktime",
	"mp3":         "audio/mpeg",
	"mp4":         "video/mp4",
	"mpd":         "application/dash+xml",
	"mpeg":        "video/mpeg",
	"mpg":         "video/mpeg",
	"mpkg":        "application/vnd.apple.installer+xml",
	"msi":         "application/x-msi",
	"ndjson":      "application/x-ndjson",
	"npy":         "application/x-npy",
	"npz":         "application/zip",
	"odp":         "application/vnd.oasis.opendocument.presentation",
	"ods":         "application/vnd.oasis.opendocument.spreadsheet",
	"odt":         "application/vnd.oasis.opendocument.text",
	"oga":         "audio/ogg",
	"ogg":         "audio/ogg",
	"ogv":         "video/ogg",
	"ogx":         "application/ogg",
	"onnx":        "application/onnx",
	"opus":        "audio/ogg",
	"orc":         "application/x-orc",
	"otf":         "font/otf",
	"p12":         "application/x-pkcs12",
	"parquet":     "application/vnd.apache.parquet",
	"patch":       "text/x-diff; charset=utf-8",
	"pdf":         "application/pdf",
	"pem":         "application/x-pem-file",
	"php":         "application/x-httpd-php",
	"pkl":         "application/octet-stream",
	"pl":          "text/plain; charset=utf-8",
	"png":         "image/png",
	"pot":         "application/vnd.ms-powerpoint",
	"pps":         "application/vnd.ms-powerpoint",
	"ppt":         "application/vnd.ms-powerpoint",
	"pptx":        "application/vnd.openxmlformats-officedocument.presentationml.presentation",
	"properties":  "text/plain; charset=utf-8",
	"proto":       "text/plain; charset=utf-8",
	"ps":          "application/postscript",
	"psd":         "image/vnd.adobe.photoshop",
	"py":          "text/x-python; charset=utf-8",
	"qt":          "video/quicktime",
	"rar":         "application/vnd.rar",
	"rb":          "text/plain; charset=utf-8",
	"rpm":         "application/x-rpm",
	"rs":          "text/plain; charset=utf-8",
	"rss":         "application/rss+xml",
	"rst":         "text/x-rst; charset=utf-8",
	"rtf":         "application/rtf",
	"scss":        "text/x-scss; charset=utf-8",
	"sh":          "application/x-sh",
	"shtml":       "text/html; charset=utf-8",
	"snappy":      "application/x-snappy-framed",
	"sql":         "application/sql",
	"sqlite":      "application/vnd.sqlite3",
	"srt":         "application/x-subrip",
	"svg":         "image/svg+xml",
	"svgz":        "image/svg+xml",
	"swf":         "application/x-shockwave-flash",
	"tar":         "application/x-tar",
	"tex":         "application/x-tex",
	"text":        "text/plain; charset=utf-8",
	"tgz":         "application/gzip",
	"tif":         "image/tiff",
	"tiff":        "image/tiff",
	"toml":        "application/toml",
	"torrent":     "application/x-bittorrent",
	"ts":          "video/mp2t",
	"tsv":         "text/tab-separated-values; charset=utf-8",
	"tsx":         "text/plain; charset=utf-8",
	"ttf":         "font/ttf",
	"txt":         "text/plain; charset=utf-8",
	"usdz":        "model/vnd.usdz+zip",
	"vcf":         "text/vcard; charset=utf-8",
	"vsd":         "application/vnd.visio",
	"vtt":         "text/vtt; charset=utf-8",
	"war":         "application/java-archive",
	"wasm":        "application/wasm",
	"wav":         "audio/wav",
	"weba":        "audio/webm",
	"webm":        "video/webm",
	"webmanifest": "application/manifest+json",
	"webp":        "image/webp",
	"wma":         "audio/x-ms-wma",
	"wmv":         "video/x-ms-wmv",
	"woff":        "font/woff",
	"woff2":       "font/woff2",
	"xht":         "application/xhtml+xml",
	"xhtml":       "application/xhtml+xml",
	"xls":         "application/vnd.ms-excel",
	"xlsm":        "application/vnd.ms-excel.sheet.macroenabled.12",
	"xlsx":        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
	"xml":         "text/xml; charset=utf-8",
	"xsl":         "application/xslt+xml",
	"xslt":        "application/xslt+xml",
	"xul":         "application/vnd.mozilla.xul+xml",
	"xz":          "application/x-xz",
	"yaml":        "application/yaml",
	"yml":         "application/yaml",
	"z":           "application/x-compress",
	"zip":         "application/zip",
	"zst":         "application/zstd",
}
