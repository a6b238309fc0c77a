package registry

import "thresher/plugins/sandbox"

// Codes are all the codes that an upload can be refused with, before its verification or
// by it. A fault of the server's, such as a full disk, has those of any other request.
func Codes() []string {
	return append(sandbox.Codes(), "verification_failed", "version_taken", "registry_full", "too_many_uploads", "too_large",
		"signature_missing", "signature_wrong", "signature_key_unknown", "signature_key_revoked")
}
