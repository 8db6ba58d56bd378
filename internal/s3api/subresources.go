package s3api

import "net/http"

// subresources are the sub-resources of S3 that this door does not serve, with
// what to tell who asks for them. An unknown name gets a general text: it is
// refused all the same.
func subresourceText(name string) string {
	switch name {
	case "uploads", "uploadId", "partNumber":
		return "Multipart uploads are not implemented. Send objects of up to 5 GiB in one PUT: set multipart_threshold " +
			"(aws cli, boto3: 5GB), s3-upload-cutoff (rclone) or the like above the object's size."
	case "acl", "ownershipControls", "publicAccessBlock", "policy", "policyStatus":
		return "Access is by the disk's credentials alone; ACLs and policies are not implemented."
	case "tagging":
		return "Tags are not implemented; user metadata (x-amz-meta-*) is."
	case "versioning", "versions", "versionId":
		return "Object versions are not implemented; a disk's history is its checkpoints and branches."
	case "append":
		return "Appending is not implemented; write the whole object."
	case "accelerate", "analytics", "attributes", "cors", "encryption", "intelligent-tiering", "inventory", "legal-hold",
		"lifecycle", "logging", "metadataConfiguration", "metadataTable", "metrics", "notification", "object-lock",
		"renameObject", "replication", "requestPayment", "restore", "retention", "select", "select-type", "session", "torrent", "website":
		return "The sub-resource " + name + " is not implemented."
	}
	return "The query parameter " + name + " is not known here. It is refused, not ignored, because it may ask for another operation."
}

func unsupported(name string) error {
	return &apiError{Status: http.StatusNotImplemented, Code: "NotImplemented", Message: subresourceText(name)}
}
